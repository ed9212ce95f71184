//! Killed in the middle of writes, over and over: whatever was acknowledged is there afterwards, and what was taken away
//! stays away.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use doorward::admin::wish::{Answer, Credentials, Details, SessionLine, UserLine, Which, Wish};
use doorward::auth::password;
use doorward::base::entropy::Entropy;
use doorward::base::secret::Secret;

use crate::bed::{Gateway, UP, ask, home, run};
use crate::client::{Browser, code, step_now};

/// The size of the run: `full` kills ten times as often.
const SIZE: Option<&str> = option_env!("DOORWARD_TESTS");
const KILLS: usize = 20;
const KILLS_IN_FULL: usize = 200;
const SEED: u64 = 0x5eed_d00d;
const KEY: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
const PASSWORD: &str = "purple tractor sings at dawn";
const WORKERS: u8 = 3;
/// Acknowledged changes before a kill at most.
const LONGEST_ROUND: u64 = 24;

/// What became of a user at last, as far as it was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Active,
    Ended,
    Disabled,
    Deleted,
    /// The kill came between asking and the answer: either is right.
    Either,
}

/// One user and everything that was acknowledged about them.
#[derive(Clone)]
struct Deed {
    name: String,
    fate: Fate,
    /// The browser that signed in, and the step of the code it used.
    session: Option<(Browser, i64)>,
    /// The same browser on the host of another app, to which it was handed over.
    elsewhere: Option<Browser>,
    link: Option<String>,
}

/// One worker of one round.
struct Worker<'a> {
    home: &'a Path,
    socket: PathBuf,
    browser: Browser,
    hash: &'a str,
    round: usize,
    number: u8,
    acknowledged: Sender<()>,
}

impl Worker<'_> {
    /// Makes users and does things to them until the gateway is gone.
    fn run(self) -> Vec<Deed> {
        let mut deeds = Vec::new();
        for n in 0..200_u8 {
            let name = format!("r{}w{}n{n}", self.round, self.number);
            let mut deed = Deed { name, fate: Fate::Either, session: None, elsewhere: None, link: None };
            let gone = if n % 3 == 2 { self.invite(&mut deed) } else { self.enrol(&mut deed, n) }.is_none();
            deeds.push(deed);
            if gone {
                break;
            }
        }
        deeds
    }

    /// By the program itself. Should the gateway die just then, it does the work on the store.
    fn invite(&self, deed: &mut Deed) -> Option<()> {
        let said = run(self.home, &format!("user add {} --json --data-dir data", deed.name));
        let link = said.json()["setup_link"].as_str().filter(|_| said.code == 0)?.to_owned();
        (deed.fate, deed.link) = (Fate::Active, Some(link));
        self.acknowledge()
    }

    /// By the control socket, with a real sign-in.
    fn enrol(&self, deed: &mut Deed, n: u8) -> Option<()> {
        let credentials = Credentials { password_hash: Some(self.hash.to_owned()), totp_seed: Some(KEY.to_owned()) };
        ask(
            &self.socket,
            &Wish::UserAdd { name: deed.name.clone(), credentials: Some(credentials), details: Details::default() },
        )?;
        deed.fate = Fate::Active;
        self.acknowledge()?;
        let mut browser = self.browser.from(self.number, n);
        let step = step_now();
        let answer = browser.sign_in(&deed.name, PASSWORD, &code(KEY, step)).ok()?;
        assert_eq!(answer.status, 303, "{answer:?}");
        let mut elsewhere = browser.on("other.localhost");
        let followed = elsewhere.follow(&mut browser);
        deed.session = Some((browser, step));
        self.acknowledge()?;
        let entered = followed.ok()?;
        assert!(entered.head.contains("set-cookie: __Host-doorward="), "{entered:?}");
        deed.elsewhere = Some(elsewhere);
        self.acknowledge()?;
        let name = deed.name.clone();
        let (wish, fate) = match n % 7 {
            1 => (Wish::SessionEnd { which: Which::User(name) }, Fate::Ended),
            3 => (Wish::UserDisable { name, disabled: true }, Fate::Disabled),
            6 => (Wish::UserDelete { name }, Fate::Deleted),
            _ => return Some(()),
        };
        deed.fate = Fate::Either;
        ask(&self.socket, &wish)?;
        deed.fate = fate;
        self.acknowledge()
    }

    fn acknowledge(&self) -> Option<()> {
        self.acknowledged.send(()).ok()
    }
}

/// One life of the gateway, ended by a kill after some acknowledged changes.
fn life(home: &Path, gateway: Gateway, hash: &str, round: usize, changes: u64) -> Vec<Deed> {
    let browser = Browser::new(gateway.https(), "app.localhost", &gateway.ca());
    let (acknowledged, heard) = channel();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|number| {
                let (socket, acknowledged) = (home.join("data/control.sock"), acknowledged.clone());
                let worker = Worker { home, socket, browser: browser.clone(), hash, round, number, acknowledged };
                scope.spawn(move || worker.run())
            })
            .collect();
        for _ in 0..changes {
            heard.recv_timeout(crate::bed::PATIENCE).expect("a change is acknowledged");
        }
        gateway.kill();
        workers.into_iter().flat_map(|worker| worker.join().expect("no panic")).collect()
    })
}

/// Holds what the gateway says now against what was acknowledged.
fn verify(home: &Path, gateway: &Gateway, deeds: &[Deed]) {
    let socket = home.join("data/control.sock");
    let Some(Answer::Users { users }) = ask(&socket, &Wish::UserList) else { panic!("no list: {}", gateway.said()) };
    let Some(Answer::Sessions { sessions }) = ask(&socket, &Wish::SessionList) else { panic!("no list") };
    let users: BTreeMap<&str, &UserLine> = users.iter().map(|user| (user.user.as_str(), user)).collect();
    for deed in deeds {
        let (name, user) = (deed.name.as_str(), users.get(deed.name.as_str()));
        let live = sessions.iter().any(|session: &SessionLine| session.user == name);
        match deed.fate {
            Fate::Either => {}
            Fate::Deleted => assert!(user.is_none() && !live, "{name} was deleted"),
            Fate::Disabled => assert!(user.is_some_and(|user| user.disabled) && !live, "{name} was disabled"),
            Fate::Ended => assert!(user.is_some_and(|user| !user.disabled) && !live, "the sessions of {name} were ended"),
            Fate::Active => {
                let user = user.unwrap_or_else(|| panic!("{name} was made"));
                assert!(!user.disabled && user.password == deed.link.is_none(), "{name}: {user:?}");
                assert!(deed.session.is_none() || live, "{name} was signed in");
            }
        }
    }
}

/// What browsers and authenticators see: cookies, codes, links.
fn try_out(gateway: &Gateway, deeds: &[Deed]) {
    for deed in deeds {
        let name = &deed.name;
        if let Some((browser, step)) = &deed.session {
            let mut browser = browser.at(gateway.https());
            let signed_in = browser.is_signed_in().expect("an answer");
            assert!(deed.fate == Fate::Either || signed_in == (deed.fate == Fate::Active), "{name}: {:?}", deed.fate);
            if let Some(elsewhere) = &deed.elsewhere {
                let known = elsewhere.at(gateway.https()).is_signed_in().expect("an answer");
                assert!(deed.fate == Fate::Either || known == (deed.fate == Fate::Active), "{name} elsewhere: {:?}", deed.fate);
            }
            browser.cookies.clear();
            let again = browser.sign_in(name, PASSWORD, &code(KEY, *step)).expect("an answer");
            assert_ne!(again.status, 303, "the code of {name} was used once already: {again:?}");
            if matches!(deed.fate, Fate::Active | Fate::Ended) {
                browser.cookies.clear();
                let next = browser.sign_in(name, PASSWORD, &code(KEY, step_now().max(step + 1))).expect("an answer");
                assert_eq!(next.status, 303, "{name} can sign in with a new code: {next:?}");
            }
        }
        if let Some(link) = &deed.link {
            let path = &link[link.find("/.doorward").expect("a path")..];
            let mut browser = Browser::new(gateway.https(), "app.localhost", &gateway.ca());
            assert_eq!(browser.get(path).expect("an answer").status, 200, "the link of {name}");
        }
    }
}

/// Deeds as they stand after [`try_out`], which ended nothing and opened new sessions.
fn after(deeds: Vec<Deed>) -> impl Iterator<Item = Deed> {
    deeds.into_iter().map(|mut deed| {
        // The session that was tried anew makes "no session" untrue from here on.
        if deed.fate == Fate::Ended {
            deed.fate = Fate::Active;
        }
        deed
    })
}

/// xorshift: the moments are the same in every run.
fn draw(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    let rounds = if SIZE == Some("full") { KILLS_IN_FULL } else { KILLS };
    let home = home();
    let hash = password::hash(&Secret::new(PASSWORD.to_owned()), Entropy.bytes()).0.expose().clone();
    let mut state = SEED;
    let (mut all, mut last, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    let mut authority = None;
    let two_apps = UP.replace("127.0.0.1:9 ", "127.0.0.1:9 other.localhost=127.0.0.1:9 ");
    for round in 0..=rounds {
        let gateway = Gateway::start(home.path(), &two_apps);
        starts.push(gateway.took);
        let now = fs::read(gateway.ca()).expect("read");
        assert_eq!(authority.get_or_insert_with(|| now.clone()), &now, "devices trust the first authority");
        verify(home.path(), &gateway, &all);
        verify(home.path(), &gateway, &last);
        try_out(&gateway, &last);
        all.extend(after(std::mem::take(&mut last)));
        if round == rounds {
            gateway.stop();
        } else {
            last = life(home.path(), gateway, &hash, round, 1 + draw(&mut state) % LONGEST_ROUND);
        }
    }
    let database = rusqlite::Connection::open(home.path().join("data/doorward.db")).expect("opens");
    let whole: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("answers");
    assert_eq!(whole, "ok");
    starts.sort();
    let median = starts[starts.len() / 2];
    println!("{rounds} kills, {} users; start: median {median:?}, longest {:?}", all.len(), starts[starts.len() - 1]);
    assert!(all.len() >= rounds, "the kills hit work");
    assert!(all.iter().any(|deed| deed.elsewhere.is_some()), "and sessions on two hosts");
    assert!(median < Duration::from_secs(1), "{starts:?}");
}
