//! Killed while somebody sets up an account or adds a passkey: afterwards all of it counts, or nothing of it does and they can go on.

use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Builder;

use crate::bed::{Gateway, UP, home, run};
use crate::client::{Answer, Browser, code, step_now};
use crate::key::Key;

const PASSWORD: &str = "purple tractor sings at dawn";
const SEED: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
const ADD: &str = "/.doorward/security/passkeys/add";
const LOGIN: &str = "/.doorward/login";
const ROUNDS: u8 = 12;

fn browser(gateway: &Gateway, round: u8) -> Browser {
    Browser::new(gateway.https(), "app.localhost", &gateway.ca()).from(7, round)
}

fn send(browser: &mut Browser, path: &str, fields: &[(&str, String)]) -> std::io::Result<Answer> {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.post(path, &fields)
}

/// Follows a set-up link to its end; whether the end was acknowledged.
fn set_up(browser: &mut Browser, path: &str) -> std::io::Result<bool> {
    let page = browser.get(path)?;
    send(browser, path, &[("t", page.field("t")), ("step", "1".into()), ("password", PASSWORD.into())])?;
    let page = browser.get(&format!("{path}?step=2"))?;
    let key = page.body.split("<p class=\"key\"><code>").nth(1).and_then(|rest| rest.split('<').next()).unwrap_or_default();
    let mut fields = vec![("t", page.field("t")), ("step", "2".to_owned())];
    // Without a key to scan it is proven already, and new recovery codes are all that is left.
    if !key.is_empty() {
        fields.push(("code", code(key, step_now())));
    }
    let sheet = send(browser, path, &fields)?;
    let hidden = ["t", "step", "set", "codes", "seal"].map(|name| (name, sheet.field(name)));
    let done: Vec<_> = hidden.into_iter().chain([("act", "done".to_owned()), ("saved", "1".to_owned())]).collect();
    Ok(send(browser, path, &done)?.status == 303)
}

/// Kills the gateway some time after `work` began; what came of it.
fn killed<T: Send>(gateway: Gateway, after: Duration, work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let working = scope.spawn(work);
        thread::sleep(after);
        gateway.kill();
        working.join().expect("no panic")
    })
}

fn count(home: &Path, select: &str) -> i64 {
    let database = rusqlite::Connection::open(home.join("data/doorward.db")).expect("opens");
    database.query_row(select, [], |row| row.get(0)).expect("answers")
}

#[test]
fn no_account_is_half_set_up_whenever_it_is_killed() {
    let home = home();
    let mut gateway = Gateway::start(home.path(), UP);
    let (mut whole, mut later) = (0, 0);
    for round in 0..ROUNDS {
        let name = format!("user{round}");
        let said = run(home.path(), &format!("user add {name} --json --data-dir data")).ends_with(0).json();
        let link = said["setup_link"].as_str().expect("a link").to_owned();
        let path = link[link.find("/.doorward").expect("a path")..].to_owned();
        let mut visitor = browser(&gateway, round);
        let done = killed(gateway, Duration::from_millis(60 * u64::from(round)), || set_up(&mut visitor, &path));
        let of = |what: &str| count(home.path(), &format!("SELECT {what} FROM account WHERE name = '{name}'"));
        let parts = [
            of("password IS NOT NULL"),
            of("(SELECT count(*) FROM totp WHERE account_id = account.id)"),
            of("(SELECT count(*) FROM recovery_set WHERE account_id = account.id AND pending = 0)"),
            1 - of("(SELECT count(*) FROM link WHERE account_id = account.id)"),
        ];
        assert!(parts == [0; 4] || parts == [1; 4], "round {round}: {parts:?}");
        assert!(!done.is_ok_and(|done| done) || parts == [1; 4], "round {round}: it was acknowledged");
        gateway = Gateway::start(home.path(), UP);
        whole += parts[0];
        if parts[0] == 0 {
            let mut again = browser(&gateway, 100 + round);
            assert!(set_up(&mut again, &path).expect("an answer"), "round {round}: they go on where they were");
            assert!(again.is_signed_in().expect("an answer"));
            later += 1;
        }
    }
    assert!(later > 0, "no kill came in time");
    println!("{whole} were whole at the kill, {later} went on afterwards");
    gateway.stop();
}

/// The forms of the page that asks for a passkey, and what it asks for.
fn asked(page: &Answer) -> (Vec<(&'static str, String)>, Value) {
    let form = page.body.split("data-passkey=").nth(1).expect("a question");
    let options = form.split("data-options=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("options");
    let options = options.replace("&#34;", "\"").replace("&quot;", "\"").replace("&#38;", "&");
    let form = Answer { status: 200, head: String::new(), body: form.to_owned() };
    (["t", "k", "go"].map(|name| (name, form.field(name))).to_vec(), serde_json::from_str(&options).expect("JSON"))
}

fn origin(gateway: &Gateway) -> String {
    format!("https://app.localhost:{}", gateway.https().rsplit(':').next().expect("a port"))
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// Whether that key signs in.
fn opens(gateway: &Gateway, key: &Key, round: u8) -> bool {
    let mut visitor = browser(gateway, 100 + round);
    let (mut fields, options) = asked(&visitor.get(LOGIN).expect("an answer"));
    fields.push(("answer", wait(key.prove(&origin(gateway), &options)).to_string()));
    send(&mut visitor, LOGIN, &fields).expect("an answer").status == 303
}

#[test]
fn no_key_is_half_added_whenever_it_is_killed() {
    let home = home();
    std::fs::write(home.path().join("password"), format!("{PASSWORD}\n")).expect("written");
    std::fs::write(home.path().join("key"), format!("{SEED}\n")).expect("written");
    let mut gateway = Gateway::start(home.path(), UP);
    let (mut added, mut lost) = (0, 0);
    for round in 0..ROUNDS {
        let name = format!("user{round}");
        let words = format!("user add {name} --password-file password --totp-secret-file key --data-dir data");
        run(home.path(), &words).ends_with(0);
        let mut visitor = browser(&gateway, round);
        assert_eq!(visitor.sign_in(&name, PASSWORD, &code(SEED, step_now())).expect("an answer").status, 303);
        let (mut fields, options) = asked(&visitor.get(ADD).expect("an answer"));
        let key = Key::new(true);
        fields.push(("answer", wait(key.register(&origin(&gateway), &options)).to_string()));
        // The last ones are killed after the answer, the others before or about it.
        let after = Duration::from_millis(if round < 9 { 4 * u64::from(round) } else { 1_000 });
        let answer = killed(gateway, after, || send(&mut visitor, ADD, &fields));
        let here = count(
            home.path(),
            &format!("SELECT count(*) FROM passkey JOIN account ON account.id = account_id WHERE account.name = '{name}'"),
        );
        let acknowledged = answer.is_ok_and(|answer| answer.status == 303);
        assert!(!acknowledged || here == 1, "round {round}: it was acknowledged");
        gateway = Gateway::start(home.path(), UP);
        assert_eq!(opens(&gateway, &key, round), here == 1, "round {round}: a key that is there opens, and no other");
        if here == 1 { added += 1 } else { lost += 1 }
    }
    assert!(added > 0, "{added} {lost}");
    println!("{added} keys were added before the kill, {lost} were not");
    assert!(!run(home.path(), "audit verify --json --data-dir data").ends_with(0).out.is_empty());
    orphans_nothing(home.path(), gateway);
}

/// A configuration under which these keys would open nothing is refused by `check` while the gateway runs, and at the next start.
fn orphans_nothing(home: &Path, gateway: Gateway) {
    let elsewhere = "portal = \"https://auth.example\"\n[listen]\nhttps = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\n\
                     [[app]]\nhost = \"app.localhost\"\nupstream = \"http://127.0.0.1:9\"\n";
    std::fs::write(home.join("elsewhere.toml"), elsewhere).expect("written");
    let checked = run(home, "check -c elsewhere.toml --data-dir data");
    assert!(checked.code != 0 && checked.err.contains("E0503"), "{checked:?}");
    gateway.stop();
    run(home, "check -c elsewhere.toml --data-dir data").ends_with(0);
    let started = run(home, "run -c elsewhere.toml --data-dir data");
    assert!(started.code != 0 && started.err.contains("E0503"), "{started:?}");
}
