//! Path patterns of rules.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};
use regex::{Regex, RegexBuilder};

use crate::policy::fold::{fold, trim};
use crate::policy::index::Speaks;
use crate::policy::reading::{Form, Reading, without_junk};

/// The longest pattern in bytes.
const MAX_PATTERN: usize = 1024;
/// What a compiled regular expression may weigh in bytes.
const MAX_REGEX: usize = 1 << 20;

/// A path pattern: `/admin/` (that and everything below), `/health` (exactly that), `/api/*/keys`, `/files/**`, or a regular
/// expression.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// The lower-case byte that every first name it covers begins with, where there is one.
    begins: Option<u8>,
    written: Box<str>,
    matcher: Matcher,
}

/// What the pattern `/` stands for; depends on where it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// Everything, as `/admin/` is everything below `admin`: in `deny`, `bypass` and rules.
    Everything,
    /// The root alone: in `only` and `redirect.from`.
    Alone,
}

#[derive(Clone, Debug)]
enum Matcher {
    Pieces { pieces: Box<[Piece]>, below: bool },
    Regex { exact: Regex, folded: Regex },
}

#[derive(Clone, Debug)]
enum Piece {
    Name {
        exact: Box<str>,
        folded: Box<str>,
    },
    /// Has `*` or `?` in it.
    Wild {
        exact: GlobMatcher,
        folded: GlobMatcher,
    },
    /// `**`
    Deep,
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// It does not begin with `/`.
    #[error("a path pattern begins with `/`")]
    NoSlash,
    /// More than 1024 bytes.
    #[error("a path pattern has at most 1024 bytes")]
    TooLong,
    /// A query or fragment.
    #[error("rules speak of paths only, without `?query` or `#fragment`")]
    Query,
    /// A percent escape.
    #[error("write the character itself instead of its percent escape; every spelling of it is covered")]
    Escape,
    /// A `;`.
    #[error("write the path without `;parameters`; it is covered with and without them")]
    Parameters,
    /// A `\` or a control character.
    #[error("a path pattern has no backslashes and no control characters")]
    Character,
    /// `//`
    #[error("a path pattern has no empty segments; repeated slashes are covered")]
    EmptySegment,
    /// `.` or `..`, or a segment in which nothing is left once dots and blanks are trimmed.
    #[error("a path pattern has no segments of dots or blanks only; such requests are refused")]
    DotSegment,
    /// `**` beside other characters of one segment.
    #[error("`**` stands alone between slashes; within a segment write `*`")]
    Stars,
    /// The glob does not compile.
    #[error("not a pattern: {0}")]
    Glob(String),
    /// The regular expression does not compile, or is too large.
    #[error("not a regular expression: {0}")]
    Regex(String),
}

impl Pattern {
    /// Reads a pattern as written in a rule.
    ///
    /// # Errors
    /// [`BadPattern`].
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        check_text(text)?;
        let rest = text.strip_prefix('/').ok_or(BadPattern::NoSlash)?;
        let (names, below) = rest.strip_suffix('/').map_or((rest, rest.is_empty()), |names| (names, true));
        let split = names.split('/').filter(|_| !rest.is_empty());
        let mut pieces = split.map(Piece::parse).collect::<Result<Vec<_>, _>>()?;
        pieces.dedup_by(|next, before| matches!((next, before), (Piece::Deep, Piece::Deep)));
        let begins = pieces.first().and_then(Piece::begins);
        Ok(Self { begins, written: text.into(), matcher: Matcher::Pieces { pieces: pieces.into(), below } })
    }

    /// Reads a regular expression over the whole path; it is anchored at both ends.
    ///
    /// # Errors
    /// [`BadPattern`].
    pub fn regex(text: &str) -> Result<Self, BadPattern> {
        if text.len() > MAX_PATTERN {
            return Err(BadPattern::TooLong);
        }
        if text.starts_with(|c: char| c.is_alphanumeric()) || text.is_empty() {
            return Err(BadPattern::NoSlash);
        }
        // By itself first, so that `a)|(b` cannot close our bracket; and in lines of its own, because `(?x)` has comments.
        let compile = |fold_case: bool| {
            let build = |text: &str| RegexBuilder::new(text).case_insensitive(fold_case).size_limit(MAX_REGEX).build();
            build(text).and_then(|_| build(&format!(r"\A(?:{text}{})\z", if text.contains('#') { "\n" } else { "" })))
        };
        let failed = |error: regex::Error| BadPattern::Regex(error.to_string());
        let matcher = Matcher::Regex { exact: compile(false).map_err(failed)?, folded: compile(true).map_err(failed)? };
        Ok(Self { begins: None, written: text.into(), matcher })
    }

    /// Whether a reading falls under the pattern.
    pub fn covers(&self, reading: &Reading<'_>, root: Root) -> bool {
        if self.begins.is_some_and(|byte| !reading.may_begin_with(byte)) {
            return false;
        }
        match &self.matcher {
            Matcher::Pieces { pieces, below: _ } if pieces.is_empty() => root == Root::Everything || reading.first().is_none(),
            Matcher::Pieces { pieces, below } => may_begin(pieces, reading) && walk(pieces, *below, reading),
            Matcher::Regex { exact, folded } => regex_covers(exact, folded, reading),
        }
    }

    /// Whether a text as it is falls under a regular expression; `false` for every other pattern.
    pub fn matches_text(&self, text: &str) -> bool {
        matches!(&self.matcher, Matcher::Regex { exact, .. } if exact.is_match(text))
    }

    /// Whether it may cover any path below these names. A regular expression always may.
    pub fn may_cover_below(&self, names: &[Box<str>]) -> bool {
        let Matcher::Pieces { pieces, below } = &self.matcher else { return true };
        for (at, name) in names.iter().enumerate() {
            match pieces.get(at) {
                None => return *below,
                Some(Piece::Deep) => return true,
                Some(piece) if !piece.matches(name, Form::Folded, false) => return false,
                Some(_) => {}
            }
        }
        true
    }

    /// The names it begins with as far as each of them is written out: letter by letter, and folded.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        let pieces: &[Piece] = match &self.matcher {
            Matcher::Pieces { pieces, .. } => pieces,
            Matcher::Regex { .. } => &[],
        };
        pieces.iter().map_while(|piece| match piece {
            Piece::Name { exact, folded } => Some((&**exact, &**folded)),
            Piece::Wild { .. } | Piece::Deep => None,
        })
    }

    /// Whether the pattern names a folder with everything below it (`/admin/`), and not one place or a shape of places.
    pub fn is_folder(&self) -> bool {
        matches!(&self.matcher, Matcher::Pieces { pieces, below: true } if !pieces.is_empty())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        let kind = |pattern: &Self| matches!(pattern.matcher, Matcher::Regex { .. });
        self.written == other.written && kind(self) == kind(other)
    }
}
impl Eq for Pattern {}

impl Speaks for Pattern {
    fn patterns(&self) -> &[Pattern] {
        std::slice::from_ref(self)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

fn check_text(text: &str) -> Result<(), BadPattern> {
    let bytes = text.as_bytes();
    let query = text.split_once('?').is_some_and(|(_, behind)| behind.contains(['=', '&']));
    if text.len() > MAX_PATTERN {
        Err(BadPattern::TooLong)
    } else if text.chars().any(|c| c == '\\' || c.is_control()) {
        Err(BadPattern::Character)
    } else if query || text.contains('#') {
        Err(BadPattern::Query)
    } else if text.contains(';') {
        Err(BadPattern::Parameters)
    } else if bytes.windows(3).any(|three| three[0] == b'%' && three[1..].iter().all(u8::is_ascii_hexdigit)) {
        Err(BadPattern::Escape)
    } else {
        Ok(())
    }
}

impl Piece {
    fn parse(segment: &str) -> Result<Self, BadPattern> {
        let folded = fold(segment);
        if segment.is_empty() {
            Err(BadPattern::EmptySegment)
        } else if segment == "**" {
            Ok(Self::Deep)
        } else if segment.contains("**") {
            Err(BadPattern::Stars)
        } else if folded.contains('/') || trim(&folded).is_empty() {
            Err(BadPattern::DotSegment)
        } else if segment.contains(['*', '?']) {
            Ok(Self::Wild { exact: glob(segment, false)?, folded: glob(trim(&folded), true)? })
        } else {
            Ok(Self::Name { exact: segment.into(), folded: trim(&folded).into() })
        }
    }

    /// The byte a matching name begins with; only a letter or digit, which every form of comparison keeps in place.
    fn begins(&self) -> Option<u8> {
        let Self::Name { exact, folded } = self else { return None };
        let first = |name: &str| name.bytes().next().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase());
        first(exact).filter(|byte| first(folded) == Some(*byte))
    }

    fn matches(&self, segment: &str, form: Form, last: bool) -> bool {
        let loose = form == Form::Loose && last;
        match self {
            Self::Name { exact, .. } if form == Form::Exact => **exact == *segment,
            Self::Name { folded, .. } if loose => begins_name(segment, folded) || begins_name(without_junk(segment), folded),
            Self::Name { folded, .. } => folded.eq_ignore_ascii_case(segment),
            Self::Wild { exact, .. } if form == Form::Exact => exact.is_match(segment),
            Self::Wild { folded, .. } if loose => {
                let name = without_junk(segment);
                [segment, name, stem(name), without_last_suffix(name)].iter().any(|name| folded.is_match(name))
            }
            Self::Wild { folded, .. } => folded.is_match(segment),
            Self::Deep => true,
        }
    }
}

/// Only `*` and `?` are special; brackets and braces stand for themselves.
fn glob(segment: &str, fold_case: bool) -> Result<GlobMatcher, BadPattern> {
    let literal = segment.replace('[', "\u{0}").replace('{', "[{]").replace('}', "[}]").replace('\u{0}', "[[]");
    let glob = GlobBuilder::new(&literal).case_insensitive(fold_case).literal_separator(true).backslash_escape(false).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| BadPattern::Glob(error.kind().to_string()))
}

/// Compares the first name before anything else is looked at, which is all that most rules need.
fn may_begin(pieces: &[Piece], reading: &Reading<'_>) -> bool {
    match (&pieces[0], reading.first()) {
        (Piece::Deep, _) => true,
        (_, None) => false,
        (piece, Some(first)) => piece.matches(first, reading.form(), last_name(pieces) == 0),
    }
}

/// The piece on which a suffix is forgiven.
fn last_name(pieces: &[Piece]) -> usize {
    pieces.iter().rposition(|piece| !matches!(piece, Piece::Deep)).unwrap_or(0)
}

/// Matches names one by one. On a mismatch it is enough to go back to the latest `**`: whatever an earlier one could take in
/// addition, the latest can take as well.
fn walk(pieces: &[Piece], below: bool, reading: &Reading<'_>) -> bool {
    let (form, last_name) = (reading.form(), last_name(pieces));
    let mut names = reading.segments();
    let mut at = 0;
    let mut again = None;
    loop {
        let stepped = match pieces.get(at) {
            None if below => return true,
            None => match names.next() {
                None => return true,
                Some(_) => false,
            },
            // Everything below, so at least one name; an owner who denies `/admin/**` means `/admin` too.
            Some(Piece::Deep) if at + 1 == pieces.len() => return names.next().is_some() || form == Form::Loose,
            Some(Piece::Deep) => {
                again = Some((at + 1, names.clone()));
                true
            }
            Some(piece) => names.next().is_some_and(|name| piece.matches(name, form, at == last_name)),
        };
        if stepped {
            at += 1;
            continue;
        }
        let Some((back, from)) = &mut again else { return false };
        if from.next().is_none() {
            return false;
        }
        at = *back;
        names = from.clone();
    }
}

fn regex_covers(exact: &Regex, folded: &Regex, reading: &Reading<'_>) -> bool {
    let text = reading.joined();
    match reading.form() {
        Form::Exact => exact.is_match(&text),
        Form::Folded => folded.is_match(&text),
        Form::Loose => {
            let stems: String = reading.segments().flat_map(|segment| ["/", stem(without_junk(segment))]).collect();
            folded.is_match(&text) || folded.is_match(&stems)
        }
    }
}

/// Whether a segment is `name`, or `name` and a suffix.
fn begins_name(segment: &str, name: &str) -> bool {
    let same = segment.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name));
    same && is_suffix(&segment[name.len()..])
}

/// The segment without any of its suffixes.
fn stem(segment: &str) -> &str {
    &segment[..suffixes(segment).next().unwrap_or(segment.len())]
}

fn without_last_suffix(segment: &str) -> &str {
    &segment[..suffixes(segment).last().unwrap_or(segment.len())]
}

/// Where suffixes begin.
fn suffixes(segment: &str) -> impl Iterator<Item = usize> {
    segment.char_indices().map(|(at, _)| at).skip(1).filter(|at| is_suffix(&segment[*at..]))
}

/// Whether `rest` is nothing, or begins like a suffix: with anything but a letter, a digit, `-` or `_`, so that `/admin.json` is
/// `/admin` and `/admin-guide` is not. An escape is whatever it decodes to, and that is a reading of its own.
fn is_suffix(rest: &str) -> bool {
    let escape = |rest: &str| rest.as_bytes().get(1..3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    match rest.chars().next() {
        None => true,
        Some('%') => !escape(rest),
        Some(c) => !c.is_alphanumeric() && c != '-' && c != '_',
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::policy::charset::Charset;
    use crate::policy::layer::{is_plain, texts};
    use crate::policy::reading::each;

    /// Whether the pattern covers some reading of that form.
    fn covers(pattern: &Pattern, path: &str, form: Form) -> bool {
        let mut seek = |reading: &Reading<'_>| {
            let found = reading.form() == form
                && reading.is_proper() | (form == Form::Loose)
                && pattern.covers(reading, Root::Everything);
            if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let texts = if is_plain(path) { vec![] } else { texts(path, Charset::Utf8).expect(path) };
        each(path, &texts, &mut seek).is_break()
    }

    fn check(pattern: &str, form: Form, inside: &[&str], outside: &[&str]) {
        let pattern = Pattern::parse(pattern).expect(pattern);
        for path in inside {
            assert!(covers(&pattern, path, form), "{pattern} covers {path}");
        }
        for path in outside {
            assert!(!covers(&pattern, path, form), "{pattern} does not cover {path}");
        }
    }

    #[test]
    fn patterns_keep_to_segment_boundaries() {
        check("/admin/", Form::Exact, &["/admin", "/admin/", "/admin/x/y"], &["/", "/admins", "/x/admin", "/Admin", "/admin.x"]);
        check("/health", Form::Exact, &["/health"], &["/health/", "/health/x", "/healthy", "/"]);
        check("/a/b/", Form::Exact, &["/a/b", "/a/b/c"], &["/a", "/a/bc"]);
        check("/", Form::Exact, &["/", "/a", "/a/b/"], &[]);
        check("/a[b]{c}/", Form::Exact, &["/a[b]{c}/x"], &["/ab", "/abc"]);
    }

    #[test]
    fn stars_stay_within_a_segment_and_double_stars_cross() {
        check("/u/*/keys", Form::Exact, &["/u/bob/keys", "/u/b.c/keys"], &["/u/keys", "/u/a/b/keys", "/u/bob/keys/x"]);
        check("/*.php", Form::Exact, &["/x.php", "/.php"], &["/x/y.php", "/x.phps"]);
        check("/v?/*/", Form::Exact, &["/v1/x", "/v2/x/y"], &["/v/x", "/v10/x", "/v1"]);
        check("/a/**", Form::Exact, &["/a/b", "/a/b/c", "/a/"], &["/a", "/ab"]);
        check("/**", Form::Exact, &["/a", "/a/b"], &["/"]);
        check("/**/keys", Form::Exact, &["/keys", "/a/keys", "/a/b/keys"], &["/keys/x", "/a/keysx"]);
        check("/a/**/b/**/c", Form::Exact, &["/a/b/c", "/a/x/b/y/z/c", "/a/b/b/c/c"], &["/a/c/b", "/a/b", "/a/x/c"]);
        check("/**/*.bak/", Form::Exact, &["/a/x.bak", "/x.bak/y"], &["/a/x.bakk", "/"]);
        check("/{a,b}/[x]*", Form::Exact, &["/{a,b}/[x]y"], &["/a/x", "/b/xy"]);
    }

    #[test]
    fn folded_names_ignore_case_width_and_accents() {
        check("/Café/", Form::Folded, &["/CAF%C3%89/x", "/cafe", "/CAFE/", "/caf%65%CC%81"], &["/cafes"]);
        check("/a/*.TXT", Form::Folded, &["/A/x.txt", "/a/%EF%BD%98.Txt"], &["/a/x.txts"]);
    }

    #[test]
    fn loose_names_ignore_suffixes_and_junk_on_the_last_name_only() {
        check(
            "/a/b/",
            Form::Loose,
            &["/a/b.json/x", "/a/b:1", "/a/~b", "/a/.b~1", "/a/b@", "/a/b%20c"],
            &["/a.x/b", "/a/b-c", "/a/b_c", "/a/bc"],
        );
        check("/v1.0/*.d", Form::Loose, &["/v1.0/x.d", "/v1.0/x.d.json"], &["/v1/x.d"]);
        check("/a/**", Form::Loose, &["/a", "/a.x/y"], &["/b"]);
    }

    /// The attack: a router without segment boundaries, to which `/administrator` is `/admin`.
    #[test]
    fn a_star_at_the_end_of_a_folder_is_a_string_prefix() {
        let inside = [
            "/admin",
            "/admin/",
            "/administrator",
            "/admin.json",
            "/admin-x/y",
            "/admin_",
            "/admin%2fx",
            "/admin/x/y",
            "/admin*",
        ];
        check("/admin*/", Form::Exact, &inside, &["/adm", "/Admin", "/x/admin", "/"]);
        check(
            "/Admin*/",
            Form::Folded,
            &["/ADMIN%2Fx", "/Admin.json", "/%61dminx/y", "/ADMIN%C3%89", "/admin%E2%88%95"],
            &["/xadmin"],
        );
        check("/admin*/", Form::Loose, &["/~administrator", "/.adminx/y", "/+adminx"], &["/x-admin"]);
        check("/a/b*/", Form::Folded, &["/A/Bc/d", "/a/b"], &["/a", "/a/", "/ab/bc"]);
    }

    #[test]
    fn regular_expressions_see_the_whole_path() {
        let pattern = Pattern::regex(r"/(admin|root)(/.*)?").expect("a regular expression");
        assert!(covers(&pattern, "/admin/x", Form::Exact) && covers(&pattern, "/root", Form::Exact));
        assert!(
            !covers(&pattern, "/x/admin", Form::Exact)
                && !covers(&pattern, "/Admin", Form::Exact)
                && !covers(&pattern, "/adminx", Form::Exact)
        );
        assert!(covers(&pattern, "/ADMIN/", Form::Folded) && covers(&pattern, "/admin.json", Form::Loose));
        let commented = Pattern::regex("(?x) /a b # no more").expect("a regular expression");
        assert!(covers(&commented, "/ab", Form::Exact) && !covers(&commented, "/abc", Form::Exact));
    }

    /// The attack: a pattern that closes our anchoring bracket, or takes for ever, or can never match and protects nothing.
    #[test]
    fn regular_expressions_cannot_escape_or_explode() {
        for text in ["/a)|(?:/b", "/(", "/a{1000}{1000}{1000}"] {
            assert!(matches!(Pattern::regex(text), Err(BadPattern::Regex(_))), "{text}");
        }
        assert_eq!(Pattern::regex("admin"), Err(BadPattern::NoSlash));
        assert_eq!(Pattern::regex(""), Err(BadPattern::NoSlash));
        assert_eq!(Pattern::regex(&"/a".repeat(600)), Err(BadPattern::TooLong));
    }

    #[test]
    fn what_is_not_a_pattern_is_refused_with_its_reason() {
        for (text, why) in [
            ("", BadPattern::NoSlash),
            ("admin/", BadPattern::NoSlash),
            ("/a?b=c", BadPattern::Query),
            ("/a#b", BadPattern::Query),
            ("/a%20b", BadPattern::Escape),
            ("/a;b", BadPattern::Parameters),
            ("/a\\b", BadPattern::Character),
            ("/a\n", BadPattern::Character),
            ("//", BadPattern::EmptySegment),
            ("/a//b", BadPattern::EmptySegment),
            ("/../a", BadPattern::DotSegment),
            ("/a/./", BadPattern::DotSegment),
            ("/+/", BadPattern::DotSegment),
            ("/℅/", BadPattern::DotSegment),
            ("/a**", BadPattern::Stars),
            ("/***", BadPattern::Stars),
        ] {
            assert_eq!(Pattern::parse(text), Err(why), "{text:?}");
        }
        assert_eq!(Pattern::parse(&format!("/{}", "a".repeat(1024))), Err(BadPattern::TooLong));
    }

    #[test]
    fn a_pattern_is_shown_as_it_was_written() {
        let (plain, regex) = (Pattern::parse("/a.b"), Pattern::regex("/a.b"));
        assert_eq!(plain.as_ref().map(ToString::to_string), Ok("/a.b".to_owned()));
        assert_eq!(plain, Pattern::parse("/a.b"));
        assert_ne!(plain, regex);
        assert!(
            Pattern::parse("/a/").is_ok_and(|pattern| pattern.is_folder()) && !plain.is_ok_and(|pattern| pattern.is_folder())
        );
    }
}
