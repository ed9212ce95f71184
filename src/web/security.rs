//! Texts of the pages on which people look after their own account. The rules of [`crate::web::text`] hold here too.

/// Heading and link.
pub const SECURITY: &str = "Security";
/// Before the user's name.
pub const ACCOUNT_OF: &str = "Account of";
/// Link back to the overview.
pub const BACK: &str = "Back to security";
/// Link to our home page.
pub const HOME: &str = "Home";
/// Link.
pub const CANCEL: &str = "Cancel";
/// A form that is older than its token, or another session's.
pub const FORM_TOO_OLD: &str = "That page was open too long, so nothing was changed. Please try again.";
/// What was to be changed is gone.
pub const GONE: &str = "That isn't there any more. Nothing was changed.";
/// In place of what asks for a proof.
pub const CONFIRM_FIRST: &str = "Confirm that it's you to change something here";

// Overview

/// Only one thing stands between somebody and their account.
pub const ONE_FACTOR: &str = "If you lose it, only the owner of this server can let you back in. A second one keeps you going.";
/// No second factor.
pub const NO_FACTOR: &str = "Two-factor is off: your password alone opens your account. Add an authenticator app to turn it on.";

/// With a second factor.
pub fn two_factor_on(what: &str) -> String {
    format!("Two-factor is on: {what}.")
}

/// So many authenticators.
pub fn authenticators(count: usize) -> String {
    match count {
        1 => "1 authenticator app".to_owned(),
        count => format!("{count} authenticator apps"),
    }
}

/// The last second factor stays.
pub const LAST_FACTOR: &str =
    "This is your only second factor, and this site asks everybody for one. Add another first, then remove this one.";

/// The last second factor stays because of an app.
pub fn last_factor_for(app: &str) -> String {
    format!("This is your only second factor, and {app} asks you for one. Add another first, then remove this one.")
}

// Sessions

/// Heading.
pub const SESSIONS: &str = "Sessions";
/// Above the list.
pub const SESSIONS_ABOUT: &str = "Everywhere your account is signed in. Ending a session closes what is open there at once.";
/// Beside the session of this very browser.
pub const THIS_DEVICE: &str = "This device";
/// Button.
pub const END_SESSION: &str = "End session";
/// Button.
pub const END_OTHERS: &str = "End all other sessions";
/// A session was ended.
pub const SESSION_ENDED: &str = "That session was ended, and everything that was open there is closed.";
/// All others were ended.
pub const OTHERS_ENDED: &str = "All other sessions were ended, and everything that was open there is closed.";
/// Name of a fact.
pub const NETWORK: &str = "Network";
/// Name of a fact.
pub const SIGNED_IN_AT: &str = "Signed in";
/// Name of a fact.
pub const LAST_SEEN: &str = "Last seen";
/// Name of a fact.
pub const OPEN_NOW: &str = "Open now";
/// Name of a fact.
pub const SITES: &str = "Sites";

/// How many sessions.
pub fn sessions(count: usize) -> String {
    match count {
        0 | 1 => "Signed in on this device only.".to_owned(),
        count => format!("Signed in on {count} devices or browsers."),
    }
}

/// How much is under way.
pub fn live(count: usize) -> String {
    match count {
        0 => "nothing".to_owned(),
        1 => "1 live connection".to_owned(),
        count => format!("{count} live connections"),
    }
}

/// A moment that is some time ago.
pub fn ago(span: &str) -> String {
    format!("{span} ago")
}

/// A moment that is no time ago.
pub const NOW: &str = "just now";
