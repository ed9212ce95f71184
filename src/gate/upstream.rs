//! How the faults of forwarding are answered.

use http::StatusCode;

use crate::proxy::fault::Fault;
use crate::web::refusal::Refusal as Page;

/// The status answered.
pub fn status(fault: &Fault) -> StatusCode {
    page(fault, "").status()
}

/// The page shown. `app` is the app's name.
pub fn page<'a>(fault: &Fault, app: &'a str) -> Page<'a> {
    match fault {
        Fault::Connect(_) | Fault::Closed(_) | Fault::BadFraming | Fault::BadUpgrade => Page::UpstreamDown { app },
        Fault::ConnectTimeout | Fault::Timeout => Page::UpstreamSlow { app },
        Fault::TooLarge => Page::TooLarge,
        Fault::Stalled => Page::TooSlow,
        Fault::ForeignOrigin => Page::Forbidden,
        Fault::ClientGone | Fault::BadMethod | Fault::BadHandshake | Fault::BadTarget => Page::BadRequest,
        // The next request is judged by what is configured now.
        Fault::AppChanged => Page::Unavailable,
        // Nothing is lost by asking again: the next request meets sign-in.
        Fault::SessionEnded => Page::SignInRequired { login_url: "/.doorward/login" },
    }
}

/// The stable name in the log.
pub fn name(fault: &Fault) -> &'static str {
    match fault {
        Fault::Connect(_) => "upstream_unreachable",
        Fault::ConnectTimeout => "upstream_connect_timeout",
        Fault::Timeout => "upstream_timeout",
        Fault::Closed(_) => "upstream_closed",
        Fault::BadFraming => "upstream_framing",
        Fault::BadUpgrade => "upstream_upgrade",
        Fault::TooLarge => "body_too_large",
        Fault::Stalled => "body_stalled",
        Fault::ClientGone => "client_gone",
        Fault::ForeignOrigin => "foreign_origin",
        Fault::BadMethod => "method",
        Fault::BadHandshake => "bad_websocket",
        Fault::BadTarget => "bad_target",
        Fault::SessionEnded => "session_ended",
        Fault::AppChanged => "app_changed",
    }
}
