//! How the faults of forwarding are answered.

use crate::proxy::fault::Fault;
use crate::web::refusal::Refusal as Page;

/// The page shown. `app` is the app's name.
pub fn page<'a>(fault: &Fault, app: &'a str) -> Page<'a> {
    match fault {
        Fault::Connect(_) | Fault::Tls { .. } | Fault::Closed(_) | Fault::BadFraming | Fault::BadUpgrade => {
            Page::UpstreamDown { app }
        }
        Fault::ConnectTimeout | Fault::Timeout | Fault::AppChanged => Page::UpstreamSlow { app },
        Fault::TooLarge => Page::TooLarge { app },
        Fault::Stalled => Page::TooSlow,
        Fault::ForeignOrigin | Fault::WebSocketsOff => Page::Forbidden,
        Fault::ClientGone | Fault::BadMethod | Fault::BadHandshake | Fault::BadTarget => Page::BadRequest,
        // Nothing is lost by asking again: the next request meets sign-in.
        Fault::SessionEnded => Page::SignInRequired { login_url: "/.doorward/login" },
    }
}

/// The stable name in the log.
pub fn name(fault: &Fault) -> &'static str {
    match fault {
        Fault::Connect(_) => "upstream-unreachable",
        Fault::ConnectTimeout => "upstream-connect-timeout",
        Fault::Tls { trouble, .. } if trouble.is_about_proof() => "upstream-certificate",
        Fault::Tls { .. } => "upstream-tls",
        Fault::Timeout => "upstream-timeout",
        Fault::Closed(_) => "upstream-closed",
        Fault::BadFraming => "upstream-framing",
        Fault::BadUpgrade => "upstream-upgrade",
        Fault::TooLarge => "body-too-large",
        Fault::Stalled => "body-stalled",
        Fault::ClientGone => "client-gone",
        Fault::ForeignOrigin => "foreign-origin",
        Fault::WebSocketsOff => "websockets-off",
        Fault::BadMethod => "method",
        Fault::BadHandshake => "bad-websocket",
        Fault::BadTarget => "bad-target",
        Fault::SessionEnded => "session-ended",
        Fault::AppChanged => "app-changed",
    }
}
