//! Every text of an installation that one owner signs in to by a code alone, in one place as in [`crate::web::text`].

use crate::auth::throttle::Wait;
use crate::base::units::in_words;

/// On the step that connects the app.
pub const WELCOME: &str =
    "This installation is yours alone: from now on a code from this app signs you in, without a name and without a password.";
/// What was typed can be no code.
pub const NO_CODE: &str = "A code has 6 to 8 digits. Check what you typed; it was not counted as a try.";
/// A code is too weak for where somebody is going.
pub const NEEDS_PASSKEY: &str =
    "What you want to open asks for a passkey that checks that it's you. A code signs you in, but does not open it.";
/// Between the ways of signing in and their names.
pub const SIGN_IN_WITH: &str = "You sign in with";
/// Only one thing stands between the owner and their account.
pub const ONE_FACTOR: &str =
    "If you lose it, only a command on the server lets you back in. Recovery codes or a passkey keep you going.";
/// There is nothing left but what signed in just now.
pub const NO_FACTOR: &str =
    "There is no authenticator app and no passkey: nothing but recovery codes and set-up links opens your account. Add one now.";
/// The last factor stays.
pub const LAST_FACTOR: &str = "This is all you sign in with. Add another first, then remove this one.";
/// What a key that verifies its user does.
pub const KEY_SIGNS_IN: &str = "signs you in, and meets what asks for two factors";
/// What a key that does not verify its user does.
pub const KEY_IS_ONE: &str = "signs you in, as one factor";

/// No code is looked at now.
pub fn code_waits(wait: Wait, is_known: bool) -> String {
    match wait {
        Wait::For(wait) if is_known => format!("Too many tries. Try again in {}, or use your passkey.", in_words(wait)),
        Wait::For(wait) => format!(
            "There were too many wrong codes on devices that are new here. Try again in {}; or use your passkey, a recovery code, or a \
             device that you signed in with before.",
            in_words(wait)
        ),
        Wait::Closed => {
            "Strangers guessed so often that codes are taken only on devices that you signed in with before. Use one of \
             those, your passkey or a recovery code; or, on the server, open them again: doorward user link NAME"
                .to_owned()
        }
    }
}

/// No recovery code is looked at now.
pub fn recovery_waits(wait: Wait) -> String {
    match wait {
        Wait::For(wait) => format!("Too many tries with recovery codes from your network. Try again in {}.", in_words(wait)),
        Wait::Closed => {
            "There were too many tries with recovery codes from your network. Use another network, a passkey or a code; or, on \
             the server: doorward user link NAME"
                .to_owned()
        }
    }
}

/// Heading and text of what may have gone wrong.
pub const CASES: [(&str, &str); 3] = [
    (
        "Your code isn't taken",
        "Set your phone's clock to automatic time: codes depend on it. Each code works once, so wait for the next one. If your app has several entries, pick the one named as this site. On a device that is new here, strangers may have guessed too often: use one that you signed in with before, a passkey or a recovery code.",
    ),
    (
        "You lost your phone",
        "Choose “Use a recovery code” below the field for the code. You got those when you set this up; each works once.",
    ),
    (
        "You lost your phone and the codes",
        "A new set-up link helps, made on the server. Nobody can sign you in without it, or see your codes.",
    ),
];
