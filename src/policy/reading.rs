//! The readings of a path: every way in which an upstream might plausibly understand it.
//!
//! Choices multiply: which text (`layer`), cut at a decoded `?` or not, with or without a leading `//authority`, with or without
//! `;parameters`, empty segments merged or kept, with or without a leading script name, and compared how firmly ([`Form`]).
//! Nothing is stored: readings are slices handed to a visitor one by one, and a plain path needs no allocation at all.

use std::ops::ControlFlow;

use crate::policy::fold::{fold, trim};
use crate::policy::layer;

/// Leading segments that may be a script or a cookieless session; more than two in a row is nobody's.
const MAX_LEADERS: usize = 2;
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
    form: Form,
    shape: Shape,
    first: Option<&'a str>,
}

/// The choices that need no text of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Shape {
    drop_parameters: bool,
    merge_slashes: bool,
    skip: usize,
}

/// A visitor of readings; it may stop the walk once nothing can change its mind.
pub type Visitor<'v> = dyn FnMut(&Reading<'_>) -> ControlFlow<()> + 'v;

impl<'a> Reading<'a> {
    fn new(rest: &'a str, form: Form, shape: Shape) -> Self {
        let mut reading = Self { rest, form, shape, first: None };
        reading.first = reading.segments().next();
        reading
    }

    /// The names between the slashes; none for the root.
    pub fn segments(&self) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
        let Self { rest, form, shape, .. } = *self;
        let whole = (!rest.is_empty()).then_some(rest);
        let name = move |segment: &'a str| {
            let segment = if shape.drop_parameters { before(segment, ';') } else { segment };
            if form == Form::Exact { segment } else { trim(segment) }
        };
        let named = whole.into_iter().flat_map(|rest| rest.split('/')).map(name);
        named.filter(move |segment| !shape.merge_slashes || !segment.is_empty()).skip(shape.skip)
    }

    /// The first name.
    pub fn first(&self) -> Option<&'a str> {
        self.first
    }

    /// How firmly names are compared.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Whether this is the path in a shape that an honest client would send: what is forgiven in other readings is there to
    /// take away, and must not make a rule about one place speak of its neighbours.
    pub fn is_proper(&self) -> bool {
        self.form != Form::Loose && !self.shape.merge_slashes && self.shape.skip == 0
    }

    /// Whether a leading script name was dropped. Such a reading can only take away: an owner who opens `/remote.php/` means it.
    pub fn is_aside(&self) -> bool {
        self.shape.skip > 0
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

/// Shows the readings of a path to `visit`, the most literal one first, until it breaks off.
///
/// A path that [`layer::texts`] refuses has no readings; a `Target` never holds one.
pub fn each(path: &str, plain: bool, visit: &mut Visitor<'_>) -> ControlFlow<()> {
    if plain {
        return each_of_text(path, path, visit);
    }
    let texts = layer::texts(path).unwrap_or_default();
    texts.iter().try_for_each(|text| each_of_text(text, &fold(text), visit))
}

/// Whether the first name of any reading is `name`, which must be given folded.
pub fn any_begins_with(path: &str, plain: bool, name: &str) -> bool {
    let mut begins = |reading: &Reading<'_>| {
        let same = reading.form == Form::Folded && reading.first.is_some_and(|first| first.eq_ignore_ascii_case(name));
        if same { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    each(path, plain, &mut begins).is_break()
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

/// With and without a leading authority, as URL parsers take `//authority/path`.
fn each_of_path(text: &str, form: Form, visit: &mut Visitor<'_>) -> ControlFlow<()> {
    each_of_rest(text.strip_prefix('/').unwrap_or(text), form, visit)?;
    if text.starts_with("//") {
        let authority = text.trim_start_matches('/');
        each_of_rest(authority.split_once('/').map_or("", |(_, rest)| rest), form, visit)?;
    }
    ControlFlow::Continue(())
}

fn each_of_rest(rest: &str, form: Form, visit: &mut Visitor<'_>) -> ControlFlow<()> {
    each_of_slashes(rest, form, Shape::default(), visit)?;
    if rest.contains(';') {
        each_of_slashes(rest, form, Shape { drop_parameters: true, ..Shape::default() }, visit)?;
    }
    ControlFlow::Continue(())
}

fn each_of_slashes(rest: &str, form: Form, shape: Shape, visit: &mut Visitor<'_>) -> ControlFlow<()> {
    let kept = Reading::new(rest, form, shape);
    visit(&kept)?;
    let shape = Shape { merge_slashes: true, ..shape };
    if kept.segments().any(str::is_empty) {
        visit(&Reading::new(rest, form, shape))?;
    }
    for skip in 1..=MAX_LEADERS {
        let before = Reading::new(rest, form, Shape { skip: skip - 1, ..shape });
        if !before.first.is_some_and(is_leader) {
            break;
        }
        visit(&Reading::new(rest, form, Shape { skip, ..shape }))?;
    }
    ControlFlow::Continue(())
}

/// A front controller (`index.php`) or an ASP.NET cookieless session (`(S(x))`).
fn is_leader(segment: &str) -> bool {
    let ending = segment.rfind('.').map_or("", |dot| &segment[dot..]);
    SCRIPTS.iter().any(|script| script.eq_ignore_ascii_case(ending)) || (segment.starts_with('(') && segment.ends_with(')'))
}

fn before(text: &str, stop: char) -> &str {
    text.split(stop).next().unwrap_or_default()
}
