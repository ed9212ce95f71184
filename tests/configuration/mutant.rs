//! Broken configurations by the thousand, the same ones in every run: made from the examples, the reference and the golden files
//! by what happens to files — a flipped bit, lines swapped, dropped or repeated, a value of another kind, a key misspelt or in the
//! wrong place, a piece of another file.

use std::fs;
use std::path::PathBuf;

/// SplitMix64.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % bound.max(1) as u64).expect("below a usize")
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// What mutants are made from.
pub fn seeds() -> Vec<String> {
    let mut paths = vec![PathBuf::from("gateway.toml")];
    for folder in ["examples", "tests/golden"] {
        paths.extend(fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()));
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let mut seeds: Vec<String> =
        paths.iter().map(|path| String::from_utf8_lossy(&fs::read(path).expect("readable")).into_owned()).collect();
    let on: Vec<&str> = seeds[0].lines().map(|line| line.trim_start_matches("#:").trim_start_matches('#')).collect();
    seeds.push(on.join("\n"));
    // Every kind of rule, small enough to stay whole now and then.
    seeds.extend(std::iter::repeat_n(RULES.to_owned(), seeds.len() / 2));
    seeds
}

pub const RULES: &str = r#"[auth]
require = "2fa"

[[app]]
host = "a.example.com"
upstream = "http://127.0.0.1:8000"
deny = ["/admin/", "/secret"]
redirect = [{ from = "/", to = "/lab", status = 302 }, { from = "/old/", to = "/new" }]
bypass = ["/health", { path = "/hooks/*", methods = ["POST"], networks = ["192.0.2.0/24"], reason = "signed" }]

[[app.rule]]
path = ["/api/", "/feed"]
methods = ["GET"]
require = "password"

[[app.rule]]
path = "/api/v2/**"
action = "bypass"
reason = "tokens"

[[app.rule]]
path_regex = "/share/[a-z0-9]+"
networks = ["10.0.0.0/8", "2001:db8::/32"]
action = "bypass"
reason = "links"

[[app.rule]]
path = "/files/*/draft"
action = "deny"

[[app]]
host = ["b.example.com", "c.example.com"]
upstream = "http://127.0.0.1:8001"
require = "password"
deny_status = 403
only = ["/", "/lab", "/api/", "/files/**"]

[[app.rule]]
path = "/lab/"
action = "redirect"
to = "/"
"#;

/// Values of every kind that keys take, and of some that none takes.
const VALUES: &[&str] = &[
    "true",
    "false",
    "0",
    "8",
    "403",
    "404",
    "308",
    "-1",
    "1e400",
    "99999999999999999999",
    "1979-05-27",
    "\"\"",
    "[]",
    "{}",
    "\"12h\"",
    "\"0s\"",
    "\"30\"",
    "\"1 hour\"",
    "\"64KiB\"",
    "\"none\"",
    "\"off\"",
    "\"2fa\"",
    "\"passkey\"",
    "\"password\"",
    "\"require\"",
    "\"bypass\"",
    "\"deny\"",
    "\"redirect\"",
    "\"/\"",
    "\"/**\"",
    "\"/admin/\"",
    "\"/lab\"",
    "\"/api/\"",
    "\"/Files/*/x\"",
    "\"/a/**/b\"",
    "\"admin\"",
    "\"/../x\"",
    "[\"/admin/\", \"/feed\"]",
    "[\"/**\"]",
    "[\"/\"]",
    "[\"/api/v2/\", \"/share/\"]",
    "[\"GET\"]",
    "[\"POST\", \"GET\"]",
    "[\"get\"]",
    "[\"192.0.2.0/24\"]",
    "[\"10.0.0.0/8\", \"2001:db8::/32\"]",
    "[\"0.0.0.0/0\"]",
    "[\"192.0.2.7\"]",
    "\"/share/[a-z]+\"",
    "\"/(a|b)/.*\"",
    "\"(\"",
    "\"(((a{9}){9}){9}){9}\"",
    "\"d.example.com\"",
    "[\"e.example.com\", \"f.example.com\"]",
    "\"https://a.example.com/\"",
    "\"http://127.0.0.1:1\"",
    "\"[::]:8443\"",
    "[\"127.0.0.1:0\"]",
    "[{ from = \"/\", to = \"/lab\" }]",
    "[{ from = \"/x/\", to = \"https://x.example.com/\", status = 307 }]",
    "[{ path = \"/health\", methods = [\"GET\"], reason = \"x\" }]",
    "{ set = { \"X-Api-Key\" = { file = \"/dev/zero\" } } }",
    "{ set = { \"X-Api-Key\" = { env = \"KEY\" } }, remove = [\"Accept\"] }",
    "{ credential = \"key\" }",
    "[\"apps/*.toml\"]",
    "[\"none/*.toml\", \"/dev/zero\"]",
];

const PATHS: &[&str] = &[
    "/",
    "/**",
    "/admin/",
    "/admin",
    "/Admin/",
    "/ad*",
    "/secret",
    "/lab",
    "/lab/",
    "/api/",
    "/api/**",
    "/api/*/keys",
    "/**/keys",
    "/feed",
    "/health",
    "/h?alth",
    "/hooks/*",
    "/files/",
    "/files/**/draft",
    "/share/",
    "/old/",
    "/*",
    "/*/",
];

/// Keys of every table, and some that nobody knows.
const KEYS: &[&str] = &[
    "name",
    "host",
    "upstream",
    "require",
    "deny",
    "deny_status",
    "only",
    "redirect",
    "bypass",
    "path",
    "path_regex",
    "methods",
    "networks",
    "action",
    "to",
    "status",
    "reason",
    "from",
    "include",
    "portal",
    "data_dir",
    "https",
    "http",
    "idle_timeout",
    "remember",
    "level",
    "file",
    "domain",
    "hosts",
    "dney",
    "colour",
    "certificate",
    "private_key",
    "body_limit",
    "rule",
    "app",
];

/// Pieces that mean something to the parser or to us.
const PIECES: &[&str] = &[
    "\"",
    "'",
    "\"\"\"",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ".",
    ",",
    "#",
    "\n",
    "\r\n",
    "\\",
    "\\u0000",
    "\u{feff}",
    "ä",
    "🚪",
    "\u{202e}",
    "\u{0}",
    "0",
    "[app]",
    "[[app]]",
    "[[app.rule]]",
    "[app.rule]",
    "[listen]",
    "a.b.c = 1\n",
    "host = \"a\"\n",
    "path = \"/**\"\n",
    "\"/\"",
    "/0",
    "http://",
    "[::]",
    "stand_in_0",
    "[[[[[[[[[[[[[[[[",
];

/// One to four accidents.
pub fn mutated(dice: &mut Dice, seeds: &[String]) -> Vec<u8> {
    let mut text = dice.pick(seeds).clone();
    let mut bytes = None;
    // Mostly one: of what several did to a file hardly any is left to be accepted.
    for _ in 0..*dice.pick(&[1, 1, 1, 2, 4]) {
        match dice.below(13) {
            0 => bytes = Some(dice.roll()),
            9..=12 => text = path(dice, &text),
            1..=3 => text = lines(dice, &text, seeds),
            4 | 5 => text = value(dice, &text),
            6 => text = key(dice, &text),
            _ => text = piece(dice, &text),
        }
    }
    let mut text = text.into_bytes();
    if let Some(flip) = bytes.filter(|_| !text.is_empty()) {
        let at = usize::try_from(flip >> 8).unwrap_or_default() % text.len();
        text[at] ^= 1 << (flip % 8);
    }
    text
}

/// Lines swapped, dropped, repeated, or brought in from elsewhere.
fn lines(dice: &mut Dice, text: &str, seeds: &[String]) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    if lines.is_empty() {
        return String::new();
    }
    let (one, other) = (dice.below(lines.len()), dice.below(lines.len()));
    match dice.below(4) {
        0 => lines.swap(one, other),
        1 => drop(lines.remove(one)),
        2 => lines.insert(other, lines[one]),
        _ => {
            let foreign: Vec<&str> = dice.pick(seeds).lines().collect();
            let (from, count) = (dice.below(foreign.len()), dice.below(6));
            let brought = foreign.iter().skip(from).take(count + 1).copied();
            lines.splice(one..one, brought.collect::<Vec<_>>());
        }
    }
    lines.join("\n") + "\n"
}

fn value(dice: &mut Dice, text: &str) -> String {
    let value = *dice.pick(VALUES);
    in_some_line(dice, text, |line| line.split_once('=').map(|(key, _)| format!("{key}= {value}")))
}

/// One path instead of another, so that rules mean something else and stay rules.
fn path(dice: &mut Dice, text: &str) -> String {
    let begins: Vec<usize> = text.match_indices("\"/").map(|(at, _)| at + 1).collect();
    if begins.is_empty() {
        return text.to_owned();
    }
    let at = *dice.pick(&begins);
    let end = text[at..].find('"').map_or(text.len(), |end| at + end);
    format!("{}{}{}", &text[..at], dice.pick(PATHS), &text[end..])
}

fn key(dice: &mut Dice, text: &str) -> String {
    let key = *dice.pick(KEYS);
    in_some_line(dice, text, |line| line.split_once('=').map(|(_, value)| format!("{key} ={value}")))
}

/// Changes one of the lines that can be changed so.
fn in_some_line(dice: &mut Dice, text: &str, change: impl Fn(&str) -> Option<String>) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let able: Vec<usize> = (0..lines.len()).filter(|at| change(&lines[*at]).is_some()).collect();
    if let Some(changed) = able.get(dice.below(able.len())).and_then(|at| change(&lines[*at]).map(|line| (*at, line))) {
        lines[changed.0] = changed.1;
    }
    lines.join("\n") + "\n"
}

/// Something cut out, put in, or written over.
fn piece(dice: &mut Dice, text: &str) -> String {
    let mut text: Vec<char> = text.chars().collect();
    let (from, to) = (dice.below(text.len() + 1), dice.below(text.len() + 1));
    let (from, to) = (from.min(to), from.max(to).min(from.min(to) + 40));
    let piece: Vec<char> = dice.pick(PIECES).chars().collect();
    match dice.below(5) {
        0 => drop(text.drain(from..to)),
        1 => drop(text.splice(from..to, piece)),
        2 => drop(text.splice(from..from, piece)),
        3 => {
            let copy: Vec<char> = text[from..to].to_vec();
            let at = dice.below(text.len() + 1);
            text.splice(at..at, copy);
        }
        _ => text.truncate(to),
    }
    text.into_iter().collect()
}
