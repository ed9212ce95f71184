//! One random way: two browsers, three people who use them, an owner, and time.

use std::collections::HashMap;
use std::time::Duration;

use doorward::auth::totp;
use doorward::base::clock::Timestamp;
use doorward::store::people::Membership;
use doorward::wire::body::Body;
use doorward::wire::cookie::SESSION;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN};
use http::{Request, StatusCode};

use crate::kit::form::{self, Form};
use crate::model::browser::{Browser, Page};
use crate::model::dice::Dice;
use crate::model::reference::{DOCS, MAIL, Needs, Reference, Variant, WIKI};
use crate::model::world::{Answer, PASSWORD, PEOPLE, World};

const STEPS: usize = 14;
/// More hops than any honest way has.
const MOST_HOPS: usize = 10;
const TARGETS: [(&str, &str); 8] = [
    (WIKI, "/"),
    (WIKI, "/page?x=%2F"),
    (MAIL, "/inbox"),
    (DOCS, "/"),
    (DOCS, "/admin/users"),
    (DOCS, "/public/logo.svg"),
    (DOCS, "/secret"),
    (DOCS, "/album/1"),
];
const HOUR: Duration = Duration::from_secs(3600);

/// What the ways met with: a generator without teeth would show.
#[derive(Debug, Default)]
pub struct Tally {
    pub sign_ins: u64,
    pub hand_offs: u64,
    pub granted: u64,
    pub open: u64,
    pub refused: u64,
    pub thefts: u64,
    pub restarts: u64,
    pub memberships: u64,
    pub outsiders: u64,
    pub stopped_circles: u64,
}

pub struct Walk<'a> {
    world: &'a mut World,
    dice: Dice,
    tally: &'a mut Tally,
    reference: Reference,
    browsers: [Browser; 2],
    /// Sign-ins that wait for a code: whose, and whether they are to last.
    half_done: HashMap<String, (usize, bool)>,
    disabled: [bool; 3],
    /// When each browser was handed over to a host; three times in a minute is a circle.
    arrivals: Vec<(usize, String, Timestamp)>,
    refused_tries: bool,
}

/// How a request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By<'a> {
    Tab,
    Program,
    Form(&'a Form),
    AppForm,
}

impl<'a> Walk<'a> {
    pub fn new(world: &'a mut World, dice: Dice, tally: &'a mut Tally) -> Self {
        let household = dice.seed % (1 << 30) * 2;
        Self {
            world,
            dice,
            tally,
            reference: Reference::default(),
            browsers: [Browser::new(household), Browser::new(household + 1)],
            half_done: HashMap::new(),
            disabled: [false; 3],
            arrivals: Vec::new(),
            refused_tries: false,
        }
    }

    pub async fn go(mut self) {
        for _ in 0..STEPS {
            self.step().await;
        }
        if self.dice.once_in(2) {
            self.honest().await;
        }
        self.close().await;
    }

    async fn step(&mut self) {
        let browser = self.dice.below(2);
        match self.dice.below(100) {
            0..28 => self.open(browser).await,
            28..66 => self.fill_in(browser).await,
            66..70 => self.ask_as_program(browser).await,
            70..73 => self.post_to_app(browser).await,
            73..77 => self.go_back(browser),
            77..81 => self.take_address(browser).await,
            81..84 => self.steal(browser),
            84..86 => self.sign_out(browser).await,
            86..90 => self.come_back_late(browser).await,
            90..96 => self.wait(),
            _ => self.owner().await,
        }
    }

    // ---- what visitors do

    async fn open(&mut self, browser: usize) {
        let (host, path) = self.dice.one_of(&TARGETS);
        let tab = self.dice.below(2);
        self.navigate(browser, tab, (host, path)).await;
    }

    /// Opens an address and follows wherever it leads. Whoever the portal knows well enough must arrive.
    async fn navigate(&mut self, browser: usize, tab: usize, (host, path): (&str, &str)) {
        let now = self.world.clock.now();
        let needs = self.world.variant.needs(host, path);
        let portal = self.world.variant.portal();
        let known = self.reference.holder(portal, self.browsers[browser].session_cookie(portal));
        let here = self.reference.holder(host, self.browsers[browser].session_cookie(host));
        // Whoever is somebody else on that host is told so there, and not sent to the portal.
        let outside = needs == Needs::Family && self.reference.is_outsider(here, now);
        let due = !outside
            && matches!(needs, Needs::Password | Needs::TwoFactors | Needs::Family)
            && self.reference.opens(needs, known, now);
        let answer = self.exchange(browser, (host, path), By::Tab).await;
        let last = self.follow(browser, tab, (host, path), answer).await;
        if due && last.status != StatusCode::BAD_GATEWAY {
            let rounds =
                self.arrivals.iter().filter(|(who, at, when)| *who == browser && at == host && now.since(*when) < HOUR / 60);
            assert!(
                last.status == StatusCode::FORBIDDEN && rounds.count() >= 3,
                "seed {}: known at the portal, yet not let in to {host}{path}: {last:?}",
                self.dice.seed
            );
            self.tally.stopped_circles += 1;
        }
    }

    /// Fills in the forms that a tab shows, one after another or with something else in between.
    async fn fill_in(&mut self, browser: usize) {
        let (tab, forms) = (self.dice.below(2), self.dice.one_of(&[1, 2, 2]));
        for _ in 0..forms {
            self.fill_in_one(browser, tab).await;
        }
    }

    /// Mostly as its owner would.
    async fn fill_in_one(&mut self, browser: usize, tab: usize) {
        let Some(page) = self.browsers[browser].tabs[tab].clone() else { return };
        let Some(form) = page.form.clone() else { return };
        let wrong = self.dice.once_in(12);
        let form = if !form.value("c").is_empty() {
            let person = PEOPLE.iter().position(|name| *name == form.value("username")).expect("one of them");
            let totp = self.world.authenticators[person].as_ref().expect("asked for a code");
            let code = if wrong { "000000".to_owned() } else { totp::code_at(totp, self.world.clock.now()) };
            form.with("code", &code)
        } else if form.action.as_deref() == Some("/.doorward/login") {
            let name = PEOPLE[self.dice.below(3)];
            let form = form.with("name", name).with("password", if wrong { "wrong" } else { PASSWORD });
            if self.dice.once_in(4) { form.with("remember", "1") } else { form }
        } else {
            form
        };
        self.send_form(browser, tab, &page, &form).await;
    }

    async fn send_form(&mut self, browser: usize, tab: usize, page: &Page, form: &Form) {
        let path = form.action.clone().unwrap_or_else(|| page.path.clone());
        let answer = self.exchange(browser, (&page.host, &path), By::Form(form)).await;
        self.follow(browser, tab, (&page.host, &path), answer).await;
    }

    async fn ask_as_program(&mut self, browser: usize) {
        let target = self.dice.one_of(&TARGETS);
        let answer = self.exchange(browser, target, By::Program).await;
        assert!(!answer.status.is_redirection(), "a program is told, not sent: {answer:?}");
    }

    async fn post_to_app(&mut self, browser: usize) {
        let (host, path) = self.dice.one_of(&TARGETS);
        let tab = self.dice.below(2);
        let answer = self.exchange(browser, (host, path), By::AppForm).await;
        self.follow(browser, tab, (host, path), answer).await;
    }

    fn go_back(&mut self, browser: usize) {
        let browser = &mut self.browsers[browser];
        if browser.before.is_empty() {
            return;
        }
        let page = browser.before[self.dice.below(browser.before.len())].clone();
        browser.tabs[self.dice.below(2)] = Some(page);
    }

    /// Opens an address that was seen before, in this browser or over somebody's shoulder: tickets, links of half-done
    /// sign-ins.
    async fn take_address(&mut self, browser: usize) {
        let from = self.dice.below(2);
        let history = &self.browsers[from].history;
        if history.is_empty() {
            return;
        }
        let (host, path) = history[self.dice.below(history.len())].clone();
        self.tally.thefts += 1;
        let answer = self.exchange(browser, (&host, &path), By::Tab).await;
        self.follow(browser, 0, (&host, &path), answer).await;
    }

    /// Puts a session's cookie where it was not set: on another host, in the other browser, or out of thin air.
    fn steal(&mut self, browser: usize) {
        let hosts = [WIKI, MAIL, DOCS, self.world.variant.portal()];
        let (from, to) = (self.dice.one_of(&hosts), self.dice.one_of(&hosts));
        let whose = self.dice.below(2);
        let made_up = "A".repeat(43);
        let value = if self.dice.once_in(5) { Some(made_up) } else { self.browsers[whose].session_cookie(from).cloned() };
        let Some(value) = value else { return };
        self.tally.thefts += 1;
        self.browsers[browser].put(to, SESSION, &value);
    }

    /// A forgotten tab wakes up: it asks for what is open to everybody first, then for what is not.
    async fn come_back_late(&mut self, browser: usize) {
        self.world.clock.advance(13 * HOUR);
        for target in [(DOCS, "/public/logo.svg"), (DOCS, "/secret"), (WIKI, "/")] {
            self.exchange(browser, target, By::Tab).await;
        }
    }

    async fn sign_out(&mut self, browser: usize) {
        let host = self.dice.one_of(&[WIKI, MAIL, DOCS, self.world.variant.portal()]);
        let target = (host, "/.doorward/logout");
        let answer = self.exchange(browser, target, By::Tab).await;
        self.follow(browser, 1, target, answer).await;
    }

    fn wait(&mut self) {
        let seconds = self.dice.one_of(&[5, 31, 31, 61, 61, 600, 3_600, 11 * 3_600, 13 * 3_600, 3 * 86_400, 8 * 86_400]);
        self.world.clock.advance(Duration::from_secs(seconds));
    }

    // ---- what the owner does

    async fn owner(&mut self) {
        let person = self.dice.below(3);
        let name = PEOPLE[person].parse().expect("a name");
        match self.dice.below(104) {
            0..16 => {
                let user = self.world.store().user(&name).await.expect("in order").expect("there");
                self.world.store().end_sessions_of(user.id).await.expect("ended");
                self.reference.end_all_of(Some(person));
            }
            16..28 => {
                self.disabled[person] = !self.disabled[person];
                assert!(self.world.store().set_disabled(&name, self.disabled[person]).await.expect("changed"));
                self.reference.end_all_of(Some(person));
            }
            28..62 => {
                let variant = self.dice.one_of(&Variant::ALL);
                self.world.reload(variant);
            }
            62..79 => {
                self.world.store().sweep(self.world.clock.now()).await.expect("swept");
            }
            79..103 => {
                let member = !self.reference.family[person];
                let group = "family".parse().expect("a group");
                let changed = self.world.store().set_membership(&name, &group, member).await.expect("changed");
                assert_eq!(changed, Membership::Changed);
                self.reference.family[person] = member;
                self.tally.memberships += 1;
            }
            _ => {
                self.world.restart().await;
                self.reference.restarted();
                self.tally.restarts += 1;
            }
        }
    }

    /// Somebody with a fresh browser and the right password and code gets where they wanted to go.
    async fn honest(&mut self) {
        // Five tries that were refused, be it for a code that was used before, close an account's door for a quarter of an hour.
        self.world.clock.advance(if self.refused_tries { HOUR } else { Duration::from_secs(31) });
        let person = self.dice.one_of(&[0, 2]);
        if self.disabled[person] {
            return;
        }
        let target = self.dice.one_of(&[(WIKI, "/page?x=%2F"), (MAIL, "/inbox")]);
        self.browsers[0] = Browser::new(self.dice.seed % (1 << 30) * 2 + (1 << 31));
        self.navigate(0, 0, target).await;
        let sign_in = |page: &Option<Page>| page.clone().filter(|page| page.host == self.world.variant.portal());
        let page = sign_in(&self.browsers[0].tabs[0]).expect("the sign-in page");
        let form = page.form.clone().expect("a form").with("name", PEOPLE[person]).with("password", PASSWORD);
        self.send_form(0, 0, &page, &form).await;
        let page = self.browsers[0].tabs[0].clone().expect("the second step");
        let totp = self.world.authenticators[person].as_ref().expect("has one");
        let form = page.form.clone().expect("a form").with("code", &totp::code_at(totp, self.world.clock.now()));
        let granted = self.tally.granted;
        self.send_form(0, 0, &page, &form).await;
        assert_eq!(self.tally.granted, granted + 1, "seed {}: arrives at {target:?}", self.dice.seed);
        let page = self.browsers[0].tabs[0].as_ref().expect("a page");
        assert_eq!((page.host.as_str(), page.path.as_str()), target, "seed {}", self.dice.seed);
    }

    /// Everybody's sessions are ended; the cookies that are left open nothing.
    async fn close(&mut self) {
        self.world.store().end_all().await.expect("ended");
        self.reference.end_all_of(None);
        for browser in 0..2 {
            for target in [(WIKI, "/"), (MAIL, "/inbox"), (DOCS, "/secret")] {
                self.exchange(browser, target, By::Program).await;
            }
        }
        for (person, disabled) in self.disabled.into_iter().enumerate() {
            let name = PEOPLE[person].parse().expect("a name");
            assert!(!disabled || self.world.store().set_disabled(&name, false).await.expect("changed"));
        }
        for (person, _) in self.reference.family.into_iter().enumerate().filter(|(_, member)| *member) {
            let (name, group) = (PEOPLE[person].parse().expect("a name"), "family".parse().expect("a group"));
            self.world.store().set_membership(&name, &group, false).await.expect("changed");
        }
        if self.world.variant != Variant::Usual {
            self.world.reload(Variant::Usual);
        }
        // What wrong tries cost, and one household's share of everything, is over by then.
        self.world.clock.advance(25 * HOUR);
        if self.dice.once_in(50) {
            self.world.store().sweep(self.world.clock.now()).await.expect("swept");
        }
    }

    // ---- requests, each held to the model

    /// Follows redirects and pages that lead on, as a browser does; the last answer.
    async fn follow(&mut self, browser: usize, tab: usize, start: (&str, &str), first: Answer) -> Answer {
        let (mut host, mut path) = (start.0.to_owned(), start.1.to_owned());
        let mut answer = first;
        for _ in 0..MOST_HOPS {
            let Some(next) = leads_on(&answer) else {
                let form = answer.text.contains("<form").then(|| Form::of(&answer.text));
                let page = Page { host, path, form };
                let browser = &mut self.browsers[browser];
                if let Some(left) = browser.tabs[tab].replace(page) {
                    browser.before.push(left);
                }
                return answer;
            };
            if let Some(rest) = next.strip_prefix("https://") {
                let (to, rest) = rest.split_at(rest.find('/').expect("a path"));
                (host, path) = (to.to_owned(), rest.to_owned());
            } else {
                path = next;
            }
            answer = self.exchange(browser, (&host, &path), By::Tab).await;
            self.browsers[browser].history.push((host.clone(), path.clone()));
        }
        panic!("seed {}: in circles from {start:?}: {answer:?}", self.dice.seed);
    }

    /// One request and its answer, held to the model.
    async fn exchange(&mut self, browser: usize, (host, path): (&str, &str), by: By<'_>) -> Answer {
        let now = self.world.clock.now();
        let holder = self.reference.holder(host, self.browsers[browser].session_cookie(host));
        let request = request(&self.browsers[browser], (host, path), by);
        let answer = self.world.send(self.browsers[browser].client, host, request).await;
        let given = self.browsers[browser].keep(host, &answer.headers);
        self.refused_tries |= matches!(by, By::Form(_)) && answer.status.is_client_error();
        if path.starts_with("/.doorward/") {
            self.own_page((browser, by), (host, path), (holder, given), &answer);
        } else {
            assert_eq!(given, None, "seed {}: an app's page sets no session", self.dice.seed);
            self.app_page((host, path), by, (holder, now), &answer);
        }
        answer
    }

    fn app_page(&mut self, (host, path): (&str, &str), by: By<'_>, (holder, now): (Option<usize>, Timestamp), answer: &Answer) {
        let needs = self.world.variant.needs(host, path);
        let opens = self.reference.opens(needs, holder, now);
        let granted = answer.status == StatusCode::BAD_GATEWAY;
        let told = || format!("seed {}: {host}{path} needs {needs:?}, holder {holder:?}: {answer:?}", self.dice.seed);
        assert_eq!(granted, opens, "{}", told());
        match needs {
            Needs::NoSuchHost if host == self.world.variant.portal() => {}
            Needs::NoSuchHost => assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{}", told()),
            Needs::Denied => assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", told()),
            Needs::Nothing => self.tally.open += 1,
            Needs::Password | Needs::TwoFactors | Needs::Family if granted => self.tally.granted += 1,
            Needs::Family if self.reference.is_outsider(holder, now) => {
                self.tally.outsiders += 1;
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", told());
            }
            Needs::Password | Needs::TwoFactors | Needs::Family => {
                self.tally.refused += 1;
                assert!(by != By::Program || answer.status == StatusCode::UNAUTHORIZED, "{}", told());
            }
        }
        if let (true, Some(holder)) = (granted, holder) {
            self.reference.seen(holder, now);
        }
    }

    fn own_page(
        &mut self,
        (browser, by): (usize, By<'_>),
        (host, path): (&str, &str),
        (holder, given): (Option<usize>, Option<String>),
        answer: &Answer,
    ) {
        let now = self.world.clock.now();
        let living = holder.filter(|holder| self.reference.lives(*holder, now));
        if let Some(token) = given {
            let session = match (by, path.strip_prefix("/.doorward/enter?ticket=")) {
                (By::Tab, Some(ticket)) => {
                    self.tally.hand_offs += 1;
                    self.arrivals.push((browser, host.to_owned(), now));
                    self.reference.taken(ticket, host, now)
                }
                (By::Form(form), _) => self.signed_in((host, path), form, now),
                other => panic!("seed {}: a session out of nowhere: {other:?}", self.dice.seed),
            };
            if let Some(former) = living.filter(|former| *former != session) {
                self.reference.end(former);
            }
            self.reference.given(host, &token, session);
            return;
        }
        if let By::Form(form) = by
            && path == "/.doorward/logout"
            && self.browsers[browser].session_cookie(host).is_none()
            && let Some(living) = living
        {
            assert!(!form.value("t").is_empty(), "signing out takes our own form");
            self.reference.end(living);
        }
        let Some(next) = leads_on(answer) else { return };
        if let Some((to, ticket)) = next.strip_prefix("https://").and_then(|rest| rest.split_once("/.doorward/enter?ticket=")) {
            assert_eq!(host, self.world.variant.portal(), "tickets come from the portal");
            self.reference.sent_on(ticket, living.expect("only a session makes a ticket"), to, now);
        } else if let (By::Form(form), Some(query)) = (by, next.strip_prefix("/.doorward/login/code?c=")) {
            let person = PEOPLE.iter().position(|name| *name == form.value("name")).expect("one of them");
            assert!(form.value("password") == PASSWORD && !self.disabled[person], "a right password leads to the second step");
            let ceremony = query.split('&').next().expect("split gives one");
            self.half_done.insert(ceremony.to_owned(), (person, form.value("remember") == "1"));
        }
    }

    /// A form brought a session: whose it must be.
    fn signed_in(&mut self, (host, path): (&str, &str), form: &Form, now: Timestamp) -> usize {
        self.tally.sign_ins += 1;
        assert_eq!(host, self.world.variant.portal(), "people sign in at the portal");
        let (person, two_factors, remember) = if path == "/.doorward/login/code" {
            let (person, remember) = self.half_done[form.value("c")];
            let totp = self.world.authenticators[person].as_ref().expect("asked for a code");
            assert_eq!(form.value("code"), totp::code_at(totp, now), "only the right code counts");
            (person, true, remember)
        } else {
            let person = PEOPLE.iter().position(|name| *name == form.value("name")).expect("one of them");
            assert_eq!(form.value("password"), PASSWORD, "only the right password counts");
            assert!(self.world.authenticators[person].is_none(), "who has an authenticator is asked for a code");
            (person, false, form.value("remember") == "1")
        };
        assert!(!self.disabled[person], "nobody signs in to an account that is disabled");
        self.reference.signed_in(person, two_factors, remember, now)
    }
}

/// Where an answer sends a browser, if it does.
fn leads_on(answer: &Answer) -> Option<String> {
    if answer.status.is_redirection() {
        return Some(answer.headers[LOCATION].to_str().expect("ASCII").to_owned());
    }
    let (_, rest) = answer.text.split_once("content=\"0;url=")?;
    rest.split('"').next().map(form::unescape)
}

fn request(browser: &Browser, (host, path): (&str, &str), by: By<'_>) -> Request<Body> {
    let post = matches!(by, By::Form(_) | By::AppForm);
    let mut request = Request::builder().method(if post { "POST" } else { "GET" }).uri(path).header(HOST, host);
    if by == By::Program {
        request = request.header(ACCEPT, "application/json");
    } else {
        request = request.header(ACCEPT, "text/html,*/*;q=0.8").header("sec-fetch-mode", "navigate");
        request = request.header("sec-fetch-dest", "document").header("sec-fetch-site", "same-origin");
    }
    if post {
        request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").header(ORIGIN, format!("https://{host}"));
    }
    if let Some(cookies) = browser.cookies(host) {
        request = request.header(COOKIE, cookies);
    }
    let body = match by {
        By::Form(form) => Body::from(form.encoded()),
        By::AppForm => Body::from("a=b"),
        By::Tab | By::Program => Body::Empty,
    };
    request.body(body).expect("a request")
}

/// 31 days by the clock, an hour at a time: three people who come at different hours, each asking for a page whether or not
/// they should still be let in.
pub async fn month(world: &mut World) {
    let mut tally = Tally::default();
    let mut walk = Walk::new(world, Dice::new(1), &mut tally);
    let mut ended = 0;
    for hour in 0..31 * 24_u32 {
        for browser in 0..2 {
            // One comes every five hours, so idles never and ends after its seven days; one stays away for thirteen every night.
            let comes = if browser == 0 { hour % 5 == 0 } else { [9, 19, 20].contains(&(hour % 24)) };
            if !comes {
                continue;
            }
            let granted = walk.tally.granted;
            walk.navigate(browser, 0, (WIKI, "/page?x=%2F")).await;
            if walk.tally.granted == granted {
                ended += 1;
                walk.sign_in_from(browser, 2 * browser, browser == 1 && hour > 15 * 24).await;
            }
        }
        walk.world.clock.advance(HOUR);
        if hour % 24 == 3 {
            walk.world.store().sweep(walk.world.clock.now()).await.expect("swept");
        }
        if hour % 100 == 50 {
            walk.world.restart().await;
            walk.reference.restarted();
        }
    }
    // The first signs in anew when seven days are over: five times. The second idles away every night until, on the sixteenth
    // morning, it asks to be remembered; that lasts for the rest of the month.
    println!("{ended} sign-ins: {:?}", walk.tally);
    assert_eq!(ended, 5 + 16);
}

impl Walk<'_> {
    /// Signs in on the page that a tab shows.
    async fn sign_in_from(&mut self, browser: usize, person: usize, remember: bool) {
        let page = self.browsers[browser].tabs[0].clone().expect("the sign-in page");
        let form = page.form.clone().expect("a form").with("name", PEOPLE[person]).with("password", PASSWORD);
        let form = if remember { form.with("remember", "1") } else { form };
        self.send_form(browser, 0, &page, &form).await;
        let page = self.browsers[browser].tabs[0].clone().expect("the second step");
        let totp = self.world.authenticators[person].as_ref().expect("has one");
        let form = page.form.clone().expect("a form").with("code", &totp::code_at(totp, self.world.clock.now()));
        let granted = self.tally.granted;
        self.send_form(browser, 0, &page, &form).await;
        assert_eq!(self.tally.granted, granted + 1, "signed in and arrived");
    }
}
