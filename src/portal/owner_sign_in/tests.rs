//! Signing in as the only one there is, and what strangers make of it.

use http::StatusCode;

use super::*;
use crate::auth::password;
use crate::auth::totp;
use crate::base::secret::Secret;
use crate::model::credential::Totp;
use crate::model::mode::Mode;
use crate::policy::requirement::Requirement;
use crate::portal::kit::{Answer, Browser, HOUR, PASSWORD, Site, plan};

const LOGIN: &str = "/.doorward/login";
const RECOVERY: &str = "/.doorward/login/recovery";

/// An installation of one owner.
fn owned() -> Site {
    let mut site = Site::with(Strength::Password);
    site.plan.auth.mode = Mode::SingleOwner;
    site.plan.auth.throttle.code_alone = true;
    site
}

/// The owner, with an authenticator and nothing else.
async fn ready(site: &Site, name: &str) -> Totp {
    let user = site.user(name).await;
    let totp = site.authenticator();
    assert!(site.portal.store.provision(user.id, None, Some(totp.clone())).await.expect("provisioned"));
    totp
}

async fn typed(site: &Site, browser: &mut Browser, code: &str) -> Answer {
    let page = browser.get(site, &site.way_to("/documents?page=2")).await;
    browser.post(site, LOGIN, &page.filled(&[("code", code)])).await
}

async fn sessions(site: &Site) -> Vec<std::sync::Arc<Session>> {
    site.portal.store.list_sessions().await.expect("listed")
}

#[tokio::test]
async fn a_code_alone_signs_in_and_leads_on() {
    let site = owned();
    let totp = ready(&site, "owner").await;
    let mut browser = Browser::new();
    let page = browser.get(&site, &site.way_to("/documents?page=2")).await;
    assert!(page.text.contains("inputmode=\"numeric\"") && page.text.contains("one-time-code"), "{}", page.text);
    assert!(
        !page.text.contains("password") && !page.text.contains("name=\"name\"") && !page.text.contains("owner<"),
        "{}",
        page.text
    );
    assert!(page.text.contains(RECOVERY), "the way without the phone");
    let code = totp::code_at(&totp, site.clock.now());
    let spaced = format!(" {} {}", &code[..3], &code[3..]);
    let done = browser.post(&site, LOGIN, &page.filled(&[("code", &spaced)])).await;
    assert_eq!(browser.get(&site, &done.location()).await.leads_to(), "/documents?page=2");
    let [session] = &sessions(&site).await[..] else { panic!("one session") };
    assert_eq!((session.strength, session.method()), (Strength::Password, "code"), "one factor is what it is");
    assert_eq!((session.proofs.code, session.proofs.password), (Some(site.clock.now()), None));

    // The attack: the code that was seen over somebody's shoulder.
    let mut thief = Browser::new();
    let again = typed(&site, &mut thief, &code).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(again.alert().contains("used"), "{}", again.alert());
    site.clock.advance(HOUR);
    let next = totp::code_at(&totp, site.clock.now().plus(HOUR / 10));
    let drifted = typed(&site, &mut thief, &next).await;
    assert!(drifted.alert().contains("clock"), "{}", drifted.alert());
    site.clock.advance(HOUR / 10);
    assert!(typed(&site, &mut thief, &next).await.alert().contains("used"), "what was answered is burnt");
}

/// What cannot be a code costs nobody a try: strangers would spend the owner's by leaning on a key.
#[tokio::test]
async fn slips_of_the_hand_are_not_counted() {
    let site = owned();
    let totp = ready(&site, "owner").await;
    let mut browser = Browser::new();
    for slip in ["", "12345", "123456789", "12345x", "１２３４５６"].iter().cycle().take(15) {
        let answer = typed(&site, &mut browser, slip).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{slip}");
        assert!(answer.alert().contains("not counted"), "{}", answer.alert());
    }
    assert_eq!(typed(&site, &mut browser, &totp::code_at(&totp, site.clock.now())).await.status, StatusCode::SEE_OTHER);
}

/// The attack: the forms of an installation with names and passwords.
#[tokio::test]
async fn name_and_password_open_nothing() {
    let site = owned();
    let totp = site.ready("owner").await;
    let mut browser = Browser::new();
    let page = browser.get(&site, &site.way_to("/")).await;
    let fields = [("name", "owner"), ("password", PASSWORD)];
    let answer = browser.post(&site, LOGIN, &page.filled(&fields)).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let code = totp::code_at(&totp, site.clock.now());
    let second = browser.post(&site, "/.doorward/login/code", &page.filled(&[("c", "x"), ("code", &code)])).await;
    assert_eq!(second.status, StatusCode::FORBIDDEN, "there is no second step");
    assert!(sessions(&site).await.is_empty());
}

/// The attack: a first step taken while names and passwords were asked for, finished as if it were of today.
#[tokio::test]
async fn a_half_done_sign_in_of_before_is_over() {
    let mut site = Site::new();
    let totp = site.ready("owner").await;
    let mut browser = Browser::new();
    let page = browser.get(&site, &site.way_to("/")).await;
    let next = browser.post(&site, LOGIN, &page.filled(&[("name", "owner"), ("password", PASSWORD)])).await;
    let page = browser.get(&site, &next.location()).await;
    site.plan.auth.mode = Mode::SingleOwner;
    let code = totp::code_at(&totp, site.clock.now());
    let answer = browser.post(&site, "/.doorward/login/code", &page.filled(&[("code", &code)])).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(sessions(&site).await.is_empty());
}

/// The attack: a second account whose code is as good as the owner's.
#[tokio::test]
async fn with_two_accounts_nobody_is_the_owner() {
    let site = owned();
    let (totp, _) = (ready(&site, "owner").await, ready(&site, "mallory").await);
    let mut browser = Browser::new();
    let code = totp::code_at(&totp, site.clock.now());
    assert_eq!(typed(&site, &mut browser, &code).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let link = site.link(&site.user("eve").await).await;
    assert_eq!(browser.get(&site, &link).await.status, StatusCode::NOT_FOUND);
    for name in ["mallory", "eve"] {
        site.portal.store.set_disabled(&name.parse().expect("a name"), true).await.expect("stored");
    }
    assert_eq!(typed(&site, &mut browser, &code).await.status, StatusCode::SEE_OTHER, "the code is not spent");
}

/// The attack: ten thousand strangers guess. They shut codes to devices that are new, and nothing else.
#[tokio::test]
async fn a_flood_of_strangers_keeps_the_owner_out_of_nothing() {
    let site = owned();
    let totp = ready(&site, "owner").await;
    let codes = site.recovery_codes("owner").await;
    let mut own = Browser::at("203.0.113.7");
    assert_eq!(typed(&site, &mut own, &totp::code_at(&totp, site.clock.now())).await.status, StatusCode::SEE_OTHER);
    let mut looked_at = 0;
    for day in 0..8_u32 {
        for burst in 0..4_u32 {
            for guess in 0..8_u32 {
                let [_, a, b, c] = (day * 32 + burst * 8 + guess).to_be_bytes();
                let mut stranger = Browser::at(&format!("10.{a}.{b}.{c}"));
                let answer = typed(&site, &mut stranger, "000000").await;
                looked_at += u32::from(answer.status == StatusCode::UNPROCESSABLE_ENTITY);
            }
            site.clock.advance(HOUR / 4);
        }
        site.clock.advance(23 * HOUR);
        site.clock.advance(HOUR / 2);
        own.cookies.remove(crate::wire::cookie::SESSION);
        let answer = typed(&site, &mut own, &totp::code_at(&totp, site.clock.now())).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "day {day}: {}", answer.alert());
    }
    assert_eq!(looked_at, 50);
    let mut new = Browser::at("203.0.113.8");
    let refused = typed(&site, &mut new, &totp::code_at(&totp, site.clock.now().plus(HOUR))).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.alert().contains("recovery code") && refused.alert().contains("doorward user link"), "{}", refused.alert());
    let page = new.get(&site, RECOVERY).await;
    let done = new.post(&site, RECOVERY, &page.filled(&[("code", &codes[0])])).await;
    assert!(done.location().starts_with("/.doorward/login/recovered"), "a recovery code helps");
}

/// The attack: whoever wants to shut the way in for somebody without a phone uses up the tries with recovery codes.
#[tokio::test]
async fn recovery_codes_are_shut_to_the_network_that_guesses() {
    let site = owned();
    ready(&site, "owner").await;
    let codes = site.recovery_codes("owner").await;
    let last = if codes[0].ends_with('0') { '1' } else { '0' };
    let wrong = format!("{}{last}", &codes[0][..codes[0].len() - 1]);
    let mut looked_at = 0;
    for _ in 0..60 {
        let mut stranger = Browser::at("198.51.100.1");
        let page = stranger.get(&site, RECOVERY).await;
        let answer = stranger.post(&site, RECOVERY, &page.filled(&[("code", &wrong)])).await;
        looked_at += u32::from(answer.status == StatusCode::UNPROCESSABLE_ENTITY);
        site.clock.advance(HOUR);
    }
    assert_eq!(looked_at, 20);
    let mut owner = Browser::at("203.0.113.7");
    let page = owner.get(&site, RECOVERY).await;
    assert!(!page.text.contains("Signing in as"), "{}", page.text);
    let done = owner.post(&site, RECOVERY, &page.filled(&[("code", &codes[0])])).await;
    let stop = owner.get(&site, &done.location()).await;
    assert!(stop.text.contains("You used a recovery code. 9 left."), "{}", stop.text);
    let next = owner.post(&site, "/.doorward/login/recovered", &stop.filled(&[])).await;
    let page = owner.get(&site, &next.location()).await;
    assert!(
        page.text.contains("Step 1 of 2") && page.text.contains("<svg class=\"qr\""),
        "a new authenticator, no password: {}",
        page.text
    );
    let [session] = &sessions(&site).await[..] else { panic!("one session") };
    assert_eq!((session.strength, session.method()), (Strength::Password, "code"));
}

/// The attack: a second code, proven by the same hand as the first, makes two factors.
#[tokio::test]
async fn adding_another_authenticator_makes_no_session_firmer() {
    let site = owned();
    let totp = ready(&site, "owner").await;
    let mut browser = Browser::new();
    typed(&site, &mut browser, &totp::code_at(&totp, site.clock.now())).await;
    let add = "/.doorward/security/authenticators/add";
    let page = browser.get(&site, add).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let scan = browser.post(&site, add, &page.filled(&[("name", "Second")])).await;
    let page = browser.get(&site, &scan.location()).await;
    let key =
        page.text.split("<p class=\"key\"><code>").nth(1).and_then(|rest| rest.split('<').next()).expect("a key").to_owned();
    let second = Totp { seed: totp::parse_seed(&key).expect("a seed"), ..site.authenticator() };
    let code = totp::code_at(&second, site.clock.now());
    let done = browser.post(&site, add, &page.filled(&[("code", &code)])).await;
    assert!(done.location().ends_with("done=added"), "{}", done.location());
    assert_eq!(sessions(&site).await[0].strength, Strength::Password);
    let overview = browser.get(&site, "/.doorward/security").await;
    assert!(
        overview.text.contains("You sign in with: 2 authenticator apps.") && !overview.text.contains("Password"),
        "{}",
        overview.text
    );
    assert_eq!(browser.get(&site, "/.doorward/security/password").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_asks_for_two_factors_asks_for_a_passkey() {
    let mut site = owned();
    let totp = ready(&site, "owner").await;
    let mut app = crate::plan::app::App::clone(&site.plan.apps[0]);
    app.rules.requirement = Requirement::of(Strength::TwoFactor);
    site.plan.apps = vec![std::sync::Arc::new(app)];
    let (apps, portal) = (site.plan.apps.clone(), site.plan.portal.clone());
    site.plan.hosts = crate::plan::routes::Routes::of(&apps, &portal);
    let mut browser = Browser::new();
    let page = browser.get(&site, &site.way_to("/")).await;
    assert!(page.text.contains("asks for a passkey"), "{}", page.text);
    let done = browser.post(&site, LOGIN, &page.filled(&[("code", &totp::code_at(&totp, site.clock.now()))])).await;
    let sign_in = browser.get(&site, &done.location()).await.location();
    let confirm = browser.get(&site, &sign_in).await.location();
    assert!(confirm.starts_with("/.doorward/confirm"), "{confirm}");
    let missing = browser.get(&site, &confirm).await;
    assert_eq!(missing.status, StatusCode::FORBIDDEN);
    assert!(missing.text.contains("A passkey is missing"), "{}", missing.text);
}

#[tokio::test]
async fn the_last_factor_stays_and_a_proof_is_asked_for_anew() {
    let site = owned();
    let totp = ready(&site, "owner").await;
    let mut browser = Browser::new();
    typed(&site, &mut browser, &totp::code_at(&totp, site.clock.now())).await;
    let one = format!("/.doorward/security/authenticators/{}", totp.id);
    let page = browser.get(&site, &one).await;
    assert!(page.text.contains("This is all you sign in with"), "{}", page.text);
    let refused = browser.post(&site, &one, &page.filled(&[("act", "remove")])).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    site.clock.advance(HOUR);
    let confirm = browser.get(&site, &one).await.location();
    let page = browser.get(&site, &confirm).await;
    assert!(page.text.contains("name=\"code\"") && !page.text.contains("password"), "{}", page.text);
    let code = totp::code_at(&totp, site.clock.now());
    let done = browser.post(&site, "/.doorward/confirm", &page.filled(&[("code", &code)])).await;
    assert_eq!(browser.get(&site, &done.location()).await.leads_to(), one);
    let mut thief = Browser::new();
    assert!(typed(&site, &mut thief, &code).await.alert().contains("used"), "its step is burnt");
}

#[tokio::test]
async fn a_set_up_link_asks_for_no_password() {
    let site = owned();
    let link = site.link(&site.user("owner").await).await;
    let mut browser = Browser::new();
    let page = browser.get(&site, &link).await;
    assert!(page.text.contains("Step 1 of 2") && page.text.contains("yours alone"), "{}", page.text);
    let key =
        page.text.split("<p class=\"key\"><code>").nth(1).and_then(|rest| rest.split('<').next()).expect("a key").to_owned();
    assert!(browser.get(&site, &link).await.text.contains(&key), "a second look finds the same");
    let totp = Totp { seed: totp::parse_seed(&key).expect("a seed"), ..site.authenticator() };
    let code = totp::code_at(&totp, site.clock.now());
    let sheet = browser.post(&site, &link, &page.filled(&[("code", &code)])).await;
    assert!(sheet.text.contains("Step 2 of 2") && sheet.codes().len() == 10, "{}", sheet.text);
    browser.saved(&site, &link, &sheet).await;
    let [session] = &sessions(&site).await[..] else { panic!("one session") };
    assert_eq!((session.strength, session.proofs.password), (Strength::Password, None));
    let owner = site.portal.store.owner().await.expect("asked");
    let facts = owner.facts().expect("one");
    assert!(facts.password.is_none() && facts.totps.len() == 1 && facts.recovery_left == 10);
}

/// The attack: a set-up without a password, finished where passwords are asked for.
#[tokio::test]
async fn a_set_up_begun_without_a_password_has_to_choose_one_later() {
    let mut site = owned();
    let user = site.user("owner").await;
    let link = site.link(&user).await;
    let mut browser = Browser::new();
    let page = browser.get(&site, &link).await;
    site.plan = plan(Strength::TwoFactor);
    let answer = browser.post(&site, &link, &page.filled(&[("code", "000000")])).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text);
    let page = browser.get(&site, &format!("{link}?step=2")).await;
    assert!(page.text.contains("Choose a password"), "{}", page.text);
}

#[tokio::test]
async fn completing_a_link_without_a_password_takes_the_old_one_away() {
    let site = owned();
    let user = site.user("owner").await;
    let hash = password::hash(&Secret::new(PASSWORD.to_owned()), [9; 16]);
    assert!(site.portal.store.provision(user.id, Some(hash), None).await.expect("provisioned"));
    let link = site.link(&user).await;
    let mut browser = Browser::new();
    let page = browser.get(&site, &link).await;
    let key =
        page.text.split("<p class=\"key\"><code>").nth(1).and_then(|rest| rest.split('<').next()).expect("a key").to_owned();
    let totp = Totp { seed: totp::parse_seed(&key).expect("a seed"), ..site.authenticator() };
    let code = totp::code_at(&totp, site.clock.now());
    let sheet = browser.post(&site, &link, &page.filled(&[("code", &code)])).await;
    browser.saved(&site, &link, &sheet).await;
    assert!(site.portal.store.owner().await.expect("asked").facts().expect("one").password.is_none());
}
