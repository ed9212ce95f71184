//! What is wrong with a configuration: the cause, its place, and what to write instead.

use crate::config::placed::Place;

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Which kind of fault it is.
    pub code: Code,
    /// The cause in one line.
    pub message: String,
    /// Where; `None` only where there is no text to point at (a missing file).
    pub place: Option<Place>,
    /// Said at the place.
    pub label: Option<String>,
    /// Other places that belong to it, each with what is said there.
    pub also: Vec<(Place, String)>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
    /// What to do.
    pub help: Option<String>,
    /// What to write instead.
    pub fix: Option<Fix>,
    /// The key concerned, as in the reference: `session.idle_timeout`, `app.host`.
    pub key: Option<String>,
}

/// What to write in a complaint's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// The text to write there.
    pub replace: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration is not applied.
    Error,
    /// It is applied; the owner should look.
    Warning,
}

impl Severity {
    /// The name shown to people and programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Declares the codes once, each with what it stands for.
macro_rules! codes {
    ($($code:ident $severity:ident $meaning:literal,)*) => {
        /// Which kind of fault it is. A code keeps its meaning for ever.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code { $(#[doc = $meaning] $code,)* }

        impl Code {
            /// All codes, rising.
            pub const ALL: &'static [Self] = &[$(Self::$code,)*];

            /// The code as it is shown: `E0203`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$code => stringify!($code),)* }
            }

            /// What it stands for.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$code => $meaning,)* }
            }

            /// How bad it is.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$code => Severity::$severity,)* }
            }
        }
    };
}

codes! {
    E0101 Error "the text is not TOML",
    E0102 Error "a key or table is written twice",
    E0103 Error "the file is not UTF-8",
    E0110 Error "the file cannot be read",
    E0111 Error "an `include` cannot be followed",
    W0112 Warning "an `include` matches no file",
    E0201 Error "a value has the wrong type",
    E0202 Error "a key is missing",
    E0203 Error "a key is not known",
    E0204 Error "a duration or size cannot be read",
    E0205 Error "a key has another name",
    E0206 Error "a value is out of its range",
    E0301 Error "a secret cannot be read",
    E0310 Error "a value or secret has two places",
    W0311 Warning "a secret stands in a file that others may read",
    W0312 Warning "a secret's file may be read by everybody",
    E0315 Error "a list or table cannot be given by a variable",
    E0501 Error "a host is written twice",
    W0502 Warning "a wildcard or an address gets no certificate by ACME",
    E0503 Error "passkeys would be orphaned, or cannot be made",
    E0504 Error "the portal cannot be used",
    E0505 Error "a host cannot be read",
    E0506 Error "an upstream cannot be read",
    W0506 Warning "[acme] has no name to get a certificate for",
    E0507 Error "a listen address cannot be read",
    E0508 Error "a certificate lacks its key, or a key its certificate",
    E0509 Error "a certificate file cannot be used",
    W0510 Warning "an upstream's certificate is not verified",
    E0513 Error "the mode is for one account, and there are several",
    W0514 Warning "what signs in under this mode is not enough",
    E0520 Error "an app cannot be mounted at a path",
    E0521 Error "the apps of one host name different certificates",
    E0601 Error "a rule can never match",
    W0602 Warning "a rule makes paths public",
    E0603 Error "a network that should limit something holds every address there is",
    W0604 Warning "a bypass gives no reason",
    W0605 Warning "a regular expression matches every path",
    E0606 Error "a network cannot be read",
    E0607 Error "a path pattern, regular expression or method cannot be read",
    W0608 Warning "a whole app is public",
    E0611 Error "a header cannot be set or removed",
    E0612 Error "a redirect cannot work",
    W0612 Warning "nobody can open an app or path",
    E0613 Error "an entry of `allow` cannot be read",
    E0614 Error "an entry of `methods` cannot be used",
    E0620 Error "a rule speaks of no path of its app",
    E0701 Error "an expectation is not met",
    E0702 Error "an expectation cannot be read",
    N0801 Warning "a name does not lead here",
    N0802 Warning "CAA records do not let the authority issue",
    N0803 Warning "a port of a name cannot be reached",
    N0804 Warning "an upstream does not answer as it should",
    N0805 Warning "this machine's clock is off",
    N0807 Warning "the authority cannot be asked",
}

impl Complaint {
    /// A complaint about the bytes at `place`.
    pub fn new(code: Code, place: &Place, message: impl Into<String>) -> Self {
        Self { place: Some(place.clone()), ..Self::without_place(code, message) }
    }

    /// A complaint where there is no text to point at.
    pub fn without_place(code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message, place: None, label: None, also: Vec::new(), notes: Vec::new(), help: None, fix: None, key: None }
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }

    /// Whether it keeps the configuration from being applied.
    pub fn is_error(&self) -> bool {
        self.severity() == Severity::Error
    }

    /// The key that was meant: the one concerned, without its misspelling if it has one.
    pub fn meant_key(&self) -> Option<String> {
        let key = self.key.as_deref()?;
        let Some(fix) = self.fix.as_ref().filter(|_| matches!(self.code, Code::E0203 | Code::E0205)) else {
            return Some(key.to_owned());
        };
        Some(key.rsplit_once('.').map_or_else(|| fix.replace.clone(), |(table, _)| format!("{table}.{}", fix.replace)))
    }

    /// Says something at the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Points at another place that belongs to it.
    #[must_use]
    pub fn also(mut self, place: &Place, label: impl Into<String>) -> Self {
        self.also.push((place.clone(), label.into()));
        self
    }

    /// Adds what is worth knowing.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says what to write at the place instead.
    #[must_use]
    pub fn fix(mut self, replace: impl Into<String>) -> Self {
        self.fix = Some(Fix { replace: replace.into() });
        self
    }

    /// Cause, what is worth knowing and what to do, where there is no room for more than a line.
    pub fn in_a_line(&self) -> String {
        let parts = [self.message.clone()].into_iter().chain(self.notes.iter().cloned()).chain(self.help.clone());
        parts.collect::<Vec<_>>().join("; ")
    }

    /// Names the key concerned.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }
}

/// Sorts complaints into the order of the text, so that people read them from top to bottom.
pub fn sort(complaints: &mut [Complaint]) {
    complaints.sort_by_key(|complaint| complaint.place.as_ref().map_or((0, 0), |place| (place.start, place.end)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_is_known_by_what_was_meant() {
        let unknown = |key: &str| Complaint::without_place(Code::E0203, "unknown key").key(key);
        assert_eq!(unknown("app.hots").fix("host").meant_key().as_deref(), Some("app.host"));
        assert_eq!(unknown("ap").fix("app").meant_key().as_deref(), Some("app"));
        assert_eq!(unknown("app.colour").meant_key().as_deref(), Some("app.colour"));
        let other = Complaint::without_place(Code::E0201, "wrong type").key("app.deny").fix("[]");
        assert_eq!(other.meant_key().as_deref(), Some("app.deny"));
    }

    #[test]
    fn a_code_says_how_bad_it_is_by_its_first_letter() {
        for code in Code::ALL {
            assert_eq!(code.name().starts_with('E'), code.severity() == Severity::Error, "{}", code.name());
        }
    }
}
