//! Texts of the pages on which people look after their own account. The rules of [`crate::web::text`] hold here too.

use crate::model::audit::{Deed, Outcome, Written};

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

/// Heading for somebody who may not change their factors.
pub const CLOSED: &str = "You can't change this here";
/// What to do instead.
pub const ASK_OWNER: &str = "Whoever runs this server looks after how people sign in. Ask them to add, replace or remove something; \
     you can still change your password and end your sessions.";

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
pub fn authenticators(count: u64) -> String {
    match count {
        1 => "1 authenticator app".to_owned(),
        count => format!("{count} authenticator apps"),
    }
}

/// So many authenticators and passkeys.
pub fn factors(apps: u64, keys: u64) -> String {
    let keys = match keys {
        0 => return authenticators(apps),
        1 => "1 passkey or security key".to_owned(),
        count => format!("{count} passkeys and security keys"),
    };
    if apps == 0 { keys } else { format!("{}, {keys}", authenticators(apps)) }
}

/// The last second factor stays.
pub const LAST_FACTOR: &str =
    "This is your only second factor, and this site asks everybody for one. Add another first, then remove this one.";

/// The last second factor stays because of an app.
pub fn last_factor_for(app: &str) -> String {
    format!("This is your only second factor, and {app} asks you for one. Add another first, then remove this one.")
}

/// Something stays because nothing else that somebody has would do.
pub fn last_that_counts(name: &str) -> String {
    format!("Of what you have, only this counts for {name}. Add another that does first, then remove this one.")
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

// Authenticator apps

/// Heading.
pub const AUTHENTICATORS: &str = "Authenticator apps";
/// What one is called that nobody has named.
pub const AUTHENTICATOR: &str = "Authenticator app";
/// Heading and link.
pub const ADD_AUTHENTICATOR: &str = "Add an authenticator app";
/// Beside a warning.
pub const ADD_ONE: &str = "Somebody who learns your password needs nothing else.";
/// Before a moment.
pub const ADDED: &str = "Added";
/// Before a moment.
pub const LAST_USED: &str = "Last used";
/// In place of a moment.
pub const NEVER: &str = "never";
/// Before how codes are made.
pub const CODES: &str = "Codes";
/// Link to where one is changed.
pub const CHANGE: &str = "Change or remove";
/// There is none.
pub const NO_AUTHENTICATOR: &str = "You have none yet.";
/// Label.
pub const NAME: &str = "Name";
/// Below it.
pub const NAME_HINT: &str = "So that you know later which one it is: “Phone”, “Tablet at home”.";
/// Above a choice of ways to make codes.
pub const WHICH_CODES: &str = "Codes it shows";
/// The way that is not called anything.
pub const USUAL: &str = "Usual";
/// Button.
pub const RENAME: &str = "Rename";
/// Heading and link.
pub const REPLACE: &str = "Replace with a new one";
/// What that does.
pub const REPLACE_ABOUT: &str = "For a new phone. The old one works until the new one has shown its first code.";
/// Heading and button.
pub const REMOVE: &str = "Remove";
/// What that does.
pub const REMOVE_ABOUT: &str = "Its codes won't be accepted any more, and all your other sessions end.";
/// Button that ends the enrolment.
pub const TURN_ON: &str = "Turn on";
/// What ends with a replacement.
pub const REPLACING: &str = "With its first code the old one stops working, and all your other sessions end.";
/// A name that cannot be.
pub const BAD_NAME: &str = "Use a name of 1 to 64 characters.";
/// A name that another has.
pub const NAME_TAKEN: &str = "You call another one so already. Choose another name.";

/// As the overview shows it.
pub fn authenticators_status(count: u64) -> String {
    match count {
        0 => "None yet.".to_owned(),
        count => format!("{} on.", authenticators(count)),
    }
}

/// How codes are made.
pub fn recipe(algorithm: &str, digits: u32, period: u64) -> String {
    format!("{digits} digits, every {period} seconds, {algorithm}")
}

/// Heading of the page of one.
pub fn replacing(name: &str) -> String {
    format!("Replace {name}")
}

/// No more can be added.
pub fn most(count: usize) -> String {
    format!("You have {count}, which is as many as one can have. Remove or replace one.")
}

// Password

/// As the overview shows it.
pub const PASSWORD_SET: &str = "Set.";
/// As the overview shows it.
pub const NO_PASSWORD: &str = "None.";
/// Heading and button.
pub const CHANGE_PASSWORD: &str = "Change password";
/// Label.
pub const CURRENT_PASSWORD: &str = "Current password";
/// Label of a box.
pub const END_OTHERS_TOO: &str = "End all my other sessions";
/// It would be no change.
pub const SAME_PASSWORD: &str = "That is the password you have. Choose another one.";

// Activity

/// Heading.
pub const ACTIVITY: &str = "Activity";
/// As the overview shows it, and above the list.
pub const ACTIVITY_ABOUT: &str = "Sign-ins, failures and changes of the last 90 days.";
/// Nothing to show.
pub const NO_ACTIVITY: &str = "Nothing in this time.";
/// Link.
pub const OLDER: &str = "Older";
/// Link.
pub const NEWEST: &str = "Newest";

/// What was done, by the word in the address of the page that follows.
pub fn done(word: &str) -> Option<&'static str> {
    Some(match word {
        "ended" => SESSION_ENDED,
        "others-ended" => OTHERS_ENDED,
        "gone" => GONE,
        "added" => "Your authenticator app is on. Its next code will work when you sign in.",
        "replaced" => "The new authenticator app is on, and the old one is off. Your other sessions were ended.",
        "renamed" => "It has its new name.",
        "removed" => "It was removed. Your other sessions were ended.",
        "late" => "That was open too long, or was finished already. If it isn't in the list, add it again.",
        "taken" => "You call another one so already, so nothing was added. Add it again under another name.",
        "most" => "You have as many authenticator apps as one can have. Remove or replace one.",
        "password" => "Your password was changed.",
        _ => return None,
    })
}

/// Above the first page that adds an authenticator app.
pub const STEP_1: &str = "Step 1 of 2";
/// And the second.
pub const STEP_2: &str = "Step 2 of 2";

/// What happened, to the one it happened to.
pub fn happened(written: &Written) -> String {
    let detail = written.detail.as_deref();
    match Deed::from_name(&written.event) {
        Some(Deed::SignIn) => "Signed in".to_owned(),
        Some(Deed::NewDevice) => "A browser or network that was new".to_owned(),
        Some(Deed::SignInFailed) => "A sign-in failed".to_owned(),
        Some(Deed::Throttled) => "Tries came too often and were not looked at".to_owned(),
        Some(Deed::SignOut) => "Signed out".to_owned(),
        Some(Deed::SessionEnded) if detail == Some("all but one") => "All other sessions ended".to_owned(),
        Some(Deed::SessionEnded) => "A session ended".to_owned(),
        Some(Deed::SetUp) => "The account was set up".to_owned(),
        Some(Deed::CredentialChanged | Deed::UserChanged) => match detail {
            Some("authenticator added") => "An authenticator app was added".to_owned(),
            Some("authenticator replaced") => "An authenticator app was replaced".to_owned(),
            Some("authenticator removed") => "An authenticator app was removed".to_owned(),
            Some("authenticator renamed") => "An authenticator app was renamed".to_owned(),
            Some("password") => "The password was changed".to_owned(),
            Some("recovery codes") => "Recovery codes were replaced".to_owned(),
            Some("password and authenticator") => "Password and authenticator app were set anew".to_owned(),
            _ if written.event == Deed::UserChanged.name() => "Details of the account were changed".to_owned(),
            _ => "Password or authenticator app was changed".to_owned(),
        },
        Some(Deed::RecoveryUsed) => "Signed in with a recovery code".to_owned(),
        Some(Deed::UserAdded) => "The account was made".to_owned(),
        Some(Deed::UserDisabled) => "The account was disabled".to_owned(),
        Some(Deed::UserEnabled) => "The account was enabled again".to_owned(),
        Some(Deed::UserDeleted) => "The account was deleted".to_owned(),
        Some(Deed::LinkIssued) => "A set-up link was made".to_owned(),
        Some(Deed::GroupChanged) => "Groups were changed".to_owned(),
        Some(
            Deed::BanAdded
            | Deed::BanLifted
            | Deed::Reloaded
            | Deed::CertificateIssued
            | Deed::CertificateRenewed
            | Deed::CertificateRevoked
            | Deed::AccountKeyChanged
            | Deed::CertificateFailing
            | Deed::CertificateImported
            | Deed::KeyRotated
            | Deed::KeyDropped
            | Deed::BackupMade
            | Deed::BackupRestored
            | Deed::TrailBroken,
        )
        | None => written.event.clone(),
    }
}

/// How, from where, and how often.
pub fn happened_how(written: &Written) -> String {
    let method = match written.method.as_deref() {
        Some("security page") => Some("on the security page".to_owned()),
        Some(method) => Some(format!("by {method}")),
        None => None,
    };
    let whose = match written.actor.as_str() {
        "owner" => Some("by the owner of this server".to_owned()),
        _ => None,
    };
    let from = written.address.as_ref().map(|address| format!("from {address}"));
    let times = (written.tally > 1).then(|| format!("{} times", written.tally));
    let reason = written.reason.clone().filter(|_| written.outcome != Outcome::Done.name());
    let parts: Vec<String> = [method, whose, from, times, reason].into_iter().flatten().collect();
    parts.join(", ")
}
