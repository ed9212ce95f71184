//! Why somebody was sent to sign in, as it stands in our URLs: one of a few words that we know, never a text of others.

use crate::base::units::in_words;
use crate::model::session::Ended;
use crate::plan::policy::SessionPolicy;
use crate::web::text;

/// Why somebody was sent to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Their session was not used for too long.
    Idle,
    /// Their session reached its end.
    Expired,
    /// Somebody ended their session.
    Revoked,
    /// They signed out.
    SignedOut,
    /// What they sent came without a session, and did not reach the app.
    Post,
    /// What they sent came with a proof too old for it, and did not reach the app.
    Unconfirmed,
}

impl Why {
    /// All there are.
    const ALL: [Self; 6] = [Self::Idle, Self::Expired, Self::Revoked, Self::SignedOut, Self::Post, Self::Unconfirmed];

    /// As it stands in URLs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Expired => "expired",
            Self::Revoked => "ended",
            Self::SignedOut => "signed-out",
            Self::Post => "post",
            Self::Unconfirmed => "unconfirmed",
        }
    }

    /// Reads it from a URL.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.name() == text)
    }

    /// What the visitor is told.
    pub fn notice(self, policy: &SessionPolicy) -> String {
        match self {
            Self::Idle => text::signed_out_idle(&in_words(policy.idle_timeout)),
            Self::Expired => text::SIGNED_OUT_EXPIRED.to_owned(),
            Self::Revoked => text::SESSION_REVOKED.to_owned(),
            Self::SignedOut => text::SIGNED_OUT.to_owned(),
            Self::Post => text::NOT_SENT.to_owned(),
            Self::Unconfirmed => text::NOT_SENT_UNCONFIRMED.to_owned(),
        }
    }
}

impl From<Ended> for Why {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Revoked => Self::Revoked,
            Ended::Idle => Self::Idle,
            Ended::Expired => Self::Expired,
        }
    }
}

/// The path of the sign-in page for a journey of that name (empty: none) and for a reason.
pub fn sign_in_path(go: &str, why: Option<Why>) -> String {
    let go = (!go.is_empty()).then(|| format!("go={go}"));
    let why = why.map(|why| format!("why={}", why.name()));
    let query: Vec<String> = go.into_iter().chain(why).collect();
    if query.is_empty() { SIGN_IN.to_owned() } else { format!("{SIGN_IN}?{}", query.join("&")) }
}

/// The sign-in page.
pub const SIGN_IN: &str = "/.doorward/login";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_read_as_they_are_written_and_nothing_else_is() {
        for why in Why::ALL {
            assert_eq!(Why::parse(why.name()), Some(why));
        }
        assert_eq!(Why::parse("<script>"), None);
        assert_eq!(sign_in_path("", None), "/.doorward/login");
        assert_eq!(sign_in_path("x", Some(Why::Idle)), "/.doorward/login?go=x&why=idle");
    }
}
