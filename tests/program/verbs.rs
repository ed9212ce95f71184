//! Words that start nothing: help, version, completions, check, trust, healthcheck; and what all words have in common.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::bed::{Gateway, UP, command, home, run, tree};

const VERBS: &[&str] = &[
    "demo",
    "up",
    "run",
    "check",
    "explain",
    "doctor",
    "trust",
    "user add",
    "user link",
    "user list",
    "user disable",
    "user enable",
    "user delete",
    "session list",
    "session end",
    "healthcheck",
    "help",
    "version",
    "completions",
];

/// Words at which a program must stop reading what a person typed: they would stand in histories and process lists.
const SECRET_FLAGS: &[&str] = &["--password ", "--password=", "--secret ", "--totp-secret ", "--token "];

const FINE: &str = "[[app]]\nhost = \"app.localhost\"\nupstream = \"http://127.0.0.1:9\"\n";

#[test]
fn every_verb_shows_two_examples_that_can_be_typed() {
    let home = home();
    for verb in VERBS {
        let help = run(home.path(), &format!("{verb} --help")).ends_with(0).out;
        let (_, examples) = help.split_once("Examples:\n").unwrap_or_else(|| panic!("{verb} shows no example:\n{help}"));
        let examples: Vec<&str> = examples.lines().map(str::trim).filter(|line| line.starts_with("doorward ")).collect();
        assert!(examples.len() >= 2, "{verb}: {examples:?}");
        for example in examples {
            let words = example.split(['#', '|', '>', '<']).next().expect("words").trim();
            let typed = words.trim_start_matches("doorward ").to_owned() + " --help";
            run(home.path(), &typed).ends_with(0);
        }
        assert!(SECRET_FLAGS.iter().all(|flag| !help.contains(flag)), "{verb} takes a secret as a value:\n{help}");
    }
    for noun in ["", "user", "session"] {
        let help = run(home.path(), &format!("{noun} --help")).ends_with(0).out;
        assert!(help.contains("Usage: doorward"), "{help}");
    }
}

#[test]
fn version_and_completions() {
    let home = home();
    let version = run(home.path(), "version --json").ends_with(0).json();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(run(home.path(), "version").out, run(home.path(), "--version").out);
    for shell in ["bash", "zsh", "fish"] {
        let script = run(home.path(), &format!("completions {shell}")).ends_with(0).out;
        assert!(script.contains("healthcheck") && script.contains("print-config"), "{shell}");
    }
    run(home.path(), "completions tcsh").ends_with(2);
}

#[test]
fn wrong_words_end_with_2_in_the_form_that_was_asked_for() {
    let home = home();
    for words in ["", "nonsense", "up", "up nonsense", "up a.localhost=gopher://x", "session end", "user delete alice", "run"] {
        let said = run(home.path(), words).ends_with(2);
        assert!(!said.err.is_empty() && said.out.is_empty(), "{words}: {said:?}");
    }
    for words in ["--json nonsense", "up --json", "session end --json", "run --json", "user add alice --totp --json"] {
        let said = run(home.path(), words).ends_with(2);
        let json = said.json();
        assert_eq!((&json["ok"], &json["kind"]), (&false.into(), &"usage".into()), "{words}");
        assert!(!json["error"].as_str().expect("text").contains('\u{1b}') && said.err.is_empty(), "{said:?}");
    }
    assert_eq!(tree(home.path()), Vec::<std::path::PathBuf>::new());
}

#[test]
fn check_reads_and_touches_nothing() {
    let home = home();
    let file = home.path().join("gateway.toml");
    let text = format!("data_dir = \"data\"\n[listen]\nhttps = [\"192.0.2.1:1\"]\nhttp = []\n{FINE}");
    fs::write(&file, text).expect("written");
    let before = tree(home.path());
    let said = run(home.path(), "check").ends_with(0);
    assert!(said.out.contains("gateway.toml is fine: 1 app, 1 host"), "{said:?}");
    let json = run(home.path(), "check --json -c gateway.toml").ends_with(0).json();
    assert_eq!((&json["ok"], &json["summary"]["errors"]), (&true.into(), &0.into()), "{json}");
    assert_eq!(tree(home.path()), before);
    assert_eq!(fs::metadata(&file).expect("there").len(), fs::read(&file).expect("read").len() as u64);
}

#[test]
fn check_says_what_is_wrong_and_ends_with_3() {
    let home = home();
    fs::write(home.path().join("gateway.toml"), FINE.replace("[[app]]", "[[app]]\nidle_timout = \"1s\"")).expect("written");
    let said = run(home.path(), "check").ends_with(3);
    assert!(said.err.contains("E0203") && said.err.contains("gateway.toml:2:1") && said.out.is_empty(), "{said:?}");
    assert!(!said.err.contains('\u{1b}'), "colour only on a terminal: {said:?}");
    let json = run(home.path(), "check --json").ends_with(3).json();
    assert_eq!(json["ok"], false);
    assert_eq!((&json["diagnostics"][0]["code"], &json["diagnostics"][0]["line"]), (&"E0203".into(), &2.into()), "{json}");
    for verb in ["run", "user list", "session list", "healthcheck", "trust --print"] {
        run(home.path(), verb).ends_with(3);
    }
    run(home.path(), "check -c nowhere.toml").ends_with(3);
    run(home.path(), "check -c .").ends_with(3);
    let missing = crate::bed::home();
    let said = run(missing.path(), "check").ends_with(2);
    assert!(said.err.contains("doorward demo") && said.err.contains("--config"), "{said:?}");
}

const PAPERLESS: &str = "[listen]\nhttps = [\"127.0.0.1:8443\"]\n\n[[app]]\nhost = \"paperless.example.com\"\n\
    upstream = \"http://127.0.0.1:9\"\ndeny = [\"/admin/\"]\nbypass = [\"/health\"]\n";

/// The attack: spellings of a denied path, which whoever wrote the rule would like to see denied before somebody tries them.
#[test]
fn explain_names_the_rule_that_decides() {
    let home = home();
    fs::write(home.path().join("gateway.toml"), PAPERLESS).expect("written");
    let before = tree(home.path());
    let paths = ["/Admin%2flogin/", "/admin", "//x/admin/", "/;x/ADMIN", "/%2561dmin/", "/admin.json", "/index.php/admin/?x"];
    for path in paths {
        let said = run(home.path(), &format!("explain https://paperless.example.com{path} --user alice")).ends_with(0);
        assert!(said.out.contains("→ hit       deny /admin/: denied  (gateway.toml:7)"), "{said:?}");
        assert!(said.out.contains("verdict   denied with 404") && !said.out.contains("x-real-ip"), "{said:?}");
        let json = run(home.path(), &format!("explain paperless.example.com{path} --json")).ends_with(0).json();
        assert_eq!((&json["verdict"]["name"], &json["verdict"]["status"]), (&"deny".into(), &404.into()), "{json}");
        assert_eq!((&json["rules"][0]["at"], &json["rules"][0]["decides"]), (&"gateway.toml:7".into(), &true.into()), "{json}");
    }
    assert_eq!(tree(home.path()), before);
}

#[test]
fn explain_tells_passing_from_signing_in() {
    let home = home();
    fs::write(home.path().join("gateway.toml"), PAPERLESS).expect("written");
    let explain = |words: &str| run(home.path(), &format!("explain {words} --json")).ends_with(0).json();
    let verdict = |words: &str| explain(words)["verdict"]["name"].as_str().expect("a name").to_owned();
    let url = "https://paperless.example.com";
    for (words, expected) in [
        ("/", "sign-in"),
        ("/health", "pass"),
        ("/Health", "sign-in"),
        ("/ --user alice", "pass"),
        ("/ --user alice --strength password", "sign-in"),
        ("/a/../admin", "dot-segment"),
        ("/.doorward/login", "own-page"),
        ("/.Doorward/login", "disguised"),
    ] {
        assert_eq!(verdict(&format!("{url}{words}")), expected, "{words}");
    }
    assert_eq!(verdict("https://other.example.com/"), "no-such-app");
    let passing = explain(&format!("{url}/ --user alice --ip ::ffff:198.51.100.7"));
    assert_eq!(passing["headers"]["x-forwarded-for"], "198.51.100.7", "{passing}");
    let sent = explain(&format!("{url}/"));
    assert_eq!(sent["verdict"]["location"], "https://paperless.example.com:8443/.doorward/login");
    let app = PAPERLESS.replacen("[[app]]", "[[app]]\npreserve_host = false", 1);
    fs::write(home.path().join("gateway.toml"), &app).expect("written");
    let headers = &explain(&format!("{url}/ --user alice"))["headers"];
    assert_ne!(headers["host"], headers["x-forwarded-host"], "{headers}");
    fs::write(home.path().join("gateway.toml"), app.replacen("[[app]]", "[[app]]\nmaintenance = true", 1)).expect("written");
    let closed = [("/", "sign-in"), ("/health", "maintenance"), ("/ --user alice", "maintenance")];
    for (words, expected) in closed {
        assert_eq!(verdict(&format!("{url}{words}")), expected, "{words}");
    }
    fs::write(home.path().join("gateway.toml"), PAPERLESS).expect("written");
    let said = run(home.path(), &format!("explain {url}/a%00b")).ends_with(0);
    assert!(said.out.contains("encoded control character (encoded-control)"), "{said:?}");
    let said = run(home.path(), &format!("explain {url}/a%E2%80%AEb")).ends_with(0);
    assert!(!said.out.contains('\u{202e}'), "nothing turns a terminal round: {said:?}");
    for words in
        ["/admin", "ftp://a.example/", "https://u@a.example/", &format!("{url}/ --ip x"), &format!("{url}/ --strength password")]
    {
        run(home.path(), &format!("explain {words}")).ends_with(2);
    }
}

#[test]
fn check_speaks_in_the_form_that_was_asked_for() {
    let home = home();
    let file = home.path().join("gateway.toml");
    fs::write(&file, FINE.replace("[[app]]", "[[app]]\nidle_timout = \"1s\"")).expect("written");
    let said = run(home.path(), "check --format github").ends_with(3);
    let command = "::error file=gateway.toml,line=2,col=1,title=E0203::unknown key `idle_timout` in [[app]]%0Adid you mean";
    assert!(said.out.starts_with(command) && said.err.is_empty(), "{said:?}");
    assert_eq!(run(home.path(), "check --format json").ends_with(3).json(), run(home.path(), "check --json").json());
    assert_eq!(run(home.path(), "check --format human").ends_with(3).err, run(home.path(), "check").err);
    assert!(run(home.path(), "check").err.ends_with("`doorward help E0203` explains\n\n"));
    run(home.path(), "check --json --format json").ends_with(3);
    run(home.path(), "check --json --format github").ends_with(2);
    run(home.path(), "check --format yaml").ends_with(2);
}

#[test]
fn warnings_fail_only_where_they_are_denied() {
    let home = home();
    let file = home.path().join("gateway.toml");
    fs::write(&file, format!("{FINE}bypass = [\"/health\"]\n")).expect("written");
    let said = run(home.path(), "check").ends_with(0);
    assert!(said.err.contains("W0602") && said.out.contains("is fine"), "{said:?}");
    let said = run(home.path(), "check --deny-warnings").ends_with(4);
    assert!(said.err.contains("W0602") && said.out.is_empty(), "{said:?}");
    let json = run(home.path(), "check --deny-warnings --json").ends_with(4).json();
    assert_eq!((&json["summary"]["warnings"], &json["diagnostics"][0]["docs"]), (&1.into(), &"help W0602".into()), "{json}");
    let said = run(home.path(), "check --deny-warnings --format github").ends_with(4);
    assert!(said.out.starts_with("::warning file=gateway.toml,line=4,col=11,title=W0602::"), "{said:?}");
    fs::write(&file, FINE).expect("written");
    run(home.path(), "check --deny-warnings").ends_with(0);
}

#[test]
fn help_explains_codes_and_commands() {
    let home = home();
    let said = run(home.path(), "help e0203").ends_with(0);
    assert!(said.out.contains("error[E0203]: a key is not known") && said.out.contains("    idle_timeout = "), "{said:?}");
    let json = run(home.path(), "help W0604 --json").ends_with(0).json();
    assert_eq!((&json["code"], &json["severity"]), (&"W0604".into(), &"warning".into()), "{json}");
    assert!(json["fix"].as_str().expect("text").contains("reason"), "{json}");
    for command in ["", "check", "user", "user add", "help"] {
        let help = run(home.path(), &format!("help {command}")).ends_with(0).out;
        assert_eq!(help.trim(), run(home.path(), &format!("{command} --help")).out.trim(), "{command}");
    }
    assert_eq!(run(home.path(), "help user add --json").ends_with(0).json()["command"], "user add");
    for topic in ["E9999", "nonsense", "user nonsense", "E0203 E0204"] {
        let said = run(home.path(), &format!("help {topic}")).ends_with(6);
        assert!(said.err.contains("E0203, E0204") && said.err.contains("healthcheck") && said.out.is_empty(), "{said:?}");
    }
    assert_eq!(run(home.path(), "help E9999 --json").ends_with(6).json()["kind"], "not_found");
}

/// A file that is there and closed to us is a matter of rights, which no edit of the file mends.
#[test]
fn a_configuration_that_may_not_be_read_ends_with_7() {
    let home = home();
    fs::write(home.path().join("gateway.toml"), FINE).expect("written");
    fs::set_permissions(home.path().join("gateway.toml"), fs::Permissions::from_mode(0o000)).expect("closed");
    if fs::read(home.path().join("gateway.toml")).is_ok() {
        // Root reads everything; the tests of `config::read` and `command::place` make the fault instead.
        return;
    }
    for words in ["run -c gateway.toml", "check", "user list", "run -c gateway.toml --json"] {
        let said = run(home.path(), words).ends_with(7);
        assert!((said.out + &said.err).contains("E0110"), "{words}");
    }
}

#[test]
fn what_up_prints_is_what_up_runs() {
    let home = home();
    let printed = run(
        home.path(),
        "up app.localhost=9 b.localhost=[::1]:7 --listen 127.0.0.1:0 --listen-http 127.0.0.1:0 --data-dir data --print-config",
    );
    let printed = printed.ends_with(0).out;
    assert_eq!(tree(home.path()), Vec::<std::path::PathBuf>::new(), "printing makes nothing");
    fs::write(home.path().join("gateway.toml"), &printed).expect("written");
    let said = run(home.path(), "check -c gateway.toml").ends_with(0);
    assert!(said.out.contains("2 apps, 2 hosts") && said.err.is_empty(), "{said:?}");
    let gateway = Gateway::start(home.path(), "run -c gateway.toml");
    assert_eq!(gateway.ready["urls"].as_array().expect("urls").len(), 2);
    assert!(home.path().join("data/doorward.db").is_file());
    gateway.stop();
    let json = run(home.path(), "up app.localhost=9 --print-config --json").ends_with(0).json();
    assert!(json["config"].as_str().expect("text").contains("[[app]]"), "{json}");
}

#[test]
fn health_is_an_exit_code() {
    let home = home();
    let said = run(home.path(), "healthcheck --data-dir data").ends_with(1);
    assert!(said.err.contains("no gateway runs"), "{said:?}");
    assert_eq!(tree(home.path()), Vec::<std::path::PathBuf>::new());
    let gateway = Gateway::start(home.path(), UP);
    let json = run(home.path(), "healthcheck --data-dir data --json").ends_with(0).json();
    assert_eq!((&json["ok"], &json["sessions"]), (&true.into(), &0.into()));
    gateway.kill();
    let json = run(home.path(), "healthcheck --data-dir data --json").ends_with(1).json();
    assert_eq!(json["ok"], false);
}

#[test]
fn trust_prints_the_authority_and_makes_none() {
    let home = home();
    let said = run(home.path(), "trust --print --data-dir data").ends_with(1);
    assert!(said.err.contains("gateway starts"), "{said:?}");
    assert_eq!(tree(home.path()), Vec::<std::path::PathBuf>::new());
    let gateway = Gateway::start(home.path(), UP);
    let pem = run(home.path(), "trust --print --data-dir data").ends_with(0).out;
    assert_eq!(pem, fs::read_to_string(gateway.ca()).expect("read"));
    assert!(!pem.contains("PRIVATE"), "{pem}");
    let json = run(home.path(), "trust --print --data-dir data --json").ends_with(0).json();
    assert_eq!(json["certificate"], pem);
    assert!(json["fingerprint"].as_str().expect("text").len() == 95);
    let phone = run(home.path(), "trust --qr --data-dir data").ends_with(0).out;
    let port = gateway.ready["http"][0].as_str().expect("an address").rsplit(':').next().expect("a port").to_owned();
    assert!(phone.contains(&format!(":{port}/.doorward/ca.pem")), "{phone}");
    run(home.path(), "trust --print --qr").ends_with(2);
}

/// What a shell does with `doorward … | head -0`, and with a log whose reader is gone.
#[test]
fn a_reader_that_went_away_is_no_failure() {
    let home = home();
    run(home.path(), "user add alice --data-dir data").ends_with(0);
    let quiet = ["user list --data-dir data", "completions bash", "--help", "version", "user list --data-dir data --json"];
    for words in quiet {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = command(home.path(), words.split(' ')).stdout(writer).stderr(Stdio::piped()).output().expect("runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code().is_some_and(|code| code != 101) && !said.contains("panicked"), "{words}: {said}");
    }
    for words in ["nonsense", "user link nobody --data-dir data", "check -c nowhere"] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let status = command(home.path(), words.split(' ')).stderr(writer).stdout(Stdio::null()).status().expect("runs");
        assert!(matches!(status.code(), Some(2 | 3 | 6)), "{words}: {status}");
    }
}
