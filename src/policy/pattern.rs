//! Path patterns of rules.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};
use regex::{Regex, RegexBuilder};

use crate::policy::fold::{fold, is_blank, trim};
use crate::policy::reading::{Form, Reading};

/// The longest pattern in bytes.
const MAX_PATTERN: usize = 1024;
/// What a compiled regular expression may weigh in bytes.
const MAX_REGEX: usize = 1 << 20;

/// A path pattern: `/admin/` (that and everything below), `/health` (exactly that), `/api/*/keys`, `/files/**`, or a regular
/// expression.
#[derive(Clone, Debug)]
pub struct Pattern {
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
        Ok(Self { written: text.into(), matcher: Matcher::Pieces { pieces: pieces.into(), below } })
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
        Ok(Self { written: text.into(), matcher })
    }

    /// Whether a reading falls under the pattern.
    pub fn covers(&self, reading: &Reading<'_>, root: Root) -> bool {
        match &self.matcher {
            Matcher::Pieces { pieces, below: _ } if pieces.is_empty() => root == Root::Everything || reading.first().is_none(),
            Matcher::Pieces { pieces, below } => may_begin(pieces, reading) && walk(pieces, *below, reading),
            Matcher::Regex { exact, folded } => regex_covers(exact, folded, reading),
        }
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

    fn matches(&self, segment: &str, form: Form, last: bool) -> bool {
        let loose = form == Form::Loose && last;
        match self {
            Self::Name { exact, .. } if form == Form::Exact => **exact == *segment,
            Self::Name { folded, .. } if loose => begins_name(segment, folded) || begins_name(without_junk(segment), folded),
            Self::Name { folded, .. } => folded.eq_ignore_ascii_case(segment),
            Self::Wild { exact, .. } if form == Form::Exact => exact.is_match(segment),
            Self::Wild { folded, .. } => {
                folded.is_match(segment)
                    || (loose && (folded.is_match(stem(segment)) || folded.is_match(stem(without_junk(segment)))))
            }
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

/// A quick no for most rules: the first name is compared before anything else is looked at.
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
    same && segment[name.len()..].chars().next().is_none_or(ends_name)
}

/// The segment up to its suffix.
fn stem(segment: &str) -> &str {
    let end = segment.char_indices().skip(1).find(|(_, c)| ends_name(*c)).map_or(segment.len(), |(at, _)| at);
    &segment[..end]
}

/// What begins a suffix: anything but letters, digits, `-` and `_`, so that `/admin.json` is `/admin` and `/admin-guide` is not.
fn ends_name(c: char) -> bool {
    !c.is_alphanumeric() && c != '-' && c != '_'
}

fn without_junk(segment: &str) -> &str {
    segment.trim_start_matches(|c| matches!(c, '.' | '~' | '+') || is_blank(c))
}
