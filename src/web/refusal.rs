//! Refusals and failures as pages for people and as problem documents (RFC 9457) for programs.

use std::time::Duration;

use askama::Template;
use http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::base::units::in_words;
use crate::model::contact::Contact;
use crate::web::asset;
use crate::web::audience::Audience;
use crate::web::page;
use crate::web::text;
use crate::wire::body::Body;

/// Why we answer instead of the app, or instead of the page asked for. Every case has one status and one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// 400: the request cannot be read.
    BadRequest,
    /// 401: for programs only; people are sent to the sign-in page.
    SignInRequired {
        /// Where a person would sign in.
        login_url: &'a str,
    },
    /// 401: for programs only; people are asked to confirm that it is them.
    ConfirmRequired {
        /// How old the proof may be.
        max_age: Duration,
    },
    /// 403: not for whom the visitor is signed in as.
    NotAllowed {
        /// The app's name.
        app: &'a str,
        /// Theirs.
        user: &'a str,
    },
    /// 403: not for this visitor, and we say so.
    Forbidden,
    /// 403: one of our pages asked for by something else than a browser tab.
    NotATab,
    /// 403: a form of ours sent by another site.
    ForeignForm,
    /// 404: nothing here, or nothing that we admit.
    NotFound,
    /// 405.
    MethodNotAllowed {
        /// The methods that would do, as in `Allow`.
        allow: &'static str,
    },
    /// 408: the request took too long to arrive.
    TooSlow,
    /// 413: the request's body is larger than the app takes.
    TooLarge {
        /// The app's name, or what else takes it.
        app: &'a str,
    },
    /// 414: the address is too long.
    AddressTooLong,
    /// 431: too many header fields.
    HeadTooLarge,
    /// 421: no app answers under this name on this connection.
    Misdirected,
    /// 429: too many requests from one network.
    TooMany {
        /// How long to wait.
        wait: Duration,
    },
    /// 429, or 403 where waiting does not help: nobody may sign in from this network.
    Banned {
        /// For how long; `None`: until the owner lifts it.
        wait: Option<Duration>,
    },
    /// 502: the app's server cannot be reached or answers nonsense.
    UpstreamDown {
        /// The app's name.
        app: &'a str,
    },
    /// 503: the app's owner has closed it for now.
    Maintenance {
        /// The app's name.
        app: &'a str,
        /// What the owner says about it.
        text: Option<&'a str>,
    },
    /// 503: our own store does not answer, so nobody can be recognised.
    Unavailable,
    /// 503: more sign-ins at once than the machine can check.
    Busy,
    /// 504: the app's server took too long.
    UpstreamSlow {
        /// The app's name.
        app: &'a str,
    },
}

/// When programs may ask again during maintenance: nobody knows how long it takes.
const MAINTENANCE_RETRY: Duration = Duration::from_secs(300);
const CHALLENGE: &str = "Doorward realm=\"sign-in\"";

#[derive(Template)]
#[template(config = ".askama.toml", path = "refusal.html")]
struct RefusalPage<'a> {
    heading: &'a str,
    detail: &'a str,
    retry: bool,
    contact: Option<&'a Contact>,
    request_id: &'a str,
}

#[derive(Template)]
#[template(config = ".askama.toml", path = "not_allowed.html")]
struct NotAllowedPage<'a> {
    heading: &'a str,
    detail: &'a str,
    contact: Option<&'a Contact>,
    request_id: &'a str,
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    login_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<u64>,
}

impl Refusal<'_> {
    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::SignInRequired { .. } | Self::ConfirmRequired { .. } => StatusCode::UNAUTHORIZED,
            Self::NotAllowed { .. } | Self::Forbidden | Self::NotATab | Self::ForeignForm => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::AddressTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::TooMany { .. } | Self::Banned { wait: Some(_) } => StatusCode::TOO_MANY_REQUESTS,
            Self::Banned { wait: None } => StatusCode::FORBIDDEN,
            Self::UpstreamDown { .. } => StatusCode::BAD_GATEWAY,
            Self::Maintenance { .. } | Self::Unavailable | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::UpstreamSlow { .. } => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The whole answer. `request_id` is what a visitor can quote and the owner can look for in the log, `contact` whom people may
    /// turn to; what strangers and scanners meet does not say who that is.
    pub fn answer(&self, audience: Audience, request_id: &str, contact: Option<&Contact>) -> Response<Body> {
        self.compose(audience, (request_id, contact), self.passes())
    }

    /// The answer to a form, without the link that loads the page again: that would be another page than the form's, and
    /// going back is what brings the form back with where it was to lead.
    pub fn answer_form(&self, audience: Audience, request_id: &str, contact: Option<&Contact>) -> Response<Body> {
        self.compose(audience, (request_id, contact), false)
    }

    fn compose(&self, audience: Audience, (request_id, contact): (&str, Option<&Contact>), retry: bool) -> Response<Body> {
        let (heading, detail) = self.words();
        let contact = contact.filter(|_| self.is_for_guests());
        let mut response = match audience {
            Audience::Person if matches!(self, Self::NotAllowed { .. }) => {
                page::render(self.status(), &NotAllowedPage { heading, detail: &detail, contact, request_id })
            }
            Audience::Person => {
                page::render(self.status(), &RefusalPage { heading, detail: &detail, retry, contact, request_id })
            }
            Audience::Program => self.problem(heading, &detail, request_id),
        };
        if let Some(wait) = self.wait() {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_millis().div_ceil(1000) as u64));
        }
        if let Self::MethodNotAllowed { allow } = self {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        response
    }

    fn problem(&self, title: &str, detail: &str, request_id: &str) -> Response<Body> {
        // RFC 9110 wants a challenge with every 401; an own scheme opens no password box in browsers. What is said of a proof
        // that is too old is said in the words of RFC 9470.
        let (login_url, max_age) = if let Self::SignInRequired { login_url } = self {
            (Some(*login_url), None)
        } else if let Self::ConfirmRequired { max_age } = self {
            (Some("/.doorward/confirm"), Some(max_age.as_secs()))
        } else {
            (None, None)
        };
        let challenge = login_url.map(|_| match max_age {
            Some(secs) => format!("{CHALLENGE}, error=\"insufficient_user_authentication\", max_age=\"{secs}\""),
            None => CHALLENGE.to_owned(),
        });
        let r#type = if max_age.is_some() { "/problems/reauth" } else { "about:blank" };
        let status = self.status();
        let problem = Problem { r#type, title, status: status.as_u16(), detail, instance: request_id, login_url, max_age };
        let json = serde_json::to_string(&problem).expect("strings and numbers can be written as JSON");
        let mut response = page::answer(status, "application/problem+json", json.into());
        if let Some(challenge) = challenge.and_then(|text| HeaderValue::try_from(text).ok()) {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }

    /// Heading and detail. The detail of an unknown page and of a denied path is one and the same.
    fn words(&self) -> (&'static str, String) {
        let (heading, detail) = match self {
            Self::BadRequest => text::BAD_REQUEST,
            Self::SignInRequired { .. } => text::SIGN_IN_REQUIRED,
            Self::ConfirmRequired { max_age } => return (text::CONFIRM_REQUIRED, text::confirm_required(&in_words(*max_age))),
            Self::NotAllowed { app, user } => return (text::NOT_ALLOWED, text::not_allowed(app, user)),
            Self::Forbidden => text::FORBIDDEN,
            Self::NotATab => text::NOT_A_TAB,
            Self::ForeignForm => text::FOREIGN_FORM,
            Self::NotFound => text::NOT_FOUND,
            Self::MethodNotAllowed { .. } => text::METHOD_NOT_ALLOWED,
            Self::TooSlow => text::TOO_SLOW,
            Self::TooLarge { app } => return (text::TOO_LARGE, text::too_large(app)),
            Self::AddressTooLong => text::ADDRESS_TOO_LONG,
            Self::HeadTooLarge => text::HEAD_TOO_LARGE,
            Self::Misdirected => text::MISDIRECTED,
            Self::TooMany { wait } => return (text::TOO_MANY, text::wait(&in_words(*wait))),
            Self::Banned { wait } => return (text::BANNED, text::banned(wait.map(in_words).as_deref())),
            Self::UpstreamDown { app } => return (text::UPSTREAM_DOWN, text::upstream_down(app)),
            Self::Maintenance { app, text } => return (text::MAINTENANCE, text::maintenance(app, *text)),
            Self::Unavailable => text::UNAVAILABLE,
            Self::Busy => text::BUSY,
            Self::UpstreamSlow { app } => return (text::UPSTREAM_SLOW, text::upstream_slow(app)),
        };
        (heading, detail.to_owned())
    }

    /// Whether people meet it who are where they may be, and somebody can help them. What is not there, cannot be read or leads
    /// elsewhere is for nobody, and is met by whoever tries.
    fn is_for_guests(&self) -> bool {
        match self {
            Self::NotAllowed { .. }
            | Self::Forbidden
            | Self::ForeignForm
            | Self::TooLarge { .. }
            | Self::TooMany { .. }
            | Self::Banned { .. }
            | Self::UpstreamDown { .. }
            | Self::Maintenance { .. }
            | Self::Unavailable
            | Self::Busy
            | Self::UpstreamSlow { .. } => true,
            Self::BadRequest
            | Self::SignInRequired { .. }
            | Self::ConfirmRequired { .. }
            | Self::NotATab
            | Self::NotFound
            | Self::MethodNotAllowed { .. }
            | Self::TooSlow
            | Self::AddressTooLong
            | Self::HeadTooLarge
            | Self::Misdirected => false,
        }
    }

    /// Whether the same request may succeed a little later.
    fn passes(&self) -> bool {
        matches!(
            self,
            Self::TooMany { .. }
                | Self::UpstreamDown { .. }
                | Self::Maintenance { .. }
                | Self::Unavailable
                | Self::Busy
                | Self::UpstreamSlow { .. }
                | Self::NotATab
        )
    }

    fn wait(&self) -> Option<Duration> {
        if let Self::TooMany { wait } | Self::Banned { wait: Some(wait) } = self {
            Some((*wait).max(Duration::from_secs(1)))
        } else if matches!(self, Self::Busy | Self::Unavailable) {
            Some(Duration::from_secs(2))
        } else if matches!(self, Self::Maintenance { .. }) {
            Some(MAINTENANCE_RETRY)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn body(response: Response<Body>) -> String {
        let bytes = response.into_body().collect().await.expect("in memory").to_bytes();
        String::from_utf8(bytes.to_vec()).expect("UTF-8")
    }

    #[tokio::test]
    async fn programs_get_a_problem_document() {
        let response = Refusal::SignInRequired { login_url: "/.doorward/login" }.answer(Audience::Program, "r1", None);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert!(response.headers().contains_key("www-authenticate"));
        let problem: serde_json::Value = serde_json::from_str(&body(response).await).expect("JSON");
        assert_eq!(problem["status"], 401);
        assert_eq!(problem["login_url"], "/.doorward/login");
        assert_eq!(problem["instance"], "r1");
        let plain = body(Refusal::NotFound.answer(Audience::Program, "r1", None)).await;
        assert!(!plain.contains("login_url"), "{plain}");
    }

    #[tokio::test]
    async fn people_get_a_page_that_says_what_happened_and_its_request_id() {
        let page = body(Refusal::UpstreamDown { app: "Paperless" }.answer(Audience::Person, "r-42", None)).await;
        assert!(page.contains("Paperless isn't answering") || page.contains("Paperless isn&#39;t answering"), "{page}");
        assert!(page.contains("Your sign-in is fine") && page.contains("r-42") && page.contains("Try again"));
    }

    /// The attack: an app's name or a request id that brings its own markup.
    #[tokio::test]
    async fn what_is_shown_is_text() {
        let page = body(Refusal::UpstreamDown { app: "<script>x</script>" }.answer(Audience::Person, "\"><b>", None)).await;
        assert!(!page.contains("<script>") && !page.contains("\"><b>"));
    }

    #[tokio::test]
    async fn the_plain_404_names_neither_us_nor_an_app() {
        let response = Refusal::NotFound.answer(Audience::Person, "r1", None);
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        let page = body(response).await;
        assert!(!page.contains("Doorward"), "{page}");
    }

    #[tokio::test]
    async fn people_learn_whom_to_turn_to_and_strangers_do_not() {
        let contact: Contact = "ops@example.com".parse().expect("an address");
        let link = "<a href=\"mailto:ops@example.com\">ops@example.com</a>";
        let down = Refusal::UpstreamDown { app: "wiki" };
        let not_allowed = Refusal::NotAllowed { app: "wiki", user: "alice" };
        for (refusal, shown) in [(down, true), (not_allowed, true), (Refusal::NotFound, false), (Refusal::Misdirected, false)] {
            let page = body(refusal.answer(Audience::Person, "r", Some(&contact))).await;
            assert_eq!(page.contains(link), shown, "{page}");
        }
        assert!(!body(down.answer(Audience::Person, "r", None)).await.contains("mailto:"));
    }

    #[test]
    fn waiting_times_are_told_to_machines_too() {
        let header = |refusal: Refusal<'_>| refusal.answer(Audience::Program, "r", None).headers()["retry-after"].clone();
        assert_eq!(header(Refusal::TooMany { wait: Duration::from_millis(1_500) }), "2");
        assert_eq!(header(Refusal::Busy), "2");
        let allow = Refusal::MethodNotAllowed { allow: "GET, HEAD" }.answer(Audience::Program, "r", None);
        assert_eq!(allow.headers()["allow"], "GET, HEAD");
    }
}
