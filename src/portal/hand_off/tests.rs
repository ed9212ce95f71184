//! One sign-in for many hosts, as browsers go through it and as attackers try to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::header::{COOKIE, LOCATION};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;

use super::*;
use crate::auth::password;
use crate::auth::totp;
use crate::base::entropy::Entropy;
use crate::base::seal::MasterKey;
use crate::base::secret::Secret;
use crate::model::credential::Totp;
use crate::model::identity::Identity;
use crate::model::session::Proofs;
use crate::model::strength::Strength;
use crate::plan::routes::Routes;
use crate::policy::decide::{Verdict, decide};
use crate::policy::host::Host;
use crate::policy::requirement::Requirement;
use crate::policy::target::Target;
use crate::portal::challenge::{self, Wanted};
use crate::portal::kit::{Answer, Browser, HOUR, PASSWORD, Site, app, plan};
use crate::store::sessions::NewSession;
use crate::wire::cookie::Found;

const AUTH: &str = "auth.example.com";
const WIKI: &str = "wiki.example.com";
const PHOTOS: &str = "photos.example.org";
/// A password alone does here.
const NOTES: &str = "notes.home.arpa";
const HOSTS: [&str; 4] = [AUTH, WIKI, PHOTOS, NOTES];

/// A browser on every host, each with the cookies of that host.
struct Person {
    at: BTreeMap<&'static str, Browser>,
    /// Where the last walk led through.
    trail: Vec<String>,
}

/// Where a walk ends.
struct Place {
    url: String,
    /// Who the app takes the visitor for; `None` on a page of ours.
    user: Option<String>,
    page: Option<Answer>,
}

/// A gateway with three apps and people signing in on `portal`.
fn many(portal: &str) -> Site {
    let mut plan = plan(Strength::TwoFactor);
    plan.apps.clear();
    for (name, host, strength) in
        [("Wiki", WIKI, Strength::TwoFactor), ("Photos", PHOTOS, Strength::TwoFactor), ("Notes", NOTES, Strength::Password)]
    {
        let mut app = app(name, vec![host_of(host)]);
        app.rules.requirement = Requirement::of(strength);
        plan.apps.push(Arc::new(app));
    }
    plan.portal = host_of(portal);
    plan.hosts = Routes::of(&plan.apps, &plan.portal);
    Site { plan, ..Site::new() }
}

fn host_of(text: &str) -> Host {
    Host::parse(text).expect("a host")
}

impl Person {
    fn new() -> Self {
        let browser = |host| (host, Browser { host, ..Browser::new() });
        Self { at: HOSTS.into_iter().map(browser).collect(), trail: vec![] }
    }

    fn browser(&mut self, host: &str) -> &mut Browser {
        self.at.get_mut(host).expect("a host of ours")
    }

    fn cookies(&mut self, host: &str) -> &mut BTreeMap<String, String> {
        &mut self.browser(host).cookies
    }

    /// One request, answered as the gate answers it: an app's page, or an answer of ours.
    async fn ask(&mut self, site: &Site, method: &Method, url: &str) -> Place {
        let (host, path) = parts(url);
        let browser = self.browser(host);
        let place = |user, page| Place { url: url.to_owned(), user, page };
        if path.starts_with("/.doorward/") {
            let request = Request::builder().method(method).uri(path);
            return place(None, Some(browser.send(site, request, String::new()).await));
        }
        let mut headers = HeaderMap::new();
        headers.insert("sec-fetch-mode", "navigate".parse().expect("a value"));
        let jar: Vec<_> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        headers.insert(COOKIE, jar.join("; ").parse().expect("a value"));
        let session = match cookie::find(&headers, cookie::SESSION) {
            Found::One(text) => {
                Token::parse(text).and_then(|token| site.portal.store.session(&token.hash(), host).expect("in order"))
            }
            Found::Nothing | Found::Several => None,
        };
        let (name, target) = (host_of(host), Target::parse(path).expect("a target"));
        let app = site.plan.site(&name).and_then(|site| site.chief()).expect("an app's host");
        let judgement = app.rules.judge(&target, method, browser.client);
        match decide(judgement, target, session.map_or(Identity::Anonymous, Identity::User), site.clock.now()) {
            Verdict::Grant(grant) => {
                let session = grant.identity().session().expect("nothing is public here");
                session.seen(site.clock.now());
                place(Some(session.user_name.as_str().to_owned()), None)
            }
            Verdict::Challenge(challenge) => {
                let (host, client, challenge) = (&name, browser.client, &challenge);
                let wanted = Wanted { method, headers: &headers, host, client, challenge, request_id: "r1" };
                let response = challenge::answer(&site.portal, &site.plan, wanted, site.clock.now());
                browser.keep(&response);
                let (head, body) = response.into_parts();
                let text = body.collect().await.expect("in memory").to_bytes();
                let text = String::from_utf8_lossy(&text).into_owned();
                place(None, Some(Answer { status: head.status, headers: head.headers, text }))
            }
            other => panic!("{other:?}"),
        }
    }

    /// Goes to `url` and wherever redirects and pages that lead on lead.
    async fn go(&mut self, site: &Site, url: &str) -> Place {
        self.trail.clear();
        let mut url = url.to_owned();
        for _ in 0..30 {
            self.trail.push(url.clone());
            let place = self.ask(site, &Method::GET, &url).await;
            match next(&place) {
                Some(next) => url = next,
                None => return place,
            }
        }
        panic!("round and round: {:#?}", self.trail);
    }

    /// Fills in the sign-in page and the page for the code, and goes on from there.
    async fn sign_in(&mut self, site: &Site, page: &Place, totp: &Totp) -> Place {
        let (host, _) = parts(&page.url);
        let form = page.page.as_ref().expect("a page").filled(&[("name", "alice"), ("password", PASSWORD)]);
        let location = self.browser(host).post(site, "/.doorward/login", &form).await.location();
        if location.starts_with("/.doorward/continue") {
            return self.go(site, &format!("https://{host}{location}")).await;
        }
        let page = self.browser(host).get(site, &location).await;
        let code = totp::code_at(totp, site.clock.now());
        let answer = self.browser(host).post(site, "/.doorward/login/code", &page.filled(&[("code", &code)])).await;
        self.go(site, &format!("https://{host}{}", answer.location())).await
    }

    /// Goes to an app as somebody who is not signed in, and signs in.
    async fn arrive(&mut self, site: &Site, url: &str, totp: &Totp) {
        let page = self.go(site, url).await;
        let place = self.sign_in(site, &page, totp).await;
        assert_eq!((place.url.as_str(), place.user.as_deref()), (url, Some("alice")), "{:?}", self.trail);
    }

    /// Goes to an app's page and stops with a ticket in hand.
    async fn ticket(&mut self, site: &Site, url: &str) -> String {
        let mut url = url.to_owned();
        while !url.contains("/.doorward/enter") {
            let place = self.ask(site, &Method::GET, &url).await;
            url = next(&place).unwrap_or_else(|| panic!("stopped at {}", place.url));
        }
        url
    }

    async fn sign_out(&mut self, site: &Site, host: &str) -> Place {
        let page = self.browser(host).get(site, "/.doorward/logout").await;
        let answer = self.browser(host).post(site, "/.doorward/logout", &page.filled(&[])).await;
        let location = answer.location();
        assert!(location.starts_with('/'), "a form of {host} leads to {location}");
        self.go(site, &format!("https://{host}{location}")).await
    }
}

impl Place {
    fn text(&self) -> &str {
        self.page.as_ref().map_or("", |page| &page.text)
    }

    fn status(&self) -> StatusCode {
        self.page.as_ref().map_or(StatusCode::OK, |page| page.status)
    }
}

fn parts(url: &str) -> (&'static str, &str) {
    let rest = url.strip_prefix("https://").unwrap_or_else(|| panic!("{url} is no URL"));
    let (host, path) = rest.split_at(rest.find('/').expect("a path"));
    (HOSTS.into_iter().find(|known| *known == host).unwrap_or_else(|| panic!("{url} leads away")), path)
}

/// Where an answer leads without anybody doing anything.
fn next(place: &Place) -> Option<String> {
    let page = place.page.as_ref()?;
    let location = match page.headers.get(LOCATION) {
        Some(location) => location.to_str().expect("ASCII").to_owned(),
        None if page.text.contains("http-equiv=\"refresh\"") => page.leads_to(),
        None => return None,
    };
    Some(if location.starts_with('/') { format!("https://{}{location}", parts(&place.url).0) } else { location })
}

#[tokio::test]
async fn one_sign_in_serves_every_host() {
    let site = many(AUTH);
    let totp = site.ready("alice").await;
    let mut alice = Person::new();
    let page = alice.go(&site, "https://wiki.example.com/page?x=1&y=%26").await;
    assert!(page.url.starts_with("https://auth.example.com/.doorward/login?go="), "{}", page.url);
    assert!(!page.url.contains("page"), "what was asked for is not in the address");
    assert!(page.text().contains("<strong>Wiki</strong>") && page.text().contains(WIKI), "{}", page.text());
    let place = alice.sign_in(&site, &page, &totp).await;
    assert_eq!((place.url.as_str(), place.user.as_deref()), ("https://wiki.example.com/page?x=1&y=%26", Some("alice")));

    let place = alice.go(&site, "https://photos.example.org/album/7").await;
    assert_eq!((place.url.as_str(), place.user.as_deref()), ("https://photos.example.org/album/7", Some("alice")));
    assert_eq!(alice.trail.len(), 4, "there, to the portal, in, there: {:?}", alice.trail);
    assert_eq!(alice.go(&site, "https://photos.example.org/album/8").await.user.as_deref(), Some("alice"));
    assert_eq!(alice.trail.len(), 1);

    let sessions = site.portal.store.list_sessions().await.expect("listed");
    assert_eq!(sessions.len(), 1);
    assert_eq!(site.portal.store.hosts_of(sessions[0].id), [AUTH.into(), WIKI.into(), PHOTOS.into()]);
    let tokens: std::collections::BTreeSet<_> =
        [AUTH, WIKI, PHOTOS].map(|host| alice.cookies(host)[cookie::SESSION].clone()).into();
    assert_eq!(tokens.len(), 3, "no host sees the token of another");
}

#[tokio::test]
async fn the_portal_may_be_an_apps_own_host() {
    let site = many(WIKI);
    let totp = site.ready("alice").await;
    let mut alice = Person::new();
    let page = alice.go(&site, "https://photos.example.org/a").await;
    assert!(page.url.starts_with("https://wiki.example.com/.doorward/login?go="), "{}", page.url);
    assert!(page.text().contains("<strong>Photos</strong>"));
    assert_eq!(alice.sign_in(&site, &page, &totp).await.url, "https://photos.example.org/a");
    assert_eq!(alice.go(&site, "https://wiki.example.com/b").await.user.as_deref(), Some("alice"));
    assert_eq!(alice.trail.len(), 1, "where people sign in nobody is handed on");
}

/// The attack: a ticket from a history, a log or somebody's screen is used a second time.
#[tokio::test]
async fn a_ticket_is_used_once() {
    let site = many(AUTH);
    let totp = site.ready("alice").await;
    let mut alice = Person::new();
    alice.arrive(&site, "https://wiki.example.com/", &totp).await;
    let ticket = alice.ticket(&site, "https://photos.example.org/kept").await;
    let visitor = alice.cookies(PHOTOS).clone();
    assert_eq!(alice.go(&site, &ticket).await.url, "https://photos.example.org/kept");

    let mut thief = Person::new();
    *thief.cookies(PHOTOS) = visitor;
    let place = thief.go(&site, &ticket).await;
    assert_eq!((place.status(), place.user.is_some()), (StatusCode::FORBIDDEN, false));
    assert!(!thief.cookies(PHOTOS).contains_key(cookie::SESSION));
    assert!(place.text().contains("That took too long") && place.text().contains("href=\"/kept\""), "{}", place.text());

    let back = alice.go(&site, &ticket).await;
    assert_eq!(back.url, "https://photos.example.org/kept", "whoever goes back just gets there again");
    assert_eq!(back.user.as_deref(), Some("alice"));
}

/// The attack: an app that sees a ticket, or a visitor who alters the address, brings it to another app.
#[tokio::test]
async fn a_ticket_counts_on_its_own_host_only() {
    let site = many(AUTH);
    let totp = site.ready("alice").await;
    let mut alice = Person::new();
    alice.arrive(&site, "https://wiki.example.com/", &totp).await;
    let ticket = alice.ticket(&site, "https://photos.example.org/").await;
    for cookies in [BTreeMap::new(), alice.cookies(PHOTOS).clone()] {
        *alice.cookies(NOTES) = cookies;
        let place = alice.go(&site, &ticket.replace(PHOTOS, NOTES)).await;
        assert_eq!(place.status(), StatusCode::FORBIDDEN);
        assert!(!alice.cookies(NOTES).contains_key(cookie::SESSION));
    }
    let place = alice.ask(&site, &Method::GET, &ticket).await;
    assert_eq!(place.status(), StatusCode::FORBIDDEN, "and is no longer one");
    assert_eq!(alice.ask(&site, &Method::GET, &ticket.replace(PHOTOS, AUTH)).await.status(), StatusCode::NOT_FOUND);
}

/// The attack: a ticket read on its way is brought in another browser; or an attacker's own ticket is fed to a victim, who
/// then works in the attacker's account.
#[tokio::test]
async fn a_ticket_counts_in_the_browser_that_began_only() {
    let site = many(AUTH);
    let totp = site.ready("alice").await;
    let mut alice = Person::new();
    alice.arrive(&site, "https://wiki.example.com/", &totp).await;
    for has_been_there in [false, true] {
        let ticket = alice.ticket(&site, "https://photos.example.org/kept").await;
        let mut other = Person::new();
        if has_been_there {
            other.go(&site, "https://photos.example.org/").await;
        }
        let place = other.go(&site, &ticket).await;
        assert!(!other.cookies(PHOTOS).contains_key(cookie::SESSION));
        match has_been_there {
            false => assert!(place.text().contains("didn&#39;t send our cookie back"), "{}", place.text()),
            true => assert!(place.text().contains("Sign in") && place.url.contains(AUTH), "asked who they are"),
        }
        let place = alice.go(&site, &ticket).await;
        assert!(place.text().contains("That took too long"), "in other hands it was used up");
        assert_eq!(alice.go(&site, "https://photos.example.org/kept").await.user.as_deref(), Some("alice"));
        alice.cookies(PHOTOS).clear();
    }
}

/// The attack: a link to the portal that leads on into an attacker's journey, sent to somebody who is signed in.
#[tokio::test]
async fn a_journey_of_another_browser_leads_nobody_in() {
    let site = many(AUTH);
    let totp = site.ready("alice").await;
    let mut alice = Person::new();
    alice.arrive(&site, "https://wiki.example.com/", &totp).await;
    let mut mallory = Person::new();
    let theirs = mallory.go(&site, "https://photos.example.org/trap").await.url;
    let place = alice.go(&site, &theirs).await;
    assert!(place.text().contains("didn&#39;t send our cookie back"), "{}", place.text());
    assert!(!alice.cookies(PHOTOS).contains_key(cookie::SESSION) && !mallory.cookies(PHOTOS).contains_key(cookie::SESSION));
    assert!(!mallory.cookies(PHOTOS).is_empty(), "it is bound to mallory's");
}

#[tokio::test]
async fn a_ticket_counts_for_a_minute_and_a_late_one_is_explained() {
    let site = many(AUTH);
    let totp = site.ready("alice").await;
    let mut alice = Person::new();
    alice.arrive(&site, "https://wiki.example.com/", &totp).await;
    let ticket = alice.ticket(&site, "https://photos.example.org/kept?q").await;
    site.clock.advance(Duration::from_secs(60));
    let place = alice.go(&site, &ticket).await;
    assert!(place.text().contains("That took too long") && place.text().contains("href=\"/kept?q\""), "{}", place.text());
    let page = place.page.expect("a page");
    assert_eq!(page.headers["referrer-policy"], "no-referrer");
    assert_eq!(page.headers["cache-control"], "no-store");
    assert_eq!(alice.go(&site, "https://photos.example.org/kept?q").await.user.as_deref(), Some("alice"), "one click");
    for forgotten in ["https://wiki.example.com/.doorward/enter", "https://wiki.example.com/.doorward/enter?ticket=%00"] {
        alice.cookies(WIKI).clear();
        let place = alice.go(&site, forgotten).await;
        assert!(place.text().contains("That took too long") && place.text().contains("href=\"/\""), "{}", place.text());
    }
}

/// The attack: a session that was ended opens one more host with a ticket made before.
#[tokio::test]
async fn a_ticket_of_a_session_that_ended_opens_nothing() {
    let site = many(AUTH);
    let totp = site.ready("alice").await;
    for way in ["ended", "disabled", "signed out"] {
        let mut alice = Person::new();
        alice.arrive(&site, "https://wiki.example.com/", &totp).await;
        let ticket = alice.ticket(&site, "https://photos.example.org/kept").await;
        match way {
            "ended" => assert_eq!(site.portal.store.end_all().await.expect("ended"), 1),
            "disabled" => {
                assert!(site.portal.store.set_disabled(&"alice".parse().expect("a name"), true).await.expect("done"));
                assert!(site.portal.store.set_disabled(&"alice".parse().expect("a name"), false).await.expect("done"));
            }
            _ => drop(alice.sign_out(&site, WIKI).await),
        }
        let place = alice.go(&site, &ticket).await;
        assert!(!alice.cookies(PHOTOS).contains_key(cookie::SESSION), "{way}");
        assert!(place.url.starts_with("https://auth.example.com/.doorward/login?go="), "{way}: {}", place.url);
        assert!(place.text().contains("<strong>Photos</strong>"), "{way}: {}", place.text());
        site.clock.advance(Duration::from_secs(60));
    }
}

/// The attack: a thief with a copied cookie of the portal keeps a ticket ready, waits until its owner has proven a factor once
/// more, and has a new token of the session as it is from then on.
#[tokio::test]
async fn a_ticket_made_before_a_proof_has_nothing_of_it() {
    let site = many(AUTH);
    let totp = site.ready("alice").await;
    let (mut alice, mut thief) = (Person::new(), Person::new());
    alice.arrive(&site, "https://wiki.example.com/", &totp).await;
    site.clock.advance(Duration::from_secs(600));
    let copied = alice.cookies(AUTH)[cookie::SESSION].clone();
    thief.cookies(AUTH).insert(cookie::SESSION.into(), copied);
    let theirs = thief.ticket(&site, "https://photos.example.org/kept").await;
    let own = alice.ticket(&site, "https://photos.example.org/own").await;
    let page = alice.go(&site, "https://auth.example.com/.doorward/confirm").await;
    let code = totp::code_at(&totp, site.clock.now());
    let form = page.page.as_ref().expect("a page").filled(&[("code", &code)]);
    let location = alice.browser(AUTH).post(&site, "/.doorward/confirm", &form).await.location();
    assert!(location.starts_with("/.doorward/continue?go="), "{location}");

    let place = thief.go(&site, &theirs).await;
    assert!(!thief.cookies(PHOTOS).contains_key(cookie::SESSION), "{:?}", thief.trail);
    assert!(place.user.is_none() && place.url.starts_with("https://auth.example.com/.doorward/login?go="), "{}", place.url);
    // Her own of before is worth no more than that, and costs her one more round that nobody notices.
    let place = alice.go(&site, &own).await;
    assert_eq!((place.url.as_str(), place.user.as_deref()), ("https://photos.example.org/own", Some("alice")));
    assert_eq!(site.portal.store.list_sessions().await.expect("listed").len(), 1);
}

/// The attack: signing out of one app leaves the others open to whoever sits down at the machine next.
#[tokio::test]
async fn signing_out_anywhere_is_signing_out_everywhere() {
    let site = many(AUTH);
    let totp = site.ready("alice").await;
    for host in [AUTH, WIKI, PHOTOS] {
        let mut alice = Person::new();
        alice.arrive(&site, "https://wiki.example.com/", &totp).await;
        alice.go(&site, "https://photos.example.org/").await;
        let session = site.portal.store.list_sessions().await.expect("listed").remove(0);
        let place = alice.sign_out(&site, host).await;
        assert!(place.text().contains("You are signed out"), "{host}: {}", place.text());
        assert!(session.lifeline.is_cut(), "open WebSockets of every host end");
        for (app, url) in [(WIKI, "https://wiki.example.com/"), (PHOTOS, "https://photos.example.org/")] {
            let place = alice.go(&site, url).await;
            assert!(place.user.is_none() && place.url.contains("/.doorward/login?go="), "{host} {app}: {}", place.url);
        }
        if host != AUTH {
            assert!(!place.text().contains("http-equiv"), "nobody is asked for a password right after signing out");
        }
        site.clock.advance(Duration::from_secs(60));
    }
}

#[tokio::test]
async fn a_stronger_sign_in_renews_every_token() {
    let site = many(AUTH);
    let totp = site.ready("alice").await;
    let user = site.portal.store.user(&"alice".parse().expect("a name")).await.expect("stored").expect("there");
    let mut alice = Person::new();
    let weak: Vec<_> = [AUTH, NOTES]
        .into_iter()
        .map(|host| {
            let token = Token::draw(Entropy);
            alice.cookies(host).insert(cookie::SESSION.into(), token.to_text().expose().clone());
            (host, token)
        })
        .collect();
    let new = NewSession {
        token: weak[0].1.hash(),
        user: user.id,
        host: AUTH.into(),
        strength: Strength::Password,
        proofs: Proofs { password: Some(site.clock.now()), code: None },
        expires_at: site.clock.now().plus(HOUR),
        idle_timeout: None,
        network: "192.0.2.1".into(),
        agent: "test".into(),
    };
    let session = site.portal.store.open_session(new).await.expect("stored").expect("opened");
    let by = (session.id, weak[0].1.hash());
    site.portal.store.give_token(by, (weak[1].1.hash(), NOTES.into()), AUTH).await.expect("stored").expect("given");
    assert_eq!(alice.go(&site, "https://notes.home.arpa/").await.user.as_deref(), Some("alice"), "a password does here");

    let page = alice.go(&site, "https://wiki.example.com/").await;
    assert!(page.text().contains("asks for a code"), "{}", page.text());
    let place = alice.sign_in(&site, &page, &totp).await;
    assert_eq!(place.user.as_deref(), Some("alice"));
    assert!(session.lifeline.is_cut());
    for (host, token) in &weak {
        assert!(site.portal.store.session(&token.hash(), host).expect("in order").is_none(), "{host}");
    }
    assert_eq!(alice.go(&site, "https://notes.home.arpa/").await.user.as_deref(), Some("alice"));
    assert_ne!(&alice.cookies(NOTES)[cookie::SESSION], weak[1].1.to_text().expose());
    assert_eq!(site.portal.store.list_sessions().await.expect("listed").len(), 1);
}

/// The attack: a password alone, proven for one app, gets into an app that asks for two factors.
#[tokio::test]
async fn a_weak_session_is_handed_on_to_nothing_that_asks_for_more() {
    let site = many(AUTH);
    let hash = password::hash(&Secret::new(PASSWORD.to_owned()), [9; 16]);
    let bob = site.user("bob").await;
    assert!(site.portal.store.provision(bob.id, Some(hash), None).await.expect("provisioned"));
    let mut person = Person::new();
    let page = person.go(&site, "https://notes.home.arpa/n").await;
    let form = page.page.as_ref().expect("a page").filled(&[("name", "bob"), ("password", PASSWORD)]);
    let location = person.browser(AUTH).post(&site, "/.doorward/login", &form).await.location();
    let place = person.go(&site, &format!("https://{AUTH}{location}")).await;
    assert_eq!((place.url.as_str(), place.user.as_deref()), ("https://notes.home.arpa/n", Some("bob")));

    let page = person.go(&site, "https://wiki.example.com/secret").await;
    assert!(page.user.is_none() && page.text().contains("asks for a code"), "{}", page.text());
    assert!(!person.trail.iter().any(|url| url.contains("ticket")), "{:?}", person.trail);
    let go = page.url.split_once("go=").expect("a journey").1;
    let place = person.go(&site, &format!("https://{AUTH}/.doorward/continue?go={go}")).await;
    assert!(place.user.is_none() && !person.trail.iter().any(|url| url.contains("ticket")), "nor by the page that leads on");
}

#[tokio::test]
async fn a_browser_that_loses_its_session_is_stopped_after_three_rounds() {
    let site = many(AUTH);
    let totp = site.ready("alice").await;
    let mut alice = Person::new();
    alice.arrive(&site, "https://wiki.example.com/", &totp).await;
    let mut rounds = 0;
    let mut url = "https://photos.example.org/kept".to_owned();
    let page = loop {
        alice.cookies(PHOTOS).remove(cookie::SESSION);
        let place = alice.ask(&site, &Method::GET, &url).await;
        rounds += usize::from(url.contains("/enter"));
        match next(&place) {
            Some(next) => url = next,
            None => break place,
        }
        assert!(rounds < 10, "it never ends");
    };
    assert_eq!((rounds, page.status()), (3, StatusCode::FORBIDDEN));
    assert!(page.text().contains("You keep being sent to sign in") && page.text().contains("href=\"/kept\""), "{}", page.text());
    assert!(page.text().contains("https://auth.example.com/.doorward/"));
    let place = alice.go(&site, "https://photos.example.org/kept").await;
    assert_eq!(place.user.as_deref(), Some("alice"), "trying again tries again");
    let other = alice.go(&site, "https://notes.home.arpa/").await;
    assert_eq!(other.user.as_deref(), Some("alice"), "other hosts are not held up");
}

#[tokio::test]
async fn a_browser_without_cookies_is_told_so_at_once() {
    let site = many(AUTH);
    let totp = site.ready("alice").await;
    let mut alice = Person::new();
    alice.arrive(&site, "https://wiki.example.com/", &totp).await;
    let ticket = alice.ticket(&site, "https://photos.example.org/kept").await;
    alice.cookies(PHOTOS).clear();
    let place = alice.go(&site, &ticket).await;
    assert_eq!(place.status(), StatusCode::FORBIDDEN);
    assert!(place.text().contains("Allow cookies for photos.example.org") && place.text().contains("href=\"/kept\""));
}

#[tokio::test]
async fn many_tabs_opened_at_once_all_arrive() {
    let site = many(AUTH);
    let totp = site.ready("alice").await;
    let mut alice = Person::new();
    let urls = ["https://wiki.example.com/1", "https://wiki.example.com/2", "https://photos.example.org/3"];
    let mut pages = vec![];
    for url in urls {
        // As if each had been asked for before the others were answered: the last cookie stays.
        let former = std::mem::take(alice.cookies(parts(url).0));
        let first = alice.ask(&site, &Method::GET, url).await;
        assert!(former.is_empty() || former != *alice.cookies(parts(url).0));
        pages.push(alice.go(&site, &next(&first).expect("to the portal")).await);
    }
    for (page, url) in pages.iter().zip(urls) {
        let place = alice.sign_in(&site, page, &totp).await;
        assert_eq!((place.url.as_str(), place.user.as_deref()), (url, Some("alice")), "{:?}", alice.trail);
    }
    assert_eq!(site.portal.store.list_sessions().await.expect("listed").len(), 1, "one sign-in");
}

#[tokio::test]
async fn a_restart_between_password_and_code_costs_nobody_their_way() {
    let site = many(AUTH);
    let totp = site.ready("alice").await;
    let mut alice = Person::new();
    let page = alice.go(&site, "https://wiki.example.com/kept?x").await;
    let form = page.page.as_ref().expect("a page").filled(&[("name", "alice"), ("password", PASSWORD)]);
    let location = alice.browser(AUTH).post(&site, "/.doorward/login", &form).await.location();
    let page = alice.browser(AUTH).get(&site, &location).await;
    let master = MasterKey::from_bytes(&[7; 32]).expect("32 bytes");
    let portal = Portal::new(site.portal.store.clone(), &master, &site.clock, Entropy);
    let site = Site { portal, ..site };
    let code = totp::code_at(&totp, site.clock.now());
    let answer = alice.browser(AUTH).post(&site, "/.doorward/login/code", &page.filled(&[("code", &code)])).await;
    let place = alice.go(&site, &format!("https://{AUTH}{}", answer.location())).await;
    assert_eq!((place.url.as_str(), place.user.as_deref()), ("https://wiki.example.com/kept?x", Some("alice")));
}

#[tokio::test]
async fn whoever_comes_for_nothing_in_particular_sees_the_apps() {
    let site = many(AUTH);
    let totp = site.ready("alice").await;
    let mut alice = Person::new();
    let page = alice.go(&site, "https://auth.example.com/.doorward/").await;
    assert!(page.url.ends_with("/.doorward/login") && !page.text().contains("to continue to"), "{}", page.text());
    assert!(!page.text().contains("Wiki") && !page.text().contains(WIKI), "strangers are shown nothing");
    let home = alice.sign_in(&site, &page, &totp).await;
    assert_eq!(home.url, "https://auth.example.com/.doorward/");
    for (name, url) in [("Wiki", "https://wiki.example.com/"), ("Notes", "https://notes.home.arpa/")] {
        assert!(home.text().contains(&format!("<a href=\"{url}\">{name}</a>")), "{}", home.text());
        assert_eq!(alice.go(&site, url).await.user.as_deref(), Some("alice"));
    }
    assert_eq!(alice.go(&site, "https://photos.example.org/.doorward/").await.url, "https://auth.example.com/.doorward/");
    let gone = alice.go(&site, "https://auth.example.com/.doorward/login?go=lost").await;
    assert_eq!(gone.url, "https://auth.example.com/.doorward/", "a journey that was forgotten ends at the list of apps");
}

#[tokio::test]
async fn a_form_sent_without_a_session_is_told_that_nothing_was_sent() {
    let site = many(AUTH);
    let mut alice = Person::new();
    let answer = alice.ask(&site, &Method::POST, "https://wiki.example.com/save").await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let url = next(&answer).expect("a page of ours");
    assert!(url.starts_with("https://wiki.example.com/.doorward/continue?"), "no other host within a form's redirects: {url}");
    let between = alice.ask(&site, &Method::GET, &url).await;
    assert!(between.status() == StatusCode::OK && between.text().contains("Nothing you typed was sent to the app"));
    let page = alice.go(&site, &url).await;
    assert!(page.url.starts_with("https://auth.example.com/.doorward/login?go=") && page.url.ends_with("&why=post"));
    assert!(page.text().contains("Nothing you typed was sent to the app"), "{}", page.text());
    let forged = "https://wiki.example.com/.doorward/continue?go=%22%3E%3Cscript%3E&why=x";
    let place = alice.ask(&site, &Method::GET, forged).await;
    assert_eq!(next(&place).as_deref(), Some("https://auth.example.com/.doorward/login"));
}

#[tokio::test]
async fn pages_of_the_portal_are_on_the_portal_only() {
    let site = many(AUTH);
    let link = site.link(&site.user("alice").await).await;
    let mut person = Person::new();
    let asked = async |person: &mut Person, method: &Method, path: &str| {
        let place = person.ask(&site, method, &format!("https://{WIKI}{path}")).await;
        (place.status().as_u16(), next(&place).unwrap_or_default())
    };
    assert_eq!(asked(&mut person, &Method::GET, &link).await, (302, format!("https://{AUTH}{link}")));
    assert!(person.go(&site, &format!("https://{WIKI}{link}")).await.text().contains("Step 1 of 3"));
    assert_eq!(asked(&mut person, &Method::GET, "/.doorward/setup/x").await.0, 404);
    assert_eq!(asked(&mut person, &Method::POST, &link).await.0, 404);
    for path in ["/.doorward/login", "/.doorward/login/code", "/.doorward/login/recovery"] {
        let (status, location) = asked(&mut person, &Method::GET, path).await;
        assert!(status == 302 && location.starts_with("https://auth.example.com/.doorward/login?go="), "{path}: {location}");
        assert_eq!(asked(&mut person, &Method::POST, path).await.0, 405);
    }
    let idle = asked(&mut person, &Method::GET, "/.doorward/login?why=idle").await.1;
    assert!(idle.ends_with("&why=idle"), "{idle}");
    assert_eq!(asked(&mut person, &Method::GET, "/.doorward/nothing").await.0, 404);
    assert_eq!(asked(&mut person, &Method::GET, "/.doorward/session").await.0, 401);
    assert_eq!(asked(&mut person, &Method::HEAD, "/.doorward/enter?ticket=x").await.0, 405);
    person.browser(WIKI).set("sec-fetch-dest", Some("iframe"));
    assert_eq!(asked(&mut person, &Method::GET, "/.doorward/enter?ticket=x").await.0, 403);
}

#[tokio::test]
async fn a_kept_session_is_kept_on_every_host_as_long_as_on_the_portal() {
    let site = many(AUTH);
    let totp = site.ready("alice").await;
    let mut alice = Person::new();
    let page = alice.go(&site, "https://wiki.example.com/").await;
    let typed = [("name", "alice"), ("password", PASSWORD), ("remember", "1")];
    let form = page.page.as_ref().expect("a page").filled(&typed);
    let location = alice.browser(AUTH).post(&site, "/.doorward/login", &form).await.location();
    let page = alice.browser(AUTH).get(&site, &location).await;
    let code = totp::code_at(&totp, site.clock.now());
    let answer = alice.browser(AUTH).post(&site, "/.doorward/login/code", &page.filled(&[("code", &code)])).await;
    alice.go(&site, &format!("https://{AUTH}{}", answer.location())).await;
    site.clock.advance(24 * HOUR);
    let ticket = alice.ticket(&site, "https://photos.example.org/").await;
    let place = alice.ask(&site, &Method::GET, &ticket).await;
    let line = place.page.expect("an answer").headers["set-cookie"].to_str().expect("ASCII").to_owned();
    assert!(line.starts_with("__Host-doorward=") && line.ends_with("; Max-Age=2505600"), "29 days: {line}");
}

#[tokio::test]
async fn addresses_carry_the_port_that_browsers_use() {
    for (public, listened, port) in [(None, 8443, ":8443"), (Some(443), 8443, ""), (Some(9443), 443, ":9443")] {
        let mut site = many(AUTH);
        site.plan.public_port = public;
        site.plan.https_port = listened;
        let answer = Person::new().ask(&site, &Method::GET, "https://wiki.example.com/").await;
        let location = answer.page.expect("an answer").location();
        assert!(location.starts_with(&format!("https://auth.example.com{port}/.doorward/login?go=")), "{location}");
    }
}
