//! gateway.toml, docs/configuration.md and the code know the same keys and the same defaults, and every example compiles.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use doorward::config::complaint::Code;
use doorward::config::document;
use doorward::config::environment::Environment;
use doorward::config::read;
use doorward::config::source::Consulted;
use doorward::daemon::configuration;
use doorward::plan::compile;
use doorward::plan::compile::Compiled;
use doorward::plan::dns_providers;
use doorward::plan::dns_providers::Need;
use doorward::plan::whole::Plan;
use toml::{Table, Value};

fn reference() -> String {
    fs::read_to_string("gateway.toml").expect("the reference")
}

/// The reference with `#key = value` switched on and, if asked for, `#:key = value` too. Prose has a blank behind its `#`.
fn switched_on(text: &str, examples: bool) -> String {
    let lines = text.lines().map(|line| match (line.strip_prefix("#:"), line.strip_prefix('#')) {
        (Some(example), _) if examples => example,
        (None, Some(rest)) if rest.starts_with(|letter: char| letter.is_ascii_lowercase() || letter == '[') => rest,
        (_, _) => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn compiled(text: &str) -> Compiled {
    compile::compile_text(text).unwrap_or_else(|complaints| panic!("{text}\n{complaints:#?}"))
}

/// A plan as text, without what only one of two equal plans may have.
fn in_words(plan: &Plan) -> String {
    let Plan {
        version,
        https_port,
        name,
        portal,
        public_port,
        data_dir,
        listen,
        tls,
        acme,
        support,
        session,
        auth,
        log,
        telling,
        apps,
        hosts,
        consulted,
    } = plan;
    assert_eq!(*consulted, Consulted::default());
    assert_eq!((*version, *https_port), (0, listen.https[0].port()));
    assert_eq!(hosts.count(), apps.iter().map(|app| app.hosts.len()).sum::<usize>());
    format!(
        "{name:?}\n{portal:?} {public_port:?}\n{data_dir:?}\n{listen:#?}\n{tls:#?}\n{acme:#?}\n{support:?}\n{session:#?}\n{auth:#?}\n{log:#?}\n{telling:#?}\n{apps:#?}"
    )
}

#[test]
fn the_reference_equals_the_defaults_whether_its_lines_are_commented_out_or_not() {
    let least = "[[app]]\nhost = \"paperless.example.com\"\nupstream = \"http://127.0.0.1:8000\"\n";
    let defaults = in_words(&compiled(least).plan);
    let text = reference();
    let (as_is, on) = (compiled(&text), compiled(&switched_on(&text, false)));
    assert_eq!(in_words(&as_is.plan), defaults);
    assert_eq!(in_words(&on.plan), defaults);
    assert_eq!((as_is.warnings, on.warnings), (vec![], vec![]));
}

#[test]
fn the_reference_shows_every_key_there_is_and_no_other() {
    let text = switched_on(&reference(), true);
    let document = document::parse(&text).expect("TOML");
    assert_eq!(document.complaints, []);
    let mut shown = BTreeSet::new();
    collect("", &text.parse::<Table>().expect("TOML"), &mut shown);
    assert_eq!(shown, document::known_keys());
}

fn collect(path: &str, table: &Table, keys: &mut BTreeSet<String>) {
    for (key, value) in table {
        let key = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            // Its keys are names of headers.
            Value::Table(_) if key.ends_with("_headers.set") => {}
            // Its keys are a provider's own names.
            Value::Table(_) if key == "acme.dns.credentials" => {}
            // Its keys are forms of secrets.
            Value::Table(_) if key.ends_with(".secret") => {}
            Value::Table(inner) => collect(&key, inner, keys),
            Value::Array(items) => {
                items.iter().filter_map(Value::as_table).for_each(|inner| collect(&key, inner, keys));
            }
            _ => {}
        }
        keys.insert(key);
    }
}

#[test]
fn the_manual_lists_every_key_and_every_code_and_no_other() {
    let manual = fs::read_to_string("docs/configuration.md").expect("the manual");
    let listed = |head: fn(&str) -> bool| -> BTreeSet<String> {
        let cells =
            manual.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |").map(|(cell, _)| cell.to_owned()));
        cells.filter(|cell| head(cell)).collect()
    };
    let is_code = |cell: &str| cell.starts_with(['E', 'W', 'N']);
    // Tables have a heading instead of a row.
    let tables = [
        "listen",
        "tls",
        "acme",
        "session",
        "auth",
        "auth.totp",
        "auth.webauthn",
        "auth.totp.configuration",
        "auth.throttle",
        "ui",
        "app",
        "app.rule",
        "expect",
        "log",
        "notify",
        "storage",
    ];
    let keys: BTreeSet<String> = document::known_keys().into_iter().filter(|key| !tables.contains(&key.as_str())).collect();
    // Forms of secrets and variables have tables of their own.
    assert_eq!(listed(|cell| cell.starts_with(|letter: char| letter.is_ascii_lowercase())), keys);
    assert_eq!(listed(is_code), Code::ALL.iter().map(|code| code.name().to_owned()).collect());
    for code in Code::ALL {
        let row = format!("| `{}` | {} |", code.name(), code.meaning());
        assert!(manual.contains(&row), "the manual lacks {row}");
    }
}

#[test]
fn every_dns_provider_is_documented() {
    let page = fs::read_to_string("docs/dns-providers.md").expect("the page");
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| `") && !line.starts_with("| `provider`")).collect();
    let expected: Vec<_> = dns_providers::ALL
        .iter()
        .map(|provider| {
            let turns = if provider.holds_one_value { ", one name at a time" } else { "" };
            let credential = |(key, need): &(&str, Need)| match need {
                Need::Always => format!("`{key}`"),
                Need::Either => format!("`{key}` (or the other)"),
                Need::Maybe => format!("`{key}` (may be left out)"),
            };
            let credentials: Vec<_> = provider.credentials.iter().map(credential).collect();
            format!("| `{}` | {}{turns} | {} |", provider.name, provider.title, credentials.join(", "))
        })
        .collect();
    assert_eq!(rows, expected);
}

/// Who may not read a secret is still told what a request meets.
#[test]
fn credentials_that_only_the_gateway_can_read_keep_no_explanation_from_anybody() {
    let home = tempfile::tempdir().expect("a folder");
    for provider in dns_providers::ALL {
        let kept = |(key, _): &(&str, Need)| format!("{key} = {{ file = \"not-for-everybody\" }}");
        let credentials: Vec<_> = provider.credentials.iter().map(kept).collect();
        let text = format!(
            "[acme]\nagree_tos = true\n[acme.dns]\nprovider = \"{}\"\ncredentials = {{ {} }}\n[[app]]\nhost = \"a.example\"\nupstream = \"http://127.0.0.1:1\"\n",
            provider.name,
            credentials.join(", ")
        );
        let path = home.path().join("gateway.toml");
        fs::write(&path, text).expect("written");
        let outlined = configuration::outlined(read::source(&path).expect("there"), &Environment::default());
        if let Err(report) = outlined {
            panic!("{}: {}", provider.name, report.human(false));
        }
    }
}

/// Files that an example names, made so that it can be read as it stands.
fn surroundings(home: &Path) -> Environment {
    for (name, text) in [
        ("apps/more.toml", "[[app]]\nhost = \"more.example.com\"\nupstream = \"http://127.0.0.1:1\"\n"),
        ("metrics-key", "hunter2\n"),
        ("dns-token", "not a real token\n"),
        ("dns-key", "bm90IGEgcmVhbCBrZXksIGJ1dCBsb25nIGVub3VnaA==\n"),
        ("credentials/wiki.key", "-----BEGIN PRIVATE KEY-----\n"),
    ] {
        let path = home.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(&path, text).expect("written");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("set");
    }
    [("CREDENTIALS_DIRECTORY", home.join("credentials"))].into_iter().collect()
}

#[test]
fn every_example_compiles_without_a_warning_and_is_explained() {
    let home = tempfile::tempdir().expect("a folder");
    let environment = surroundings(home.path());
    let page = fs::read_to_string("docs/examples.md").expect("the page");
    let mut seen = 0;
    for entry in fs::read_dir("examples").expect("the folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(page.contains(&format!("(../examples/{name})")), "docs/examples.md does not explain {name}");
        if path.extension().is_some_and(|extension| extension == "toml") {
            let copy = home.path().join(&name);
            fs::copy(&path, &copy).expect("copied");
            let (_, document) = read::whole(read::source(&copy).expect("read"), &environment).expect("TOML");
            let compiled = compile::compile(&document).unwrap_or_else(|complaints| panic!("{name}: {complaints:#?}"));
            assert_eq!(compiled.warnings, [], "{name}");
            seen += 1;
        }
    }
    assert!(seen >= 8, "only {seen} examples");
}

#[test]
fn a_strict_profile_changes_the_defaults_and_written_values_win_over_it() {
    let app = "[[app]]\nhost = \"a.localhost\"\nupstream = \"http://127.0.0.1:1\"\n";
    let session = |table: &str| compiled(&format!("[session]\n{table}\n{app}")).plan.session;
    let hours = |hours: u64| std::time::Duration::from_secs(hours * 3_600);
    let strict = session("profile = \"strict\"");
    assert_eq!((strict.idle_timeout, strict.absolute_timeout, strict.remember), (hours(1), hours(12), None));
    let mixed = session("profile = \"strict\"\nremember = \"2d\"\nabsolute_timeout = \"8h\"");
    assert_eq!((mixed.idle_timeout, mixed.absolute_timeout, mixed.remember), (hours(1), hours(8), Some(hours(48))));
    // A default gives way to what was written.
    assert_eq!(session("absolute_timeout = \"6h\"").idle_timeout, hours(6));
}

#[test]
fn apps_inherit_what_the_installation_asks_for() {
    let text = "[auth]\nrequire = \"password\"\n[[app]]\nhost = \"a.localhost\"\nupstream = \"http://127.0.0.1:1\"\n\
                [[app]]\nhost = \"b.localhost\"\nupstream = \"http://127.0.0.1:1\"\nrequire = \"2fa\"\n";
    let plan = compiled(text).plan;
    let asked: Vec<&str> = plan.apps.iter().map(|app| app.rules.requirement.strength.name()).collect();
    assert_eq!(asked, ["password", "2fa"]);
}
