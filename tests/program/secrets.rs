//! What is secret at rest: keys that are renewed under way and under kills, backups that come back on an empty machine, and a
//! trail that tells all of it and holds no secret.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use doorward::admin::keys::{KeyAnswer, KeyWish};
use doorward::admin::wish::{Answer, Wish};

use crate::bed::{Gateway, PATIENCE, Said, UP, ask, command, home, run, run_with_input};
use crate::client::{Browser, code, step_now};

const KEY: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
const PASSWORD: &str = "purple tractor sings at dawn";

fn on(home: &Path, words: &str) -> Said {
    run(home, &format!("{words} --data-dir data"))
}

/// Somebody with a password and the authenticator of [`KEY`].
fn enrol(home: &Path, name: &str) {
    fs::write(home.join("key"), KEY).expect("written");
    let words = format!("user add {name} --password-file - --totp-secret-file key --data-dir data");
    run_with_input(home, &words, PASSWORD).ends_with(0);
}

fn sign_in(gateway: &Gateway, name: &str, host: u8) -> u16 {
    let mut browser = Browser::new(gateway.https(), "app.localhost", &gateway.ca()).from(9, host);
    browser.sign_in(name, PASSWORD, &code(KEY, step_now())).expect("an answer").status
}

fn records(home: &Path) -> Vec<Value> {
    on(home, "audit list --limit 10000 --json").ends_with(0).json()["records"].as_array().expect("records").clone()
}

fn drop_what_can_go(socket: &Path) {
    let list = || ask(socket, &Wish::Keys { ask: KeyWish::List });
    while let Some(Answer::Keys { said: KeyAnswer::Keys(keys) }) = list() {
        let Some(key) = keys.iter().find(|key| !key.active && key.sealed == 0) else { return };
        ask(socket, &Wish::Keys { ask: KeyWish::Drop { id: key.id.clone() } });
    }
}

#[test]
fn a_backup_put_on_an_empty_machine_lets_the_same_authenticator_in() {
    let (old, new) = (home(), home());
    enrol(old.path(), "alice");
    let gateway = Gateway::start(old.path(), UP);
    fs::write(old.path().join("phrase"), "correct horse battery staple\n").expect("written");
    // As a backup that was killed leaves it, and as one under way has it.
    let (killed, busy) = (old.path().join("data/.backup-1.db"), old.path().join("data/.backup-2.db"));
    fs::write(&killed, "half").expect("written");
    let held = fs::File::create(&busy).expect("made");
    held.lock().expect("locked");
    on(old.path(), "backup backup.tar --passphrase-file phrase").ends_with(0);
    let left = fs::read_dir(old.path().join("data")).expect("listed").filter_map(Result::ok).map(|entry| entry.path());
    assert_eq!(left.filter(|path| path.to_string_lossy().contains(".backup-")).collect::<Vec<_>>(), [busy]);
    let again = on(old.path(), "backup backup.tar").ends_with(2);
    assert!(again.err.contains("nothing is overwritten"), "{again:?}");
    let authority = fs::read(gateway.ca()).expect("there");
    gateway.stop();
    for file in ["backup.tar", "phrase"] {
        fs::copy(old.path().join(file), new.path().join(file)).expect("copied");
    }
    fs::write(new.path().join("wrong"), "incorrect horse battery staple").expect("written");
    // Every way that must not work leaves nothing behind.
    for (words, reason) in
        [("restore backup.tar", "--passphrase-file"), ("restore backup.tar --passphrase-file wrong", "passphrase")]
    {
        let said = on(new.path(), words).ends_with(1);
        assert!(said.err.contains(reason), "{said:?}");
    }
    let whole = fs::read(new.path().join("backup.tar")).expect("there");
    fs::write(new.path().join("cut.tar"), &whole[..whole.len() / 2]).expect("written");
    on(new.path(), "restore cut.tar --passphrase-file phrase").ends_with(1);
    assert!(!new.path().join("data/doorward.db").exists() && !new.path().join("data/keys").exists());
    on(new.path(), "restore backup.tar --passphrase-file phrase").ends_with(0);
    let refused = on(new.path(), "restore backup.tar --passphrase-file phrase").ends_with(2);
    assert!(refused.err.contains("--replace"), "{refused:?}");
    let gateway = Gateway::start(new.path(), UP);
    assert_eq!(fs::read(gateway.ca()).expect("there"), authority, "devices go on trusting it");
    assert_eq!(sign_in(&gateway, "alice", 1), 303, "{}", gateway.said());
    on(new.path(), "restore backup.tar --passphrase-file phrase --replace").ends_with(1);
    gateway.stop();
    on(new.path(), "restore backup.tar --passphrase-file phrase --replace").ends_with(0);
    let events: Vec<String> =
        records(new.path()).iter().map(|record| record["event"].as_str().expect("text").to_owned()).collect();
    assert!(events.contains(&"backup.made".to_owned()) && events.contains(&"backup.restored".to_owned()), "{events:?}");
    on(new.path(), "audit verify").ends_with(0);
    let aside = fs::read_dir(new.path().join("data")).expect("listed").filter_map(Result::ok);
    assert_eq!(aside.filter(|entry| entry.file_name().to_string_lossy().starts_with("before-restore-")).count(), 1);
}

#[test]
fn a_backup_without_keys_says_what_it_needs_and_is_content_with_it() {
    let (old, new) = (home(), home());
    enrol(old.path(), "alice");
    let tar = command(old.path(), ["backup", "--to", "-", "--data-dir", "data"]).output().expect("runs");
    assert_eq!(tar.status.code(), Some(0));
    let key = fs::read(old.path().join("data/keys/master.key")).expect("there");
    let secret = &key[key.len() - 40..key.len() - 1];
    assert!(!tar.stdout.windows(secret.len()).any(|part| part == secret), "no key in it");
    fs::write(new.path().join("backup.tar"), &tar.stdout).expect("written");
    let said = on(new.path(), "restore backup.tar").ends_with(1);
    assert!(said.err.contains("keys/master.key") && said.err.contains("nothing was changed"), "{said:?}");
    fs::create_dir_all(new.path().join("data/keys")).expect("made");
    fs::copy(old.path().join("data/keys/master.key"), new.path().join("data/keys/master.key")).expect("copied");
    on(new.path(), "restore backup.tar").ends_with(0);
    let gateway = Gateway::start(new.path(), UP);
    assert_eq!(sign_in(&gateway, "alice", 1), 303, "{}", gateway.said());
    gateway.stop();
}

/// The attack (by a power cut): killed at any moment of a change of keys. Everything opens afterwards, the change is brought
/// to its end, the old keys can go, and the trail is whole.
#[test]
fn a_change_of_keys_survives_kills() {
    let home = home();
    for n in 0..12 {
        enrol(home.path(), &format!("user{n}"));
    }
    let socket = home.path().join("data/control.sock");
    for round in 0..12_u64 {
        let gateway = Gateway::start(home.path(), UP);
        let (acknowledged, heard) = channel();
        thread::scope(|scope| {
            let (socket, path) = (&socket, home.path());
            // A new key and everything sealed anew, over and over, until the gateway is gone.
            scope.spawn(move || {
                loop {
                    for wish in [KeyWish::Rotate, KeyWish::Reseal] {
                        let Some(answer) = ask(socket, &Wish::Keys { ask: wish }) else { return };
                        let _ = acknowledged.send(());
                        if let Answer::Keys { said: KeyAnswer::Rotated { .. } } = answer {
                            drop_what_can_go(socket);
                        }
                    }
                }
            });
            // And people meanwhile.
            scope.spawn(move || {
                for n in 0..6 {
                    if run(path, &format!("user add r{round}n{n} --data-dir data")).code != 0 {
                        return;
                    }
                }
            });
            for _ in 0..=round * 3 {
                heard.recv_timeout(PATIENCE).expect("acknowledged");
            }
            // Somewhere within the next change.
            thread::sleep(Duration::from_micros(round * 377));
            gateway.kill();
        });
        let said = on(home.path(), "audit verify");
        assert_eq!(said.code, 0, "round {round}: {said:?}");
    }
    let gateway = Gateway::start(home.path(), UP);
    for n in 0..12 {
        assert_eq!(sign_in(&gateway, &format!("user{n}"), n), 303, "user{n}: {}", gateway.said());
    }
    on(home.path(), "key rotate --resume").ends_with(0);
    let keys = on(home.path(), "key list --json").ends_with(0).json();
    let keys = keys["keys"].as_array().expect("keys");
    for key in keys.iter().skip(1) {
        assert_eq!(key["sealed"], 0, "{keys:?}");
        on(home.path(), &format!("key drop {}", key["id"].as_str().expect("an id"))).ends_with(0);
    }
    let active = keys[0]["id"].as_str().expect("an id");
    let said = on(home.path(), &format!("key drop {active}")).ends_with(1);
    assert!(said.err.contains("in use"), "{said:?}");
    gateway.kill();
    on(home.path(), "audit verify").ends_with(0);
    let gateway = Gateway::start(home.path(), UP);
    assert_eq!(on(home.path(), "key list --json").json()["keys"].as_array().expect("keys").len(), 1);
    on(home.path(), "audit verify").ends_with(0);
    gateway.stop();
}

/// The password in place of the name, a wrong one, a wrong code, a right one, the same again, too many; then the banner.
fn try_everything(browser: &Browser, used: &str) -> Browser {
    browser.from(1, 1).sign_in("hunter2typed", "x", "000000").expect("an answer");
    browser.from(1, 2).sign_in(PASSWORD, "alice", "000000").expect("an answer");
    browser.from(1, 3).sign_in("alice", "hunter3 typed", "000000").expect("an answer");
    browser.from(1, 4).sign_in("alice", PASSWORD, "012345").expect("an answer");
    let mut signed_in = browser.from(1, 5);
    assert_eq!(signed_in.sign_in("alice", PASSWORD, used).expect("an answer").status, 303);
    browser.from(1, 6).sign_in("alice", PASSWORD, used).expect("an answer");
    for _ in 0..12 {
        browser.from(1, 7).sign_in("alice", "hunter4 typed", "000000").expect("an answer");
    }
    let home_page = signed_in.get("/.doorward/").expect("an answer");
    assert!(home_page.body.contains("Since your last visit"), "{home_page:?}");
    let fields = [("t", home_page.field("t")), ("last", home_page.field("last"))];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    signed_in.post("/.doorward/", &fields).expect("an answer");
    assert!(!signed_in.get("/.doorward/").expect("an answer").body.contains("Since your last visit"));
    signed_in
}

/// The attack: reading secrets out of the trail; people type them where they do not belong.
#[test]
fn every_flow_is_written_down_and_no_secret_with_it() {
    let home = home();
    enrol(home.path(), "alice");
    let gateway = Gateway::start(home.path(), UP);
    let browser = Browser::new(gateway.https(), "app.localhost", &gateway.ca());
    let used = code(KEY, step_now());
    let mut signed_in = try_everything(&browser, &used);
    let page = signed_in.get("/.doorward/logout").expect("an answer");
    let token = page.field("t");
    signed_in.post("/.doorward/logout", &[("t", &token)]).expect("an answer");
    let link = on(home.path(), "user link alice --json").ends_with(0).json()["setup_link"].as_str().expect("a link").to_owned();
    for words in [
        "user add bob",
        "user disable bob",
        "user enable bob",
        "user delete bob --yes",
        "session end --all",
        "key rotate",
        "backup b.tar",
    ] {
        on(home.path(), words).ends_with(0);
    }
    let all = records(home.path());
    let events: Vec<&str> = all.iter().map(|record| record["event"].as_str().expect("text")).collect();
    for event in [
        "user.set_up",
        "sign_in",
        "sign_in.new_device",
        "sign_in.failed",
        "sign_in.throttled",
        "session.signed_out",
        "user.link_issued",
        "user.added",
        "user.disabled",
        "user.enabled",
        "user.deleted",
        "session.ended",
        "key.rotated",
        "backup.made",
    ] {
        assert!(events.contains(&event), "{event}: {events:?}");
    }
    let said = on(home.path(), "audit list --event signin").ends_with(2);
    assert!(said.err.contains("no event \"signin\"") && said.err.contains("sign_in.failed"), "{said:?}");
    let of_alice = on(home.path(), "audit list --user Alice --event sign_in --json").ends_with(0).json();
    assert!(of_alice["records"].as_array().expect("records").iter().all(|record| record["user"] == "alice"));
    gateway.stop();
    let trail = serde_json::to_string(&all).expect("JSON");
    let database = rusqlite::Connection::open(home.path().join("data/doorward.db")).expect("opens");
    let mut rows = database
        .prepare("SELECT account || ' ' || coalesce(detail, '') || coalesce(reason, '') FROM audit WHERE account IS NOT NULL")
        .expect("SQL");
    let rows: Vec<String> = rows.query_map([], |row| row.get(0)).expect("rows").map(|row| row.expect("text")).collect();
    let trail = format!("{trail}\n{}", rows.join("\n"));
    let token = link.rsplit('/').next().expect("a token");
    for secret in ["hunter2", "hunter3", "hunter4", "purple", "tractor", used.as_str(), "012345", "000000", KEY, token] {
        assert!(!trail.contains(secret), "{secret}");
    }
    on(home.path(), "audit verify").ends_with(0);
}

/// The attack: who can write to the database takes the last records away, or sets the whole of it back.
#[test]
fn a_trail_that_somebody_has_been_at_is_said_to_be() {
    let home = home();
    for name in ["alice", "bob", "carol"] {
        on(home.path(), &format!("user add {name}")).ends_with(0);
    }
    let early = fs::read(home.path().join("data/doorward.db")).expect("there");
    on(home.path(), "user delete bob --yes").ends_with(0);
    let head = on(home.path(), "audit verify --json").ends_with(0).json()["head"].as_str().expect("a head").to_owned();
    on(home.path(), &format!("audit verify --head {head}")).ends_with(0);
    let database = home.path().join("data/doorward.db");
    let late = fs::read(&database).expect("there");
    fs::write(&database, &early).expect("written");
    on(home.path(), "audit verify").ends_with(0);
    let said = on(home.path(), &format!("audit verify --head {head}")).ends_with(1);
    assert!(said.err.contains("set back"), "{said:?}");
    fs::write(&database, &late).expect("written");
    let raw = rusqlite::Connection::open(&database).expect("opens");
    raw.execute("DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)", []).expect("deleted");
    drop(raw);
    let said = on(home.path(), "audit verify").ends_with(1);
    assert!(said.err.contains("broken at record"), "{said:?}");
}

/// The attack (by mishap): the file of keys is lost, is another's, or comes from two places.
#[test]
fn a_start_with_wrong_keys_is_refused_in_plain_words_and_nothing_is_lost() {
    let home = home();
    enrol(home.path(), "alice");
    let key = home.path().join("data/keys/master.key");
    let kept = fs::read(&key).expect("there");
    let fresh = on(home.path(), "key new").ends_with(0).out;
    fs::remove_file(&key).expect("removed");
    let said = on(home.path(), "user list").ends_with(1);
    assert!(said.err.contains("master.key is missing"), "{said:?}");
    let with = |name: &str, value: &str, words: &str| -> Said {
        let words: Vec<&str> = words.split(' ').chain(["--data-dir", "data"]).collect();
        command(home.path(), words).env(name, value).output().expect("runs").into()
    };
    let said = with("DOORWARD_MASTER_KEY", &fresh, "user list").ends_with(1);
    assert!(said.err.contains("do not belong to this database"), "{said:?}");
    let text = String::from_utf8(kept.clone()).expect("text");
    with("DOORWARD_MASTER_KEY", &text, "user list").ends_with(0);
    let said = with("DOORWARD_MASTER_KEY", &text, "key rotate").ends_with(1);
    assert!(said.err.contains("doorward key new"), "{said:?}");
    // As it says: a new line above the others, then everything by itself.
    let (heading, new) = fresh.split_once('\n').expect("two lines");
    let (_, old) = text.split_once('\n').expect("two lines");
    let ring = format!("{heading}\n{}\n{old}", new.trim());
    with("DOORWARD_MASTER_KEY", &ring, "key rotate --resume").ends_with(0);
    let credentials = home.path().join("credentials");
    fs::create_dir(&credentials).expect("made");
    fs::write(credentials.join("doorward-master-key"), fresh.trim()).expect("written");
    with("CREDENTIALS_DIRECTORY", credentials.to_str().expect("text"), "user list").ends_with(0);
    fs::write(&key, &kept).expect("written");
    let said = with("DOORWARD_MASTER_KEY", &text, "user list").ends_with(1);
    assert!(said.err.contains("is there too"), "{said:?}");
}

#[test]
fn a_webhook_is_told_of_what_it_asks_for_and_of_nothing_before() {
    let home = home();
    let hook = TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = hook.local_addr().expect("an address").port();
    let (tell, told) = channel();
    thread::spawn(move || {
        for (number, stream) in hook.incoming().enumerate() {
            let mut stream = stream.expect("a connection");
            let (mut text, mut buffer) = (String::new(), [0; 4096]);
            while !text.ends_with('}') {
                let count = stream.read(&mut buffer).expect("read");
                text.push_str(std::str::from_utf8(&buffer[..count]).expect("text"));
            }
            // The first try fails, and is made again.
            let answer = if number == 0 { "503 Busy" } else { "204 No Content" };
            drop(write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n"));
            drop(tell.send(text));
        }
    });
    on(home.path(), "user add early").ends_with(0);
    let config = format!(
        "data_dir = \"data\"\n[listen]\nhttps = [\"127.0.0.1:0\"]\nhttp = []\n[notify]\nurl = \"http://127.0.0.1:{port}/hook\"\n\
         events = [\"user.added\"]\n[[app]]\nhost = \"app.localhost\"\nupstream = \"http://127.0.0.1:9\"\n"
    );
    fs::write(home.path().join("gateway.toml"), config).expect("written");
    let gateway = Gateway::start(home.path(), "run -c gateway.toml");
    on(home.path(), "user link early").ends_with(0);
    on(home.path(), "user add alice").ends_with(0);
    for _ in 0..2 {
        let text: String = told.recv_timeout(PATIENCE).expect("told");
        let (head, body) = text.split_once("\r\n\r\n").expect("a request");
        assert!(head.starts_with("POST /hook HTTP/1.1\r\n"), "{head}");
        let body: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!((&body["event"], &body["user"], &body["actor"]), (&"user.added".into(), &"alice".into(), &"owner".into()));
    }
    gateway.stop();
}
