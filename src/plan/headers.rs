//! The headers an owner sets and removes, beyond those that are ours to set and remove.

use http::header::{CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, SET_COOKIE};
use http::{HeaderName, HeaderValue};

use crate::config::complaint::{Code, Complaint};
use crate::config::headers::HeadersTable;
use crate::config::placed::{Place, Placed};
use crate::config::secret::{Form, WrittenSecret};
use crate::wire::header::{HOP_BY_HOP, REQUEST_ID};
use crate::wire::identity;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From a client to the app.
    Request,
    /// Back.
    Response,
}

/// What is changed about the headers of one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    set: Vec<(HeaderName, HeaderValue)>,
    remove: Vec<HeaderName>,
}

impl HeaderEdits {
    /// Removes, then sets; what is set is then there exactly once.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
    }

    /// Whether this header is the owner's to say.
    pub fn touch(&self, name: &HeaderName) -> bool {
        self.remove.contains(name) || self.set.iter().any(|(set, _)| set == name)
    }
}

/// `app.request_headers` or `app.response_headers`
pub fn compile(table: &HeadersTable, way: Way, complaints: &mut Vec<Complaint>) -> HeaderEdits {
    let mut edits = HeaderEdits::default();
    for written in &table.remove {
        match judged(written, way, &edits) {
            Ok(name) => edits.remove.push(name),
            Err(reason) => complaints.push(complaint(&written.place, way, reason)),
        }
    }
    for (written, text) in &table.set {
        if way == Way::Response && text.form != Form::Plain {
            complaints.push(complaint(&text.place, way, BadHeader::Published));
            continue;
        }
        // One that could not be read is complained about where that was tried.
        let Some(secret) = &text.value else {
            complaints.extend(unread(text, complaints));
            continue;
        };
        match (judged(written, way, &edits), value(secret.expose())) {
            (Ok(name), Some(value)) => edits.set.push((name, value)),
            (Err(reason), _) => complaints.push(complaint(&written.place, way, reason)),
            (Ok(_), None) => complaints.push(complaint(&text.place, way, BadHeader::Value)),
        }
    }
    edits
}

/// Why a header can be neither set nor removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum BadHeader {
    #[error("not the name of a header")]
    Name,
    #[error("visible ASCII without blanks at its ends, please")]
    Value,
    #[error("this header is mentioned twice")]
    Twice,
    #[error("only the gateway says who a visitor is, where they come from and what they asked for")]
    Identity,
    #[error("the gateway sets this header itself: how a message is framed and routed depends on it")]
    Framing,
    #[error("cookies are between the app and its visitors")]
    Cookie,
    #[error("answers go to visitors: what they are told is no secret")]
    Published,
}

fn judged(written: &Placed<String>, way: Way, edits: &HeaderEdits) -> Result<HeaderName, BadHeader> {
    let name = HeaderName::from_bytes(written.value.as_bytes()).map_err(|_| BadHeader::Name)?;
    let framing = [CONTENT_LENGTH, EXPECT, HOST, REQUEST_ID].contains(&name) || HOP_BY_HOP.contains(&name);
    if framing || name.as_str().starts_with("sec-websocket-") {
        Err(BadHeader::Framing)
    } else if [COOKIE, SET_COOKIE].contains(&name) {
        Err(BadHeader::Cookie)
    } else if way == Way::Request && identity::is_ours(&name) {
        // Answers go to visitors, whom no header of an app's makes anybody.
        Err(BadHeader::Identity)
    } else if edits.touch(&name) {
        Err(BadHeader::Twice)
    } else {
        Ok(name)
    }
}

fn value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok().filter(|_| text.is_ascii() && text.trim_ascii() == text)?;
    // It may be a key that opens the app, so it is not shown wherever a plan is.
    value.set_sensitive(true);
    Some(value)
}

/// A secret that nobody has read is no value, and must not pass for one.
fn unread(secret: &WrittenSecret, complaints: &[Complaint]) -> Option<Complaint> {
    let is_told = complaints.iter().any(|known| known.is_error() && known.place.as_ref() == Some(&secret.place));
    let complaint = || Complaint::new(Code::E0301, &secret.place, "this secret has not been read");
    (!is_told).then(|| complaint().label("only a configuration that is a file can name secrets").key("app.request_headers"))
}

fn complaint(at: &Place, way: Way, reason: BadHeader) -> Complaint {
    let key = match way {
        Way::Request => "request_headers",
        Way::Response => "response_headers",
    };
    let complaint = Complaint::new(Code::E0611, at, format!("`{key}` has a header that cannot be set or removed"));
    complaint.label(reason.to_string()).key(format!("app.{key}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;

    fn placed(text: &str) -> Placed<String> {
        Placed::new(text.to_owned(), 0..1)
    }

    fn compiled(set: &[(&str, &str)], remove: &[&str], way: Way) -> Result<HeaderEdits, String> {
        let secret = |value: &str| Some(Secret::new(value.to_owned()));
        let plain = |value: &str| WrittenSecret { place: 0..1, form: Form::Plain, value: secret(value) };
        let set = set.iter().map(|(name, value)| (placed(name), plain(value))).collect();
        let table = HeadersTable { set, remove: remove.iter().map(|name| placed(name)).collect() };
        let mut complaints = vec![];
        let edits = compile(&table, way, &mut complaints);
        complaints.first().and_then(|complaint| complaint.label.clone()).map_or(Ok(edits), Err)
    }

    #[test]
    fn what_is_set_is_there_once_and_what_is_removed_is_not() {
        let edits = compiled(&[("X-Api-Key", "k")], &["x-powered-by"], Way::Request).expect("fine");
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-api-key", "theirs"), ("x-api-key", "theirs too"), ("x-powered-by", "x"), ("accept", "*/*")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        edits.apply(&mut headers);
        let left: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(left, [("x-api-key", &b"k"[..]), ("accept", b"*/*")]);
        assert!(!format!("{edits:?}").contains("\"k\""));
    }

    /// The attack: a line of configuration, copied from somewhere, that lets an app believe a visitor is somebody else, or that
    /// makes client and app disagree on where a message ends.
    #[test]
    fn what_is_ours_to_say_cannot_be_said_otherwise() {
        for (names, way, reason) in [
            (&["Remote-User", "X-Forwarded-For", "X_Forwarded_For", "X-Real-IP"][..], Way::Request, BadHeader::Identity),
            (&["Host", "Content-Length", "Transfer-Encoding", "Connection", "TE"], Way::Request, BadHeader::Framing),
            (&["Content-Length", "Transfer-Encoding", "Sec-WebSocket-Accept"], Way::Response, BadHeader::Framing),
            (&["Cookie", "Set-Cookie"], Way::Request, BadHeader::Cookie),
            (&["Set-Cookie"], Way::Response, BadHeader::Cookie),
            (&["X Y", "", "X:", "X\r\nY"], Way::Response, BadHeader::Name),
        ] {
            for name in names {
                assert_eq!(compiled(&[(name, "x")], &[], way), Err(reason.to_string()), "{name}");
                assert_eq!(compiled(&[], &[name], way), Err(reason.to_string()), "{name}");
            }
        }
        for value in ["a\r\nb", "a\nb", " a", "a ", "\u{e9}", "\0"] {
            assert_eq!(compiled(&[("X-A", value)], &[], Way::Response), Err(BadHeader::Value.to_string()), "{value:?}");
        }
        assert_eq!(compiled(&[("X-A", "1"), ("x-a", "2")], &[], Way::Request), Err(BadHeader::Twice.to_string()));
        assert_eq!(compiled(&[("X-A", "1")], &["X-a"], Way::Request), Err(BadHeader::Twice.to_string()));
    }
}
