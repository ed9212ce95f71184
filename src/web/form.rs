//! Reads what a form sent (`application/x-www-form-urlencoded`), within bounds.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use percent_encoding::percent_decode_str;

use crate::base::secret::Secret;
use crate::wire::body::Body;

const MAX_BYTES: usize = 64 << 10;
const MAX_FIELDS: usize = 50;

/// The fields of a form or a query, in the order sent. They may hold passwords: nothing of them is ever printed.
#[derive(Clone, Debug, Default)]
pub struct Form(Vec<(String, Secret<String>)>);

/// Why a form could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Another media type than that of a form.
    #[error("not a form")]
    NotAForm,
    /// More than 64 KiB.
    #[error("the form is larger than allowed")]
    TooLarge,
    /// More than 50 fields, or not UTF-8.
    #[error("the form is malformed")]
    Malformed,
    /// The body broke off.
    #[error("the form could not be read")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Form {
    /// The first value sent for `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.expose().as_str())
    }

    /// The first value sent for `name`; empty if none was.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// The first value sent for `name`, as the secret it is; empty if none was.
    pub fn secret(&self, name: &str) -> Secret<String> {
        self.0.iter().find(|(key, _)| key == name).map_or_else(|| Secret::new(String::new()), |(_, value)| value.clone())
    }
}

/// Reads a form from a request. How long that may take is for the caller to bound.
///
/// # Errors
/// [`Fault`] for anything that is not a small, well-formed form.
pub async fn read(headers: &HeaderMap, body: Body) -> Result<Form, Fault> {
    if !headers.get(CONTENT_TYPE).is_some_and(is_form) {
        return Err(Fault::NotAForm);
    }
    let read = Limited::new(body, MAX_BYTES).collect().await;
    let bytes = read.map_err(|error| if error.is::<LengthLimitError>() { Fault::TooLarge } else { Fault::Body(error) })?;
    let bytes = bytes.to_bytes();
    parse(std::str::from_utf8(&bytes).map_err(|_| Fault::Malformed)?)
}

/// Reads the fields of a form's body or of a query.
///
/// # Errors
/// [`Fault::Malformed`] for more than 50 fields or values that are not UTF-8.
pub fn parse(text: &str) -> Result<Form, Fault> {
    let mut fields = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        if fields.len() == MAX_FIELDS {
            return Err(Fault::Malformed);
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        fields.push((decode(name)?, Secret::new(decode(value)?)));
    }
    Ok(Form(fields))
}

fn is_form(kind: &HeaderValue) -> bool {
    let kind = kind.to_str().unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn decode(text: &str) -> Result<String, Fault> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().map(|text| text.into_owned()).map_err(|_| Fault::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(kind: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))])
    }

    const KIND: &str = "application/x-www-form-urlencoded; charset=UTF-8";

    #[tokio::test]
    async fn fields_are_decoded_and_the_first_of_a_name_counts() {
        let form = read(&headers(KIND), "name=alice+b&password=%C3%A4%26%2B&&name=mallory&flag".into()).await.expect("a form");
        assert_eq!(form.text("name"), "alice b");
        assert_eq!(form.secret("password").expose(), "ä&+");
        assert_eq!(form.get("flag"), Some(""));
        assert_eq!(form.get("other"), None);
        assert!(!format!("{form:?}").contains("alice"), "nothing typed is ever printed");
    }

    /// The attack: filling memory or burning time with a form.
    #[tokio::test]
    async fn forms_beyond_bounds_are_refused() {
        let large = format!("a={}", "x".repeat(MAX_BYTES));
        assert!(matches!(read(&headers(KIND), large.into()).await, Err(Fault::TooLarge)));
        assert!(matches!(parse(&"a=1&".repeat(51)), Err(Fault::Malformed)));
        assert!(parse(&"a=1&".repeat(50)).is_ok());
    }

    #[tokio::test]
    async fn what_is_not_a_form_is_refused() {
        assert!(matches!(read(&headers("application/json"), "{}".into()).await, Err(Fault::NotAForm)));
        assert!(matches!(read(&HeaderMap::new(), "a=1".into()).await, Err(Fault::NotAForm)));
        assert!(matches!(parse("a=%ff"), Err(Fault::Malformed)));
        let bytes = bytes::Bytes::from_static(b"a=\xff");
        assert!(matches!(read(&headers(KIND), bytes.into()).await, Err(Fault::Malformed)));
    }
}
