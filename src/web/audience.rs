//! Whether an answer will be read by a person in a browser tab or by a program.

use http::header::{ACCEPT, UPGRADE};
use http::{HeaderMap, Method};

/// Who will read the answer: people get HTML and redirects, programs get a status and JSON (RFC 9457).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// A navigation: the answer becomes the page in a tab.
    Person,
    /// A script, an app on a phone, a WebSocket, `curl`.
    Program,
}

impl Audience {
    /// Reads it from `Sec-Fetch-Mode`; where a browser sends none, from the method and `Accept`.
    ///
    /// A redirect to a sign-in page is useless to a script and turns into cross-origin noise in its console, so only what
    /// is surely a navigation counts as one.
    pub fn of(method: &Method, headers: &HeaderMap) -> Self {
        let says = |name: &str, value: &str| headers.get(name).is_none_or(|line| line == value);
        let navigates = match headers.get("sec-fetch-mode") {
            _ if headers.contains_key(UPGRADE) => false,
            // A frame is no tab: our pages refuse to be framed, so a redirect to them would only show a broken frame.
            Some(mode) => mode == "navigate" && says("sec-fetch-dest", "document"),
            None => matches!(*method, Method::GET | Method::HEAD | Method::POST) && accepts_html(headers),
        };
        if navigates { Self::Person } else { Self::Program }
    }
}

/// `*/*` alone does not count: it is what every HTTP library sends.
fn accepts_html(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|range| {
        let kind = range.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("text/html") || kind.eq_ignore_ascii_case("application/xhtml+xml")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audience(method: Method, lines: &[(&'static str, &'static str)]) -> Audience {
        let headers =
            lines.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect();
        Audience::of(&method, &headers)
    }

    #[test]
    fn navigations_are_for_people_and_everything_else_for_programs() {
        let html = ("accept", "application/xml;q=0.9, Text/HTML;q=1, */*;q=0.8");
        assert_eq!(audience(Method::GET, &[("sec-fetch-mode", "navigate")]), Audience::Person);
        assert_eq!(audience(Method::GET, &[("sec-fetch-mode", "cors"), html]), Audience::Program);
        assert_eq!(audience(Method::GET, &[("sec-fetch-mode", "websocket"), html]), Audience::Program);
        let navigate = ("sec-fetch-mode", "navigate");
        assert_eq!(audience(Method::POST, &[navigate, ("sec-fetch-dest", "document")]), Audience::Person);
        assert_eq!(audience(Method::GET, &[navigate, ("sec-fetch-dest", "iframe")]), Audience::Program);
        assert_eq!(audience(Method::GET, &[("upgrade", "websocket"), html]), Audience::Program);
        assert_eq!(audience(Method::GET, &[html]), Audience::Person);
        assert_eq!(audience(Method::PUT, &[html]), Audience::Program);
        assert_eq!(audience(Method::GET, &[("accept", "*/*")]), Audience::Program);
        assert_eq!(audience(Method::GET, &[]), Audience::Program);
    }
}
