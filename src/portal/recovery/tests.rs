//! Getting in without the phone, and what attackers make of it.

use http::StatusCode;

use super::*;
use crate::auth::totp;
use crate::portal::kit::{Answer, Browser, HOUR, PASSWORD, Site};
use crate::wire::cookie;

const PAGE_OF_CODES: &str = "/.doorward/security/recovery";

async fn typed(site: &Site, browser: &mut Browser, page: &Answer, code: &str) -> Answer {
    browser.post(site, PAGE, &page.filled(&[("code", code)])).await
}

/// Another code of the same row: its last symbol differs.
fn neighbour(code: &str) -> String {
    let last = if code.ends_with('0') { '1' } else { '0' };
    format!("{}{last}", &code[..code.len() - 1])
}

#[tokio::test]
async fn a_recovery_code_signs_in_stops_once_and_leads_on() {
    let site = Site::new();
    let totp = site.ready("alice").await;
    let codes = site.recovery_codes("alice").await;
    let mut other = Browser::new();
    site.signed_in(&mut other, &totp).await;

    let mut browser = Browser::new();
    let page = site.at_recovery(&mut browser, "alice", "/documents?page=2").await;
    assert!(page.text.contains("<strong>alice</strong>") && page.text.contains("autocomplete=\"off\""), "{}", page.text);
    let next = typed(&site, &mut browser, &page, &codes[2].to_lowercase().replace('-', " ").replace('0', "o")).await;
    assert!(next.location().starts_with("/.doorward/login/recovered?go="), "{}", next.location());
    assert_eq!(other.get(&site, "/.doorward/session").await.status, StatusCode::UNAUTHORIZED, "every other session ended");

    let stop = browser.get(&site, &next.location()).await;
    assert!(stop.text.contains("You used a recovery code. 9 left."), "{}", stop.text);
    assert!(stop.text.contains("Set up a new authenticator now") && stop.text.contains(PAGE_OF_CODES));
    let go = next.location().replace("/login/recovered", "/continue");
    assert_eq!(browser.get(&site, &go).await.leads_to(), "/documents?page=2");
    assert!(browser.get(&site, "/.doorward/").await.text.contains("with a recovery code"), "a notice");
    let listed = browser.get(&site, PAGE_OF_CODES).await;
    assert!(listed.text.contains("9 of 10 left.") && listed.text.contains("Code 03 on 2027-01-15"), "{}", listed.text);

    site.clock.advance(HOUR);
    let mut fresh = Browser::new();
    site.signed_in(&mut fresh, &totp).await;
    let elsewhere = fresh.get(&site, "/.doorward/login/recovered").await;
    assert_eq!(elsewhere.location(), "/.doorward/", "the page is for sessions that began so");
}

#[tokio::test]
async fn the_stop_page_leads_to_a_new_authenticator_and_back_to_the_app() {
    let site = Site::new();
    let lost = site.ready("alice").await;
    let codes = site.recovery_codes("alice").await;
    let mut browser = Browser::new();
    let page = site.at_recovery(&mut browser, "alice", "/documents").await;
    let next = typed(&site, &mut browser, &page, &codes[0]).await;
    let stop = browser.get(&site, &next.location()).await;
    let begun = browser.post(&site, "/.doorward/login/recovered", &stop.filled(&[])).await;
    let path = begun.location();
    assert!(path.starts_with("/.doorward/setup/") && path.contains("?step=2&go="), "{path}");
    let page = browser.get(&site, &path).await;
    let key = page.text.split("<p class=\"key\"><code>").nth(1).and_then(|rest| rest.split('<').next()).expect("a key");
    let new = crate::model::credential::Totp { seed: totp::parse_seed(key).expect("a seed"), ..lost.clone() };
    let code = totp::code_at(&new, site.clock.now());
    let sheet = browser.post(&site, &path, &page.filled(&[("code", &code)])).await;
    let done = browser.saved(&site, &path, &sheet).await;
    assert_eq!(browser.get(&site, &done.location()).await.leads_to(), "/documents");

    // The attack: whoever finds the lost phone, or the old list, knows the password too.
    site.clock.advance(HOUR);
    let mut thief = Browser::at("198.51.100.7");
    let page = site.at_recovery(&mut thief, "alice", "/").await;
    assert_eq!(typed(&site, &mut thief, &page, &codes[1]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let code = totp::code_at(&lost, site.clock.now());
    let form = thief.get(&site, &format!("/.doorward/login/code?c={}", page.filled(&[])[1].1)).await;
    let answer = thief.post(&site, "/.doorward/login/code", &form.filled(&[("code", &code)])).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
}

/// The attack: guessing, with a new sign-in for every try, from ever new networks.
#[tokio::test]
async fn restarting_the_flow_resets_nothing() {
    let site = Site::new();
    let totp = site.ready("alice").await;
    let codes = site.recovery_codes("alice").await;
    let mut statuses = vec![];
    let mut tried = 0;
    for hour in 0..6 {
        for (client, code) in codes.iter().take(6).enumerate() {
            let mut browser = Browser::at(&format!("198.51.{hour}.{client}"));
            let page = site.at_recovery(&mut browser, "alice", "/").await;
            let before = site.portal.hasher.runs();
            let answer = typed(&site, &mut browser, &page, &neighbour(code)).await;
            tried += site.portal.hasher.runs() - before;
            statuses.push(answer.status.as_u16());
        }
        site.clock.advance(HOUR);
    }
    let expected: Vec<u16> = [[422, 422, 422, 422, 422, 429]; 4].concat().into_iter().chain([429; 12]).collect();
    assert_eq!((statuses, tried), (expected, 20));
    let mut browser = Browser::at("203.0.113.9");
    let page = site.at_recovery(&mut browser, "alice", "/").await;
    let closed = typed(&site, &mut browser, &page, &codes[0]).await;
    assert_eq!(closed.status, StatusCode::TOO_MANY_REQUESTS, "not even a right one");
    assert!(closed.alert().contains("ask the owner of this server for a new set-up link"), "{}", closed.alert());
    site.signed_in(&mut Browser::new(), &totp).await;
    let page = site.at_recovery(&mut browser, "alice", "/").await;
    assert_eq!(typed(&site, &mut browser, &page, &codes[0]).await.status, StatusCode::SEE_OTHER, "until another way in");
}

/// The attack: telling from the answer, or from the work done for it, which rows there are and which were used.
#[tokio::test]
async fn unknown_rows_cost_and_say_the_same() {
    let site = Site::new();
    site.ready("alice").await;
    site.ready("bob").await;
    let codes = site.recovery_codes("alice").await;
    let mut browser = Browser::new();
    let page = site.at_recovery(&mut browser, "alice", "/").await;
    typed(&site, &mut browser, &page, &codes[0]).await;
    for (name, code) in [
        ("alice", neighbour(&codes[0])),
        ("alice", neighbour(&codes[1])),
        ("alice", codes[1].replacen("02", "20", 1)),
        ("bob", codes[2].clone()),
    ] {
        let mut browser = Browser::new();
        let page = site.at_recovery(&mut browser, name, "/").await;
        let before = site.portal.hasher.runs();
        let answer = typed(&site, &mut browser, &page, &code).await;
        assert_eq!((answer.status, answer.alert().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, rescue::WRONG), "{name} {code}");
        assert_eq!(site.portal.hasher.runs() - before, 1, "{name} {code}");
        assert!(!answer.text.contains(&code), "what was typed is never sent back");
    }
    let mut browser = Browser::new();
    let page = site.at_recovery(&mut browser, "alice", "/").await;
    assert_eq!(typed(&site, &mut browser, &page, &codes[0]).await.alert(), rescue::USED, "whoever has it may know");
}

#[tokio::test]
async fn what_cannot_be_a_code_is_not_counted() {
    let site = Site::new();
    site.ready("alice").await;
    let codes = site.recovery_codes("alice").await;
    let mut browser = Browser::new();
    let page = site.at_recovery(&mut browser, "alice", "/").await;
    for text in ["", "123456", "03-XXXX", PASSWORD, &codes[0][3..]] {
        let before = site.portal.hasher.runs();
        let answer = typed(&site, &mut browser, &page, text).await;
        assert_eq!((answer.status, answer.alert().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, rescue::NO_CODE), "{text}");
        assert_eq!(site.portal.hasher.runs(), before);
    }
    assert_eq!(typed(&site, &mut browser, &page, &codes[0]).await.status, StatusCode::SEE_OTHER);
}

/// The attack: a form of another browser, another page, or no sign-in before it.
#[tokio::test]
async fn a_code_alone_opens_nothing() {
    let site = Site::new();
    site.ready("alice").await;
    let codes = site.recovery_codes("alice").await;
    let mut browser = Browser::new();
    let page = site.at_recovery(&mut browser, "alice", "/").await;
    let mut stranger = Browser::at("198.51.100.7");
    stranger.get(&site, "/.doorward/login").await;
    assert_eq!(typed(&site, &mut stranger, &page, &codes[0]).await.status, StatusCode::FORBIDDEN);
    let mut forged = page.filled(&[("code", &codes[0])]);
    forged[0].1 = "x".to_owned();
    assert_eq!(browser.post(&site, PAGE, &forged).await.alert(), rescue::FORM_TOO_OLD);
    assert_eq!(browser.get(&site, PAGE).await.status, StatusCode::FORBIDDEN);
    site.clock.advance(HOUR);
    assert_eq!(typed(&site, &mut browser, &page, &codes[0]).await.status, StatusCode::FORBIDDEN, "the sign-in took too long");
    assert!(!browser.cookies.contains_key(cookie::SESSION) && !stranger.cookies.contains_key(cookie::SESSION));
    let page = site.at_recovery(&mut browser, "alice", "/").await;
    assert_eq!(typed(&site, &mut browser, &page, &codes[0]).await.status, StatusCode::SEE_OTHER, "it is still good");
}

#[tokio::test]
async fn whose_app_is_gone_is_led_to_the_codes() {
    let site = Site::new();
    let user = site.user("alice").await;
    let hash = password::hash(&Secret::new(PASSWORD.to_owned()), [9; 16]);
    site.portal.store.provision(user.id, Some(hash), None).await.expect("provisioned");
    let codes = site.recovery_codes("alice").await;
    let mut browser = Browser::new();
    let page = browser.get(&site, &site.way_to("/")).await;
    let next = browser.post(&site, "/.doorward/login", &page.filled(&[("name", "alice"), ("password", PASSWORD)])).await;
    let next = browser.get(&site, &next.location()).await;
    let page = browser.get(&site, &next.location()).await;
    assert!(page.text.contains("Use a recovery code") && !page.text.contains("/login/code"), "{}", page.text);
    assert_eq!(typed(&site, &mut browser, &page, &codes[9]).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn codes_are_shown_once_and_count_when_they_are_saved() {
    let site = Site::new();
    let totp = site.ready("alice").await;
    let old = site.recovery_codes("alice").await;
    let mut browser = Browser::new();
    let before = site.signed_in(&mut browser, &totp).await;
    let page = browser.get(&site, PAGE_OF_CODES).await;
    assert!(page.text.contains("10 of 10 left."), "{}", page.text);
    let sheet = browser.post(&site, PAGE_OF_CODES, &page.filled(&[("act", "new")])).await;
    let codes = sheet.codes();
    assert_eq!((sheet.status, codes.len()), (StatusCode::OK, 10));
    assert_eq!(sheet.headers["cache-control"], "no-store");

    let file = browser.post(&site, PAGE_OF_CODES, &sheet.filled(&[("act", "download")])).await;
    assert_eq!(file.headers["content-type"], "text/plain; charset=utf-8");
    let name = "attachment; filename=\"doorward-recovery-paperless.example.com-alice-2027-01-15.txt\"";
    assert_eq!(file.headers["content-disposition"], name);
    assert!(codes.iter().all(|code| file.text.contains(code)));

    let forgotten = browser.post(&site, PAGE_OF_CODES, &sheet.filled(&[("act", "done")])).await;
    assert_eq!((forgotten.status, forgotten.codes()), (StatusCode::UNPROCESSABLE_ENTITY, codes.clone()));
    assert_eq!(forgotten.alert(), rescue::NOT_SAVED);

    let again = browser.get(&site, PAGE_OF_CODES).await;
    assert!(again.codes().is_empty() && again.text.contains("those don&#39;t count"), "{}", again.text);
    // The attack, and the mishap: words that were never shown, and a page that newer codes took the place of.
    let mut forged = sheet.filled(&[("act", "done"), ("saved", "1")]);
    forged
        .iter_mut()
        .filter(|(name, _)| name == "codes")
        .for_each(|(_, value)| value.replace_range(3..4, if value.as_bytes()[3] == b'A' { "B" } else { "A" }));
    assert_eq!(browser.post(&site, PAGE_OF_CODES, &forged).await.status, StatusCode::FORBIDDEN);
    let newer = browser.post(&site, PAGE_OF_CODES, &again.filled(&[("act", "new")])).await;
    let stale = browser.post(&site, PAGE_OF_CODES, &sheet.filled(&[("act", "done"), ("saved", "1")])).await;
    assert_eq!((stale.status, stale.alert().as_str()), (StatusCode::CONFLICT, rescue::REPLACED));

    browser.saved(&site, PAGE_OF_CODES, &newer).await;
    assert_ne!(browser.cookies[cookie::SESSION], before, "a new token");
    let mut other = Browser::at("198.51.100.7");
    for dead in [&old[0], &codes[0]] {
        let page = site.at_recovery(&mut other, "alice", "/").await;
        assert_eq!(typed(&site, &mut other, &page, dead).await.alert(), rescue::WRONG);
    }
    let page = site.at_recovery(&mut other, "alice", "/").await;
    assert_eq!(typed(&site, &mut other, &page, &newer.codes()[0]).await.status, StatusCode::SEE_OTHER);
}

/// The attack: an unlocked screen, or a form of another session.
#[tokio::test]
async fn new_codes_ask_for_a_fresh_proof_and_our_own_form() {
    let site = Site::new();
    let totp = site.ready("alice").await;
    let mut browser = Browser::new();
    site.signed_in(&mut browser, &totp).await;
    let page = browser.get(&site, PAGE_OF_CODES).await;
    assert!(page.text.contains("You have no recovery codes."), "{}", page.text);
    let forged = browser.post(&site, PAGE_OF_CODES, &[("act".to_owned(), "new".to_owned())]).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    let sheet = browser.post(&site, PAGE_OF_CODES, &page.filled(&[("act", "new")])).await;
    site.clock.advance(HOUR);
    for form in [page.filled(&[("act", "new")]), sheet.filled(&[("act", "done"), ("saved", "1")])] {
        let asked = browser.post(&site, PAGE_OF_CODES, &form).await;
        assert!(asked.location().starts_with("/.doorward/confirm?go="), "{}", asked.location());
    }
    assert!(Browser::new().get(&site, PAGE_OF_CODES).await.location().starts_with("/.doorward/login"));
}

#[tokio::test]
async fn leaving_before_the_codes_are_saved_leaves_the_link_and_shows_new_ones() {
    let site = Site::new();
    let link = site.link(&site.user("alice").await).await;
    let mut browser = Browser::new();
    let page = browser.get(&site, &link).await;
    let second = browser.post(&site, &link, &page.filled(&[("password", PASSWORD)])).await.location();
    let page = browser.get(&site, &second).await;
    let key = page.text.split("<p class=\"key\"><code>").nth(1).and_then(|rest| rest.split('<').next()).expect("a key");
    let totp = crate::model::credential::Totp { seed: totp::parse_seed(key).expect("a seed"), ..site.authenticator() };
    let code = totp::code_at(&totp, site.clock.now());
    let form = page.filled(&[("code", &code)]);
    let first = browser.post(&site, &second, &form).await;
    let resent = browser.post(&site, &second, &form).await;
    assert_eq!(resent.codes().len(), 10);
    assert_ne!(first.codes(), resent.codes());
    for path in [&second, &format!("{link}?step=3")] {
        let again = browser.get(&site, path).await;
        assert!(again.codes().is_empty() && again.text.contains("were shown once"), "{}", again.text);
    }
    let stale = browser.post(&site, &second, &first.filled(&[("act", "done"), ("saved", "1")])).await;
    assert_eq!((stale.status, stale.alert().as_str()), (StatusCode::CONFLICT, rescue::REPLACED));
    let file = browser.post(&site, &second, &resent.filled(&[("act", "download")])).await;
    assert_eq!(file.headers["referrer-policy"], "strict-origin");
    let shown = browser.post(&site, &second, &stale.filled(&[("act", "new")])).await;
    let done = browser.saved(&site, &second, &shown).await;
    assert_eq!(browser.get(&site, &done.location()).await.leads_to(), "/");
    assert!(browser.get(&site, PAGE_OF_CODES).await.text.contains("10 of 10 left."));
}

#[tokio::test]
async fn where_none_are_given_out_the_set_up_has_two_steps() {
    let mut site = Site::new();
    site.plan.auth.recovery_codes = 0;
    let link = site.link(&site.user("alice").await).await;
    let mut browser = Browser::new();
    let page = browser.get(&site, &link).await;
    assert!(page.text.contains("Step 1 of 2"), "{}", page.text);
    let second = browser.post(&site, &link, &page.filled(&[("password", PASSWORD)])).await.location();
    let page = browser.get(&site, &second).await;
    let key = page.text.split("<p class=\"key\"><code>").nth(1).and_then(|rest| rest.split('<').next()).expect("a key");
    let totp = crate::model::credential::Totp { seed: totp::parse_seed(key).expect("a seed"), ..site.authenticator() };
    let code = totp::code_at(&totp, site.clock.now());
    let done = browser.post(&site, &second, &page.filled(&[("code", &code)])).await;
    assert_eq!(browser.get(&site, &done.location()).await.leads_to(), "/");
    let page = browser.get(&site, PAGE_OF_CODES).await;
    assert!(page.text.contains("gives out no recovery codes") && !page.text.contains("name=\"act\""), "{}", page.text);
}

#[tokio::test]
async fn help_is_there_for_everybody() {
    let site = Site::new();
    let mut browser = Browser::new();
    assert!(browser.get(&site, "/.doorward/login").await.text.contains("href=\"/.doorward/help\""));
    let page = browser.get(&site, "/.doorward/help").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("doorward user link NAME") && page.text.contains("Use a recovery code"), "{}", page.text);
    browser.host = "other.example.com";
    let elsewhere = browser.get(&site, "/.doorward/help").await.location();
    assert_eq!(elsewhere, "https://paperless.example.com/.doorward/help");
}
