//! A second judgement, first written from the design: every reading is a list of segments made by string operations, no code is
//! shared with `src/policy`, nothing is cut short. Slow on purpose. `docs/testing.md` says where it was brought to the product's answer
//! afterwards, and is therefore no independent witness.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use unicode_normalization::UnicodeNormalization;

/// The rules of an app as their owner wrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    pub only: Option<Vec<String>>,
    pub deny: Vec<String>,
    /// From where; the target says its number.
    pub redirects: Vec<String>,
    pub rules: Vec<Rule>,
    pub bypass: Vec<Rule>,
    /// What the app itself asks for.
    pub firm: bool,
    /// `path_charset = "bytes"`
    pub bytes: bool,
}

/// What servers make of escaped bytes.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// UTF-8 or nothing.
    Strict,
    /// What is not UTF-8 stays an escape, or becomes this.
    Lenient(Option<&'static str>),
    /// Each byte beyond ASCII is a letter of its own: what it is.
    Single(fn(u8) -> Option<char>),
    /// UTF-8 of which only the first bytes are looked at.
    Sloppy,
}

/// The ways to read the paths of an app.
fn manners(bytes: bool) -> Vec<Manner> {
    if !bytes {
        return vec![Manner::Strict];
    }
    vec![
        Manner::Lenient(None),
        Manner::Lenient(Some("")),
        Manner::Lenient(Some("?")),
        Manner::Single(|byte| Some(char::from(byte))),
        Manner::Single(|byte| Some(western(byte))),
        Manner::Single(|_| None),
        Manner::Single(|_| Some('?')),
        Manner::Single(|byte| Some(seen(char::from(byte - 0x80)))),
        Manner::Sloppy,
    ]
}

/// Windows-1252, of which these are folded to something else than they are, or end a name.
fn western(byte: u8) -> char {
    let table = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";
    table.chars().nth(usize::from(byte) - 0x80).unwrap_or(char::from(byte))
}

fn seen(letter: char) -> char {
    if letter < ' ' || letter == '\u{7f}' { '\u{fffd}' } else { letter }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub path: String,
    pub methods: Vec<String>,
    pub networks: Vec<String>,
    pub action: Action,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Deny,
    Redirect,
    /// True for two factors, false for the password alone.
    Require(bool),
    Bypass,
}

/// What is said of a request, from the mildest to the strictest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Open,
    Require(bool),
    Redirect,
    Deny,
    /// 404 before all rules: another spelling of our prefix.
    Disguised,
    /// One of our pages.
    Ours,
    /// 400 or 414.
    Refused,
}

/// One way to understand a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Reading {
    /// Between the slashes, without the first, empty one. `/a/` is `["a", ""]`.
    segments: Vec<String>,
    form: Form,
    /// Nothing was dropped or forgiven to come to it: a redirect from one place speaks of such readings only, else it never arrives.
    proper: bool,
    /// A script's name or a cookie's brackets were taken from the front: such a reading only takes away.
    aside: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    /// Letter by letter.
    Exact,
    /// Without case, width, accents, blanks and dots at the ends.
    Folded,
    /// Folded, and with a suffix behind the last name of a rule.
    Loose,
}

pub fn judge(rules: &Rules, target: &str, method: &str, client: IpAddr) -> Verdict {
    let Some(readings) = all_readings(rules, target) else { return Verdict::Refused };
    if target.starts_with("/.doorward/") {
        return Verdict::Ours;
    }
    let own = |reading: &Reading| matches(&["/.doorward/".to_owned()], reading, true);
    if readings.iter().any(|reading| reading.form != Form::Loose && own(reading)) {
        return Verdict::Disguised;
    }
    let methods = methods(method);
    let heard =
        |reading: &Reading| methods.iter().filter_map(|method| speak(rules, reading, method, client.to_canonical())).max();
    readings.iter().filter_map(heard).max().unwrap_or(Verdict::Deny)
}

/// Every reading in every manner; nothing if any of them is refused.
fn all_readings(rules: &Rules, target: &str) -> Option<BTreeSet<Reading>> {
    let mut all = BTreeSet::new();
    for manner in manners(rules.bytes) {
        let layers = accepted(target, manner)?;
        all.extend(readings(&layers, manner));
    }
    Some(all)
}

/// The readings for which the strictest is said, to be read by people.
pub fn reasons(rules: &Rules, target: &str, method: &str, client: IpAddr) -> Vec<String> {
    let verdict = judge(rules, target, method, client);
    let readings = all_readings(rules, target).unwrap_or_default();
    let says = |reading: &&Reading| {
        let spoken = methods(method).iter().filter_map(|method| speak(rules, reading, method, client.to_canonical())).max();
        let own = verdict == Verdict::Disguised && matches(&["/.doorward/".to_owned()], reading, true);
        spoken == Some(verdict) || own
    };
    readings.iter().filter(says).map(|reading| format!("{reading:?}")).take(3).collect()
}

/// A method as it stands, in upper case, and as the GET that HEAD is to most.
fn methods(method: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::from([method.to_owned(), method.to_ascii_uppercase()]);
    if all.contains("HEAD") {
        all.insert("GET".to_owned());
    }
    all
}

/// The layers of a target's path, if nothing is wrong with it (2.2).
fn accepted(target: &str, manner: Manner) -> Option<Vec<String>> {
    let fine = |byte: u8| byte > b' ' && byte < 0x7f && !b"#<>".contains(&byte);
    if target.split_once('?').is_some_and(|(_, query)| query.contains('"')) {
        return None;
    }
    if target.len() > 8192 || !target.starts_with('/') || !target.bytes().all(fine) {
        return None;
    }
    let path = target.split('?').next()?;
    let broken = |(at, _): (usize, &str)| !path.get(at + 1..at + 3).is_some_and(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
    if path.contains('\\') || path.match_indices('%').any(broken) {
        return None;
    }
    let mut layers = vec![path.to_owned()];
    loop {
        let next = decoded(layers.last()?, manner)?;
        if Some(&next) == layers.last() {
            break;
        }
        layers.push(next);
    }
    if layers.len() > 5 {
        return None;
    }
    let mut texts: Vec<String> = texts(&layers, manner)?.into_iter().collect();
    let cut: Vec<String> = texts.iter().map(|text| head(&folded(text)).to_owned()).collect();
    texts.extend(cut);
    if texts.iter().any(|text| has_dots(text) || has_dots(&folded(text))) { None } else { Some(layers) }
}

/// What a path may stand for: each layer; each with its names decoded and its separators left alone, or without parameters and then
/// decoded; and the last one decoded again after folding, for `％` is a `%` then.
fn texts(layers: &[String], manner: Manner) -> Option<BTreeSet<String>> {
    let mut texts: BTreeSet<String> = layers.iter().cloned().collect();
    for layer in layers {
        texts.insert(with_separators_kept(layer, manner)?);
        texts.insert(fixpoint(&without_parameters(layer), manner)?);
    }
    texts.insert(fixpoint(&folded(layers.last()?), manner)?);
    Some(texts)
}

/// Decoded, but for escaped slashes and backslashes.
fn with_separators_kept(text: &str, manner: Manner) -> Option<String> {
    let mark = |text: &str| {
        ["%2f", "%2F", "%5c", "%5C"]
            .iter()
            .fold(text.to_owned(), |text, escape| text.replace(escape, &escape.replace('%', "\u{1}")))
    };
    let bytes = mark(text).replace('\u{1}', "%25");
    decoded(&bytes, manner)
}

/// Whether a text has a segment that means "here" or "above".
fn has_dots(text: &str) -> bool {
    let segments: Vec<&str> = text.split('/').collect();
    segments.iter().enumerate().any(|(at, segment)| {
        let name = blanks_off(segment.split(';').next().unwrap_or_default());
        name == "." || name == ".." || (at + 1 < segments.len() && name.ends_with(".."))
    })
}

fn decoded(text: &str, manner: Manner) -> Option<String> {
    let bytes = text.as_bytes();
    // Each byte, and the escape that it was written as.
    let (mut out, mut at): (Vec<(u8, Option<&str>)>, usize) = (Vec::new(), 0);
    while at < bytes.len() {
        let pair = text.get(at + 1..at + 3).filter(|two| bytes[at] == b'%' && two.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match pair {
            Some(two) => {
                out.push((u8::from_str_radix(two, 16).ok()?, text.get(at..at + 3)));
                at += 3;
            }
            None => {
                out.push((bytes[at], None));
                at += 1;
            }
        }
    }
    if out.iter().any(|(byte, _)| *byte < 0x20 || *byte == 0x7f) {
        return None;
    }
    if matches!(manner, Manner::Strict) {
        String::from_utf8(out.into_iter().map(|(byte, _)| byte).collect()).ok()
    } else {
        read(&out, manner)
    }
}

/// What bytes are in one of the other manners; nothing if any letter has more bytes than it needs, or is half a pair.
fn read(units: &[(u8, Option<&str>)], manner: Manner) -> Option<String> {
    let (mut text, mut at) = (Vec::new(), 0);
    while let Some((byte, escape)) = units.get(at) {
        let length = match byte {
            _ if escape.is_none() => 0,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            0xf8..=0xfb => 5,
            0xfc..=0xfd => 6,
            _ => 0,
        };
        let behind = |unit: &(u8, Option<&str>)| unit.1.is_some() && (0x80..0xc0).contains(&unit.0);
        let whole = units.get(at..at + length).filter(|_| length > 0);
        if whole.is_some_and(|whole| whole[1..].iter().all(behind)) {
            let code = code(whole?);
            let needed = [0, 0, 0x80, 0x800, 0x1_0000, 0x20_0000, 0x400_0000][length];
            if code < needed || (0xd800..=0xdfff).contains(&code) {
                return None;
            }
        }
        let valid = (1..=4).rev().find(|count| {
            let found: Vec<u8> = units[at..].iter().take(*count).filter(|unit| unit.1.is_some()).map(|unit| unit.0).collect();
            found.len() == *count && std::str::from_utf8(&found).is_ok_and(|found| found.chars().count() == 1)
        });
        let mut taken = 1;
        match manner {
            _ if escape.is_none() || byte.is_ascii() => text.push(*byte),
            Manner::Single(letter) => text.extend(letter(*byte).map(String::from).unwrap_or_default().bytes()),
            Manner::Sloppy => {
                let known = whole.filter(|whole| whole.iter().all(|unit| unit.1.is_some() || unit.0.is_ascii()));
                taken = known.map_or(1, <[_]>::len);
                let letter = known.and_then(|known| char::from_u32(code(known))).map_or('\u{fffd}', seen);
                text.extend(letter.to_string().bytes());
            }
            Manner::Strict | Manner::Lenient(_) if valid.is_some() => {
                taken = valid?;
                text.extend(units[at..at + taken].iter().map(|unit| unit.0));
            }
            Manner::Lenient(instead) => text.extend(instead.or(*escape)?.bytes()),
            Manner::Strict => return None,
        }
        at += taken;
    }
    String::from_utf8(text).ok()
}

/// The number of a letter, by the first byte and whatever follows it.
fn code(units: &[(u8, Option<&str>)]) -> u32 {
    let own = [0, 0x7f, 0x1f, 0x0f, 0x07, 0x03, 0x01][units.len()];
    units[1..].iter().fold(u32::from(units[0].0) & own, |code, (byte, _)| code * 64 + u32::from(byte % 64))
}

fn fixpoint(text: &str, manner: Manner) -> Option<String> {
    let mut text = text.to_owned();
    loop {
        let next = decoded(&text, manner)?;
        if next == text {
            return Some(text);
        }
        text = next;
    }
}

fn without_parameters(text: &str) -> String {
    text.split('/').map(|segment| segment.split(';').next().unwrap_or_default()).collect::<Vec<_>>().join("/")
}

fn head(text: &str) -> &str {
    text.split(['?', '#']).next().unwrap_or_default()
}

/// 2.3.
fn folded(text: &str) -> String {
    let seen = |letter: &char| !matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{61c}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}');
    let plain = |letter: char| match letter {
        '\u{2044}' | '\u{2215}' | '\u{29f8}' | '\u{ff0f}' | '\\' | '\u{ff3c}' | '\u{29f5}' | '\u{2216}' | '\u{fe68}' => '/',
        '\u{2024}' | '\u{ff0e}' | '\u{3002}' | '\u{ff61}' | '\u{fe52}' => '.',
        other => other,
    };
    let composed: String = text.chars().filter(seen).map(plain).nfkc().collect();
    // Upper, then lower: that is near enough to Unicode's own folding.
    let lower = composed.to_uppercase().to_lowercase();
    let bare = lower.nfkd().filter(|letter| !unicode_normalization::char::is_combining_mark(*letter));
    bare.map(|letter| if letter == 'ı' { 'i' } else { plain(letter) }).collect()
}

fn is_blank(letter: char) -> bool {
    letter.is_ascii_whitespace() || matches!(letter, '\u{b}' | '\u{85}' | '\u{a0}' | '\u{3000}' | '+')
}

fn blanks_off(segment: &str) -> &str {
    segment.trim_matches(is_blank)
}

fn tidy(segment: &str) -> &str {
    blanks_off(segment).trim_end_matches(|letter| letter == '.' || is_blank(letter))
}

/// 2.4.
fn readings(layers: &[String], manner: Manner) -> BTreeSet<Reading> {
    let texts = texts(layers, manner).unwrap_or_default();
    // Backslashes may separate without anything else being folded, and what merely looks like a slash need not be one.
    let bent = texts.iter().map(|text| text.replace('\\', "/")).collect();
    let mut readings = BTreeSet::new();
    for text in texts.union(&bent) {
        shapes(text, Form::Exact, &mut readings);
        let by_name = text.split('/').map(|name| folded(name).replace('/', "\\")).collect::<Vec<_>>().join("/");
        for folded in [folded(text), by_name] {
            shapes(&folded, Form::Folded, &mut readings);
            shapes(&folded, Form::Loose, &mut readings);
        }
    }
    readings
}

/// Cut or whole, with and without parameters, with and without an authority, merged or kept, and what stands behind a script.
fn shapes(text: &str, form: Form, readings: &mut BTreeSet<Reading>) {
    for text in [text, head(text)] {
        for text in [text.to_owned(), without_parameters(text)] {
            // The root has no names at all.
            let names = |text: &str| match text.strip_prefix('/').unwrap_or(text) {
                "" => vec![],
                behind => behind.split('/').map(str::to_owned).collect::<Vec<_>>(),
            };
            add(names(&text), form, readings);
            if text.starts_with("//") {
                let rest = text.trim_start_matches('/').split_once('/').map_or("", |(_, rest)| rest);
                add(names(&format!("/{rest}")), form, readings);
                add(names(&format!("/{}", without_parameters(rest))), form, readings);
            }
        }
    }
}

/// As it stands, with the empty segments dropped, and without what leads to the app behind a script.
fn add(list: Vec<String>, form: Form, readings: &mut BTreeSet<Reading>) {
    let list: Vec<String> = match form {
        Form::Exact => list,
        Form::Folded | Form::Loose => list.iter().map(|segment| tidy(segment).to_owned()).collect(),
    };
    let mut bare = merged(&list);
    readings.insert(Reading { proper: form != Form::Loose, segments: list, form, aside: false });
    readings.insert(Reading { proper: false, segments: bare.clone(), form, aside: false });
    for _ in 0..2 {
        if !bare.first().is_some_and(|first| is_script(first) || is_brackets(first)) {
            break;
        }
        bare.remove(0);
        readings.insert(Reading { proper: false, segments: bare.clone(), form, aside: true });
    }
}

fn merged(segments: &[String]) -> Vec<String> {
    segments.iter().filter(|segment| !segment.is_empty()).cloned().collect()
}

fn is_script(segment: &str) -> bool {
    let bare = folded(segment);
    let bare = tidy(bare.split(';').next().unwrap_or_default());
    // What is still escaped is no file's name; decoded it is a reading of its own.
    bare.rsplit_once('.').is_some_and(|(name, kind)| {
        !name.is_empty() && !name.contains('%') && ["php", "cgi", "fcgi", "pl", "py", "asp", "aspx", "jsp", "do"].contains(&kind)
    })
}

fn is_brackets(segment: &str) -> bool {
    let bare = folded(segment);
    let bare = tidy(bare.split(';').next().unwrap_or_default());
    bare.len() > 1 && bare.starts_with('(') && bare.ends_with(')')
}

/// Rulings 8 to 10 for one reading; nothing if it says nothing.
fn speak(rules: &Rules, reading: &Reading, method: &str, client: IpAddr) -> Option<Verdict> {
    let applies = |rule: &&Rule| {
        let place = rule.action == Action::Redirect && (rule.path == "/" || !rule.path.ends_with('/'));
        (!place || reading.proper)
            && matches(std::slice::from_ref(&rule.path), reading, true)
            && (rule.methods.is_empty() || rule.methods.iter().any(|known| known == method))
            && (rule.networks.is_empty() || rule.networks.iter().any(|network| within(network, client)))
    };
    let heard: Vec<&Rule> = rules.rules.iter().filter(applies).collect();
    let outside = !reading.aside && rules.only.as_ref().is_some_and(|only| !matches(only, reading, false));
    if outside || matches(&rules.deny, reading, true) || heard.iter().any(|rule| rule.action == Action::Deny) {
        return Some(Verdict::Deny);
    }
    let sent = |from: &String| {
        let folder = from != "/" && from.ends_with('/');
        (folder || reading.proper) && matches(std::slice::from_ref(from), reading, false)
    };
    if rules.redirects.iter().any(sent) {
        return Some(Verdict::Redirect);
    }
    match heard.first().map(|rule| rule.action) {
        Some(Action::Deny) => return Some(Verdict::Deny),
        Some(Action::Redirect) => return Some(Verdict::Redirect),
        Some(Action::Require(firm)) => return Some(Verdict::Require(firm)),
        Some(Action::Bypass) => return Some(Verdict::Open),
        None => {}
    }
    if rules.bypass.iter().any(|rule| applies(&rule)) {
        return Some(Verdict::Open);
    }
    (!reading.aside).then_some(Verdict::Require(rules.firm))
}

fn within(network: &str, client: IpAddr) -> bool {
    let network: IpNet = network.parse().expect("a network");
    network.contains(&client)
        || matches!(client, IpAddr::V4(four) if network.prefix_len() >= 96 && network.contains(&IpAddr::V6(four.to_ipv6_mapped())))
}

/// Whether one of these patterns covers a reading.
fn matches(patterns: &[String], reading: &Reading, root_is_everything: bool) -> bool {
    patterns.iter().any(|pattern| covers(pattern, reading, root_is_everything))
}

fn covers(pattern: &str, reading: &Reading, root_is_everything: bool) -> bool {
    if pattern == "/" {
        return root_is_everything || reading.segments.is_empty();
    }
    let written = if reading.form == Form::Exact { pattern.to_owned() } else { folded(pattern) };
    // `/admin*/` is a string prefix, and no more than that.
    if let Some(prefix) = written.strip_suffix("*/").filter(|prefix| !prefix.contains(['*', '?'])) {
        return begins(prefix, reading);
    }
    let folder = written.ends_with('/');
    let mut names: Vec<&str> = written.split('/').skip(1).collect();
    if folder {
        names.pop();
    }
    let segments: Vec<&str> = reading.segments.iter().map(String::as_str).collect();
    fits(&names, &segments, folder, reading.form)
}

/// Whether a path begins with these letters; what a router skips in front of a name is forgiven where the last of them are.
fn begins(prefix: &str, reading: &Reading) -> bool {
    let path: String = reading.segments.iter().map(|segment| format!("/{segment}")).collect();
    let (above, last) = prefix.rsplit_once('/').unwrap_or_default();
    let bare =
        || path.strip_prefix(above).and_then(|path| path.strip_prefix('/')).map(|path| path.trim_start_matches(['.', '~', '+']));
    path.starts_with(prefix) || (reading.form == Form::Loose && bare().is_some_and(|bare| bare.starts_with(last)))
}

/// Names of a pattern against segments of a path.
fn fits(names: &[&str], segments: &[&str], folder: bool, form: Form) -> bool {
    let Some((name, later)) = names.split_first() else { return folder || segments.is_empty() };
    if *name == "**" {
        // At the end it stands for something; what takes away also covers the folder itself.
        let least = usize::from(later.is_empty() && !folder && form != Form::Loose);
        if later.is_empty() {
            return segments.len() >= least;
        }
        return (0..=segments.len()).any(|skipped| fits(later, &segments[skipped..], folder, form));
    }
    let Some((segment, rest)) = segments.split_first() else { return false };
    let last = later.is_empty() || later == ["**"];
    let name_fits = if form == Form::Exact { glob(name, segment) } else { glob(tidy(name), segment) };
    let loosely = last && form == Form::Loose && loose(tidy(name), segment);
    (name_fits || loosely) && fits(later, rest, folder, form)
}

fn loose(name: &str, segment: &str) -> bool {
    let bare = segment.trim_start_matches(['.', '~', '+']);
    [segment, bare].iter().any(|segment| {
        // What is still escaped is whatever it decodes to, and that is a reading of its own.
        let escaped = |at: usize| segment.get(at + 1..at + 3).is_some_and(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let ends = |(at, letter): &(usize, char)| match letter {
            '%' => !escaped(*at),
            letter => !letter.is_alphanumeric() && !matches!(letter, '-' | '_'),
        };
        let cuts = segment.char_indices().filter(ends);
        glob(name, segment) || cuts.map(|(at, _)| &segment[..at]).any(|head| glob(name, tidy(head)))
    })
}

fn glob(name: &str, segment: &str) -> bool {
    let Some(letter) = name.chars().next() else { return segment.is_empty() };
    let later = &name[letter.len_utf8()..];
    match letter {
        '*' => (0..=segment.len()).filter(|at| segment.is_char_boundary(*at)).any(|at| glob(later, &segment[at..])),
        '?' => segment.chars().next().is_some_and(|first| glob(later, &segment[first.len_utf8()..])),
        letter => segment.strip_prefix(letter).is_some_and(|rest| glob(later, rest)),
    }
}
