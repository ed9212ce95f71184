//! Spellings of a protected path, drawn from a grammar: what servers have been seen to take for a slash, a dot, a letter, a
//! parent folder, an end.

use std::collections::HashSet;

use crate::chance::Chance;

const MEASURED: &str = include_str!("../data/path-bypass.tsv");

const SEPARATORS: &[&str] = &[
    "/",
    "/",
    "/",
    "/",
    "//",
    "///",
    "%2f",
    "%2F",
    "%5c",
    "%5C",
    "\\",
    "/./",
    "/;/",
    "/;x=y/",
    "%252f",
    "%25252F",
    "%255c",
    "/.;/",
    "%ef%bc%8f",
    "%e2%81%84",
    "%c0%af",
    "/%20",
    "%20/",
    ";/",
    ";",
    "/%2e/",
    "%u002f",
    "%09",
    "/+/",
    "/%09/",
    "/%00",
    "%3f",
    "%23",
    "?",
    "#",
    "/;%2f",
    "%3b/",
    "/%3b",
    "/%3B%2F",
    ";%2F;/",
    "%2f%2f",
    "/%2f/",
    "|",
    "%25%32%66",
    "//;//",
    ";a=b%2f",
    "%5c%5c",
    ".;/",
    "/.%e2%80%8b/",
    "%c2%a0/",
    "%0a",
    "%0d%0a",
    "/@/",
    "/%40/",
    ":",
    "/:80/",
    "!/",
    "/~",
    "%EF%BC%852f",
    "/%e3%80%80/",
];
const PARENTS: &[&str] = &[
    "/x/../",
    "/x/..;/",
    "/x/%2e%2e/",
    "/public/..%2f",
    "/public/../",
    "/assets../",
    "/x%2f../",
    "/x/..%5c",
    "/../",
    "/x/.%2e/",
    "/..;/",
    "/x//..//",
    "/public/..;/",
    "/public/%2e%2e/",
    "/public/..;x=y/",
    "/public/%252e%252e/",
    "/public/..%252f",
    "/public/.%2e%2f",
    "/public/..%00/",
    "/public/..%20/",
    "/x;/../",
    "/x/.../",
    "/public/%e2%80%a5/",
    "/public/..%c0%af",
    "/public/x%2f..%2f..%2f",
    "/public/;/../",
    "/public;/../",
    "/public%2f..%2f",
    "/public/..\\",
    "/public/.%20./",
    "/public/%ef%bc%8e%ef%bc%8e/",
    "/assets..%2f",
    "/public/..%3b/",
    "/public/%2e%2e%3b/",
    "/public/x/..%2f../",
    "/public//..%2f",
    "/public/..//",
    "/public/%5c../",
    "/public/..%09/",
];
const FRONTS: &[&str] = &[
    "",
    "",
    "",
    "",
    "",
    "/x",
    "//x",
    "//x:80",
    "//u@x",
    "/index.php",
    "/(S(x))",
    "/x.php",
    "/?",
    "/#",
    "/%3f",
    "*",
    "/public",
    "///",
    "http://doorward.example",
    "https://x",
    "/;",
    "/.",
    "/%2e",
    "/..",
    "/%20",
    "/a.do",
    "/;a=b%2fx",
    "/%2f",
    "/%5c",
    "/@x",
    "/x:y",
    "//x\\",
    "//%2f",
    "///x/",
    "//[::1]",
    "/\\x",
    "/%2f%2fx",
    "//x%2f",
    "//x;y",
    "//;",
    "/x.jsp;y",
    "/!",
    "/public;",
    "/%70ublic",
    "/publi%63",
];
const ENDS: &[&str] = &[
    "",
    "",
    "",
    "/",
    "/",
    "/",
    "/login/",
    "//",
    ";x",
    ";/",
    ".json",
    ".",
    "./",
    "%20",
    "%20/",
    "%00",
    "%00/",
    "%0a",
    "%0a/",
    "%09",
    "::$DATA",
    "::$INDEX_ALLOCATION/",
    "~1",
    "?x",
    "?/",
    "%3f",
    "%3fx/",
    "%23",
    "%23/",
    "#",
    "/.",
    "/./",
    "/..;/",
    "/x/..",
    ";x=%2f..%2f",
    ".php",
    "/index.html",
    "/index.html/",
    "%2f",
    "%2fx",
    "%5c",
    "'",
    "%2e",
    "%2e/",
    "+",
    "+/",
    "%c2%a0",
    "%e3%80%80/",
    "%e2%80%8b",
    ":",
    "!",
    "@",
    "$",
    "&",
    "=",
    ",",
    "%252f",
    "%250a",
    "%25",
    "%",
    "%2",
    "/*",
    "/**",
    ";jsessionid=1",
    ";jsessionid=1/",
    "/;",
    "/;/",
    "/%2e",
    "/%2f",
    "%3b",
    "%3b/x",
    "%26",
    "%7f",
    "\\",
    "|",
    "^",
    "`",
    "{",
    "}",
    "%ef%bc%8f",
    "-",
    "_",
    "%2cx",
    "%3a",
    "%40",
    "%3d/",
];
/// What random strings are made of besides the name itself.
const TOKENS: &[&str] = &[
    "/",
    "/",
    "/",
    "//",
    "%2f",
    "%5c",
    ";",
    ".",
    "..",
    "%2e",
    "x",
    "a=b",
    "public",
    "%25",
    "%252f",
    "?",
    "%3f",
    "%23",
    "'",
    "@",
    ":",
    "%20",
    "+",
    "%09",
    "&",
    "=",
    ",",
    "~",
    "!",
    "*",
    "(x)",
    "index.php",
    "%3b",
    "%3B",
    "%00",
    "assets",
    "%c2%a0",
    "%e2%80%8b",
    "%ef%bc%8f",
    "-",
    "_",
    "%41",
    "%61",
    "b",
    "%c3%a9",
    "|",
    "%5e",
    "$",
    "%24",
    "[",
    "]",
    "%7e",
    "80",
    "%2F",
    "%5C",
    "%26",
    "%3D",
    "%40",
    "\\",
    "%e2%88%95",
    "%ef%bc%8e",
    "%0d",
    "%0a",
    "admin",
    "%",
];

/// Endless spellings of `/admin/`, none twice.
pub struct Grammar {
    chance: Chance,
    measured: Vec<Vec<u8>>,
    known: HashSet<Vec<u8>>,
}

impl Grammar {
    pub fn seeded(seed: u64) -> Self {
        let lines = MEASURED.lines().filter(|line| !line.starts_with('#'));
        let targets =
            lines.filter_map(|line| line.split('\t').nth(1)).filter(|target| target.starts_with('/') && !target.contains(' '));
        Self { chance: Chance::seeded(seed), measured: targets.map(unescaped).collect(), known: HashSet::new() }
    }

    fn draw(&mut self) -> Vec<u8> {
        match self.chance.below(10) {
            0..=2 => self.light(),
            3..=4 => self.built(),
            5 => self.soup("/"),
            6 => self.soup("/public/"),
            7 => self.granted(),
            _ => self.measured(),
        }
    }

    /// `/admin/` with one trick or two: what is most likely to reach somebody.
    fn light(&mut self) -> Vec<u8> {
        let mut text = b"/admin/".to_vec();
        for _ in 0..=self.chance.below(2) {
            match self.chance.below(5) {
                0 => drop(text.splice(..0, self.chance.one(FRONTS).bytes())),
                1 => drop(text.splice(..1, self.chance.one(SEPARATORS).bytes())),
                2 => drop(text.splice(..1, self.chance.one(PARENTS).bytes())),
                3 => text.extend(self.chance.one(ENDS).as_bytes()),
                _ => {
                    let letters: Vec<usize> = (0..text.len()).filter(|at| text[*at].is_ascii_lowercase()).collect();
                    let at = letters[self.chance.below(letters.len())];
                    let byte = text[at];
                    text.splice(at..=at, self.letter(byte));
                }
            }
        }
        text
    }

    /// Front, perhaps a parent folder, the name, an end.
    fn built(&mut self) -> Vec<u8> {
        let mut text = self.chance.one(FRONTS).as_bytes().to_vec();
        match self.chance.percent(25) {
            true => text.extend(self.chance.one(PARENTS).as_bytes()),
            false => text.extend(self.chance.one(SEPARATORS).as_bytes()),
        }
        text.extend(self.name());
        for _ in 0..=self.chance.below(2) {
            text.extend(self.chance.one(ENDS).as_bytes());
        }
        text
    }

    /// Anything at all, with the name somewhere in it.
    fn soup(&mut self, front: &str) -> Vec<u8> {
        let mut text = front.as_bytes().to_vec();
        for _ in 0..=self.chance.below(6) {
            text.extend(self.chance.one(TOKENS).as_bytes());
        }
        text.extend(self.chance.one(SEPARATORS).as_bytes());
        text.extend(self.name());
        for _ in 0..self.chance.below(4) {
            text.extend(self.chance.one(TOKENS).as_bytes());
        }
        text
    }

    /// Something below `/public/` that might lead out of it.
    fn granted(&mut self) -> Vec<u8> {
        let mut text = b"/public/".to_vec();
        for _ in 0..self.chance.below(3) {
            text.extend(self.chance.one(TOKENS).as_bytes());
        }
        if self.chance.percent(60) {
            text.extend(&self.chance.one(PARENTS).as_bytes()[1..]);
        }
        if self.chance.percent(70) {
            text.extend(self.chance.one(SEPARATORS).as_bytes());
            text.extend(self.name());
        }
        text.extend(self.chance.one(ENDS).as_bytes());
        text
    }

    /// A spelling that fooled a server once, a little changed.
    fn measured(&mut self) -> Vec<u8> {
        let at = self.chance.below(self.measured.len());
        let mut text = self.measured[at].clone();
        for _ in 0..self.chance.below(3) {
            let at = 1 + self.chance.below(text.len());
            match self.chance.below(4) {
                0 if at < text.len() => drop(text.remove(at)),
                1 if at < text.len() => {
                    let byte = text[at];
                    text.splice(at..=at, self.letter(byte));
                }
                2 => drop(text.splice(at..at, self.chance.one(TOKENS).bytes())),
                _ => drop(text.splice(at..at, self.chance.one(SEPARATORS).bytes())),
            }
        }
        text
    }

    /// `admin` in some spelling.
    fn name(&mut self) -> Vec<u8> {
        if self.chance.percent(40) {
            return b"admin".to_vec();
        }
        let mut name = Vec::new();
        for letter in *b"admin" {
            let spelt = if self.chance.percent(25) { self.letter(letter) } else { vec![letter] };
            name.extend(spelt);
        }
        name
    }

    /// A byte, written otherwise.
    fn letter(&mut self, byte: u8) -> Vec<u8> {
        let upper = char::from(byte).to_ascii_uppercase();
        let text = match self.chance.below(14) {
            0..=2 => upper.to_string(),
            3..=5 => format!("%{byte:02x}"),
            6 => format!("%{:02X}", byte.to_ascii_uppercase()),
            7 => format!("%25{byte:02x}"),
            8 => format!("%2525{byte:02X}"),
            9 if byte.is_ascii_lowercase() => format!("%ef%bd%{:02x}", byte - b'a' + 0x81),
            10 if byte == b'i' => self.chance.one(&["%c4%b1", "%c4%b0", "%e2%93%98", "%c3%af"]).to_owned(),
            11 => format!("{}{}", char::from(byte), self.chance.one(&["%e2%80%8b", "%c2%ad", "%cc%81", "%ef%bb%bf"])),
            12 => format!("%u00{byte:02x}"),
            13 => format!("%25{}", format!("{byte:02x}").bytes().map(|digit| format!("%{digit:02x}")).collect::<String>()),
            _ => char::from(byte).to_string(),
        };
        text.into_bytes()
    }
}

impl Iterator for Grammar {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let text = self.draw();
            // A line break ends the request line, so such a thing is no target; smuggling has a corpus of its own.
            let fits = !text.is_empty() && !text.iter().any(|byte| matches!(byte, b'\r' | b'\n'));
            if fits && self.known.insert(text.clone()) {
                return Some(text);
            }
        }
    }
}

/// The bytes of a line of the table: `\xNN` for a byte, `\\` for a backslash.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let (byte, length) = match (first, behind.first()) {
            (b'\\', Some(b'x')) => {
                let digits = std::str::from_utf8(&behind[1..3]).expect("the table is ASCII");
                (u8::from_str_radix(digits, 16).expect("two digits"), 4)
            }
            (b'\\', _) => (b'\\', 2),
            (byte, _) => (*byte, 1),
        };
        bytes.push(byte);
        rest = &rest[length..];
    }
    bytes
}

#[test]
fn the_same_seed_gives_the_same_spellings_and_none_twice() {
    let [one, two] = [7, 7].map(|seed| Grammar::seeded(seed).take(5_000).collect::<Vec<_>>());
    assert_eq!(one, two);
    assert_eq!(one.iter().collect::<HashSet<_>>().len(), one.len());
    assert_ne!(one, Grammar::seeded(8).take(5_000).collect::<Vec<_>>());
}
