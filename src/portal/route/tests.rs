//! The flows as a browser without scripts goes through them, and what attackers try instead.

use std::time::Duration;

use http::header::{LOCATION, SET_COOKIE};
use http::{Request, StatusCode};
use http_body_util::BodyExt;

use super::*;
use crate::auth::password;
use crate::auth::token::Token;
use crate::auth::totp;
use crate::base::clock::Timestamp;
use crate::base::entropy::Entropy;
use crate::base::id::Id;
use crate::base::secret::Secret;
use crate::model::credential::{Totp, TotpRecipe};
use crate::model::session::Ended;
use crate::model::strength::Strength;
use crate::portal::hashing::Hasher;
use crate::portal::kit::{Answer, Browser, HOST, HOUR, PASSWORD, Site, plan};
use crate::store::audit::Wanted;
use crate::wire::cookie;

#[tokio::test]
async fn a_set_up_link_leads_all_the_way_in() {
    let site = Site::new();
    let link = site.link(&site.user("alice").await).await;
    let mut browser = Browser::new();

    let page = browser.get(&site, &link).await;
    assert!(page.text.contains("Step 1 of 3") && page.text.contains("alice"), "{}", page.text);
    let weak = browser.post(&site, &link, &page.filled(&[("password", "alice")])).await;
    assert_eq!((weak.status, weak.alert().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "Use at least 12 characters."));
    assert!(weak.text.contains("<title>Error: Choose a password") && !weak.text.contains("value=\"alice\"  autofocus"));
    let next = browser.post(&site, &link, &weak.filled(&[("password", PASSWORD)])).await;

    let page = browser.get(&site, &next.location()).await;
    assert!(page.text.contains("Step 2 of 3") && page.text.contains("<svg class=\"qr\""), "{}", page.text);
    assert!(!page.text.contains("style="), "no inline styles under our content policy");
    let wrong = browser.post(&site, &next.location(), &page.filled(&[("code", "000000x")])).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let code = totp::code_at(&shown_authenticator(&page), site.clock.now());
    let spaced = format!(" {} {} ", &code[..3], &code[3..]);
    let sheet = browser.post(&site, &next.location(), &page.filled(&[("code", &spaced)])).await;
    assert!(sheet.text.contains("Step 3 of 3") && sheet.codes().len() == 10, "{}", sheet.text);
    assert_eq!(browser.get(&site, "/.doorward/session").await.status, StatusCode::UNAUTHORIZED, "not in before they are saved");
    let done = browser.saved(&site, &next.location(), &sheet).await;

    let on = browser.get(&site, &done.location()).await;
    assert_eq!(on.leads_to(), "/");
    let session: serde_json::Value = serde_json::from_str(&browser.get(&site, "/.doorward/session").await.text).expect("JSON");
    assert_eq!(session["user"], "alice");
    assert_eq!(session["expires_at"], "2027-01-15T20:00:00Z");
    let again = Browser::new().get(&site, &link).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND, "the link is used up");
}

#[tokio::test]
async fn the_owner_of_a_new_installation_chooses_a_name() {
    let site = Site::new();
    let link = site.link(&site.user("owner").await).await;
    let mut browser = Browser::new();
    let page = browser.get(&site, &link).await;
    assert!(!page.text.contains("readonly"));
    for (name, alert) in [("a b", "Choose another name"), ("", "Choose another name")] {
        let refused = browser.post(&site, &link, &page.filled(&[("username", name), ("password", PASSWORD)])).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.alert().starts_with(alert), "{}", refused.alert());
    }
    let next = browser.post(&site, &link, &page.filled(&[("username", "Carol"), ("password", PASSWORD)])).await;
    let page = browser.get(&site, &next.location()).await;
    let code = totp::code_at(&shown_authenticator(&page), site.clock.now());
    let sheet = browser.post(&site, &next.location(), &page.filled(&[("code", &code)])).await;
    browser.saved(&site, &next.location(), &sheet).await;
    let session: serde_json::Value = serde_json::from_str(&browser.get(&site, "/.doorward/session").await.text).expect("JSON");
    assert_eq!(session["user"], "carol");
}

/// The attack: somebody who was invited takes a name that `allow` lets in, of an account that is still to be made or was deleted.
#[tokio::test]
async fn who_is_invited_has_the_name_they_were_invited_by() {
    for (others, invited) in [(&["owner"][..], "carol"), (&[], "carol"), (&["bob"], "owner")] {
        let site = Site::new();
        for other in others {
            site.user(other).await;
        }
        let link = site.link(&site.user(invited).await).await;
        let mut browser = Browser::new();
        let page = browser.get(&site, &link).await;
        assert!(page.text.contains("readonly"), "{invited}");
        let next = browser.post(&site, &link, &page.filled(&[("username", "mallory"), ("password", PASSWORD)])).await;
        let page = browser.get(&site, &next.location()).await;
        let code = totp::code_at(&shown_authenticator(&page), site.clock.now());
        let sheet = browser.post(&site, &next.location(), &page.filled(&[("code", &code)])).await;
        browser.saved(&site, &next.location(), &sheet).await;
        let session: serde_json::Value =
            serde_json::from_str(&browser.get(&site, "/.doorward/session").await.text).expect("JSON");
        assert_eq!(session["user"], invited);
    }
}

/// The attack: a link meant to help somebody back in is used to take over another name.
#[tokio::test]
async fn an_account_that_was_set_up_keeps_its_name() {
    let site = Site::new();
    let user = site.user("alice").await;
    site.portal
        .store
        .provision(user.id, Some(password::hash(&Secret::new(PASSWORD.to_owned()), [1; 16])), None)
        .await
        .expect("stored");
    let link = site.link(&user).await;
    let mut browser = Browser::new();
    let page = browser.get(&site, &link).await;
    assert!(page.text.contains("readonly"));
    browser.post(&site, &link, &page.filled(&[("username", "mallory"), ("password", PASSWORD)])).await;
    assert!(site.portal.store.user(&"mallory".parse().expect("a name")).await.expect("stored").is_none());
}

/// The authenticator as a phone reads it from the key on the page.
fn shown_authenticator(page: &Answer) -> Totp {
    let key = regex::Regex::new(r#"<p class="key"><code>([^<]*)</code>"#).expect("a pattern");
    let key = key.captures(&page.text).expect("a key")[1].to_owned();
    let seed = totp::parse_seed(&key).expect("a seed");
    Totp { id: Id::draw(Entropy), recipe: TotpRecipe::default(), seed, last_step: 0, created_at: Timestamp::default() }
}

/// The attack: a mail scanner or link preview opens the link before its owner does.
#[tokio::test]
async fn looking_at_a_link_uses_nothing_up_and_changes_nothing() {
    let site = Site::new();
    let link = site.link(&site.user("alice").await).await;
    let mut browser = Browser::new();
    let page = browser.get(&site, &link).await;
    let second = browser.post(&site, &link, &page.filled(&[("password", PASSWORD)])).await.location();
    let first_key = shown_authenticator(&browser.get(&site, &second).await).seed.expose().clone();
    for _ in 0..3 {
        assert_eq!(Browser::at("198.51.100.1").get(&site, &link).await.status, StatusCode::OK);
        assert_eq!(shown_authenticator(&browser.get(&site, &second).await).seed.expose(), &first_key, "the same code");
    }
    let back = browser.get(&site, &format!("{link}?step=1")).await;
    assert!(back.text.contains("Step 1 of 3") && back.text.contains("?step=2"));
    let again = browser.post(&site, &link, &back.filled(&[("password", "another violet otter 9")])).await;
    let page = browser.get(&site, &again.location()).await;
    assert_eq!(shown_authenticator(&page).seed.expose(), &first_key, "what was scanned stays valid");
}

#[tokio::test]
async fn without_a_valid_link_the_path_is_the_same_plain_404_as_any_other() {
    let site = Site::new();
    let user = site.user("alice").await;
    let dead = site.link(&user).await;
    let link = site.link(&user).await;
    let mut browser = Browser::new();
    let unknown = browser.get(&site, "/.doorward/nothing").await;
    let random = format!("/.doorward/setup/{}", Token::draw(Entropy).to_text().expose());
    for path in ["/.doorward/setup/", "/.doorward/setup/x", &random, &dead] {
        let answer = browser.get(&site, path).await;
        assert_eq!((answer.status, &answer.text), (StatusCode::NOT_FOUND, &unknown.text), "{path}");
        assert_eq!(answer.headers, unknown.headers, "{path}");
        assert_eq!(browser.post(&site, path, &[]).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(browser.get(&site, "/.doorward/setup").await.status, StatusCode::NOT_FOUND);
    site.clock.advance(24 * HOUR);
    assert_eq!(browser.get(&site, &link).await.status, StatusCode::NOT_FOUND, "too old");
}

/// The attack: the link's token leaks through the Referer to the app, whose pages may send it on.
#[tokio::test]
async fn set_up_pages_keep_their_address_to_themselves() {
    let site = Site::new();
    let link = site.link(&site.user("alice").await).await;
    assert_eq!(Browser::new().get(&site, &link).await.headers["referrer-policy"], "strict-origin");
}

#[tokio::test]
async fn password_and_code_lead_to_where_the_visitor_wanted() {
    let site = Site::new();
    let totp = site.ready("alice").await;
    let mut browser = Browser::new();
    let page = browser.get(&site, &site.way_to("/documents?page=2&q=a")).await;
    assert!(page.text.contains("<strong>Paperless</strong>") && page.text.contains(HOST));
    assert!(page.text.contains("Keep me signed in on this device for 30 days"));
    let typed = [("name", " ALICE "), ("password", PASSWORD)];
    let next = browser.post(&site, "/.doorward/login", &page.filled(&typed)).await;
    assert!(!browser.cookies.contains_key(cookie::SESSION), "nothing is open after the first step");
    let page = browser.get(&site, &next.location()).await;
    assert!(page.text.contains("<strong>alice</strong>") && page.text.contains("autocomplete=\"one-time-code\""));
    let code = totp::code_at(&totp, site.clock.now());
    let next = browser.post(&site, "/.doorward/login/code", &page.filled(&[("code", &code)])).await;
    let session = next.headers.get_all(SET_COOKIE).iter().find(|line| line.as_bytes().starts_with(b"__Host-doorward="));
    assert!(!session.expect("a session").to_str().expect("ASCII").contains("Max-Age"), "ends with the browser");
    assert_eq!(browser.get(&site, &next.location()).await.leads_to(), "/documents?page=2&q=a");

    let signed_in = browser.get(&site, &site.way_to("/x")).await;
    assert_eq!(signed_in.location(), "/x", "no second form for the signed in");
    assert!(browser.get(&site, "/.doorward/").await.text.contains("Open Paperless"));
}

#[tokio::test]
async fn keep_me_signed_in_outlives_the_browser_and_idling() {
    let site = Site::new();
    let totp = site.ready("alice").await;
    let mut browser = Browser::new();
    let page = browser.get(&site, "/.doorward/login").await;
    let typed = [("name", "alice"), ("password", PASSWORD), ("remember", "1")];
    let next = browser.post(&site, "/.doorward/login", &page.filled(&typed)).await;
    let page = browser.get(&site, &next.location()).await;
    let code = totp::code_at(&totp, site.clock.now());
    let next = browser.post(&site, "/.doorward/login/code", &page.filled(&[("code", &code)])).await;
    assert!(next.headers.get_all(SET_COOKIE).iter().any(|line| line.to_str().expect("ASCII").ends_with("Max-Age=2592000")));
    site.clock.advance(700 * HOUR);
    assert_eq!(browser.get(&site, "/.doorward/session").await.status, StatusCode::OK);
    site.clock.advance(20 * HOUR);
    assert_eq!(browser.get(&site, "/.doorward/session").await.status, StatusCode::UNAUTHORIZED);
}

/// The attack: telling from the answer, or from the work done for it, which names have an account.
#[tokio::test]
async fn unknown_names_cost_and_say_the_same_as_wrong_passwords() {
    let site = Site::new();
    site.ready("alice").await;
    site.user("bob-without-password").await;
    site.ready("carol").await;
    assert!(site.portal.store.set_disabled(&"carol".parse().expect("a name"), true).await.expect("done"));
    let mut answers = vec![];
    let values = regex::Regex::new(r#"(value|data-options)="[^"]*""#).expect("a pattern");
    let long = "x".repeat(300);
    let names = [
        ("alice", "wrong password 1"),
        ("nobody", "wrong password 1"),
        ("bob-without-password", "wrong password 1"),
        ("carol", PASSWORD),
        ("no name at all", "wrong password 1"),
        (&long, "wrong password 1"),
    ];
    for (name, password) in names {
        let mut browser = Browser::new();
        let page = browser.get(&site, "/.doorward/login").await;
        let before = site.portal.hasher.runs();
        let answer = browser.post(&site, "/.doorward/login", &page.filled(&[("name", name), ("password", password)])).await;
        assert_eq!(site.portal.hasher.runs() - before, 1, "{name}: one run of the hash");
        assert_eq!(answer.alert(), "That name and password don't match.", "{name}");
        assert!(!answer.text.contains(password), "the password is never sent back");
        let same = values.replace_all(&answer.text, "").into_owned();
        answers.push((answer.status, same, answer.headers));
    }
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
    }
}

/// The attack: guessing a password as fast as the line allows, for an account or for a name that has none.
#[tokio::test]
async fn tries_at_one_name_are_slowed_whether_it_exists_or_not() {
    let site = Site::new();
    site.ready("alice").await;
    for (name, client) in [("alice", "192.0.2.1"), ("nobody", "192.0.2.2")] {
        let mut statuses = vec![];
        for _ in 1..=7 {
            let mut browser = Browser::at(client);
            let page = browser.get(&site, "/.doorward/login").await;
            let typed = [("name", name), ("password", "wrong password 1")];
            let answer = browser.post(&site, "/.doorward/login", &page.filled(&typed)).await;
            if answer.status == StatusCode::TOO_MANY_REQUESTS {
                assert_eq!(answer.alert(), "Too many tries. Try again in 2 seconds.");
                assert_eq!(answer.headers["retry-after"], "2");
                assert!(answer.text.contains(&format!("value=\"{name}\"")), "the form stays usable");
            }
            statuses.push(answer.status.as_u16());
        }
        assert!(statuses.starts_with(&[422, 422, 422, 422, 422]) && statuses.ends_with(&[429]), "{name}: {statuses:?}");
    }
}

/// The attack: one network tries many names once each.
#[tokio::test]
async fn one_network_gets_a_budget_over_all_names() {
    let site = Site::new();
    let mut browser = Browser::new();
    let mut last = StatusCode::OK;
    for number in 0..11 {
        let page = browser.get(&site, "/.doorward/login").await;
        let typed = [("name", &*format!("user{number}")), ("password", "wrong password 1")];
        last = browser.post(&site, "/.doorward/login", &page.filled(&typed)).await.status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(site.portal.hasher.runs(), 10);
}

/// The attack: another site, a script, or a forged form signs the visitor in as somebody else, or out.
#[tokio::test]
async fn forms_count_only_from_our_own_page_in_the_same_browser() {
    let site = Site::new();
    site.ready("alice").await;
    let typed = [("name", "alice"), ("password", PASSWORD)];
    let mut browser = Browser::new();
    let page = browser.get(&site, &site.way_to("/kept")).await;
    let form = page.filled(&typed);
    let visitor = browser.cookies.clone();
    let foreign: [(&str, Option<&str>); 8] = [
        ("sec-fetch-site", Some("cross-site")),
        ("sec-fetch-site", Some("same-site")),
        ("sec-fetch-site", Some("none")),
        ("origin", Some("https://evil.example")),
        ("origin", Some("null")),
        ("origin", Some("https://paperless.example.com.evil.example")),
        ("origin", Some("https://paperless.example.com:8443")),
        ("origin", Some("http://paperless.example.com")),
    ];
    for (name, value) in foreign {
        let mut browser = Browser::new();
        browser.cookies = visitor.clone();
        browser.set(name, value);
        let answer = browser.post(&site, "/.doorward/login", &form).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name} {value:?}");
        assert!(answer.text.contains("another site"), "{}", answer.text);
    }
    assert_eq!(site.portal.hasher.runs(), 0, "nothing was tried");

    let mut stranger = Browser::at("198.51.100.7");
    stranger.get(&site, "/.doorward/login").await;
    let answer = stranger.post(&site, "/.doorward/login", &form).await;
    assert_eq!((answer.status, answer.alert().as_str()), (StatusCode::FORBIDDEN, "That page was open too long. Sign in again."));
    let mut refusing = Browser::new();
    let answer = refusing.post(&site, "/.doorward/login", &form).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.alert().contains("Allow cookies for paperless.example.com"), "{}", answer.alert());

    let mut old = Browser::new();
    old.cookies = visitor.clone();
    old.set("sec-fetch-site", None);
    old.set("origin", Some("https://paperless.example.com"));
    assert_eq!(old.post(&site, "/.doorward/login", &form).await.status, StatusCode::SEE_OTHER, "an older browser");
}

#[tokio::test]
async fn a_form_left_open_is_usable_again_and_keeps_the_target() {
    let site = Site::new();
    let totp = site.ready("alice").await;
    let mut browser = Browser::new();
    let page = browser.get(&site, &site.way_to("/kept")).await;
    site.clock.advance(Duration::from_secs(3_000));
    let typed = [("name", "alice"), ("password", PASSWORD)];
    let mut stale = page.filled(&typed);
    stale[0].1 = "x".into();
    let page = browser.post(&site, "/.doorward/login", &stale).await;
    assert!(page.text.contains("value=\"alice\"") && !page.text.contains(PASSWORD));
    site.clock.advance(Duration::from_secs(3_000));
    let next = browser.post(&site, "/.doorward/login", &page.filled(&typed)).await;
    let page = browser.get(&site, &next.location()).await;
    let code = totp::code_at(&totp, site.clock.now());
    let next = browser.post(&site, "/.doorward/login/code", &page.filled(&[("code", &code)])).await;
    assert_eq!(browser.get(&site, &next.location()).await.leads_to(), "/kept");
}

/// The attack: planting a token before sign-in and using it afterwards (session fixation).
#[tokio::test]
async fn no_value_known_before_sign_in_opens_anything_after() {
    let site = Site::new();
    let totp = site.ready("alice").await;
    let mut browser = Browser::new();
    let planted = Token::draw(Entropy).to_text().expose().clone();
    browser.cookies.insert(cookie::VISITOR.into(), planted.clone());
    browser.cookies.insert(cookie::SESSION.into(), planted.clone());
    let first = site.signed_in(&mut browser, &totp).await;
    assert_ne!(first, planted);
    assert_ne!(browser.cookies[cookie::VISITOR], planted, "what bound the half-done sign-in is gone");
    let mut attacker = Browser::new();
    attacker.cookies.insert(cookie::SESSION.into(), planted);
    assert_eq!(attacker.get(&site, "/.doorward/session").await.status, StatusCode::UNAUTHORIZED);

    let mut carried = Browser::new();
    carried.host = "other.example.com";
    carried.cookies.insert(cookie::SESSION.into(), first);
    assert_eq!(carried.get(&site, "/.doorward/session").await.status, StatusCode::UNAUTHORIZED, "one host, one session");
}

/// The attack: a code read over the shoulder, used a second time; and guesses at codes.
#[tokio::test]
async fn a_code_counts_once_and_guesses_are_counted() {
    let site = Site::new();
    let totp = site.ready("alice").await;
    site.signed_in(&mut Browser::new(), &totp).await;
    let mut attacker = Browser::at("198.51.100.7");
    let page = attacker.get(&site, "/.doorward/login").await;
    let next = attacker.post(&site, "/.doorward/login", &page.filled(&[("name", "alice"), ("password", PASSWORD)])).await;
    let page = attacker.get(&site, &next.location()).await;
    let code = totp::code_at(&totp, site.clock.now());
    let replayed = attacker.post(&site, "/.doorward/login/code", &page.filled(&[("code", &code)])).await;
    assert!(replayed.alert().starts_with("That code was already used. Wait for the next one ("), "{}", replayed.alert());
    let mut last = replayed;
    for _ in 0..5 {
        last = attacker.post(&site, "/.doorward/login/code", &page.filled(&[("code", "000000")])).await;
    }
    assert_eq!(last.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(!attacker.cookies.contains_key(cookie::SESSION));
}

/// The attack: a password thief reads from the clock hint which code will be right in a few minutes.
#[tokio::test]
async fn a_fast_clock_is_explained_and_its_code_is_burnt() {
    let site = Site::new();
    let totp = site.ready("alice").await;
    let mut browser = Browser::new();
    let page = browser.get(&site, "/.doorward/login").await;
    let next = browser.post(&site, "/.doorward/login", &page.filled(&[("name", "alice"), ("password", PASSWORD)])).await;
    let page = browser.get(&site, &next.location()).await;
    let code = totp::code_at(&totp, site.clock.now().plus(Duration::from_secs(180)));
    let answer = browser.post(&site, "/.doorward/login/code", &page.filled(&[("code", &code)])).await;
    assert!(answer.alert().starts_with("Your phone's clock is about 3 minutes fast."), "{}", answer.alert());
    site.clock.advance(Duration::from_secs(180));
    let answer = browser.post(&site, "/.doorward/login/code", &page.filled(&[("code", &code)])).await;
    assert!(answer.alert().starts_with("That code was already used."), "{}", answer.alert());
    site.clock.advance(Duration::from_secs(30));
    let code = totp::code_at(&totp, site.clock.now());
    let answer = browser.post(&site, "/.doorward/login/code", &page.filled(&[("code", &code)])).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn two_tabs_sign_in_side_by_side_and_each_goes_its_way() {
    let site = Site::new();
    let totp = site.ready("alice").await;
    let mut browser = Browser::new();
    let mut pages = vec![];
    for target in ["/one", "/two"] {
        let page = browser.get(&site, &site.way_to(target)).await;
        let typed = [("name", "alice"), ("password", PASSWORD)];
        let next = browser.post(&site, "/.doorward/login", &page.filled(&typed)).await;
        pages.push(browser.get(&site, &next.location()).await);
    }
    let code = totp::code_at(&totp, site.clock.now());
    for (page, target) in pages.iter().zip(["/one", "/two"]) {
        let next = browser.post(&site, "/.doorward/login/code", &page.filled(&[("code", &code)])).await;
        assert_eq!(browser.get(&site, &next.location()).await.leads_to(), target);
    }
    assert_eq!(site.portal.store.list_sessions().await.expect("listed").len(), 1, "the second tab found itself signed in");
}

/// The attack: a half-done sign-in carried to another browser or host, or finished long after.
#[tokio::test]
async fn a_half_done_sign_in_counts_for_its_browser_and_half_an_hour() {
    let site = Site::new();
    let totp = site.ready("alice").await;
    let mut browser = Browser::new();
    let page = browser.get(&site, &site.way_to("/kept")).await;
    let next = browser.post(&site, "/.doorward/login", &page.filled(&[("name", "alice"), ("password", PASSWORD)])).await;
    let url = next.location();
    let page = browser.get(&site, &url).await;
    let code = totp::code_at(&totp, site.clock.now());

    let mut thief = Browser::at("198.51.100.7");
    thief.get(&site, "/.doorward/login").await;
    for answer in
        [thief.get(&site, &url).await, thief.post(&site, "/.doorward/login/code", &page.filled(&[("code", &code)])).await]
    {
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(!answer.text.contains("Signing in as"), "{}", answer.text);
    }
    site.clock.advance(Duration::from_secs(30 * 60));
    let code = totp::code_at(&totp, site.clock.now());
    let late = browser.post(&site, "/.doorward/login/code", &page.filled(&[("code", &code)])).await;
    assert!(late.alert().starts_with("That sign-in took too long"), "{}", late.alert());
    let next = browser.post(&site, "/.doorward/login", &late.filled(&[("name", "alice"), ("password", PASSWORD)])).await;
    let page = browser.get(&site, &next.location()).await;
    let next = browser.post(&site, "/.doorward/login/code", &page.filled(&[("code", &code)])).await;
    assert_eq!(browser.get(&site, &next.location()).await.leads_to(), "/kept", "the target was not lost");
}

#[tokio::test]
async fn a_second_factor_is_asked_for_where_one_is_required_or_present() {
    let site = Site::with(Strength::Password);
    let hash = password::hash(&Secret::new(PASSWORD.to_owned()), [9; 16]);
    let user = site.user("bob").await;
    assert!(site.portal.store.provision(user.id, Some(hash), None).await.expect("provisioned"));
    site.ready("alice").await;
    let typed = |name| [("name", name), ("password", PASSWORD)];
    let mut browser = Browser::new();
    let page = browser.get(&site, "/.doorward/login").await;
    let next = browser.post(&site, "/.doorward/login", &page.filled(&typed("alice"))).await;
    assert!(next.location().starts_with("/.doorward/login/code?"), "whoever has a second factor uses it");
    let next = browser.post(&site, "/.doorward/login", &page.filled(&typed("bob"))).await;
    assert!(next.location().starts_with("/.doorward/continue?"));
    assert_eq!(browser.get(&site, "/.doorward/session").await.status, StatusCode::OK);

    let strict = Site { plan: plan(Strength::TwoFactor), ..site };
    let page = browser.get(&strict, "/.doorward/login").await;
    assert_eq!(page.status, StatusCode::OK, "too weak a session is not sent to and fro");
    assert!(page.text.contains("asks for a code"), "{}", page.text);
    let answer = browser.post(&strict, "/.doorward/login", &page.filled(&typed("bob"))).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.text.contains("doorward user link bob"), "{}", answer.text);
}

#[tokio::test]
async fn signing_out_ends_the_session_and_says_so() {
    let site = Site::new();
    let totp = site.ready("alice").await;
    let mut browser = Browser::new();
    let token = site.signed_in(&mut browser, &totp).await;
    let held = site.portal.store.list_sessions().await.expect("listed").remove(0);
    let page = browser.get(&site, "/.doorward/logout").await;
    assert!(page.text.contains("Sign out?"));
    let mut forged = Browser::new();
    forged.cookies = browser.cookies.clone();
    let answer = forged.post(&site, "/.doorward/logout", &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "asked again");
    assert!(!held.lifeline.is_cut(), "a link or a foreign form ends nothing");
    let out = browser.post(&site, "/.doorward/logout", &page.filled(&[])).await;
    assert_eq!(out.headers["clear-site-data"], "\"cache\", \"storage\"");
    assert!(held.lifeline.is_cut());
    assert_eq!(browser.cookies.keys().collect::<Vec<_>>(), [cookie::DEVICE], "all that is left opens nothing");
    assert!(browser.get(&site, &out.location()).await.text.contains("You are signed out."));
    browser.cookies.insert(cookie::SESSION.into(), token);
    assert_eq!(browser.get(&site, "/.doorward/session").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.get(&site, "/.doorward/").await.location(), "/.doorward/login");
}

#[tokio::test]
async fn the_sign_in_page_says_why_one_is_there() {
    let site = Site::new();
    for (why, text) in [
        ("idle", "signed out after 12 hours without activity. Nothing on the page you left was changed."),
        ("expired", "your session reached its end"),
        ("ended", "Your session was ended"),
        ("<script>", ""),
    ] {
        let page = Browser::new().get(&site, &format!("{}&why={}", site.way_to("/"), why.replace(['<', '>'], "%3C"))).await;
        assert!(page.text.contains(text), "{why}");
        assert_eq!(page.text.contains("role=\"status\""), !text.is_empty());
    }
}

/// The attack: a script of the app, which shares our origin, reads our pages or frames them.
#[tokio::test]
async fn pages_open_in_tabs_only() {
    let site = Site::new();
    let link = site.link(&site.user("alice").await).await;
    for wanted in ["empty", "iframe", "frame", "object", "script", "image"] {
        let mut script = Browser::new();
        script.set("sec-fetch-dest", Some(wanted));
        for path in ["", "login", "login/code", "continue", "logout"] {
            let answer = script.get(&site, &format!("/.doorward/{path}")).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{wanted} {path}");
            assert!(answer.headers.get(SET_COOKIE).is_none());
        }
        assert_eq!(script.get(&site, &link).await.status, StatusCode::FORBIDDEN);
    }
    let mut style = Browser::new();
    style.set("sec-fetch-dest", Some("style"));
    assert_eq!(style.get(&site, &asset::style()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn methods_that_a_page_does_not_know_are_405_and_head_has_no_body() {
    let site = Site::new();
    let mut browser = Browser::new();
    let answer = browser.send(&site, Request::put("/.doorward/login"), String::new()).await;
    assert_eq!(
        (answer.status, &answer.headers["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"GET, HEAD, POST".parse().expect("a value"))
    );
    let answer = browser.send(&site, Request::post("/.doorward/session"), String::new()).await;
    assert_eq!(answer.headers["allow"], "GET, HEAD");
    let page = browser.get(&site, "/.doorward/login").await;
    let head = browser.send(&site, Request::head("/.doorward/login"), String::new()).await;
    assert!(head.text.is_empty());
    assert_eq!(head.headers["content-length"], page.text.len().to_string().as_str());
}

/// The attack: names that bring their own markup.
#[tokio::test]
async fn what_visitors_type_is_shown_as_text() {
    let site = Site::new();
    let mut browser = Browser::new();
    let page = browser.get(&site, "/.doorward/login").await;
    let typed = [("name", "\"><script>alert(1)</script>"), ("password", "wrong password 1")];
    let answer = browser.post(&site, "/.doorward/login", &page.filled(&typed)).await;
    assert!(!answer.text.contains("<script>") && answer.text.contains("&#60;script&#62;"), "{}", answer.text);
}

#[tokio::test]
async fn errors_are_found_by_keyboard_and_screen_reader() {
    let site = Site::new();
    let mut browser = Browser::new();
    let page = browser.get(&site, "/.doorward/login").await;
    assert!(page.text.contains("<title>Sign in — Example home</title>") && page.text.contains("lang=\"en\""));
    assert_eq!(page.text.matches("<h1>").count(), 1);
    assert_eq!(page.text.matches(" autofocus").count(), 1);
    let answer = browser.post(&site, "/.doorward/login", &page.filled(&[("name", "alice"), ("password", "x")])).await;
    assert!(answer.text.contains("<title>Error: Sign in — Example home</title>"));
    assert!(answer.text.contains("aria-invalid=\"true\" aria-describedby=\"alert\" autofocus"), "{}", answer.text);
    assert_eq!(answer.text.matches(" autofocus").count(), 1);
    let style = browser.get(&site, &asset::style()).await;
    let icon = browser.get(&site, &asset::icon()).await;
    let total = page.text.len() + style.text.len() + icon.text.len();
    assert!(total <= 14 << 10, "{total} bytes without compression");
}

#[tokio::test]
async fn a_store_out_of_order_is_503_and_never_a_wrong_password() {
    let site = Site::new();
    site.ready("alice").await;
    let mut browser = Browser::new();
    let page = browser.get(&site, "/.doorward/login").await;
    site.portal.store.close().await.expect("closed");
    let answer = browser.post(&site, "/.doorward/login", &page.filled(&[("name", "alice"), ("password", PASSWORD)])).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers.contains_key("retry-after"));
}

#[tokio::test(start_paused = true)]
async fn a_busy_machine_checks_nothing_and_keeps_the_form() {
    let mut site = Site::new();
    site.portal.hasher = Hasher::with_cores(0);
    let mut browser = Browser::new();
    let page = browser.get(&site, &site.way_to("/kept")).await;
    let answer = browser.post(&site, "/.doorward/login", &page.filled(&[("name", "alice"), ("password", PASSWORD)])).await;
    assert_eq!(
        (answer.status, &answer.headers["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"2".parse().expect("a value"))
    );
    assert!(answer.text.contains("value=\"alice\"") && answer.text.contains("Your password was not checked."));
}

/// The attack: answers of no passkey in great number, which leave no trace where one is the second step.
#[tokio::test]
async fn tries_of_a_passkey_that_have_to_wait_are_in_the_trail_wherever_one_is_asked_for() {
    let site = Site::new();
    let totp = site.ready("alice").await;
    let mut stranger = Browser::at("198.51.100.77");
    let login = stranger.get(&site, "/.doorward/login").await;
    let step = stranger.post(&site, "/.doorward/login", &login.filled(&[("name", "alice"), ("password", PASSWORD)])).await;
    let code = stranger.get(&site, &step.location()).await;
    let mut alice = Browser::at("198.51.100.78");
    site.signed_in(&mut alice, &totp).await;
    alice.cookies.retain(|name, _| name == cookie::SESSION || name == cookie::VISITOR);
    site.clock.advance(Duration::from_secs(60));
    let confirm = alice.get(&site, "/.doorward/confirm").await;
    let pages = [("/.doorward/login/code", &mut stranger, code), ("/.doorward/confirm", &mut alice, confirm)];
    for (number, (path, browser, page)) in pages.into_iter().enumerate() {
        let form = page.filled(&[("answer", "{}")]);
        let mut tries = 0;
        while browser.post(&site, path, &form).await.status != StatusCode::TOO_MANY_REQUESTS {
            tries += 1;
            assert!(tries < 100, "{path}: no end of tries");
        }
        let event = Some("sign_in.throttled".to_owned());
        let told = site.portal.store.audit(Wanted { event, most: 10, ..Wanted::default() }).await.expect("read");
        assert_eq!(told.len(), number + 1, "{path}: {told:?}");
    }
}

/// The attack: filling the queue of the store with made-up tokens in URLs.
#[tokio::test]
async fn looking_for_tokens_is_budgeted() {
    let site = Site::new();
    let mut browser = Browser::new();
    browser.get(&site, "/.doorward/login").await;
    let mut statuses = vec![];
    for path in ["setup/", "login/code?c="].iter().cycle().take(61) {
        let path = format!("/.doorward/{path}{}", Token::draw(Entropy).to_text().expose());
        statuses.push(browser.get(&site, &path).await.status.as_u16());
    }
    assert!(statuses[..60].iter().all(|status| *status != 429) && statuses[60] == 429, "{statuses:?}");
}

#[tokio::test]
async fn people_are_sent_to_sign_in_and_programs_are_told_to() {
    let site = Site::new();
    let ask =
        |method: &Method, lines: &[(&'static str, &'static str)], ended| site.challenged(HOST, (method, "/a?b=c"), lines, ended);
    let tab = [("sec-fetch-mode", "navigate")];
    let answer = ask(&Method::GET, &tab, Some(Ended::Idle));
    let location = answer.headers()[LOCATION].to_str().expect("ASCII").to_owned();
    assert!(answer.status() == StatusCode::FOUND && location.ends_with("&why=idle"), "{location}");
    let posted = ask(&Method::POST, &tab, Some(Ended::Idle));
    assert_eq!(posted.status(), StatusCode::SEE_OTHER);
    let page = Browser::new().get(&site, posted.headers()[LOCATION].to_str().expect("ASCII")).await;
    assert!(page.text.contains("Nothing you typed was sent to the app"), "{}", page.text);
    let page = Browser::new().get(&site, &location).await;
    assert!(page.text.contains("after 12 hours without activity"));

    let answer = ask(&Method::GET, &[("sec-fetch-mode", "cors"), ("accept", "text/html")], None);
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let bytes = answer.into_body().collect().await.expect("in memory").to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
    assert_eq!(problem["login_url"], "/.doorward/login");
    assert_eq!(site.portal.journeys.count(), 2, "a script that asks all day takes nobody's way away");
    let answer = ask(&Method::GET, &[("service-worker", "script"), ("sec-fetch-mode", "same-origin")], None);
    assert_eq!(answer.headers()["content-type"], "text/javascript; charset=utf-8");
}
