//! The house rules that neither compiler nor clippy checks: floors, owners of libraries, doors, names, lengths, and docs in
//! step with the code. `docs/architecture.md` gives the reasons.
//!
//! When a rule is in your way, change its table in the same commit and say why.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms by floor, ground first. A room names rooms on lower floors only; rooms on one floor do not name each other.
const FLOORS: &[&[&str]] = &[
    &["base"],
    &["model", "wire"],
    &["config", "policy", "auth"],
    &["plan", "store", "observe", "fetch", "dns"],
    &["tls", "proxy", "web"],
    &["portal", "admin", "sample"],
    &["gate"],
    &["listen"],
    &["daemon"],
    &["command"],
];

/// Rooms without I/O: facts come in as arguments, answers go out as values.
const PURE: &[&str] = &["model", "policy", "auth", "plan"];
const IO: &[&str] = &["tokio::", "std::fs", "std::net::Tcp", "std::process", "std::env", "SystemTime::now", "Instant::now"];

/// Who may name which library. One owner makes a library replaceable; where there are several, the reason is in
/// `docs/dependencies.md`.
const OWNERS: &[(&str, &[&str])] = &[
    ("annotate_snippets", &["config"]),
    ("arc_swap", &["base"]),
    ("argon2", &["auth"]),
    ("askama", &["web", "portal"]),
    ("aws_lc_rs", &["base", "tls", "proxy", "sample"]),
    ("clap", &["command"]),
    ("clap_complete", &["command"]),
    ("cookie", &["wire"]),
    ("dns_update", &["tls"]),
    ("fast_qr", &["web", "command"]),
    ("futures_util", &["sample"]),
    ("globset", &["policy"]),
    ("governor", &["portal"]),
    ("hickory_proto", &["dns"]),
    ("hyper", &["wire", "proxy", "listen", "sample", "fetch"]),
    ("hyper_util", &["proxy", "listen", "sample", "fetch"]),
    ("idna", &["policy"]),
    ("instant_acme", &["tls"]),
    ("ipnet", &["wire", "model", "policy", "plan", "store", "admin"]),
    ("memchr", &["listen"]),
    ("mimalloc", &["main"]),
    ("nix", &["config", "store", "tls", "daemon", "command"]),
    ("papaya", &["store"]),
    ("rcgen", &["tls"]),
    ("regex", &["policy"]),
    ("rusqlite", &["store"]),
    ("rustls", &["wire", "tls", "proxy", "listen", "fetch"]),
    ("rustls_native_certs", &["fetch"]),
    ("rustls_pki_types", &["plan", "tls", "fetch"]),
    ("socket2", &["daemon"]),
    ("subtle", &["base", "auth"]),
    ("tar", &["daemon"]),
    ("time", &["tls", "portal", "observe", "command"]),
    ("tokio_rustls", &["proxy", "listen", "fetch"]),
    ("tokio_tungstenite", &["sample"]),
    ("toml", &["config"]),
    ("totp_rs", &["auth"]),
    ("tracing_subscriber", &["observe"]),
    ("unicode_normalization", &["model", "auth", "policy"]),
    ("webauthn_rs_core", &["auth"]),
    ("webpki_roots", &["fetch"]),
    ("x509_parser", &["tls"]),
    ("zeroize", &["base", "tls"]),
];

/// What only some rooms above may call, besides its own room: the ways in that everything else relies on.
const CALLERS: &[(&str, &[&str])] = &[
    ("crate::config::", &["plan", "daemon", "command"]),
    // `plan` explains verdicts; it stands below everything that could forward with the grant.
    ("crate::policy::decide::decide", &["gate", "plan"]),
    ("crate::policy::decide::Grant", &["proxy"]),
    ("crate::proxy::forward::", &["gate"]),
];

/// Words that say nothing about what a thing is.
const EMPTY_WORDS: &[&str] = &["common", "helper", "helpers", "inner", "manager", "misc", "util", "utils"];

const MAX_LINES: usize = 500;

#[test]
fn every_room_has_a_floor_and_a_door() {
    let rooms: BTreeSet<String> = sources().into_iter().map(|file| file.room).filter(|room| !is_top(room)).collect();
    let planned: BTreeSet<String> = FLOORS.iter().flat_map(|floor| floor.iter().map(|room| (*room).to_owned())).collect();
    assert_eq!(rooms, planned, "folders of src/ and the table of floors");
    let missing = rooms.iter().filter(|room| !root().join("src").join(room).join("mod.rs").is_file());
    assert_none(missing.map(|room| format!("src/{room} has no mod.rs")));
}

#[test]
fn imports_point_downwards() {
    let mut faults = vec![];
    for file in sources() {
        for (number, line) in file.code() {
            for there in line.split("crate::").skip(1).map(first_word).filter(|there| *there != file.room) {
                if !is_top(&file.room) && floor(there).is_some_and(|floor_of_it| Some(floor_of_it) >= floor(&file.room)) {
                    faults.push(format!("{}:{number}: `{}` must not look up to `{there}`", file.name, file.room));
                }
            }
        }
    }
    assert_none(faults);
}

#[test]
fn an_import_names_one_module_and_is_read_where_it_stands() {
    let mut faults = vec![];
    for file in sources() {
        for (number, line) in file.code() {
            let line = line.trim();
            let is_use = line.starts_with("use ") || line.starts_with("pub use ");
            let nested = is_use && line.split_once('{').is_some_and(|(_, inside)| inside.contains("::") || inside.contains('{'));
            let found = [
                (line.contains("crate::{"), "name the module: one `use` for each"),
                (nested, "name the module: one `use` for each"),
                (line.contains("super::super"), "name the room"),
                (line.contains("super::") && file.is_door, "a door names its own files only"),
                (is_use && line.ends_with("::*;"), "say what is imported"),
                (line.starts_with("pub use "), "a name has one place: nothing is re-exported"),
            ];
            let said = found.iter().filter(|(found, _)| *found);
            faults.extend(said.map(|(_, advice)| format!("{}:{number}: {advice}", file.name)));
        }
    }
    assert_none(faults);
}

#[test]
fn io_libraries_and_ways_in_stay_in_their_rooms() {
    let mut faults = vec![];
    for file in sources() {
        let room = file.room.as_str();
        for (number, line) in file.code() {
            let mut stray = |what: &str| faults.push(format!("{}:{number}: `{what}` does not belong in `{room}`", file.name));
            if PURE.contains(&room) {
                IO.iter().filter(|word| names(line, word)).for_each(|word| stray(word));
            }
            for (library, rooms) in OWNERS {
                // `use crate::wire::cookie;` makes `cookie::` mean our own file.
                let foreign = !rooms.contains(&room) && names(line, &format!("{library}::")) && !file.imports_own(library);
                foreign.then(|| stray(library));
            }
            for (way, rooms) in CALLERS {
                let own_room = way.split("::").nth(1) == Some(room);
                (!own_room && !rooms.contains(&room) && names(line, way)).then(|| stray(way));
            }
        }
    }
    assert_none(faults);
}

#[test]
fn every_file_says_what_it_is_for_and_stays_readable() {
    let mut faults = vec![];
    for file in sources() {
        if !file.text.starts_with("//! ") {
            faults.push(format!("{}: its first line does not say what it is for", file.name));
        }
        let lines = file.code().count();
        if lines > MAX_LINES {
            faults.push(format!("{}: {lines} lines, at most {MAX_LINES} without tests", file.name));
        }
        let doors = file.text.lines().filter(|line| file.is_door && !is_door_line(line));
        faults.extend(doors.map(|line| format!("{}: a door holds no code: `{line}`", file.name)));
    }
    assert_none(faults);
}

#[test]
fn names_say_what_a_thing_is() {
    let mut faults = vec![];
    for file in sources() {
        let stem = Path::new(&file.name).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        let declared = file.code().filter_map(|(_, line)| declared_name(line).map(str::to_owned)).collect::<Vec<_>>();
        for name in declared.iter().chain([&stem]) {
            if words(name).iter().any(|word| EMPTY_WORDS.contains(&word.as_str())) {
                faults.push(format!("{}: `{name}` says nothing", file.name));
            }
        }
    }
    assert_none(faults);
}

#[test]
fn every_dependency_is_used_and_argued() {
    let manifest = read("Cargo.toml");
    let code: String = all_rust().iter().map(|path| fs::read_to_string(path).expect("source is UTF-8")).collect();
    let listed = first_column(&read("docs/dependencies.md"));
    let wanted: BTreeSet<String> = dependencies(&manifest).into_iter().collect();
    assert_eq!(wanted, listed, "dependencies in Cargo.toml and rows of docs/dependencies.md");
    // Derives and attributes of serde and thiserror are names of the crate as well.
    let unused = wanted.iter().filter(|name| !names(&code, &format!("{}::", name.replace('-', "_"))));
    assert_none(unused.map(|name| format!("Cargo.toml: nothing uses `{name}`")));
}

#[test]
fn only_the_public_registry_is_a_source() {
    let lock = read("Cargo.lock");
    let known = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    let strange = lock.lines().filter(|line| line.starts_with("source = ") && *line != known);
    assert_none(strange.map(|line| format!("Cargo.lock: {line}")));
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    // Put together here, so that this file does not hold what it looks for.
    let places = ["/ro#ot/", "/wo#rk/", "/us#r/local/cargo", "index-#url", "replace-#with", "192.168.#122."]
        .map(|text| text.replace('#', ""));
    let mut faults = vec![];
    for path in all_texts() {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let found = places.iter().filter(|place| text.contains(place.as_str()));
        faults.extend(found.map(|place| format!("{}: `{place}`", path.display())));
    }
    assert_none(faults);
}

#[test]
fn every_refusal_is_explained_and_nothing_else() {
    let tables = ["src/gate/refusal.rs", "src/gate/upstream.rs", "src/policy/refusal.rs", "src/listen/violation.rs"];
    let known: BTreeSet<String> = tables.iter().flat_map(|table| arm_texts(&read(table))).collect();
    assert!(known.len() > 60, "the tables were found: {known:?}");
    assert_eq!(first_column(&read("docs/refusals.md")), known, "rows of docs/refusals.md and names in the code");
}

#[test]
fn every_event_is_explained() {
    let page = read("docs/logging.md");
    let (_, section) = page.split_once("\n## Events\n").expect("docs/logging.md has a section on events");
    let documented = first_column(section.split("\n## ").next().unwrap_or_default());
    let events: BTreeSet<String> = arm_texts(&read("src/model/event.rs")).into_iter().collect();
    assert!(events.len() > 30, "the events were found: {events:?}");
    assert_eq!(documented, events, "rows of docs/logging.md and names in src/model/event.rs");
}

/// Whoever reads the log finds every line by its event; `debug` and below is for us.
#[test]
fn every_line_of_the_log_names_its_event() {
    let mut faults = vec![];
    for file in sources() {
        let code = file.code().map(|(_, line)| line).collect::<Vec<_>>().join("\n");
        for call in ["error!(", "warn!(", "info!("] {
            let lines = code.split(call).skip(1).filter(|rest| !rest.trim_start().starts_with("event = "));
            faults.extend(lines.map(|rest| format!("{}: {call}{}", file.name, rest.lines().next().unwrap_or_default())));
        }
        if code.contains("event = \"") {
            faults.push(format!("{}: names of events are in model::event", file.name));
        }
    }
    assert_none(faults);
}

#[test]
fn the_changelog_knows_the_version() {
    let heading = format!("## {}", env!("CARGO_PKG_VERSION"));
    assert!(read("CHANGELOG.md").lines().any(|line| line.starts_with(&heading)), "CHANGELOG.md has no `{heading}`");
}

#[test]
fn links_between_pages_arrive() {
    let mut faults = vec![];
    for path in all_texts().into_iter().filter(|path| path.extension().is_some_and(|end| end == "md")) {
        let text = fs::read_to_string(&path).expect("pages are UTF-8");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            let outside = link.contains("://") || file.is_empty();
            if !outside && !path.parent().unwrap_or(Path::new(".")).join(file).exists() {
                faults.push(format!("{}: `{link}` leads nowhere", path.display()));
            }
        }
    }
    assert_none(faults);
}

#[test]
fn decisions_are_numbered_without_gaps_and_say_why() {
    let mut files = files_below(&root().join("docs/decisions"));
    files.sort();
    for (number, path) in (1..).zip(&files) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        assert!(name.starts_with(&format!("{number:04}-")), "{name} should begin with {number:04}-");
        let text = fs::read_to_string(path).expect("pages are UTF-8");
        for part in ["**Context.**", "**Decision.**", "**Consequences.**"] {
            assert!(text.contains(part), "{name} has no {part}");
        }
    }
}

/// One file of `src/`.
struct Source {
    name: String,
    room: String,
    is_door: bool,
    text: String,
    is_test: bool,
}

impl Source {
    /// Code lines with their numbers; comments and tests are left out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let text = if self.is_test { "" } else { self.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default() };
        text.lines().enumerate().map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
    }

    fn imports_own(&self, module: &str) -> bool {
        let ends = [format!("::{module};"), format!("::{module}::{{self")];
        let own = |line: &str| line.starts_with("use crate::") && ends.iter().any(|end| line.contains(end.as_str()));
        self.text.lines().any(own)
    }
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let paths: Vec<PathBuf> =
        files_below(&src).into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs")).collect();
    let texts: Vec<String> = paths.iter().map(|path| fs::read_to_string(path).expect("source is UTF-8")).collect();
    let tests: BTreeSet<PathBuf> = paths.iter().zip(&texts).flat_map(|(path, text)| test_files(path, text)).collect();
    let source = |(path, text): (PathBuf, String)| {
        let inside = path.strip_prefix(&src).expect("walked below src").to_owned();
        let room =
            inside.iter().next().map(|first| first.to_string_lossy().trim_end_matches(".rs").to_owned()).unwrap_or_default();
        let is_door = inside.iter().count() == 2 && inside.ends_with("mod.rs");
        Source { name: format!("src/{}", inside.display()), room, is_door, is_test: tests.contains(&path), text }
    };
    paths.into_iter().zip(texts).map(source).collect()
}

/// The files that `text` declares for tests only.
fn test_files(path: &Path, text: &str) -> Vec<PathBuf> {
    let folder = if path.ends_with("mod.rs") { path.with_file_name("") } else { path.with_extension("") };
    let declared = text.split("#[cfg(test)]\n").skip(1).filter_map(|rest| {
        let line = rest.lines().next()?.trim_start_matches("pub ");
        line.strip_prefix("mod ")?.strip_suffix(';')
    });
    declared.map(|name| folder.join(name).with_extension("rs")).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|fault| panic!("{name}: {fault}"))
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(dir).unwrap_or_else(|fault| panic!("{}: {fault}", dir.display())) {
        let path = entry.expect("entry is readable").path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found
}

/// What the repository holds as text: everything at the top, and the folders that are ours.
fn all_texts() -> Vec<PathBuf> {
    let top = fs::read_dir(root()).expect("the repository is readable").map(|entry| entry.expect("entry is readable").path());
    let top = top.filter(|path| path.file_name().is_some_and(|name| name != ".git"));
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = top.partition(|path| path.is_dir());
    let ours = ["src", "tests", "docs", "examples", "certs", "benches", ".ci", ".cargo"];
    let folders = folders.iter().filter(|path| path.file_name().is_some_and(|name| ours.iter().any(|our| name == *our)));
    let compiled = |path: &PathBuf| path.iter().any(|part| part == "__pycache__");
    files.into_iter().chain(folders.flat_map(|folder| files_below(folder))).filter(|path| !compiled(path)).collect()
}

fn all_rust() -> Vec<PathBuf> {
    let folders = ["src", "tests", "benches"].map(|folder| files_below(&root().join(folder)));
    folders.into_iter().flatten().filter(|path| path.extension().is_some_and(|end| end == "rs")).collect()
}

fn dependencies(manifest: &str) -> Vec<String> {
    let mut wanted = false;
    let mut found = vec![];
    for line in manifest.lines() {
        if line.starts_with('[') {
            wanted = matches!(line, "[dependencies]" | "[dev-dependencies]");
        } else if let Some((name, _)) = line.split_once(" = ").filter(|_| wanted && !line.starts_with(' ')) {
            found.push(name.to_owned());
        }
    }
    found
}

/// What stands in backquotes at the beginning of table rows.
fn first_column(page: &str) -> BTreeSet<String> {
    page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).map(str::to_owned).collect()
}

/// The texts that match arms give: `Self::X => "text"`, alone or as the first of several.
fn arm_texts(code: &str) -> Vec<String> {
    let code = code.split("#[cfg(test)]").next().unwrap_or_default();
    code.split("=> \"").chain(code.split("=> (\"").skip(1)).skip(1).map(until_quote).collect()
}

fn until_quote(text: &str) -> String {
    text.split('"').next().unwrap_or_default().to_owned()
}

fn is_door_line(line: &str) -> bool {
    let module = line.trim_start_matches("pub ").trim_start_matches("mod ");
    let declares = line.contains("mod ") && module.ends_with(';') && module.trim_end_matches(';').chars().all(is_name);
    line.is_empty() || line.starts_with("//! ") || line == "//!" || line == "#[cfg(test)]" || declares
}

fn declared_name(line: &str) -> Option<&str> {
    let line = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(super) ");
    let kinds = ["struct ", "enum ", "trait ", "mod ", "type ", "fn "];
    kinds.iter().find_map(|kind| line.strip_prefix(kind)).map(first_word)
}

/// `RateLimiter` and `rate_limiter` as `rate`, `limiter`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for letter in name.chars() {
        if letter == '_' || letter.is_uppercase() {
            words.push(String::new());
        }
        let last = words.last_mut().expect("never empty");
        last.extend(letter.to_lowercase().filter(|letter| *letter != '_'));
    }
    words
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// `main.rs` and `lib.rs` stand above all floors.
fn is_top(room: &str) -> bool {
    matches!(room, "main" | "lib")
}

fn is_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn first_word(text: &str) -> &str {
    text.split(|letter| !is_name(letter)).next().unwrap_or_default()
}

/// Whether `text` names `path` from its beginning: `tokio_rustls::` and `crate::rustls::` are not `rustls::`.
fn names(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| !text[..at].ends_with(|letter| is_name(letter) || letter == ':'))
}

fn assert_none(faults: impl IntoIterator<Item = String>) {
    let faults: Vec<String> = faults.into_iter().collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}
