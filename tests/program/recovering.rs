//! Recovery codes under the real program: resets at the command line, and kills in the middle of their use.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bed::{Gateway, Said, UP, home, run};
use crate::client::{Answer, Browser, code, step_now};

const KEY: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
const PASSWORD: &str = "purple tractor sings at dawn";
const PAGE: &str = "/.doorward/security/recovery";
const LOGIN: &str = "/.doorward/login/recovery";

fn on(home: &Path, words: &str) -> Said {
    run(home, &format!("{words} --data-dir data"))
}

fn provision(home: &Path) {
    fs::write(home.join("password"), format!("{PASSWORD}\n")).expect("written");
    fs::write(home.join("key"), format!("{KEY}\n")).expect("written");
    on(home, "user add alice --password-file password --totp-secret-file key").ends_with(0);
}

fn browser(gateway: &Gateway) -> Browser {
    Browser::new(gateway.https(), "app.localhost", &gateway.ca())
}

fn codes(sheet: &Answer) -> Vec<String> {
    sheet.body.split("<li>").skip(1).filter_map(|rest| rest.split("</li>").next()).map(str::to_owned).collect()
}

/// What the page of codes asks to be sent back.
fn fields(sheet: &Answer) -> Vec<(&'static str, String)> {
    let hidden = ["t", "step", "set", "codes", "seal"].map(|name| (name, sheet.field(name)));
    hidden.into_iter().chain([("act", "done".to_owned()), ("saved", "1".to_owned())]).collect()
}

fn send(browser: &mut Browser, path: &str, fields: &[(&str, String)]) -> std::io::Result<Answer> {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.post(path, &fields)
}

/// Signs in with a code of the app and has new recovery codes put in force.
fn new_codes(browser: &mut Browser) -> Vec<String> {
    let answer = browser.sign_in("alice", PASSWORD, &code(KEY, step_now())).expect("an answer");
    assert_eq!(answer.status, 303, "{answer:?}");
    let token = browser.get(PAGE).expect("an answer").field("t");
    let sheet = browser.post(PAGE, &[("t", &token), ("act", "new")]).expect("an answer");
    assert_eq!(codes(&sheet).len(), 10, "{sheet:?}");
    let done = send(browser, PAGE, &fields(&sheet)).expect("an answer");
    assert_eq!(done.status, 303, "{done:?}");
    codes(&sheet)
}

/// As far as the form for the recovery code, filled in.
fn at_recovery(browser: &mut Browser, code: &str) -> Vec<(&'static str, String)> {
    let page = browser.get("/.doorward/login").expect("an answer");
    let typed = [("t", page.field("t")), ("go", page.field("go")), ("name", "alice".into()), ("password", PASSWORD.into())];
    let answer = send(browser, "/.doorward/login", &typed).expect("an answer");
    let to = answer.header("location").expect("on").replace("/login/code?", "/login/recovery?");
    let page = browser.get(&to).expect("an answer");
    vec![("t", page.field("t")), ("c", page.field("c")), ("go", page.field("go")), ("code", code.to_owned())]
}

fn database(home: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(home.join("data/doorward.db")).expect("opens")
}

/// Sets are there with all their codes or not at all, at most one counts and one waits.
fn sets_are_whole(home: &Path) {
    let database = database(home);
    let mut select = database
        .prepare("SELECT pending, (SELECT count(*) FROM recovery_code WHERE set_id = id) FROM recovery_set")
        .expect("prepared");
    let sets = select.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).expect("answers");
    let sets: Vec<(i64, i64)> = sets.map(|set| set.expect("read")).collect();
    assert!(sets.iter().all(|(_, count)| *count == 10), "{sets:?}");
    assert!(sets.iter().filter(|(pending, _)| *pending == 0).count() == 1 && sets.len() <= 2, "{sets:?}");
}

#[test]
fn no_code_opens_twice_and_no_set_is_half_there_whenever_it_is_killed() {
    let home = home();
    provision(home.path());
    let mut gateway = Gateway::start(home.path(), UP);
    let mut owner = browser(&gateway);
    let codes = new_codes(&mut owner);
    let mut acknowledged = 0;
    for (round, recovery) in codes.iter().enumerate() {
        let mut first = browser(&gateway).from(1, u8::try_from(round).expect("small"));
        let form = at_recovery(&mut first, recovery);
        // New codes are drawn and staged meanwhile, by whoever is still signed in.
        let token = owner.get(PAGE).map(|page| page.field("t")).unwrap_or_default();
        let mut drawing = owner.clone();
        let (answered, gateway_gone) = thread::scope(|scope| {
            let used = scope.spawn(|| send(&mut first, LOGIN, &form));
            let drawn = scope.spawn(|| drawing.post(PAGE, &[("t", &token), ("act", "new")]));
            // The last two are killed after the answer, the others at some moment before or about it.
            let until = Duration::from_millis(if round < 8 { 40 * u64::try_from(round).expect("small") } else { 20_000 });
            let began = Instant::now();
            while began.elapsed() < until && (round < 8 || !used.is_finished()) {
                thread::sleep(Duration::from_millis(2));
            }
            gateway.kill();
            (used.join().expect("no panic"), drawn.join().expect("no panic"))
        });
        drop(gateway_gone);
        sets_are_whole(home.path());
        database(home.path()).execute("DELETE FROM attempt", []).expect("forgotten");
        gateway = Gateway::start(home.path(), UP);
        let opened = answered.is_ok_and(|answer| answer.status == 303);
        acknowledged += usize::from(opened);
        let mut opens = usize::from(opened);
        for other in 0..2 {
            let mut again = browser(&gateway).from(2 + other, u8::try_from(round).expect("small"));
            let form = at_recovery(&mut again, recovery);
            let answer = send(&mut again, LOGIN, &form).expect("an answer");
            if answer.status == 303 {
                opens += 1;
                owner = again;
            }
        }
        assert!(opens <= 1, "code {round} opened {opens} times");
        let used: i64 = database(home.path())
            .query_row(
                "SELECT count(*) FROM recovery_code JOIN recovery_set ON id = set_id WHERE pending = 0 AND used_at IS NOT NULL",
                [],
                |row| row.get(0),
            )
            .expect("answers");
        assert_eq!(usize::try_from(used).expect("small"), round + 1, "and it is spent");
    }
    assert!(acknowledged >= 2, "{acknowledged}");
    println!("{acknowledged} of {} uses were answered before the kill", codes.len());
    let verified = on(home.path(), "audit verify --json").ends_with(0);
    assert!(!verified.out.is_empty());
    gateway.stop();
}

/// What the owner can do, said in the same words whoever does it.
fn owners_help(home: &Path) {
    let json = on(home, "user show alice --json").ends_with(0).json();
    assert_eq!((&json["authenticators"], &json["recovery_codes"]), (&1.into(), &10.into()), "{json}");
    assert!(json["last_sign_in"].as_i64().is_some_and(|at| at > 1_700_000_000), "{json}");
    let text = on(home, "user show alice").ends_with(0).out;
    assert!(text.contains("recovery codes") && text.contains("10 left") && text.contains("last sign-in"), "{text}");
    let json = on(home, "user recovery reset Alice --keep-sessions --json").ends_with(0).json();
    assert_eq!((&json["user"], &json["factor"], &json["removed"]), (&"alice".into(), &"recovery".into(), &10.into()));
    assert_eq!((&json["ended"], &json["setup_link"], &json["authenticators"]), (&0.into(), &Value::Null, &1.into()));
    let said = on(home, "user recovery reset alice").ends_with(1);
    assert!(said.err.contains("no recovery codes to take away") && said.err.contains("nothing was changed"), "{said:?}");
    let said = on(home, "user totp reset alice").ends_with(0);
    assert!(said.out.contains("1 authenticator of alice taken away; 1 session ended"), "{said:?}");
    assert!(said.out.contains("no second factor") && said.out.contains("/.doorward/setup/"), "{said:?}");
    on(home, "user totp reset alice --json").ends_with(1);
    on(home, "user passkey reset alice").ends_with(1);
    for factor in ["totp", "passkey", "recovery"] {
        on(home, &format!("user {factor} reset nobody")).ends_with(6);
        on(home, &format!("user {factor} reset")).ends_with(2);
    }
    let audit = on(home, "audit list --json").ends_with(0).out;
    assert!(audit.contains("authenticator taken away") && audit.contains("recovery codes taken away"), "{audit}");
    assert!(on(home, "user show alice --json").ends_with(0).json()["authenticators"] == 0);
}

#[test]
fn resets_work_with_a_running_gateway_and_without() {
    for running in [true, false] {
        let home = home();
        provision(home.path());
        let gateway = Gateway::start(home.path(), UP);
        let mut signed_in = browser(&gateway);
        let codes = new_codes(&mut signed_in);
        if running {
            owners_help(home.path());
            assert!(!signed_in.is_signed_in().expect("an answer"), "it counts at once");
            assert!(codes.iter().all(|code| !gateway.said().contains(code)));
            gateway.stop();
        } else {
            gateway.stop();
            owners_help(home.path());
            let gateway = Gateway::start(home.path(), UP);
            assert!(!signed_in.at(gateway.https()).is_signed_in().expect("an answer"));
            gateway.stop();
        }
    }
}
