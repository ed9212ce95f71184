//! Every text about passkeys and security keys, in one place as in [`crate::web::text`].

use crate::auth::passkey::refused::Refused;

/// Button.
pub const SIGN_IN: &str = "Sign in with a passkey";
/// Button on the second step.
pub const INSTEAD: &str = "Use a passkey instead";
/// Button where it is the only second step.
pub const USE: &str = "Use your passkey or security key";
/// Between two ways.
pub const OR: &str = "or";
/// The browser's dialog was closed.
pub const CANCELLED: &str = "No passkey was used. Try again, or use another way.";
/// The browser says that the key is registered already.
pub const KNOWN: &str = "That key is registered already. Choose another one.";
/// A key without verification at the sign-in page.
pub const PASSWORD_FIRST: &str =
    "That key didn't check that it's you, so it is your second step. Enter your password first; then it asks for the key again.";
/// In browsers without scripts, or without passkeys, where nothing else is left.
pub const NEEDS_SCRIPT: &str =
    "Passkeys need JavaScript and a browser that knows them. Turn JavaScript on, or open this page in another browser.";
/// After a question that is too old.
const STALE: &str = "That page was open too long. Use your passkey once more.";
/// A key that nobody here knows.
const UNKNOWN: &str = "This passkey is no longer registered here. Use another way to sign in.";
/// Everything else. One sentence for all reasons: the trail names the very one.
const REFUSED: &str = "That passkey didn't work here. Try again, or use another way.";
const NOT_VERIFIED: &str =
    "That key has to check that it's you, by fingerprint, face or PIN. Try again and let it, or use another way.";

/// Heading where an app asks for a passkey and there is none.
pub const MISSING: &str = "A passkey is missing";
/// Link.
pub const ADD_ONE: &str = "Add a passkey";
/// Above the sign-in form, for somebody whose session is not firm enough.
pub const STRONGER: &str = "This page asks for a passkey.";

/// A key that is right, in a place where it does not open anything by itself.
pub const NOT_ALONE: &str = "A passkey alone doesn't sign you in here. Sign in with your password instead.";

/// Heading of the second step of a set-up where nothing else counts.
pub const CREATE_YOURS: &str = "Create your passkey";
/// In place of an authenticator app.
pub const OR_PASSKEY: &str = "Or use a passkey instead";
/// The browser's dialog was closed while setting up.
pub const NOT_CREATED: &str = "No passkey was created. Try again, or use an authenticator app.";
/// Heading of the list.
pub const HEADING: &str = "Passkeys and security keys";
/// Link to the page that makes one.
pub const ADD: &str = "Add a passkey or security key";
/// What it is.
pub const ABOUT: &str = "A passkey is kept by your phone, computer, password manager or security key. It signs you in without a password, and no other site can be given it.";
/// Button that opens the browser's dialog.
pub const CREATE: &str = "Create a passkey";
/// What happens to other sessions.
pub const ENDS_SESSIONS: &str = "Adding or removing a key signs you out everywhere else.";
/// In place of the list.
pub const NONE: &str = "You have none yet.";
/// On portals that are addresses.
pub const ADDRESS: &str = "This site is reached by an IP address, and browsers have passkeys only for names. Ask its owner for a name; a password and a code work here.";
/// Label.
pub const NAME: &str = "Name";
/// Button.
pub const RENAME: &str = "Rename";
/// Button.
pub const REMOVE: &str = "Remove";
/// Link back.
pub const BACK: &str = "Back to your keys";
/// Link home.
pub const HOME: &str = "Home";
/// Of a key that its holder's devices share.
pub const SYNCED: &str = "synced between devices";
/// Of a key that cannot be copied.
pub const ONE_DEVICE: &str = "this device only";
/// Of a key that verifies its user.
pub const REPLACES: &str = "can replace your password";
/// Of a key that does not.
pub const SECOND_ONLY: &str = "second step only";
/// Of a key that is set aside.
pub const SET_ASIDE: &str =
    "This key counted backwards, so there may be a copy of it. It opens nothing any more. Remove it and add a new one.";
/// The name is empty or too long.
pub const BAD_NAME: &str = "Give it a name of 1 to 64 characters.";
/// It cannot be removed.
pub const NEEDED: &str = "This is the last key or second step that what you use here asks for. Add another one first.";
/// It is gone already, or somebody else's.
pub const GONE: &str = "That key is not there any more.";
/// There are too many.
pub const FULL: &str = "You have 20 keys, and there is room for no more. Remove one first.";
/// Somebody has it.
pub const TAKEN: &str = "That key is registered already, here or with another account. Choose another one.";
/// The site changed.
pub const OTHER_SITE: &str = "Keys of this installation are for another name of this site. Ask its owner.";
/// The form was too old.
pub const FORM_TOO_OLD: &str = "That page was open too long. Nothing was changed; try again.";
/// No key was made.
const NOT_MADE: &str = "No key was added: what the browser sent didn't fit. Try again.";

/// What a visitor is told of an answer that proves nothing.
pub fn refused(reason: Refused) -> &'static str {
    match reason {
        Refused::Stale => STALE,
        Refused::Unknown => UNKNOWN,
        Refused::NotVerified => NOT_VERIFIED,
        Refused::Unreadable
        | Refused::OtherKind
        | Refused::OtherChallenge
        | Refused::OtherOrigin
        | Refused::CrossOrigin
        | Refused::OtherRelyingParty
        | Refused::NotPresent
        | Refused::Algorithm
        | Refused::OtherUser
        | Refused::Signature
        | Refused::CounterBack
        | Refused::SetAside
        | Refused::BackupChanged
        | Refused::Registered => REFUSED,
    }
}

/// The same of one that brings no key.
pub fn not_made(reason: Refused) -> &'static str {
    match reason {
        Refused::Stale => FORM_TOO_OLD,
        Refused::NotVerified => NOT_VERIFIED,
        Refused::Registered => TAKEN,
        Refused::Unreadable
        | Refused::OtherKind
        | Refused::OtherChallenge
        | Refused::OtherOrigin
        | Refused::CrossOrigin
        | Refused::OtherRelyingParty
        | Refused::NotPresent
        | Refused::Algorithm
        | Refused::Unknown
        | Refused::OtherUser
        | Refused::Signature
        | Refused::CounterBack
        | Refused::SetAside
        | Refused::BackupChanged => NOT_MADE,
    }
}

/// What an app asks for, to somebody who has no passkey.
pub fn missing(app: &str) -> String {
    format!("{app} asks for a passkey that checks that it's you, and your account has none yet. Add one, then open it again.")
}

/// A first name for a key.
pub fn first_name(make: Option<&str>, platform: Option<&str>, is_portable: bool) -> String {
    let what = make.unwrap_or(if is_portable { "Security key" } else { "Passkey" });
    match platform.filter(|platform| !is_portable && !what.contains(*platform)) {
        Some(platform) => format!("{what} on {platform}"),
        None => what.to_owned(),
    }
}

/// When it was made.
pub fn added(ago: &str) -> String {
    format!("added {ago} ago")
}

/// When it was used.
pub fn used(ago: Option<&str>) -> String {
    ago.map_or_else(|| "never used".to_owned(), |ago| format!("last used {ago} ago"))
}

/// What the trail and its holder are told of a change.
pub fn was_added(name: &str) -> String {
    format!("passkey added: {name}")
}

/// What the trail and its holder are told of a key that was taken away.
pub fn was_removed(name: &str) -> String {
    format!("passkey removed: {name}")
}

/// What the trail and its holder are told of a key that opens nothing any more.
pub fn set_aside(name: &str) -> String {
    format!("passkey set aside, there may be a copy of it: {name}")
}

/// How many there are.
pub fn count(all: usize, replacing: usize) -> String {
    match (all, replacing) {
        (0, _) => "None yet.".to_owned(),
        (1, 1) => "1 passkey".to_owned(),
        (1, _) => "1 security key, second step only".to_owned(),
        (all, replacing) => format!("{all} keys, {replacing} of them can replace your password"),
    }
}
