//! The texts about recovery codes and about not getting in, in one place as all texts are. See [`crate::web::text`] for how they
//! are written.

use crate::auth::throttle::Wait;
use crate::base::units::in_words;

// The codes themselves

/// Heading of the page that shows them.
pub const SAVE: &str = "Save your recovery codes";
/// What they are for.
pub const PURPOSE: &str = "If you lose your phone, each of these signs you in once in place of a code from your authenticator app. \
     Keep them where you would find them without it: printed, or in a password manager.";
/// How to take them along.
pub const TAKE_ALONG: &str = "One click or tap on the list selects all of it, to copy. Your browser prints this page as a card with nothing but the codes.";
/// Button.
pub const DOWNLOAD: &str = "Download";
/// Label of the tick box.
pub const SAVED: &str = "I've saved these";
/// The box was not ticked.
pub const NOT_SAVED: &str = "Save the codes first, then tick “I've saved these”. They are not shown again.";
/// They count only from then on.
pub const COUNT_LATER: &str = "They count once you have ticked the box and gone on.";
/// Heading instead of the codes.
pub const SHOWN_ONCE: &str = "Your recovery codes were shown once";
/// Why they are not here, and what to do.
pub const SHOW_NEW: &str = "They are kept in a form from which nobody can read them, so they can't be shown again. You haven't said yet that \
     you saved them, so they don't count: the new ones take their place.";
/// Button.
pub const SHOW_NEW_BUTTON: &str = "Show new codes";
/// The page shows codes that others took the place of.
pub const REPLACED: &str =
    "Newer codes were shown since, perhaps in another tab, so the ones on that page don't count. Show new ones here.";

/// The file that is downloaded.
pub fn file(host: &str, user: &str, date: &str, codes: &str) -> String {
    format!(
        "Recovery codes for {user} at {host}, made on {date}\n\n{codes}\n\nEach signs in once, in place of a code from the authenticator app: at the step that asks for\n\
         that code, choose \"Use a recovery code\". Keep this where others don't look.\n"
    )
}

/// Which step of how many.
pub fn step(number: u8, of: u8) -> String {
    format!("Step {number} of {of}")
}

// Signing in with one

/// Heading, and link to the page.
pub const USE: &str = "Use a recovery code";
/// Label.
pub const LABEL: &str = "Recovery code";
/// Below the field.
pub const HINT: &str = "With the number in front of it, such as 03-XXXX-XXXX-XXXX-XXXX. Dashes and capital letters don't matter.";
/// Link back to the code.
pub const USE_APP: &str = "Use your authenticator app instead";
/// What was typed cannot be one.
pub const NO_CODE: &str =
    "A recovery code has 16 letters and digits after its number. Check what you typed; it was not counted as a try.";
/// It is none of this account's.
pub const WRONG: &str = "That code didn't match. Check its number too: it stands in front.";
/// It was right once.
pub const USED: &str = "That code was used before, and each works once. Take another one of your list.";
/// The form was older than its token.
pub const FORM_TOO_OLD: &str = "That page was open too long. Enter the code once more; it was not used.";
/// All cores are busy.
pub const BUSY: &str = "Too many people are signing in. Your code was not looked at. Try again in 2 seconds.";

/// No try is made now.
pub fn waiting(wait: Wait) -> String {
    match wait {
        Wait::For(wait) => format!("Too many tries with recovery codes. Try again in {}.", in_words(wait)),
        Wait::Closed => {
            "There were too many tries with recovery codes for this account. Sign in with your authenticator app, or ask the \
                         owner of this server for a new set-up link."
                .to_owned()
        }
    }
}

/// Heading of the page that follows.
pub fn recovered(left: usize) -> String {
    match left {
        0 => "You used a recovery code. It was the last.".to_owned(),
        left => format!("You used a recovery code. {left} left."),
    }
}

/// What it did besides.
pub const OTHERS_ENDED: &str = "Every other session of your account was ended, on all devices.";
/// Why to go on with an authenticator.
pub const WHY_ENROL: &str = "If your phone is gone for good, connect another one now: that makes the lost one useless to whoever finds it, and \
     gives you new recovery codes. Passkeys go too; add them again on your security page.";
/// Button.
pub const ENROL: &str = "Set up a new authenticator now";
/// Link.
pub const REPLACE_LINK: &str = "Replace my recovery codes";

// The account's page

/// Heading.
pub const HEADING: &str = "Recovery codes";
/// There are none.
pub const NONE: &str = "You have no recovery codes. Without your phone you would need the owner of this server to get in.";
/// Button, where there are none.
pub const MAKE: &str = "Make recovery codes";
/// Button.
pub const REPLACE: &str = "Replace all";
/// What the button does.
pub const REPLACE_EFFECT: &str =
    "New codes are shown once. When you have said that you saved them, the old ones stop working and your other sessions end.";
/// Some were shown and not confirmed.
pub const UNSAVED: &str = "New codes were shown, and you didn't say that you saved them: those don't count.";
/// A form of ours that is too old.
pub const ACCOUNT_FORM_TOO_OLD: &str = "That page was open too long, and nothing was changed. Please try again.";
/// The owner wants none.
pub const OFF: &str = "This site gives out no recovery codes.";
/// After codes were put in force.
pub const REPLACED_DONE: &str =
    "Your new recovery codes count from now on. The old ones don't, and your other sessions were ended.";
/// Heading of the list.
pub const SPENT: &str = "Used";
/// Link back.
pub const BACK: &str = "Back";

/// How many there are.
pub fn left(left: usize, of: usize) -> String {
    format!("{left} of {of} left.")
}

/// How many, where that is a reason to act.
pub fn few(left: usize) -> String {
    match left {
        0 => "You have used all of them. Make new ones now: without your phone you could not get in.".to_owned(),
        1 => "Only one is left. Replace them before you need it.".to_owned(),
        left => format!("Only {left} are left. Replace them before you need them."),
    }
}

/// One that was used.
pub fn spent(row: u8, date: &str) -> String {
    format!("Code {row:02} on {date}")
}

// Not getting in

/// Heading, and link to the page.
pub const HELP: &str = "Can't sign in?";
/// Who can help.
pub const ASK_OWNER: &str = "If none of this helps, ask the owner of this server.";

/// Heading and text of what may have gone wrong.
pub const CASES: [(&str, &str); 4] = [
    (
        "Your code isn't taken",
        "Set your phone's clock to automatic time: codes depend on it. Each code works once, so wait for the next one. If your app has several entries, pick the one named as this site.",
    ),
    (
        "You lost your phone",
        "Enter your name and password, then choose “Use a recovery code”. You got those codes when you set up your account; each works once.",
    ),
    (
        "You forgot your password",
        "Somebody who runs this server can send you a new set-up link. With it you choose a new password and connect an authenticator app again. There is no reset by mail.",
    ),
    (
        "You lost your phone and the codes",
        "The same link helps. Nobody, the owner included, can sign you in without it, or see your password or your codes.",
    ),
];
/// Before the command.
pub const FOR_OWNER: &str = "For the owner: this makes a set-up link, on the server";
/// The command.
pub const COMMAND: &str = "doorward user link NAME";
/// Link.
pub const TO_SIGN_IN: &str = "Back to signing in";
