//! What people do on their security pages, and what attackers try there instead.

use std::time::Duration;

use http::StatusCode;

use crate::auth::password;
use crate::auth::totp;
use crate::base::entropy::Entropy;
use crate::base::id::Id;
use crate::base::secret::Secret;
use crate::model::credential::{Totp, TotpAlgorithm, TotpRecipe};
use crate::model::session::Session;
use crate::model::strength::Strength;
use crate::plan::policy::TotpConfiguration;
use crate::portal::hashing::Hasher;
use crate::portal::kit::{Answer, Browser, PASSWORD, Site};
use crate::store::audit::Wanted;
use crate::store::authenticators::{Authenticator, MOST};
use crate::store::credentials::SignInFacts;
use crate::wire::cookie;

const SESSIONS: &str = "/.doorward/security/sessions";
const LIST: &str = "/.doorward/security/authenticators";
const ADD: &str = "/.doorward/security/authenticators/add";
const CHANGE: &str = "/.doorward/security/password";
const OTHER: &str = "amber badger counts 9 lanterns";
const MINUTE: Duration = Duration::from_secs(60);

/// Alice, signed in, and her authenticator.
async fn alice(site: &Site) -> (Browser, Totp) {
    let (totp, mut browser) = (site.ready("alice").await, Browser::new());
    site.signed_in(&mut browser, &totp).await;
    site.clock.advance(MINUTE);
    (browser, totp)
}

async fn facts(site: &Site, name: &str) -> SignInFacts {
    site.portal.store.sign_in_facts(&name.parse().expect("a name")).await.expect("stored").expect("an account")
}

async fn held(site: &Site, name: &str) -> Vec<Authenticator> {
    let user = facts(site, name).await.user.id;
    site.portal.store.authenticators(user).await.expect("stored")
}

async fn sessions(site: &Site, name: &str) -> Vec<std::sync::Arc<Session>> {
    let user = facts(site, name).await.user.id;
    site.portal.store.sessions_of(user).await.expect("stored")
}

/// The authenticator as a phone reads it from the link on the page.
fn scanned(page: &Answer) -> Totp {
    let uri = regex::Regex::new(r#"href="(otpauth:[^"]*)""#).expect("a pattern");
    let uri = uri.captures(&page.text).expect("a link")[1].replace("&#38;", "&").replace("&amp;", "&");
    let read = totp_rs::Totp::from_url(&uri).expect("a URI");
    let algorithm = TotpAlgorithm::from_name(&read.algorithm().to_string()).expect("known");
    let recipe = TotpRecipe { algorithm, digits: u32::from(read.digits()), period: read.step() };
    let seed = Secret::new(read.secret().as_bytes().to_vec());
    Totp { id: Id::draw(Entropy), recipe, seed, last_step: 0, created_at: Default::default() }
}

/// Goes through both steps of adding one, up to the page with the code.
async fn scan(site: &Site, browser: &mut Browser, from: &str, fields: &[(&str, &str)]) -> (Answer, Totp) {
    let page = browser.get(site, from).await;
    let name = regex::Regex::new(r#"<input id="name"[^>]* value="([^"]*)""#).expect("a pattern");
    let suggested = name.captures(&page.text).expect("a name is suggested")[1].to_owned();
    let next = browser.post(site, ADD, &form(&page, &[fields, &[("name", &suggested)]].concat())).await;
    let page = browser.get(site, &next.location()).await;
    assert_eq!(page.status, StatusCode::OK);
    let totp = scanned(&page);
    (page, totp)
}

/// One of the forms of a page with several: of two fields of a name the first counts.
fn form(page: &Answer, typed: &[(&str, &str)]) -> Vec<(String, String)> {
    let typed = typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    typed.chain(page.filled(&[])).collect()
}

fn code(site: &Site, totp: &Totp) -> String {
    totp::code_at(totp, site.clock.now())
}

#[tokio::test]
async fn the_overview_says_how_an_account_is_protected_and_where_to_change_it() {
    let site = Site::new();
    let (mut browser, _) = alice(&site).await;
    assert!(browser.get(&site, "/.doorward/").await.text.contains("href=\"/.doorward/security\""));
    let page = browser.get(&site, "/.doorward/security").await;
    for said in ["Two-factor is on: 1 authenticator app.", "If you lose it, only the owner", "on this device only"] {
        assert!(page.text.contains(said), "{said}: {}", page.text);
    }
    for link in [SESSIONS, LIST, CHANGE, "/.doorward/security/activity"] {
        assert!(page.text.contains(&format!("href=\"{link}\"")), "{link}");
        assert_eq!(browser.get(&site, link).await.status, StatusCode::OK, "{link}");
    }
    for none in ["/.doorward/security/nothing", "/.doorward/security/authenticators/../sessions"] {
        assert_eq!(browser.get(&site, none).await.status, StatusCode::NOT_FOUND, "{none}");
    }
    for path in ["/.doorward/security", SESSIONS, LIST, ADD, CHANGE, "/.doorward/security/activity"] {
        let stranger = Browser::new().get(&site, path).await;
        assert!(stranger.location().starts_with("/.doorward/login?go="), "{path}");
    }
}

/// The attack: a thief has the cookie, and forms that their owner left open, but no factor.
#[tokio::test]
async fn without_a_fresh_proof_nothing_can_be_changed() {
    let site = Site::new();
    let (mut browser, totp) = alice(&site).await;
    let mut away = Browser::at("198.51.100.9");
    site.signed_in(&mut away, &totp).await;
    let second = scan(&site, &mut browser, ADD, &[]).await;
    let one = format!("{LIST}/{}", totp.id);
    let other = sessions(&site, "alice").await[1].id.to_string();
    let forms = [
        (SESSIONS, browser.get(&site, SESSIONS).await.filled(&[("end", &other)])),
        (SESSIONS, browser.get(&site, SESSIONS).await.filled(&[])),
        (ADD, browser.get(&site, ADD).await.filled(&[("name", "Mine")])),
        (ADD, second.0.filled(&[("code", &code(&site, &second.1))])),
        (one.as_str(), form(&browser.get(&site, &one).await, &[("act", "remove")])),
        (one.as_str(), browser.get(&site, &one).await.filled(&[("name", "Mine")])),
        (CHANGE, browser.get(&site, CHANGE).await.filled(&[("current", PASSWORD), ("new", OTHER)])),
    ];
    site.clock.advance(14 * MINUTE);
    let before = (held(&site, "alice").await, facts(&site, "alice").await.password.expect("set").0.expose().clone());
    for (path, form) in forms {
        let answer = browser.post(&site, path, &form).await;
        assert!(answer.location().starts_with("/.doorward/confirm?go="), "{path}");
    }
    for path in [ADD, CHANGE, &one, &format!("{SESSIONS}?unlock=1")] {
        assert!(browser.get(&site, path).await.location().starts_with("/.doorward/confirm?go="), "{path}");
    }
    assert!(!browser.get(&site, SESSIONS).await.text.contains("<form"), "what cannot be done is not offered");
    let after = (held(&site, "alice").await, facts(&site, "alice").await.password.expect("set").0.expose().clone());
    assert_eq!((before, sessions(&site, "alice").await.len()), (after, 2));

    // Whoever has the factor is led back to the very page.
    let next = browser.get(&site, &one).await;
    let page = browser.get(&site, &next.location()).await;
    let next = browser.post(&site, "/.doorward/confirm", &page.filled(&[("code", &code(&site, &totp))])).await;
    assert_eq!(browser.get(&site, &next.location()).await.leads_to(), one);
}

/// The attack: a session that a password opened, from before there was a second factor, takes that away again.
#[tokio::test]
async fn whoever_has_a_second_factor_proves_that_one() {
    let site = Site::with(Strength::Password);
    let user = site.user("alice").await;
    let hash = password::hash(&Secret::new(PASSWORD.to_owned()), [9; 16]);
    assert!(site.portal.store.provision(user.id, Some(hash), None).await.expect("stored"));
    let (mut old, mut new) = (Browser::new(), Browser::new());
    for browser in [&mut old, &mut new] {
        let page = browser.get(&site, "/.doorward/login").await;
        browser.post(&site, "/.doorward/login", &page.filled(&[("name", "alice"), ("password", PASSWORD)])).await;
    }
    assert!(new.get(&site, "/.doorward/security").await.text.contains("Two-factor is off"));
    let (page, totp) = scan(&site, &mut new, ADD, &[]).await;
    let done = new.post(&site, ADD, &page.filled(&[("code", &code(&site, &totp))])).await;
    assert_eq!(done.location(), format!("{LIST}?done=added"));
    let left = sessions(&site, "alice").await;
    assert_eq!(left.iter().map(|session| session.strength).collect::<Vec<_>>(), [Strength::TwoFactor], "the other ended");
    assert!(old.get(&site, LIST).await.location().starts_with("/.doorward/login"));

    // One that slipped through all the same is asked for more.
    let thief = left[0].of_strength(Strength::Password, left[0].proofs);
    let facts = facts(&site, "alice").await;
    assert_eq!(crate::portal::fresh::needs(&site.portal, &site.plan, &thief, &facts).strength, Strength::TwoFactor);

    // Where nothing needs it the last one may go; the session is then what a password makes of it.
    let one = format!("{LIST}/{}", held(&site, "alice").await[0].id);
    let page = new.get(&site, &one).await;
    let done = new.post(&site, &one, &form(&page, &[("act", "remove")])).await;
    assert_eq!(done.location(), format!("{LIST}?done=removed"));
    assert_eq!(sessions(&site, "alice").await[0].strength, Strength::Password);
    assert_eq!(new.get(&site, CHANGE).await.status, StatusCode::OK, "nobody is asked for what they no longer have");
}

/// The attack: a stolen password, and one app that asks for no more: on the pages of the account it is to become two factors.
#[tokio::test]
async fn nobody_gives_themselves_the_second_factor_that_something_asks_for() {
    let mut site = Site::with(Strength::Password);
    site.plan.auth.require = Strength::TwoFactor;
    let user = site.user("alice").await;
    let hash = password::hash(&Secret::new(PASSWORD.to_owned()), [9; 16]);
    assert!(site.portal.store.provision(user.id, Some(hash), None).await.expect("stored"));
    let mut thief = Browser::new();
    let page = thief.get(&site, "/.doorward/login").await;
    thief.post(&site, "/.doorward/login", &page.filled(&[("name", "alice"), ("password", PASSWORD)])).await;
    assert_eq!(thief.get(&site, "/.doorward/security").await.status, StatusCode::OK);
    for add in [ADD, "/.doorward/security/passkeys/add"] {
        let page = thief.get(&site, add).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{add}");
        assert!(page.text.contains("doorward user link alice"), "{}", page.text);
    }
    assert!(held(&site, "alice").await.is_empty());
}

/// The attack: ids of somebody else in one's own forms.
#[tokio::test]
async fn nobody_reaches_what_is_somebody_elses() {
    let site = Site::new();
    let (mut alice, mine) = alice(&site).await;
    let theirs = site.ready("mallory").await;
    let mut mallory = Browser::new();
    let page = mallory.get(&site, "/.doorward/login").await;
    let next = mallory.post(&site, "/.doorward/login", &page.filled(&[("name", "mallory"), ("password", PASSWORD)])).await;
    let page = mallory.get(&site, &next.location()).await;
    mallory.post(&site, "/.doorward/login/code", &page.filled(&[("code", &code(&site, &theirs))])).await;

    let hers = sessions(&site, "alice").await[0].id.to_string();
    let page = mallory.get(&site, SESSIONS).await;
    assert!(!page.text.contains(&hers));
    let own = mallory.get(&site, &format!("{LIST}/{}", theirs.id)).await;
    let page = mallory.get(&site, ADD).await;
    assert_eq!(mallory.get(&site, &format!("{LIST}/{}", mine.id)).await.location(), format!("{LIST}?done=gone"));
    for act in [("act", "remove"), ("name", "Mine")] {
        let answer = mallory.post(&site, &format!("{LIST}/{}", mine.id), &form(&own, &[act])).await;
        assert_eq!(answer.location(), format!("{LIST}?done=gone"));
    }
    let mut form = page.filled(&[("name", "Mine"), ("instead", mine.id.as_str())]);
    assert_eq!(mallory.post(&site, ADD, &form).await.location(), format!("{LIST}?done=gone"));
    // An enrolment of hers, its name overheard.
    let (scan, _) = scan(&site, &mut alice, ADD, &[]).await;
    form.extend(scan.filled(&[]).into_iter().filter(|(name, _)| name == "e"));
    form.push(("code".into(), "000000".into()));
    assert_eq!(mallory.post(&site, ADD, &form).await.location(), format!("{LIST}?done=late"));
    let (_, name) = scan.filled(&[]).into_iter().find(|(name, _)| name == "e").expect("a name");
    assert_eq!(mallory.get(&site, &format!("{ADD}?e={name}")).await.location(), format!("{LIST}?done=late"));

    // A form token for ending sessions, which she gets once she has two.
    let mut second = Browser::new();
    site.clock.advance(MINUTE);
    let page = second.get(&site, "/.doorward/login").await;
    let next = second.post(&site, "/.doorward/login", &page.filled(&[("name", "mallory"), ("password", PASSWORD)])).await;
    let page = second.get(&site, &next.location()).await;
    second.post(&site, "/.doorward/login/code", &page.filled(&[("code", &code(&site, &theirs))])).await;
    let page = mallory.get(&site, SESSIONS).await;
    let token = page.filled(&[]).into_iter().find(|(name, _)| name == "t").expect("a token");
    let answer = mallory.post(&site, SESSIONS, &[token.clone(), ("end".into(), hers.clone())]).await;
    assert_eq!(answer.location(), format!("{SESSIONS}?done=gone"));
    assert_eq!(
        mallory.post(&site, SESSIONS, &[token, ("others".into(), "1".into())]).await.location(),
        format!("{SESSIONS}?done=others-ended")
    );
    assert_eq!(sessions(&site, "alice").await[0].id.to_string(), hers);
    assert_eq!(held(&site, "alice").await.len(), 1);
}

/// The attack: another site sends the forms, or they carry another session's token, another form's, or none.
#[tokio::test]
async fn forms_count_from_our_own_pages_only() {
    let site = Site::new();
    let (mut browser, totp) = alice(&site).await;
    let mut away = Browser::at("198.51.100.9");
    site.signed_in(&mut away, &totp).await;
    let (one, other) = (format!("{LIST}/{}", totp.id), sessions(&site, "alice").await[1].id.to_string());
    let fields = [("end", other.as_str()), ("act", "remove"), ("name", "Mine"), ("current", PASSWORD), ("new", OTHER)];
    for path in [SESSIONS, &one, ADD, CHANGE] {
        let theirs = away.get(&site, path).await.filled(&fields);
        let confused = browser.get(&site, if path == CHANGE { ADD } else { CHANGE }).await.filled(&fields);
        for form in [&theirs, &confused, &fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()] {
            let answer = browser.post(&site, path, form).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
            assert!(answer.alert().starts_with("That page was open too long"), "{path} {}", answer.text);
            assert!(!answer.text.contains(OTHER) && !answer.text.contains(PASSWORD));
        }
        let own = browser.get(&site, path).await.filled(&fields);
        browser.set("sec-fetch-site", Some("cross-site"));
        assert_eq!(browser.post(&site, path, &own).await.status, StatusCode::FORBIDDEN, "{path}");
        browser.set("sec-fetch-site", Some("same-origin"));
        browser.set("sec-fetch-dest", Some("empty"));
        assert_eq!(browser.get(&site, path).await.status, StatusCode::FORBIDDEN, "a script of the app reads nothing");
        browser.set("sec-fetch-dest", Some("document"));
    }
    let stale = browser.get(&site, CHANGE).await.filled(&fields);
    site.portal.store.set_disabled(&"alice".parse().expect("a name"), true).await.expect("stored");
    let answer = browser.post(&site, CHANGE, &stale).await;
    assert!(answer.location().starts_with("/.doorward/login"), "who is disabled changes nothing");
    assert_eq!(held(&site, "alice").await.len(), 1);
}

#[tokio::test]
async fn an_authenticator_is_added_once_and_its_code_is_used_up() {
    let site = Site::new();
    let (mut browser, first) = alice(&site).await;
    let (page, new) = scan(&site, &mut browser, ADD, &[("name", " Tablet ")]).await;
    assert!(page.text.contains("<svg class=\"qr\"") && page.text.contains("class=\"key\""));
    assert!(
        !page.filled(&[]).iter().any(|(_, value)| totp::parse_seed(value).is_some_and(|seed| seed.same_as(new.seed.expose())))
    );
    let try_code = |typed: String| page.filled(&[("code", &typed)]);
    let wrong = browser.post(&site, ADD, &try_code("000000x".into())).await;
    assert!(wrong.alert().starts_with("That code didn't match") && wrong.text.contains("<title>Error: "), "{}", wrong.text);
    // A clock that is wrong is told, and the code is of no use when its time comes.
    let early = totp::code_at(&new, site.clock.now().plus(5 * MINUTE));
    let drifted = browser.post(&site, ADD, &try_code(early.clone())).await;
    assert!(drifted.alert().contains("clock is about 5 minutes fast"), "{}", drifted.alert());
    site.clock.advance(5 * MINUTE);
    let used = browser.post(&site, ADD, &try_code(early)).await;
    assert!(used.alert().starts_with("That code was already used"), "{}", used.alert());
    assert_eq!(facts(&site, "alice").await.totps.len(), 1, "nothing counts yet");

    let old = browser.cookies[cookie::SESSION].clone();
    site.clock.advance(MINUTE);
    let typed = code(&site, &new);
    let done = browser.post(&site, ADD, &try_code(typed.clone())).await;
    assert_eq!(done.location(), format!("{LIST}?done=added"));
    assert_ne!(browser.cookies[cookie::SESSION], old, "the session goes on by a new token");
    // The attack: the same form once more, from the back button or a thief of the page.
    let again = browser.post(&site, ADD, &try_code(typed.clone())).await;
    assert_eq!(again.location(), format!("{LIST}?done=late"));
    let names: Vec<_> = held(&site, "alice").await.into_iter().map(|one| one.name).collect();
    assert_eq!(names, [None, Some("Tablet".to_owned())]);

    // Either opens the account; the code of the enrolment does not.
    for (totp, opens) in [(&new, false), (&first, true)] {
        let mut other = Browser::at("198.51.100.9");
        let page = other.get(&site, &site.way_to("/")).await;
        let next = other.post(&site, "/.doorward/login", &page.filled(&[("name", "alice"), ("password", PASSWORD)])).await;
        let page = other.get(&site, &next.location()).await;
        let answer = other.post(&site, "/.doorward/login/code", &page.filled(&[("code", &code(&site, totp))])).await;
        assert_eq!(answer.status.is_redirection(), opens, "{}", answer.alert());
    }
    let list = browser.get(&site, LIST).await;
    assert!(list.text.contains("Tablet") && list.text.contains("6 digits, every 30 seconds, SHA1"), "{}", list.text);
}

#[tokio::test]
async fn there_are_five_at_most_each_under_a_name_of_its_own() {
    let site = Site::new();
    let (mut browser, _) = alice(&site).await;
    for number in 2..=MOST {
        site.clock.advance(MINUTE / 2);
        let (page, totp) = scan(&site, &mut browser, ADD, &[]).await;
        browser.post(&site, ADD, &page.filled(&[("code", &code(&site, &totp)), ("name", "ignored")])).await;
        let expected = format!("Authenticator app {number}");
        assert_eq!(held(&site, "alice").await.last().and_then(|one| one.name.clone()), Some(expected));
    }
    assert_eq!(browser.get(&site, ADD).await.location(), format!("{LIST}?done=most"));
    assert!(browser.get(&site, LIST).await.text.contains("You have 5, which is as many as one can have"));
    let one = format!("{LIST}/{}", held(&site, "alice").await[1].id);
    let page = browser.get(&site, &one).await;
    for (name, alert) in [
        ("AUTHENTICATOR APP", "You call another one so"),
        ("authenticator app 3", "You call another one so"),
        ("  ", "Use a name"),
        ("a\u{7}", "Use a name"),
        (&"x".repeat(65), "Use a name"),
    ] {
        let answer = browser.post(&site, &one, &page.filled(&[("name", name)])).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.alert().starts_with(alert), "{name}: {}", answer.alert());
    }
    let answer = browser.post(&site, &one, &page.filled(&[("name", "<b>Phone & co</b>")])).await;
    assert_eq!(answer.location(), format!("{LIST}?done=renamed"));
    let list = browser.get(&site, &answer.location()).await;
    assert!(list.text.contains("It has its new name.") && !list.text.contains("<b>"), "{}", list.text);
}

#[tokio::test]
async fn one_is_replaced_by_the_first_code_of_the_new_one() {
    let site = Site::new();
    let (mut browser, old) = alice(&site).await;
    let mut away = Browser::at("198.51.100.9");
    site.signed_in(&mut away, &old).await;
    let ended = sessions(&site, "alice").await[1].clone();
    let (page, new) = scan(&site, &mut browser, &format!("{ADD}?instead={}", old.id), &[]).await;
    assert_eq!(held(&site, "alice").await[0].id, old.id, "the old one works until then");
    assert!(!ended.lifeline.is_cut());
    let done = browser.post(&site, ADD, &page.filled(&[("code", &code(&site, &new))])).await;
    assert_eq!(done.location(), format!("{LIST}?done=replaced"));
    let [only] = &held(&site, "alice").await[..] else { panic!("one") };
    assert!(only.id != old.id && ended.lifeline.is_cut());
    assert_eq!(sessions(&site, "alice").await.len(), 1);
    assert_eq!(browser.get(&site, LIST).await.status, StatusCode::OK);
}

/// The attack: two tabs take away one of two each, so that none is left where one is needed.
#[tokio::test]
async fn the_last_factor_that_is_needed_stays() {
    let site = Site::new();
    let (mut browser, first) = alice(&site).await;
    let one = format!("{LIST}/{}", first.id);
    let page = browser.get(&site, &one).await;
    assert!(page.text.contains("your only second factor, and this site asks everybody for one"), "{}", page.text);
    assert!(!page.text.contains("value=\"remove\""));
    let (page, totp) = scan(&site, &mut browser, ADD, &[]).await;
    browser.post(&site, ADD, &page.filled(&[("code", &code(&site, &totp))])).await;
    let other = format!("{LIST}/{}", held(&site, "alice").await[1].id);
    let (left, right) = (browser.get(&site, &one).await, browser.get(&site, &other).await);
    let done = browser.post(&site, &one, &form(&left, &[("act", "remove")])).await;
    assert_eq!(done.location(), format!("{LIST}?done=removed"));
    let refused = browser.post(&site, &other, &form(&right, &[("act", "remove")])).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.alert().contains("Add another first"), "{}", refused.alert());
    assert_eq!(held(&site, "alice").await.len(), 1);
}

#[tokio::test]
async fn people_choose_between_the_configurations_that_there_are() {
    let mut site = Site::new();
    let (mut browser, _) = alice(&site).await;
    assert!(!browser.get(&site, ADD).await.text.contains("type=\"radio\""));
    let recipe = TotpRecipe { algorithm: TotpAlgorithm::Sha512, digits: 8, period: 60 };
    site.plan.auth.totp_configurations =
        vec![TotpConfiguration { name: "Hardware token".into(), issuer: "Vault".into(), recipe }];
    let page = browser.get(&site, ADD).await;
    assert!(page.text.contains("Vault: 8 digits, every 60 seconds, SHA512"), "{}", page.text);
    for (number, expected) in
        [("1", recipe), ("0", TotpRecipe::default()), ("2", TotpRecipe::default()), ("-1", TotpRecipe::default())]
    {
        let (page, totp) = scan(&site, &mut browser, ADD, &[("configuration", number)]).await;
        assert_eq!((totp.recipe, page.text.contains("otpauth://totp/Vault")), (expected, number == "1"));
        if number == "1" {
            let done = browser.post(&site, ADD, &page.filled(&[("code", &code(&site, &totp))])).await;
            assert_eq!(done.location(), format!("{LIST}?done=added"));
        }
    }
    let mut other = Browser::at("198.51.100.9");
    let page = other.get(&site, &site.way_to("/")).await;
    let next = other.post(&site, "/.doorward/login", &page.filled(&[("name", "alice"), ("password", PASSWORD)])).await;
    let page = other.get(&site, &next.location()).await;
    assert!(page.text.contains("6- or 8-digit code"), "{}", page.text);
    let wrong = other.post(&site, "/.doorward/login/code", &page.filled(&[("code", "1")])).await;
    assert!(wrong.alert().contains("Example home or Vault"), "{}", wrong.alert());
}

#[tokio::test]
async fn sessions_are_shown_and_ended() {
    let site = Site::new();
    let (mut browser, totp) = alice(&site).await;
    let mut others = [Browser::at("198.51.100.9"), Browser::at("203.0.113.5")];
    for other in &mut others {
        other.set("user-agent", Some("Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0"));
        site.signed_in(other, &totp).await;
        site.clock.advance(MINUTE);
    }
    let all = sessions(&site, "alice").await;
    let stream = all[1].begin_stream();
    let page = browser.get(&site, SESSIONS).await;
    for said in
        ["This device", "Firefox on Windows", "198.51.100.9", "1 live connection", "paperless.example.com", "2 minutes ago"]
    {
        assert!(page.text.contains(said), "{said}: {}", page.text);
    }
    assert!(page.text.find("This device") < page.text.find("198.51.100.9"));
    drop(stream);
    assert!(!browser.get(&site, SESSIONS).await.text.contains("live connection"));
    let token = page.filled(&[])[0].clone();
    let end = |id: &str| vec![token.clone(), ("end".to_owned(), id.to_owned())];
    assert_eq!(browser.post(&site, SESSIONS, &end(all[0].id.as_str())).await.location(), "/.doorward/logout");
    let done = browser.post(&site, SESSIONS, &end(all[1].id.as_str())).await;
    assert_eq!(done.location(), format!("{SESSIONS}?done=ended"));
    assert!(browser.get(&site, &done.location()).await.text.contains("That session was ended"));
    assert_eq!(all.iter().map(|one| one.lifeline.is_cut()).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(browser.post(&site, SESSIONS, &end(all[1].id.as_str())).await.location(), format!("{SESSIONS}?done=gone"));
    browser.post(&site, SESSIONS, &[token, ("others".into(), "1".into())]).await;
    assert_eq!(all.iter().map(|one| one.lifeline.is_cut()).collect::<Vec<_>>(), [false, true, true]);
    assert!(others[1].get(&site, SESSIONS).await.location().starts_with("/.doorward/login"));
    let text = browser.get(&site, "/.doorward/security/activity").await.text;
    assert!(text.contains("All other sessions ended") && text.contains("on the security page"), "{text}");
}

#[tokio::test]
async fn a_password_is_changed_by_whoever_knows_it() {
    for ends_others in [true, false] {
        let site = Site::new();
        let (mut browser, totp) = alice(&site).await;
        let mut away = Browser::at("198.51.100.9");
        site.signed_in(&mut away, &totp).await;
        let link = site.link(&facts(&site, "alice").await.user).await;
        let page = browser.get(&site, CHANGE).await;
        assert!(page.text.contains("name=\"others\" value=\"1\" checked"));
        for (current, new, alert) in [
            ("not the password", OTHER, "That isn't the password"),
            (PASSWORD, PASSWORD, "That is the password you have"),
            (PASSWORD, "short", "Use at least 12"),
            (PASSWORD, "paperless.example.com", "That password is mostly your name"),
            (PASSWORD, "password1234", "That password is among"),
        ] {
            let answer = browser.post(&site, CHANGE, &page.filled(&[("current", current), ("new", new)])).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
            assert!(answer.alert().starts_with(alert), "{new}: {}", answer.alert());
            assert!(!answer.text.contains(current) && !answer.text.contains(&format!("value=\"{new}")));
        }
        let (runs, old) = (site.portal.hasher.runs(), browser.cookies[cookie::SESSION].clone());
        let mut fields = vec![("current", PASSWORD), ("new", OTHER)];
        fields.extend(ends_others.then_some(("others", "1")));
        let done = browser.post(&site, CHANGE, &page.filled(&fields)).await;
        assert_eq!(done.location(), "/.doorward/security?done=password");
        assert!(browser.get(&site, &done.location()).await.text.contains("Your password was changed."));
        assert_eq!(site.portal.hasher.runs() - runs, 2);
        assert_ne!(browser.cookies[cookie::SESSION], old);
        assert_eq!(sessions(&site, "alice").await.len(), if ends_others { 1 } else { 2 });
        let hash = facts(&site, "alice").await.password.expect("set");
        assert!(password::verify(&hash, OTHER) && !password::verify(&hash, PASSWORD));
        assert_eq!(Browser::new().get(&site, &link).await.status, StatusCode::NOT_FOUND, "old set-up links end");
    }
}

/// The attack: guessing the password behind a session that was left open, faster than at the front door.
#[tokio::test]
async fn guesses_of_the_password_count_as_at_the_front_door() {
    let site = Site::new();
    let (mut browser, _) = alice(&site).await;
    let page = browser.get(&site, CHANGE).await;
    let form = page.filled(&[("current", "a guess of the password"), ("new", OTHER)]);
    let mut runs = 0;
    loop {
        let before = site.portal.hasher.runs();
        let answer = browser.post(&site, CHANGE, &form).await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            assert!(answer.alert().starts_with("Too many tries") && answer.headers.contains_key("retry-after"));
            assert_eq!(site.portal.hasher.runs(), before, "not looked at");
            break;
        }
        runs += 1;
        assert!(runs < 20, "no end of guesses");
    }
    let right = page.filled(&[("current", PASSWORD), ("new", OTHER)]);
    assert_eq!(browser.post(&site, CHANGE, &right).await.status, StatusCode::TOO_MANY_REQUESTS);
    let text = browser.get(&site, "/.doorward/security/activity").await.text;
    assert!(text.contains("A sign-in failed") && text.contains("wrong when it was to be changed"), "{text}");
}

/// A machine without a free core has not looked at anything: nobody has tried too often.
#[tokio::test(start_paused = true)]
async fn a_busy_machine_holds_nothing_against_anybody() {
    let mut site = Site::with(Strength::Password);
    let (mut browser, _) = alice(&site).await;
    site.portal.hasher = Hasher::with_cores(0);
    // For known devices there is a core kept free.
    browser.cookies.retain(|name, _| name == cookie::SESSION || name == cookie::VISITOR);
    let page = browser.get(&site, CHANGE).await;
    let form = page.filled(&[("current", PASSWORD), ("new", OTHER)]);
    let answer = browser.post(&site, CHANGE, &form).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.alert(), "Your password was not checked. Try again in 2 seconds.");
    let event = Some("sign_in.throttled".to_owned());
    let told = site.portal.store.audit(Wanted { event, most: 10, ..Wanted::default() }).await.expect("read");
    assert!(told.is_empty(), "{told:?}");
}

#[tokio::test]
async fn activity_is_ones_own_of_90_days_page_by_page() {
    let site = Site::new();
    let (mut browser, totp) = alice(&site).await;
    site.ready("bob").await;
    let mut bob = Browser::at("198.51.100.77");
    let page = bob.get(&site, "/.doorward/login").await;
    bob.post(&site, "/.doorward/login", &page.filled(&[("name", "bob"), ("password", "wrong wrong wrong")])).await;
    for number in 0..30 {
        let one = format!("{LIST}/{}", totp.id);
        let page = browser.get(&site, &one).await;
        browser.post(&site, &one, &page.filled(&[("name", &format!("secret name {number}"))])).await;
    }
    let page = browser.get(&site, "/.doorward/security/activity").await;
    assert_eq!(page.text.matches("An authenticator app was renamed").count(), 25);
    assert!(!page.text.contains("secret name") && !page.text.contains("198.51.100.77"), "{}", page.text);
    let older = regex::Regex::new(r#"href="(\?before=\d+)""#).expect("a pattern");
    let older = older.captures(&page.text).expect("there is more")[1].to_owned();
    let page = browser.get(&site, &format!("/.doorward/security/activity{older}")).await;
    assert_eq!(page.text.matches("An authenticator app was renamed").count(), 5);
    assert!(page.text.contains("Signed in") && page.text.contains("Newest") && !page.text.contains("Older"), "{}", page.text);
    for strange in ["?before=0", "?before=-1", "?before=18446744073709551615", "?before=x"] {
        assert_eq!(browser.get(&site, &format!("/.doorward/security/activity{strange}")).await.status, StatusCode::OK);
    }
    site.clock.advance(91 * 24 * 60 * MINUTE);
    let mut later = Browser::new();
    site.signed_in(&mut later, &totp).await;
    let page = later.get(&site, "/.doorward/security/activity").await;
    assert!(!page.text.contains("renamed"), "{}", page.text);
}
