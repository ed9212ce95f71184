//! The readings of a path: every way in which an upstream might plausibly understand it.
//!
//! Choices multiply: which text (`layer`), cut at a decoded `?` or not, with or without a leading `//authority`, with or without
//! `;parameters`, empty segments merged or kept, with or without a leading script name, and compared how firmly ([`Form`]).
//! Nothing is stored: readings are slices handed to a visitor one by one, and a plain path needs no allocation at all.

use std::ops::ControlFlow;

use crate::policy::fold::{is_blank, trim};
use crate::policy::layer::Text;

/// Leading segments that may be a script or a cookieless session; more than two in a row is nobody's.
const MAX_LEADERS: usize = 2;
/// Bytes of all readings together. A path of 4 KiB with escaped slashes, parameters and a slash at its end has 200,000.
const MAX_WEIGHT: usize = 256 * 1024;
/// Endings of scripts that hand the rest of the path on to the app inside.
const SCRIPTS: [&str; 20] = [
    ".php", ".php5", ".php7", ".php8", ".phtml", ".cgi", ".fcgi", ".pl", ".py", ".rb", ".asp", ".aspx", ".ashx", ".asmx", ".svc",
    ".jsp", ".jspx", ".do", ".action", ".cfm",
];

/// How firmly names are compared in a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Letter by letter.
    Exact,
    /// Folded: case, width, accents, invisible characters, blanks and trailing dots do not count.
    Folded,
    /// Folded, and `admin.json`, `admin::$DATA`, `~admin` count as `admin`.
    Loose,
}

/// One way to understand a path.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// What follows the first slash.
    rest: &'a str,
    /// The names in front of it, where only what is behind a mount point was read anew.
    before: &'a [Box<str>],
    form: Form,
    shape: Shape,
    view: View,
    first: Option<&'a str>,
    /// How the first name begins, in lower case: as it is, and after what [`without_junk`] drops.
    begins: [u8; 2],
}

/// The choices that need no text of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Shape {
    drop_parameters: bool,
    merge_slashes: bool,
    after_authority: bool,
    skip: usize,
}

/// Whose path a reading is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    /// The one the visitor sees, from the root of the host.
    Visitor,
    /// The one that is left of it for an app behind its mount point.
    App,
}

/// A visitor of readings; it may stop the walk once nothing can change its mind.
pub type Visitor<'v> = dyn FnMut(&Reading<'_>) -> ControlFlow<()> + 'v;

impl<'a> Reading<'a> {
    fn new(rest: &'a str, form: Form, shape: Shape) -> Self {
        Self { rest, before: &[], form, shape, view: View::Visitor, first: None, begins: [0; 2] }.with_beginning()
    }

    fn with_beginning(mut self) -> Self {
        self.first = self.segments().next();
        let begins = |name: &str| name.as_bytes().first().map_or(0, u8::to_ascii_lowercase);
        self.begins = self.first.map_or([0; 2], |first| [begins(first), begins(without_junk(first))]);
        self
    }

    /// The same behind these names.
    pub fn below<'b>(&self, names: &'b [Box<str>]) -> Reading<'b>
    where
        'a: 'b,
    {
        Reading { before: names, view: View::Visitor, ..*self }.with_beginning()
    }

    /// The same as the path that is all an app gets to see of one below these names.
    pub fn stripped_of<'b>(&self, names: &'b [Box<str>]) -> Reading<'b>
    where
        'a: 'b,
    {
        Reading { before: names, view: View::App, ..*self }.with_beginning()
    }

    /// The whole path, where this is what an app sees of one; `None` for every other reading.
    pub fn whole(&self) -> Option<Reading<'a>> {
        (self.view == View::App).then(|| self.below(self.before))
    }

    /// Whether something was dropped from its front: an authority or a script. In a path that is read from another place on,
    /// such readings are the only ones that were not there before.
    pub fn has_lost_its_front(&self) -> bool {
        self.shape.after_authority || self.shape.skip > 0
    }

    /// The names between the slashes; none for the root.
    pub fn segments(&self) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
        let Self { rest, form, shape, .. } = *self;
        let names = if self.view == View::Visitor { self.before } else { &[] };
        let whole = (!rest.is_empty()).then_some(rest);
        let name = move |segment: &'a str| {
            let segment = if shape.drop_parameters { before(segment, ';') } else { segment };
            if form == Form::Exact { segment } else { trim(segment) }
        };
        let named = whole.into_iter().flat_map(|rest| rest.split('/')).map(name);
        let named = named.filter(move |segment| !shape.merge_slashes || !segment.is_empty()).skip(shape.skip);
        names.iter().map(|name| &**name).chain(named)
    }

    /// The first name.
    pub fn first(&self) -> Option<&'a str> {
        self.first
    }

    /// Whether the first name might begin with this lower-case byte: a quick no for most rules.
    pub fn may_begin_with(&self, byte: u8) -> bool {
        self.begins.contains(&byte)
    }

    /// How firmly names are compared.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Whether this is the path in a shape that an honest client would send: what is forgiven in other readings is there to
    /// take away, and must not make a rule about one place speak of its neighbours.
    pub fn is_proper(&self) -> bool {
        self.form != Form::Loose && !self.shape.merge_slashes && !self.is_aside()
    }

    /// Whether such a reading can only take away: a leading script name was dropped, and an owner who opens `/remote.php/` means
    /// it; or it is what an app sees of the path, and what is open is written for the path that visitors see.
    pub fn is_aside(&self) -> bool {
        self.shape.skip > 0 || self.view == View::App
    }

    /// The reading as one text.
    pub fn joined(&self) -> String {
        let mut text = String::with_capacity(self.rest.len() + 1);
        for segment in self.segments() {
            text.push('/');
            text.push_str(segment);
        }
        if text.is_empty() { "/".to_owned() } else { text }
    }
}

/// Shows the readings of a path to `visit`, the most literal one first, until it breaks off. `texts` are those of
/// [`layer::texts`], or none for a plain path.
pub fn each(path: &str, texts: &[Text], visit: &mut Visitor<'_>) -> ControlFlow<()> {
    if texts.is_empty() {
        // Its fold differs in letter case at most, which comparing folded names ignores anyway.
        return each_of_text(path, path, visit);
    }
    for text in texts {
        each_of_text(&text.exact, text.folded(), visit)?;
        if let Some(folded) = &text.by_name {
            each_of_form(folded, Form::Folded, visit)?;
            each_of_form(folded, Form::Loose, visit)?;
        }
    }
    ControlFlow::Continue(())
}

/// Whether all readings together are more than can be judged in a moment: rules are asked once for each, and each is as long as the
/// path. Everybody may send a path, so what one costs is what a stranger can spend of us.
pub fn are_too_many(path: &str, texts: &[Text]) -> bool {
    let mut left = MAX_WEIGHT;
    let mut weigh = |reading: &Reading<'_>| match left.checked_sub(reading.rest.len()) {
        Some(rest) => {
            left = rest;
            ControlFlow::Continue(())
        }
        None => ControlFlow::Break(()),
    };
    each(path, texts, &mut weigh).is_break()
}

/// Whether the first name of any reading of this text is `name`; both must be given folded, but for ASCII letter case.
pub fn any_begins_with(folded: &str, name: &str) -> bool {
    let mut begins = |reading: &Reading<'_>| {
        let same = reading.first.is_some_and(|first| first.eq_ignore_ascii_case(name));
        if same { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    each_of_form(folded, Form::Folded, &mut begins).is_break()
}

/// What some routers skip at the front of a name.
pub fn without_junk(segment: &str) -> &str {
    segment.trim_start_matches(|c| matches!(c, '.' | '~') || is_blank(c))
}

fn each_of_text(exact: &str, folded: &str, visit: &mut Visitor<'_>) -> ControlFlow<()> {
    each_of_form(exact, Form::Exact, visit)?;
    // The looser forms apart from each other, lest a weak rule that matches loosely hides a strict one that matches closely.
    each_of_form(folded, Form::Folded, visit)?;
    each_of_form(folded, Form::Loose, visit)
}

fn each_of_form(text: &str, form: Form, visit: &mut Visitor<'_>) -> ControlFlow<()> {
    each_of_path(text, form, visit)?;
    match text.split_once(['?', '#']) {
        Some((cut, _)) => each_of_path(cut, form, visit),
        None => ControlFlow::Continue(()),
    }
}

/// With and without a leading authority, as URL parsers take `//authority/path`. `/;/authority/path` is the same for those that drop
/// parameters before they look.
fn each_of_path(text: &str, form: Form, visit: &mut Visitor<'_>) -> ControlFlow<()> {
    each_of_rest(text.strip_prefix('/').unwrap_or(text), form, Shape::default(), visit)?;
    let shape = Shape { after_authority: true, ..Shape::default() };
    let behind = behind_authority(text, |name| name);
    if let Some(rest) = behind {
        each_of_rest(rest, form, shape, visit)?;
    }
    match behind_authority(text, |name| before(name, ';')) {
        dropped if dropped == behind => ControlFlow::Continue(()),
        Some(rest) => each_of_slashes(rest, form, Shape { drop_parameters: true, ..shape }, visit),
        None => ControlFlow::Continue(()),
    }
}

/// What follows the first name that is not empty, where an empty one comes first.
fn behind_authority(text: &str, name: impl Fn(&str) -> &str) -> Option<&str> {
    let (first, mut rest) = text.strip_prefix('/')?.split_once('/')?;
    if !name(first).is_empty() {
        return None;
    }
    loop {
        let (segment, behind) = rest.split_once('/').unwrap_or((rest, ""));
        if rest.is_empty() || !name(segment).is_empty() {
            return Some(behind);
        }
        rest = behind;
    }
}

fn each_of_rest(rest: &str, form: Form, shape: Shape, visit: &mut Visitor<'_>) -> ControlFlow<()> {
    each_of_slashes(rest, form, shape, visit)?;
    if rest.contains(';') {
        // Parameters of the root itself: `/;x` without them is `/`, not one empty name.
        let bare = if rest.starts_with(';') && !rest.contains('/') { "" } else { rest };
        each_of_slashes(bare, form, Shape { drop_parameters: true, ..shape }, visit)?;
    }
    ControlFlow::Continue(())
}

fn each_of_slashes(rest: &str, form: Form, shape: Shape, visit: &mut Visitor<'_>) -> ControlFlow<()> {
    let mut reading = Reading::new(rest, form, shape);
    visit(&reading)?;
    if reading.segments().any(str::is_empty) {
        reading = Reading::new(rest, form, Shape { merge_slashes: true, ..shape });
        visit(&reading)?;
    }
    for skip in 1..=MAX_LEADERS {
        if !reading.first.is_some_and(is_leader) {
            break;
        }
        reading = Reading::new(rest, form, Shape { merge_slashes: true, skip, ..shape });
        visit(&reading)?;
    }
    ControlFlow::Continue(())
}

/// A front controller (`index.php`) or an ASP.NET cookieless session (`(S(x))`). What is still escaped is no file's name.
fn is_leader(segment: &str) -> bool {
    let ending = segment.rfind('.').map_or("", |dot| &segment[dot..]);
    let is_script = !segment.contains('%') && SCRIPTS.iter().any(|script| script.eq_ignore_ascii_case(ending));
    is_script || (segment.starts_with('(') && segment.ends_with(')'))
}

fn before(text: &str, stop: char) -> &str {
    text.split(stop).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::charset::Charset;
    use crate::policy::layer;

    fn readings(path: &str, form: Form) -> Vec<String> {
        let mut readings = Vec::new();
        let texts = if layer::is_plain(path) { vec![] } else { layer::texts(path, Charset::Utf8).expect(path) };
        let _all = each(path, &texts, &mut |reading| {
            let text = reading.joined();
            if reading.form() == form && !readings.contains(&text) {
                readings.push(text);
            }
            ControlFlow::Continue(())
        });
        readings
    }

    #[test]
    fn a_plain_path_reads_as_it_stands() {
        for path in ["/", "/a", "/a/b.js", "/...x", "/a..b/c", "/@fs/~x:y", "/a+b"] {
            assert!(layer::is_plain(path), "{path}");
            assert_eq!(readings(path, Form::Exact), [path]);
        }
        assert_eq!(readings("/a/", Form::Exact), ["/a/", "/a"]);
    }

    /// The attack: a path whose meaning depends on who reads it.
    #[test]
    fn every_choice_of_an_upstream_is_a_reading() {
        for (path, expected) in [
            ("/a%2Fb", &["/a%2Fb", "/a/b"][..]),
            ("/a%252Fb", &["/a%252Fb", "/a%2Fb", "/a/b"]),
            ("//h/a", &["//h/a", "/h/a", "/a"]),
            ("/a;x/b", &["/a;x/b", "/a/b"]),
            ("/a%3Fb", &["/a%3Fb", "/a?b", "/a"]),
            ("/a;%2Fb", &["/a;%2Fb", "/a", "/a;/b", "/a/b"]),
            ("/index.php/a", &["/index.php/a", "/a"]),
            ("/(S(x))/x.aspx/a", &["/(S(x))/x.aspx/a", "/x.aspx/a", "/a"]),
            ("/%EF%BC%852fa", &["/\u{ff05}2fa", "//a", "/a", "/"]),
        ] {
            assert_eq!(readings(path, Form::Exact), expected, "{path}");
        }
        assert_eq!(readings("/A%5CB./%EF%BC%A3", Form::Folded), ["/a%5cb/c", "/a/b/c", "/a\\b/c"]);
    }

    #[test]
    fn what_drops_a_script_or_a_suffix_is_not_the_path_proper() {
        let mut proper = Vec::new();
        let _all = each("/x.php/A/", &[], &mut |reading| {
            if reading.is_proper() {
                assert!(!reading.is_aside());
                proper.push((reading.form(), reading.joined()));
            }
            ControlFlow::Continue(())
        });
        assert_eq!(proper, [(Form::Exact, "/x.php/A/".to_owned()), (Form::Folded, "/x.php/A/".to_owned())]);
    }

    #[test]
    fn the_walk_stops_when_told() {
        let mut count = 0;
        let stopped = each("//a;b/%2F", &layer::texts("//a;b/%2F", Charset::Utf8).expect("readable"), &mut |_| {
            count += 1;
            ControlFlow::Break(())
        });
        assert!(stopped.is_break());
        assert_eq!(count, 1);
    }
}
