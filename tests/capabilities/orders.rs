//! Certificates from an authority that speaks ACME: ordered, renewed when it says so, at a second one if need be, revoked; what
//! the authority says becomes a sentence; and whatever it does, what was issued is shown.

use std::time::Duration;

use doorward::admin::certificates::{CertificateAnswer, CertificateState, CertificateWish, Origin, Reason, State};
use doorward::admin::trail::TrailWish;
use doorward::admin::wish::{Answer, RefusedKind, Wish};
use doorward::policy::wildcard::HostPattern;
use doorward::tls::acme::schedule::{Limit, Step};

use crate::kit::app::App;
use crate::kit::ca::{Ca, Manner, fingerprint, http_date};
use crate::kit::gateway::{Gateway, one_app, until, within};

const NAME: &str = "paperless.example.com";
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// The configuration of one name whose certificates come from `ca`.
fn ordering(ca: &Ca, app: &App, more: &str) -> String {
    format!("{}{}", ca.acme(&format!("challenge = \"http-01\"\n{more}")), one_app(&app.url(), "").replace("app.example", NAME))
}

/// The same with another authority, whose address `key` names.
fn ordering_beside(ca: &Ca, (key, other): (&str, &Ca), app: &App) -> String {
    let both = ca.file.with_file_name("both.pem");
    let text = [&ca.file, &other.file].map(|file| std::fs::read_to_string(file).expect("read")).concat();
    std::fs::write(&both, text).expect("written");
    let text = ordering(ca, app, &format!("{key} = \"{}\"", other.directory));
    text.replace(&ca.file.display().to_string(), &both.display().to_string())
}

fn calm() -> Manner {
    Manner { odd_nonces: None, ..Manner::default() }
}

/// A gateway that has its first certificate.
async fn served(ca: &Ca, app: &App, more: &str) -> Gateway {
    let gateway = Gateway::start(&ordering(ca, app, more));
    ca.sees(&gateway);
    issued(ca, 1).await;
    settled(&gateway).await;
    gateway
}

async fn issued(ca: &Ca, count: usize) {
    until("a certificate", || ca.issued().len() >= count).await;
}

/// Waits until nothing is due, and neither an order nor a question runs.
async fn settled(gateway: &Gateway) {
    let (certificates, services) = (gateway.running().certificates(), gateway.running().services());
    until("the order ends", || {
        let plan = services.plan.get();
        let (policy, now) = (plan.acme.as_ref().expect("[acme]"), gateway.clock.now());
        certificates.ordered().iter().all(|slot| {
            let is_due = matches!(slot.step(policy, now), Step::Order(_)) || slot.question(policy, now).is_some();
            // Whoever can have the lease is alone with it.
            !is_due && certificates.names().hold(slot).is_some()
        })
    })
    .await;
}

/// As if the half minute after which the schedule is looked at were over.
fn look(gateway: &Gateway) {
    gateway.running().certificates().names().wake();
}

async fn pass(gateway: &Gateway, time: Duration) {
    gateway.clock.advance(time);
    look(gateway);
}

async fn ask(gateway: &Gateway, ask: CertificateWish) -> Answer {
    gateway.ask(&Wish::Certificates { ask }).await
}

async fn list(gateway: &Gateway) -> Vec<CertificateState> {
    match ask(gateway, CertificateWish::List).await {
        Answer::Certificates { said: CertificateAnswer::List(all) } => all,
        other => panic!("{other:?}"),
    }
}

async fn one(gateway: &Gateway) -> CertificateState {
    list(gateway).await.into_iter().find(|one| one.source == Origin::Acme).expect("one by ACME")
}

/// What the last order failed for.
async fn sentence(gateway: &Gateway) -> String {
    let told = || {
        let slots = gateway.running().certificates().ordered();
        slots.first().and_then(|slot| slot.standing().history.trouble)
    };
    until("the trouble", || told().is_some()).await;
    settled(gateway).await;
    told().expect("told").sentence
}

async fn renew(gateway: &Gateway) {
    ask(gateway, CertificateWish::Renew { host: Some(NAME.to_owned()), force: true }).await;
}

/// Waits until so many orders have ended.
async fn ended(gateway: &Gateway, count: u64) {
    let attempts = || gateway.running().certificates().ordered()[0].standing().history.attempts;
    until("the order has ended", || attempts() >= count).await;
    settled(gateway).await;
    assert_eq!(attempts(), count);
}

async fn deeds(gateway: &Gateway) -> Vec<String> {
    let ask = TrailWish::List { user: None, since: None, event: None, most: 100 };
    match gateway.ask(&Wish::Trail { ask }).await {
        Answer::Trail { said } => format!("{said:?}").split('"').map(str::to_owned).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_name_gets_its_certificate_and_the_next_one_when_the_authority_says_so() {
    let (app, ca) = (App::start().await, Ca::start(Manner::default()).await);
    ca.advises((20 * 86_400, 21 * 86_400));
    let gateway = served(&ca, &app, "").await;
    look(&gateway);
    until("the authority is asked", || ca.count("renewal-info") == 1).await;
    settled(&gateway).await;
    let state = one(&gateway).await;
    let first = &ca.issued()[0];
    assert_eq!(state.window, Some((first.from + 20 * 86_400, first.from + 21 * 86_400)));
    let next = state.next.expect("due") - first.from;
    assert!((20 * 86_400..21 * 86_400).contains(&next), "{next}");
    // It is asked no more often than every six hours, and what it says then counts.
    pass(&gateway, 5 * HOUR).await;
    settled(&gateway).await;
    assert_eq!(ca.count("renewal-info"), 1);
    pass(&gateway, HOUR).await;
    until("it is asked again", || ca.count("renewal-info") == 2).await;
    settled(&gateway).await;
    assert_eq!(one(&gateway).await.next, Some(first.from + next), "the moment stays as long as the window does");
    pass(&gateway, Duration::from_secs(u64::try_from(next).expect("later") + 1) - 6 * HOUR).await;
    issued(&ca, 2).await;
    settled(&gateway).await;
    let orders = ca.issued();
    assert_eq!(orders[1].replaces.as_deref(), Some(orders[0].id.as_str()));
    assert_eq!(one(&gateway).await.fingerprint, Some(fingerprint(&orders[1])));
}

#[tokio::test]
async fn a_window_in_the_past_means_now_and_a_restart_forgets_nothing() {
    let (app, ca) = (App::start().await, Ca::start(Manner::default()).await);
    ca.advises((30 * 86_400, 60 * 86_400));
    let gateway = served(&ca, &app, "").await;
    look(&gateway);
    until("the authority is asked", || ca.count("renewal-info") == 1).await;
    settled(&gateway).await;
    let next = one(&gateway).await.next;
    let gateway = gateway.restarted(&ordering(&ca, &app, "")).await;
    ca.sees(&gateway);
    assert_eq!((one(&gateway).await.next, ca.count("renewal-info")), (next, 1), "after a restart");
    // A certificate that is about to be revoked by its authority: the window is over.
    ca.advises((-86_400, -3_600));
    pass(&gateway, 2 * DAY).await;
    issued(&ca, 2).await;
    settled(&gateway).await;
    assert_eq!(ca.issued().len(), 2);
    // The next one it wants back too, at once; that waits for a day.
    pass(&gateway, 12 * HOUR).await;
    settled(&gateway).await;
    assert_eq!(ca.issued().len(), 2);
}

#[tokio::test]
async fn an_authority_that_says_nothing_or_nonsense_gets_two_thirds_of_the_life() {
    for advises in [false, true] {
        let (app, ca) = (App::start().await, Ca::start(Manner { advises, ..Manner::default() }).await);
        // From the last day on, until the day before it.
        ca.advises((90 * 86_400, 89 * 86_400));
        let gateway = served(&ca, &app, "").await;
        look(&gateway);
        settled(&gateway).await;
        let next = one(&gateway).await.next.expect("due") - ca.issued()[0].from;
        assert!((54 * 86_400..=60 * 86_400).contains(&next), "{next}");
        pass(&gateway, 61 * DAY).await;
        issued(&ca, 2).await;
        assert_eq!(ca.issued()[1].replaces, None, "it knows nothing of the first");
    }
}

#[tokio::test]
async fn a_certificate_with_a_successor_already_is_renewed_all_the_same() {
    let (app, ca) = (App::start().await, Ca::start(Manner::default()).await);
    let gateway = served(&ca, &app, "").await;
    look(&gateway);
    until("the authority is asked", || ca.count("renewal-info") == 1).await;
    settled(&gateway).await;
    ca.refuses("new-order", ("alreadyReplaced", "it has a successor"), None);
    pass(&gateway, 61 * DAY).await;
    issued(&ca, 2).await;
    assert_eq!(ca.issued()[1].replaces, None);
}

#[tokio::test]
async fn an_authority_that_is_away_for_a_month_costs_no_certificate() {
    let (app, ca) = (App::start().await, Ca::start(Manner { odd_nonces: None, ..Manner::default() }).await);
    let gateway = served(&ca, &app, "").await;
    let shown = one(&gateway).await.fingerprint;
    ca.is_away(true);
    pass(&gateway, 50 * DAY).await;
    let mut failures = 0;
    for _ in 0..60 {
        pass(&gateway, DAY / 2).await;
        settled(&gateway).await;
        let state = one(&gateway).await;
        assert!(state.fingerprint == shown && state.state != State::Waiting);
        failures = state.failures;
    }
    assert!((10..=60).contains(&failures), "{failures} tries");
    assert!(sentence(&gateway).await.contains("localhost cannot be reached (it answers 503"));
    assert_eq!(one(&gateway).await.state, State::Late);
    ca.is_away(false);
    pass(&gateway, 12 * HOUR).await;
    issued(&ca, 2).await;
    settled(&gateway).await;
    let state = one(&gateway).await;
    assert!(state.fingerprint != shown && state.state == State::Well && state.trouble.is_none());
}

#[tokio::test]
async fn what_the_authority_says_becomes_a_sentence() {
    let (app, ca) = (App::start().await, Ca::start(Manner { odd_nonces: None, ..Manner::default() }).await);
    let date = http_date(doorward::base::clock::Timestamp::from_secs(1_800_000_000 + 7_200));
    let cases = [
        (
            "rateLimited",
            "too many",
            Some("3600"),
            "a limit of localhost is reached for paperless.example.com or its domain for another 1 hour",
        ),
        ("rateLimited", "too many", Some(date.as_str()), "or its domain for another "),
        ("caa", "CAA forbids", None, "a CAA record of paperless.example.com"),
        ("dns", "NXDOMAIN", None, "found no address of paperless.example.com"),
        (
            "connection",
            "127.0.0.1: connection refused",
            None,
            "could not reach port 80 of paperless.example.com at 127.0.0.1: connection refused",
        ),
        ("unauthorized", "closed", None, "does not take orders from our account (closed)"),
        ("externalAccountRequired", "no", None, "set `acme.eab`"),
        ("rejectedIdentifier", "policy", None, "does not certify paperless.example.com"),
        ("userActionRequired", "terms", None, "has new terms"),
        ("invalidProfile", "no such", None, "the profile in `acme.profile`"),
        ("serverInternal", "oops", None, "is out of order"),
        ("malformed", "odd", None, "did not issue a certificate for paperless.example.com: odd"),
    ];
    for (kind, words, pause, said) in cases {
        let gateway =
            Gateway::start(&ordering(&ca, &app, "").replace(NAME, &format!("{}.example.com", kind.to_ascii_lowercase())));
        ca.refuses("new-order", (kind, words), pause);
        ca.sees(&gateway);
        let told = sentence(&gateway).await;
        let said = said.replace(NAME, &format!("{}.example.com", kind.to_ascii_lowercase()));
        assert!(told.contains(&said), "{kind}: {told}");
    }
}

#[tokio::test]
async fn limits_are_kept_until_the_moment_that_the_authority_says() {
    let (app, ca) = (App::start().await, Ca::start(Manner { odd_nonces: None, ..Manner::default() }).await);
    let gateway = Gateway::start(&ordering(&ca, &app, ""));
    let until_then = http_date(gateway.clock.now().plus(2 * DAY));
    ca.refuses("new-order", ("rateLimited", "too many"), Some(&until_then));
    ca.sees(&gateway);
    assert!(sentence(&gateway).await.contains("for another 2 days"));
    renew(&gateway).await;
    pass(&gateway, 47 * HOUR).await;
    settled(&gateway).await;
    assert_eq!(ca.count("new-order"), 1, "the owner's wish does not shorten it");
    pass(&gateway, HOUR).await;
    issued(&ca, 1).await;
}

#[tokio::test]
async fn profiles_are_ordered_by_name_and_one_that_is_not_offered_says_which_are() {
    let manner = Manner { profiles: vec!["tlsserver", "shortlived"], life: 160 * HOUR, ..Manner::default() };
    let (app, ca) = (App::start().await, Ca::start(manner).await);
    let gateway = served(&ca, &app, "profile = \"shortlived\"").await;
    assert_eq!(ca.issued()[0].profile.as_deref(), Some("shortlived"));
    assert_eq!(one(&gateway).await.state, State::Well);
    let gateway = Gateway::start(&ordering(&ca, &app, "profile = \"classic\""));
    ca.sees(&gateway);
    let said = "localhost has no profile `classic`: set `acme.profile` to one of shortlived, tlsserver, or remove it";
    assert_eq!(sentence(&gateway).await, said);
    assert_eq!(ca.count("new-order"), 1, "nothing was ordered");
}

#[tokio::test]
async fn a_known_customer_binds_the_key_that_is_kept() {
    let manner = || Manner { customer: Some(("kid-1", b"a key of thirty-two bytes length")), ..Manner::default() };
    let (app, ca) = (App::start().await, Ca::start(manner()).await);
    let eab = "eab = { kid = \"kid-1\", hmac_key = \"YSBrZXkgb2YgdGhpcnR5LXR3byBieXRlcyBsZW5ndGg\" }";
    let gateway = served(&ca, &app, eab).await;
    assert_eq!(ca.accounts(), (1, true));
    pass(&gateway, HOUR).await;
    renew(&gateway).await;
    issued(&ca, 2).await;
    assert_eq!(ca.accounts(), (1, true), "it is bound once");
    drop(gateway);
    let gateway = Gateway::start(&ordering(&ca, &app, ""));
    ca.sees(&gateway);
    assert!(sentence(&gateway).await.contains("serves known customers only: set `acme.eab`"));
    let gateway = Gateway::start(&ordering(&ca, &app, "eab = { kid = \"kid-1\", hmac_key = \"d3Jvbmc\" }"));
    ca.sees(&gateway);
    assert!(sentence(&gateway).await.contains("does not know us as `acme.eab` says (the binding does not verify)"));
}

#[tokio::test]
async fn a_public_address_gets_a_certificate_and_one_at_home_does_not() {
    let manner = Manner { profiles: vec!["classic", "shortlived"], life: 160 * HOUR, ..Manner::default() };
    let (app, ca) = (App::start().await, Ca::start(manner).await);
    let hosts = |text: &str| ordering(&ca, &app, "").replace(NAME, text);
    for (host, other) in [("203.0.113.7", "192.168.1.7"), ("[2001:db8::1]", "[fd00::7]")] {
        let before = ca.issued().len();
        let text = format!("{}\n{}", hosts(host), one_app(&app.url(), "").replace("app.example", other));
        let gateway = Gateway::start(&format!("portal = \"https://portal.localhost\"\n{text}"));
        ca.sees(&gateway);
        issued(&ca, before + 1).await;
        settled(&gateway).await;
        assert_eq!(ca.issued()[before].profile.as_deref(), Some("shortlived"), "the kind for addresses");
        let sources: Vec<_> = list(&gateway).await.into_iter().map(|one| (one.host, one.source)).collect();
        assert!(sources.contains(&(host.trim_matches(['[', ']']).to_owned(), Origin::Acme)), "{sources:?}");
        assert!(sources.contains(&(other.trim_matches(['[', ']']).to_owned(), Origin::Local)), "{sources:?}");
    }
    let refusing = Ca::start(Manner { takes_addresses: false, ..Manner::default() }).await;
    let text = ordering(&refusing, &app, "").replace(NAME, "203.0.113.7");
    let gateway = Gateway::start(&format!("portal = \"https://portal.localhost\"\n{text}"));
    refusing.sees(&gateway);
    assert!(sentence(&gateway).await.contains("localhost does not certify the address 203.0.113.7: use a name"));
}

#[tokio::test]
async fn a_second_authority_stands_in_and_the_first_comes_back() {
    let app = App::start().await;
    let (first, second) = (Ca::start(calm()).await, Ca::start(calm()).await);
    let text = ordering_beside(&first, ("fallback_directory", &second), &app);
    first.is_away(true);
    let gateway = Gateway::start(&text);
    first.sees(&gateway);
    second.sees(&gateway);
    sentence(&gateway).await;
    for _ in 0..12 {
        pass(&gateway, HOUR).await;
        settled(&gateway).await;
    }
    assert_eq!(second.issued().len(), 0, "the first has its day");
    for _ in 0..13 {
        pass(&gateway, 2 * HOUR).await;
        settled(&gateway).await;
    }
    assert_eq!(second.issued().len(), 1);
    let state = one(&gateway).await;
    assert!(state.state == State::Well && state.trouble.is_none() && state.failures == 0);
    // What stands in is not replaced before its time, not by a restart either; then the first is asked.
    let gateway = gateway.restarted(&text).await;
    first.sees(&gateway);
    second.sees(&gateway);
    first.is_away(false);
    pass(&gateway, HOUR).await;
    settled(&gateway).await;
    assert_eq!((first.issued().len(), second.issued().len()), (0, 1));
    pass(&gateway, 61 * DAY).await;
    issued(&first, 1).await;
    settled(&gateway).await;
    assert_eq!((first.issued()[0].replaces.as_ref(), second.issued().len()), (None, 1));
}

#[tokio::test]
async fn the_account_gets_another_key_and_a_lost_answer_loses_no_account() {
    let (app, ca) = (App::start().await, Ca::start(Manner::default()).await);
    let gateway = served(&ca, &app, "").await;
    let folder = gateway.home().join("data/certs/acme");
    let file = |ending: &str| {
        let found = std::fs::read_dir(&folder).expect("listed").map(|entry| entry.expect("an entry").path());
        found.into_iter().find(|path| path.to_string_lossy().contains("account_") && path.to_string_lossy().ends_with(ending))
    };
    let kept = || std::fs::read_to_string(file(".pem").expect("kept")).expect("read");
    let before = kept();
    assert!(ca.knows(&before));
    let rolled = ask(&gateway, CertificateWish::RollOver).await;
    let Answer::Certificates { said: CertificateAnswer::RolledOver(done) } = rolled else { panic!("{rolled:?}") };
    assert!(done.len() == 1 && done[0].trouble.is_none(), "{done:?}");
    assert!(kept() != before && ca.knows(&kept()) && file(".next").is_none());
    pass(&gateway, HOUR).await;
    renew(&gateway).await;
    issued(&ca, 2).await;
    settled(&gateway).await;
    // The authority takes the new key, and is gone before it says so: both are kept, and the right one is found.
    let before = kept();
    ca.loses_answers(true);
    let rolled = ask(&gateway, CertificateWish::RollOver).await;
    let Answer::Certificates { said: CertificateAnswer::RolledOver(done) } = rolled else { panic!("{rolled:?}") };
    assert!(done[0].trouble.is_some() && kept() == before && file(".next").is_some() && !ca.knows(&before), "{done:?}");
    ca.loses_answers(false);
    ca.is_away(false);
    let gateway = gateway.restarted(&ordering(&ca, &app, "")).await;
    ca.sees(&gateway);
    pass(&gateway, HOUR).await;
    renew(&gateway).await;
    issued(&ca, 3).await;
    settled(&gateway).await;
    let folder = gateway.home().join("data/certs/acme");
    let all: Vec<_> = std::fs::read_dir(&folder).expect("listed").map(|entry| entry.expect("an entry").path()).collect();
    let account = all.iter().find(|path| path.to_string_lossy().contains("account_")).expect("kept");
    assert!(ca.knows(&std::fs::read_to_string(account).expect("read")) && ca.accounts().0 == 1);
    assert!(!all.iter().any(|path| path.extension().is_some_and(|extension| extension == "next")));
    assert!(deeds(&gateway).await.contains(&"cert.account_key".to_owned()));
}

/// The attack, or a mishap: a slow authority takes the new key long after we have stopped waiting, and we have forgotten it.
#[tokio::test]
async fn a_key_that_may_still_be_taken_is_kept_for_a_day() {
    let (app, ca) = (App::start().await, Ca::start(Manner::default()).await);
    let gateway = served(&ca, &app, "").await;
    let folder = gateway.home().join("data/certs/acme");
    let found = std::fs::read_dir(&folder).expect("listed").map(|entry| entry.expect("an entry").path());
    let account = found.into_iter().find(|path| path.to_string_lossy().contains("account_")).expect("kept");
    let next = account.with_extension("next");
    std::fs::write(&next, rcgen::KeyPair::generate().expect("a key").serialize_pem()).expect("written");
    let now = u64::try_from(gateway.clock.now().secs()).expect("later");
    let file = std::fs::File::options().write(true).open(&next).expect("there");
    file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(now)).expect("set");
    for (time, kept) in [(HOUR, true), (DAY, false)] {
        let before = ca.issued().len();
        pass(&gateway, time).await;
        renew(&gateway).await;
        issued(&ca, before + 1).await;
        settled(&gateway).await;
        assert_eq!(next.exists(), kept);
    }
    assert!(ca.knows(&std::fs::read_to_string(account).expect("read")) && ca.accounts().0 == 1);
}

#[tokio::test]
async fn what_is_revoked_is_ordered_anew_and_shown_until_then() {
    let (app, ca) = (App::start().await, Ca::start(Manner::default()).await);
    let gateway = served(&ca, &app, "").await;
    let revoke = |reason| CertificateWish::Revoke { host: NAME.to_owned(), reason };
    // The authority is away: nothing has happened.
    ca.is_away(true);
    let refused = ask(&gateway, revoke(Reason::Superseded)).await;
    assert!(
        matches!(&refused, Answer::Refused { kind: RefusedKind::Failed, message } if message.contains("cannot be reached")),
        "{refused:?}"
    );
    ca.is_away(false);
    assert_eq!(one(&gateway).await.state, State::Well);
    let done = ask(&gateway, revoke(Reason::Superseded)).await;
    let Answer::Certificates { said: CertificateAnswer::Revoked(revoked) } = done else { panic!("{done:?}") };
    assert!(revoked.ordered && revoked.host == NAME);
    issued(&ca, 2).await;
    settled(&gateway).await;
    assert_eq!((ca.issued()[0].revoked, ca.issued()[1].revoked), (Some((4, "account")), None));
    assert_eq!(one(&gateway).await.state, State::Well);
    // Whose key is in wrong hands says so with that key. While no other can be had, it is shown, and told of.
    ca.refuses("new-order", ("rateLimited", "too many"), Some("86400"));
    ask(&gateway, revoke(Reason::KeyCompromise)).await;
    sentence(&gateway).await;
    assert_eq!(ca.issued()[1].revoked, Some((1, "certificate")));
    assert_eq!(one(&gateway).await.state, State::Revoked);
    let again = ask(&gateway, revoke(Reason::KeyCompromise)).await;
    assert!(matches!(again, Answer::Refused { kind: RefusedKind::Unfit, .. }), "{again:?}");
    pass(&gateway, DAY).await;
    issued(&ca, 3).await;
    settled(&gateway).await;
    assert_eq!(one(&gateway).await.state, State::Well);
    assert!(deeds(&gateway).await.contains(&"cert.revoked".to_owned()));
}

#[tokio::test]
async fn a_name_that_is_given_up_can_be_revoked_and_none_is_ordered() {
    let (app, ca) = (App::start().await, Ca::start(Manner::default()).await);
    let gateway = served(&ca, &app, "").await;
    let gateway = gateway.restarted(&ordering(&ca, &app, "").replace(NAME, "other.example.com")).await;
    ca.sees(&gateway);
    issued(&ca, 2).await;
    settled(&gateway).await;
    let revoke = |host: &str| CertificateWish::Revoke { host: host.to_owned(), reason: Reason::CessationOfOperation };
    let done = ask(&gateway, revoke(NAME)).await;
    let Answer::Certificates { said: CertificateAnswer::Revoked(revoked) } = done else { panic!("{done:?}") };
    assert!(!revoked.ordered);
    look(&gateway);
    settled(&gateway).await;
    assert_eq!((ca.issued().len(), ca.issued()[0].revoked), (2, Some((5, "account"))));
    let missing = ask(&gateway, revoke("third.example.com")).await;
    assert!(matches!(missing, Answer::Refused { kind: RefusedKind::NotFound, .. }), "{missing:?}");
}

/// The attack: a directory at which the library panics has us ask as fast as the network goes.
#[tokio::test]
async fn a_broken_directory_is_told_and_asked_at_the_usual_pauses() {
    let (app, ca) = (App::start().await, Ca::start(Manner::default()).await);
    ca.is_broken(true);
    let gateway = Gateway::start(&ordering(&ca, &app, ""));
    ca.sees(&gateway);
    assert!(sentence(&gateway).await.contains("what answers there does not speak ACME"));
    assert_eq!(one(&gateway).await.failures, 1);
    ca.is_broken(false);
    pass(&gateway, Duration::from_secs(10)).await;
    issued(&ca, 1).await;
    settled(&gateway).await;
    assert!(one(&gateway).await.trouble.is_none());
}

/// The attack: an authority that issues for another name takes away the certificate that works, and is then asked for the same one
/// for ever.
#[tokio::test]
async fn a_certificate_for_another_name_replaces_none_and_the_next_order_is_a_new_one() {
    let (app, ca) = (App::start().await, Ca::start(Manner { odd_nonces: None, ..Manner::default() }).await);
    let gateway = served(&ca, &app, "").await;
    let shown = one(&gateway).await.fingerprint;
    ca.mixes_up(true);
    pass(&gateway, 61 * DAY).await;
    issued(&ca, 2).await;
    assert!(sentence(&gateway).await.contains("it is for another name"));
    assert_eq!(one(&gateway).await.fingerprint, shown);
    let gateway = gateway.restarted(&ordering(&ca, &app, "")).await;
    ca.sees(&gateway);
    assert_eq!(one(&gateway).await.fingerprint, shown, "after a restart");
    ca.mixes_up(false);
    pass(&gateway, HOUR).await;
    issued(&ca, 3).await;
    settled(&gateway).await;
    assert_eq!((ca.issued().len(), one(&gateway).await.fingerprint), (3, Some(fingerprint(&ca.issued()[2]))));
}

/// An order that is there, and cannot be asked for just now, is gone on with later: its certificate fits no key but the one we keep.
#[tokio::test]
async fn an_order_that_cannot_be_asked_for_just_now_keeps_its_key() {
    let (app, ca) = (App::start().await, Ca::start(Manner { odd_nonces: None, ..Manner::default() }).await);
    ca.refuses("/certificate/", ("serverInternal", "oops"), None);
    let gateway = Gateway::start(&ordering(&ca, &app, ""));
    ca.sees(&gateway);
    assert!(sentence(&gateway).await.contains("is out of order"));
    ca.refuses("/order/", ("serverInternal", "oops"), None);
    pass(&gateway, Duration::from_secs(10)).await;
    settled(&gateway).await;
    assert_eq!((one(&gateway).await.failures, ca.count("new-order")), (2, 1));
    pass(&gateway, Duration::from_secs(60)).await;
    until("it is shown", || gateway.running().certificates().ordered()[0].key().is_some()).await;
    settled(&gateway).await;
    assert_eq!((ca.count("new-order"), one(&gateway).await.fingerprint), (1, Some(fingerprint(&ca.issued()[0]))));
}

/// The attack: a loop of the owner's that wants a new certificate again and again, each of which the authority counts.
#[tokio::test]
async fn certificates_that_are_wished_for_are_bounded_too() {
    let (app, ca) = (App::start().await, Ca::start(Manner { odd_nonces: None, ..Manner::default() }).await);
    let gateway = served(&ca, &app, "").await;
    for _ in 0..40 {
        renew(&gateway).await;
        pass(&gateway, HOUR / 2).await;
        settled(&gateway).await;
    }
    assert_eq!(ca.issued().len(), 5, "in twenty hours");
}

/// The attack: a key in wrong hands is found beside that of an order that is open, and the next certificate gets that one.
#[tokio::test]
async fn what_replaces_a_key_in_wrong_hands_has_a_key_that_lay_nowhere() {
    let (app, ca) = (App::start().await, Ca::start(Manner { odd_nonces: None, ..Manner::default() }).await);
    let gateway = served(&ca, &app, "").await;
    ca.refuses("/certificate/", ("serverInternal", "oops"), None);
    pass(&gateway, 61 * DAY).await;
    assert!(sentence(&gateway).await.contains("is out of order"));
    let folder = gateway.home().join("data/certs/acme");
    let open = folder.join(format!("{NAME}_order.key"));
    assert!(open.exists());
    ask(&gateway, CertificateWish::Revoke { host: NAME.to_owned(), reason: Reason::KeyCompromise }).await;
    issued(&ca, 3).await;
    settled(&gateway).await;
    assert_eq!((ca.issued().len(), one(&gateway).await.fingerprint), (3, Some(fingerprint(&ca.issued()[2]))));
    assert!(!open.exists() && !folder.join(format!("{NAME}_previous.pem")).exists());
}

/// Start, schedule and owner together: there is one order.
#[tokio::test]
async fn whoever_wants_a_certificate_there_is_one_order_at_a_time() {
    let (app, ca) = (App::start().await, Ca::start(Manner { odd_nonces: None, ..Manner::default() }).await);
    let gateway = Gateway::start(&ordering(&ca, &app, ""));
    // Nobody is reached yet, so that the first order waits.
    until("the order runs", || ca.count("challenge") == 1).await;
    for _ in 0..5 {
        renew(&gateway).await;
        look(&gateway);
    }
    let state = one(&gateway).await;
    assert!(state.wished && state.ordering_since.is_some() && state.attempts == 0, "whoever waits is not told that it is done");
    ca.sees(&gateway);
    issued(&ca, 1).await;
    settled(&gateway).await;
    assert_eq!(ca.count("new-order"), 1);
    let state = one(&gateway).await;
    assert!(!state.wished && state.ordering_since.is_none() && state.attempts == 1);
    let host = HostPattern::parse(NAME).expect("a host");
    let names = gateway.running().certificates().names();
    let lease = within("the lease", async { names.lease(&names.slot(&host)) }).await;
    assert!(lease.is_some());
}

/// What failed twice is tried out first; that is not what the owner wanted, so the order that counts follows at once.
#[tokio::test]
async fn what_the_owner_wants_is_ordered_after_it_was_tried_out() {
    let (app, ca, trial) = (App::start().await, Ca::start(calm()).await, Ca::start(calm()).await);
    let gateway = Gateway::start(&ordering_beside(&ca, ("staging_directory", &trial), &app));
    ca.sees(&gateway);
    trial.sees(&gateway);
    ended(&gateway, 1).await;
    for attempts in [2, 3] {
        ca.refuses("/finalize/", ("connection", "127.0.0.1: connection refused"), None);
        renew(&gateway).await;
        ended(&gateway, attempts).await;
        assert!(one(&gateway).await.trouble.is_some());
    }
    renew(&gateway).await;
    ended(&gateway, 4).await;
    assert_eq!((trial.issued().len(), ca.issued().len()), (1, 2), "one wish was enough");
    let state = one(&gateway).await;
    assert!(state.trouble.is_none() && state.failures == 0 && !state.wished);
    assert_eq!(state.fingerprint, Some(fingerprint(&ca.issued()[1])), "what was tried out is not shown");
    assert!(state.lifetime == Some(90 * 86_400) && state.renewal.is_some() && state.renewal == state.next);
}

/// The authority refuses a name twice, so that the third order, which the owner wants, is to be tried out; that one has ended.
async fn third_after_two_refusals(gateway: &Gateway, ca: &Ca) {
    ca.refuses("new-order", ("caa", "one"), None);
    ca.refuses("new-order", ("caa", "two"), None);
    ca.sees(gateway);
    ended(gateway, 1).await;
    pass(gateway, Duration::from_secs(10)).await;
    ended(gateway, 2).await;
    renew(gateway).await;
    ended(gateway, 3).await;
}

/// A place to try things out that is away, or serves known customers only, keeps no name from where it counts.
#[tokio::test]
async fn a_place_to_try_things_out_that_is_out_of_order_bars_no_name() {
    let known = Manner { customer: Some(("kid-1", b"a key of thirty-two bytes length")), ..calm() };
    for manner in [None, Some(known)] {
        let (app, ca) = (App::start().await, Ca::start(calm()).await);
        let text = match manner {
            None => ordering(&ca, &app, "staging_directory = \"https://localhost:1/directory\""),
            Some(manner) => ordering_beside(&ca, ("staging_directory", &Ca::start(manner).await), &app),
        };
        let gateway = Gateway::start(&text);
        third_after_two_refusals(&gateway, &ca).await;
        assert_eq!((ca.count("new-order"), ca.issued().len()), (3, 1));
        assert!(one(&gateway).await.trouble.is_none());
    }
}

/// As an authority says it of itself when too much is asked of it: seven days of peace, and nothing about the name.
#[tokio::test]
async fn a_place_to_try_things_out_that_is_busy_bars_no_name() {
    let (app, ca, trial) = (App::start().await, Ca::start(calm()).await, Ca::start(calm()).await);
    let gateway = Gateway::start(&ordering_beside(&ca, ("staging_directory", &trial), &app));
    trial.refuses("new-order", ("rateLimited", "Service busy"), Some("604800"));
    trial.sees(&gateway);
    third_after_two_refusals(&gateway, &ca).await;
    assert_eq!((trial.count("new-order"), ca.issued().len()), (1, 1));
}

/// What fails where it is tried out is held against the name there, and no longer once the owner names no such place.
#[tokio::test]
async fn a_place_to_try_things_out_that_is_removed_is_forgotten() {
    let (app, ca, trial) = (App::start().await, Ca::start(calm()).await, Ca::start(calm()).await);
    let gateway = Gateway::start(&ordering_beside(&ca, ("staging_directory", &trial), &app));
    trial.refuses("new-order", ("caa", "three"), Some("86400"));
    trial.sees(&gateway);
    third_after_two_refusals(&gateway, &ca).await;
    assert_eq!((trial.count("new-order"), ca.count("new-order")), (1, 2));
    let gateway = gateway.restarted(&ordering(&ca, &app, "")).await;
    ca.sees(&gateway);
    pass(&gateway, Duration::from_secs(10)).await;
    ended(&gateway, 4).await;
    assert_eq!(ca.issued().len(), 1);
}

/// The attack: a key is in wrong hands when the name has had all its certificates of the day, and the owner is told that it is replaced.
#[tokio::test]
async fn what_is_revoked_when_a_limit_is_reached_is_said_to_wait() {
    let (app, ca) = (App::start().await, Ca::start(calm()).await);
    let gateway = served(&ca, &app, "").await;
    for attempts in 2..=5 {
        renew(&gateway).await;
        ended(&gateway, attempts).await;
    }
    let done = ask(&gateway, CertificateWish::Revoke { host: NAME.to_owned(), reason: Reason::KeyCompromise }).await;
    let Answer::Certificates { said: CertificateAnswer::Revoked(revoked) } = done else { panic!("{done:?}") };
    let (held, now) = (revoked.held.expect("held"), gateway.clock.now());
    assert!(!revoked.ordered && held.limit == Limit::Certificates && held.until > now.secs());
    let state = one(&gateway).await;
    assert_eq!((state.state, state.next, state.limit), (State::Revoked, Some(held.until), Some(Limit::Certificates)));
    let warnings: Vec<String> = gateway.running().certificates().warnings(now).iter().map(ToString::to_string).collect();
    assert!(
        warnings.iter().any(|said| said.contains("was revoked") && said.contains("as many in a day as a name may")),
        "{warnings:?}"
    );
    // The wish outlasts the limit.
    pass(&gateway, DAY).await;
    ended(&gateway, 6).await;
    assert_eq!((one(&gateway).await.state, ca.issued().len()), (State::Well, 6));
}

#[tokio::test]
async fn a_second_authority_is_told_of_with_its_own_keys() {
    let known = Manner { customer: Some(("kid-1", b"a key of thirty-two bytes length")), ..calm() };
    let (app, first, second) = (App::start().await, Ca::start(calm()).await, Ca::start(known).await);
    first.is_away(true);
    let gateway = Gateway::start(&ordering_beside(&first, ("fallback_directory", &second), &app));
    first.sees(&gateway);
    second.sees(&gateway);
    let mut said = vec![sentence(&gateway).await];
    for _ in 0..20 {
        pass(&gateway, 3 * HOUR).await;
        settled(&gateway).await;
        said.push(sentence(&gateway).await);
    }
    assert!(said.iter().any(|said| said.contains("known customers only: set `acme.fallback_eab`")), "{said:?}");
    assert!(!said.iter().any(|said| said.contains("`acme.eab`")), "{said:?}");
}
