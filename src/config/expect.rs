//! `[[expect]]`

use crate::config::placed::{Place, Placed};
use crate::config::reader::Reader;

/// What becomes of a request, as expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Result {
    /// It reaches the app.
    Pass,
    /// Nobody gets it: denied, or not found.
    Deny,
    /// It is sent elsewhere by a rule.
    Redirect,
    /// The visitor has to sign in, or to do so more firmly, or anew.
    SignIn,
    /// The visitor is signed in and not among those who are let in.
    Forbid,
    /// It is answered 400, whatever the rules say.
    Refuse,
}

/// `[[expect]]`: a request and what has to become of it.
#[derive(Clone, Debug)]
pub struct ExpectTable {
    /// The header.
    pub place: Place,
    /// Method and URL: `GET https://paperless.example.com/admin/`.
    pub request: Option<Placed<String>>,
    /// Who asks: `anonymous`, or `user:alice group:family 2fa`.
    pub visitor: Option<Placed<String>>,
    /// The client's address.
    pub from: Option<Placed<String>>,
    /// What becomes of it.
    pub result: Option<Placed<Result>>,
}

impl Result {
    /// The word for it in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Deny => "deny",
            Self::Redirect => "redirect",
            Self::SignIn => "sign-in",
            Self::Forbid => "forbid",
            Self::Refuse => "refuse",
        }
    }
}

impl ExpectTable {
    /// Reads the table.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let results = [Result::Pass, Result::Deny, Result::Redirect, Result::SignIn, Result::Forbid, Result::Refuse];
        let expect = Self {
            place: reader.place(),
            request: reader.string("request"),
            visitor: reader.string("as"),
            from: reader.string("from"),
            result: reader.choice("result", &results.map(|result| (result.name(), result))),
        };
        reader.demand(&["request"], "which request?", "request = \"GET https://paperless.example.com/admin/\"");
        reader.demand(&["result"], "what should become of it?", "result = \"deny\"");
        expect
    }
}
