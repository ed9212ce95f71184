//! Every text that our pages show, in one place so that other languages can follow.
//!
//! Sentence case, second person, verbs on buttons; what happened, what was not lost, what to do next. No "invalid",
//! "illegal" or "denied".

use crate::auth::password::WeakPassword;

/// Heading and detail of a refusal.
type Notice = (&'static str, &'static str);

/// Before the title of a page that shows an error.
pub const ERROR: &str = "Error";
/// The link for keyboards and screen readers past everything else.
pub const SKIP: &str = "Skip to content";
/// Before a request id.
pub const REFERENCE: &str = "Reference";
/// Before whom people may turn to.
pub const CONTACT: &str = "Need help";
/// Loads the same page again.
pub const TRY_AGAIN: &str = "Try again";

// Signing in

/// Heading and button.
pub const SIGN_IN: &str = "Sign in";
/// Before the app's name.
pub const TO_CONTINUE_TO: &str = "to continue to";
/// Label.
pub const USER_NAME: &str = "User name";
/// Label.
pub const PASSWORD: &str = "Password";
/// The one answer to a name and password that do not open, whatever the reason.
pub const WRONG_PASSWORD: &str = "That name and password don't match.";
/// A form older than its token.
pub const FORM_TOO_OLD: &str = "That page was open too long. Sign in again.";
/// A half-done sign-in that is over, or was begun in another browser.
pub const SIGN_IN_TOO_OLD: &str = "That sign-in took too long or was begun in another browser. Start again.";
/// After signing out.
pub const SIGNED_OUT: &str = "You are signed out.";
/// After a session was ended by somebody.
pub const SESSION_REVOKED: &str = "Your session was ended. Sign in to continue.";
/// After a form that came without a session.
pub const NOT_SENT: &str = "You were signed out before that was sent. Nothing you typed was sent to the app: to keep it, go back and copy it, then sign in.";
/// After a form that asked for a newer proof.
pub const NOT_SENT_UNCONFIRMED: &str = "What you were about to do asks you to confirm that it's you. Nothing you typed was sent to the app: to keep it, go back and copy it, then confirm.";
/// A session whose strength does not do here.
pub const STRONGER: &str = "This page asks for a code from your authenticator app as well. Sign in again to enter it.";
/// The password of a name is closed for good.
pub const PASSWORD_CLOSED: &str = "There were too many tries for this name. Ask the owner of this server for a new set-up link.";

/// After a session reached its end.
pub const SIGNED_OUT_EXPIRED: &str =
    "You were signed out because your session reached its end. Nothing on the page you left was changed.";

/// The box that makes a session last.
pub fn remember(duration: &str) -> String {
    format!("Keep me signed in on this device for {duration}")
}

/// After a session was not used for too long.
pub fn signed_out_idle(duration: &str) -> String {
    format!("You were signed out after {duration} without activity. Nothing on the page you left was changed.")
}

/// Tries came too fast.
pub fn too_many_tries(wait: &str) -> String {
    format!("Too many tries. Try again in {wait}.")
}

/// A form came without our cookie.
pub fn cookie_refused(host: &str) -> String {
    format!("Your browser didn't send our cookie back. Allow cookies for {host}, then sign in again.")
}

// The second step

/// Heading.
pub const SECOND_STEP: &str = "Enter your code";
/// Before the user's name.
pub const SIGNING_IN_AS: &str = "Signing in as";
/// Link back to the first step.
pub const ANOTHER_ACCOUNT: &str = "use another account";
/// Button.
pub const CONTINUE: &str = "Continue";
/// Codes of this user are closed for good.
pub const CODE_CLOSED: &str =
    "There were too many tries with codes for this account. Ask the owner of this server for a new set-up link.";
/// The form for the code was older than its token.
pub const CODE_FORM_TOO_OLD: &str = "That page was open too long. Enter the current code.";

/// Label of the field for the code.
pub fn code_label(digits: u32) -> String {
    format!("{digits}-digit code from your authenticator app")
}

/// The same, for authenticators of different lengths.
pub fn code_label_of(least: u32, most: u32) -> String {
    format!("{least}- or {most}-digit code from your authenticator app")
}

/// The code is none of this authenticator's.
pub fn wrong_code(issuer: &str) -> String {
    format!("That code didn't match. Check that you picked {issuer} in your app.")
}

/// The code was right once.
pub fn used_code(wait: &str) -> String {
    format!("That code was already used. Wait for the next one ({wait}).")
}

/// The code would be right at another time. `seconds` is positive where the phone is ahead.
pub fn drifted_code(seconds: i64) -> String {
    let minutes = seconds.unsigned_abs().div_ceil(60).max(1);
    let direction = if seconds > 0 { "fast" } else { "slow" };
    let unit = if minutes == 1 { "minute" } else { "minutes" };
    format!(
        "Your phone's clock is about {minutes} {unit} {direction}. Set it to automatic time, then enter a new code. \
         If the phone is right, the server's clock is wrong."
    )
}

/// Heading for somebody who has no second factor where one is needed.
pub const NO_SECOND_FACTOR: &str = "One step is missing";

/// What to do without a second factor.
pub fn no_second_factor(app: &str) -> String {
    format!(
        "{app} asks for a code from an authenticator app, and your account has none yet. \
         Ask the owner of this server for a set-up link; on the server it is made with:"
    )
}

/// For somebody who would set up what is asked for, while the owner's link to do so is open.
pub const USE_OWNERS_LINK: &str = "The owner of this server has made a set-up link for you. Use that one; if you don't have it, ask for another. On the server it is made with:";

/// Heading where no way to sign in would do.
pub const NO_WAY: &str = "There is no way in";

/// Nothing that anybody could prove would open it.
pub fn no_way(app: &str) -> String {
    format!("{app} asks for more than the ways to sign in that this site allows. Only the owner of this server can change that.")
}

/// Nothing that this person could prove would open it.
pub fn no_way_for(app: &str, user: &str) -> String {
    format!(
        "{app} can't be opened in any of the ways in which {user} may sign in. Only the owner of this server can change that."
    )
}

/// What somebody has does not count.
pub fn needs_other_way(app: &str) -> String {
    format!(
        "{app} asks for another way to prove that it's you than those your account has. \
         Ask the owner of this server for a set-up link; on the server it is made with:"
    )
}

/// The time in which somebody could have added what is missing is over.
pub fn enrol_too_late(app: &str) -> String {
    format!(
        "{app} asks for more than a password, and the time to add it by yourself is over. \
         Ask the owner of this server for a set-up link; on the server it is made with:"
    )
}

/// Above the passkey's button, where nothing else will do.
pub const ONLY_PASSKEYS: &str = "Only passkeys open this. If you have none yet, sign in to your account and add one.";
/// Link to that.
pub const TO_ACCOUNT: &str = "Go to your account";
/// A password was sent where none is asked for.
pub const NO_PASSWORDS: &str = "Passwords open nothing here. Use your passkey.";

/// The command for that.
pub fn link_command(user: &str) -> String {
    format!("doorward user link {user}")
}

/// Link back to the sign-in page.
pub const ANOTHER_ACCOUNT_LINK: &str = "Sign in with another account";

// Proving once more

/// Heading.
pub const CONFIRM: &str = "Let's make sure it's you";
/// Before the user's name.
pub const SIGNED_IN_AS: &str = "Signed in as";
/// Link for somebody who is not that.
pub const SIGN_OUT_FOR_ANOTHER: &str = "Sign out to use another account";
/// The form was older than its token, or another session's.
pub const CONFIRM_FORM_TOO_OLD: &str = "That page was open too long. Please enter it again.";
/// The password is not that of the account.
pub const WRONG_CONFIRM_PASSWORD: &str = "That isn't the password of this account.";

/// Why it is asked for.
pub fn confirm_age(duration: &str) -> String {
    format!("This page asks for a proof that is no older than {duration}. You stay signed in.")
}

// Going on, home, signing out

/// Heading of the page that leads on.
pub fn opening(app: &str) -> String {
    format!("Opening {app}…")
}

/// Link.
pub fn continue_to(app: &str) -> String {
    format!("Continue to {app}")
}

/// Link.
pub fn open_app(app: &str) -> String {
    format!("Open {app}")
}

/// Heading of our home page.
pub const SIGNED_IN: &str = "You're signed in";
/// Before the user's name.
pub const AS: &str = "as";
/// Heading and button.
pub const SIGN_OUT: &str = "Sign out";
/// Heading of the confirmation.
pub const SIGN_OUT_QUESTION: &str = "Sign out?";
/// Link instead of signing out.
pub const STAY: &str = "Stay signed in";

/// What signing out does.
pub fn sign_out_effect(user: &str, app: &str) -> String {
    format!(
        "You are signed in as {user}. Signing out closes every open connection of this browser to {app} \
         and removes what {app} keeps in this browser."
    )
}

/// What signing out does where several apps are open to one sign-in.
pub fn sign_out_everywhere_effect(user: &str) -> String {
    format!("You are signed in as {user}. Signing out closes every open connection of this browser to every app.")
}

/// What signing out did.
pub const SIGNED_OUT_EVERYWHERE: &str = "You are signed out of every app in this browser.";
/// Heading of the list of apps.
pub const APPS: &str = "Your apps";
/// In place of that list.
pub const NO_APPS: &str = "There is no app here yet that your account may open. The owner of this server can change that.";
/// Link to that list.
pub const ALL_APPS: &str = "All apps";

// From host to host

/// Heading.
pub const HAND_OFF_LATE: &str = "That took too long";
/// Detail.
pub const HAND_OFF_LATE_DETAIL: &str = "The way from signing in to this page was open too long, or was taken twice. Nothing is lost: try again, and if you are still signed in you won't be asked.";
/// Heading.
pub const HAND_OFF_NO_COOKIE: &str = "Your browser didn't send our cookie back";

/// Detail.
pub fn hand_off_no_cookie(host: &str) -> String {
    format!(
        "You are signed in, but {host} can't tell that it is you. Allow cookies for {host}, or go on in the browser in which you began, then try again."
    )
}

/// Heading.
pub const IN_CIRCLES: &str = "You keep being sent to sign in";

/// Detail.
pub fn in_circles(host: &str) -> String {
    format!(
        "Signing in works, but your browser doesn't keep the cookie of {host} that says so, so we stopped after three rounds. Allow cookies for {host} (a blocker or a setting may take them away), then try again."
    )
}

// Setting up

/// Heading of step 1.
pub const CHOOSE_PASSWORD: &str = "Choose a password";
/// Label.
pub const NEW_PASSWORD: &str = "New password";
/// Heading of step 2.
pub const CONNECT_APP: &str = "Connect your authenticator app";
/// First thing to do in step 2.
pub const SCAN: &str = "Scan this code with your authenticator app.";
/// What the picture says to those who cannot see it.
pub const QR_LABEL: &str = "QR code; use the key below if you can't scan";
/// For those who hold the phone in their hand.
pub const OPEN_IN_AUTHENTICATOR: &str = "Open in an authenticator app";
/// Before the key.
pub const TYPE_KEY: &str = "Or type this key:";
/// Opens the fine print.
pub const DETAILS: &str = "Settings for typing it in";
/// Button that ends the set-up.
pub const FINISH: &str = "Finish";
/// Link back to step 1.
pub const OTHER_PASSWORD: &str = "Choose another password";
/// Link to step 2 for somebody who came back.
pub const KEEP_PASSWORD: &str = "Keep the password you chose and go on";
/// A form of ours that is too old.
pub const SETUP_FORM_TOO_OLD: &str = "That page was open too long. Please enter it again.";
/// Name of a setting.
pub const ACCOUNT: &str = "Account";
/// Name of a setting.
pub const ISSUER: &str = "Issuer";
/// Name of a setting.
pub const ALGORITHM: &str = "Algorithm";
/// Name of a setting.
pub const DIGITS: &str = "Digits";
/// Name of a setting.
pub const PERIOD: &str = "Period";

/// Greets the owner of a set-up link.
pub fn welcome(user: &str, steps: u8) -> String {
    let steps = if steps == 2 { "Two" } else { "Three" };
    format!("Welcome, {user}. {steps} steps and you're in.")
}

/// What a password has to be.
pub fn password_rules(min_length: usize) -> String {
    format!("At least {min_length} characters. A few random words work well, with spaces if you like.")
}

/// The name cannot be a user name.
pub const BAD_USER_NAME: &str =
    "Choose another name: up to 64 letters a to z, digits and . _ @ + -, beginning with a letter or digit.";
/// Somebody else has the name.
pub const NAME_TAKEN: &str = "Somebody here has that name already. Choose another.";

/// The password has too few characters.
pub fn password_too_short(min_length: usize) -> String {
    format!("Use at least {min_length} characters.")
}

/// The password has too many bytes.
pub const PASSWORD_TOO_LONG: &str = "That password is too long. Use a shorter one.";
/// The password is on the list of common ones.
pub const PASSWORD_COMMON: &str = "That password is among the first that attackers try. Use several unrelated words.";
/// The password repeats itself.
pub const PASSWORD_REPEATED: &str = "That password repeats itself. Use several unrelated words.";
/// The password runs along the alphabet or the keyboard.
pub const PASSWORD_SEQUENCE: &str =
    "That password follows the alphabet, the digits or the keyboard. Use several unrelated words.";
/// The password is the user's name, the host's, or the app's.
pub const PASSWORD_ABOUT_YOU: &str = "That password is mostly your name or this site's. Use several unrelated words.";

/// A duration that an authenticator shows a code.
pub fn period(seconds: u64) -> String {
    format!("{seconds} seconds")
}

// Refusals

/// 400.
pub const BAD_REQUEST: Notice = ("This request can't be read", "Check the address for typing mistakes and try again.");
/// 401, for programs.
pub const SIGN_IN_REQUIRED: Notice = ("Sign in required", "This needs a session. A person can sign in at login_url.");
/// 401, for programs.
pub const CONFIRM_REQUIRED: &str = "Proof too old";
/// 403, for somebody who is signed in.
pub const NOT_ALLOWED: &str = "This isn't open to you";
/// 403.
pub const FORBIDDEN: Notice = ("This isn't for you", "Your account has no access to this page.");
/// 403.
pub const NOT_A_TAB: Notice =
    ("Open this page in a tab of its own", "It was asked for by another page or a script. Load it again from the address bar.");
/// 403.
pub const FOREIGN_FORM: Notice =
    ("That form came from another site", "Nothing was changed. Open the page on this site and send the form from there.");
/// 404.
pub const NOT_FOUND: Notice = ("Not found", "There is nothing at this address. Check it for typing mistakes.");
/// 405.
pub const METHOD_NOT_ALLOWED: Notice = ("That doesn't work here", "This page can't be asked for in that way.");
/// 408.
pub const TOO_SLOW: Notice = ("That took too long", "The request didn't arrive in time. Try again.");
/// 413.
pub const TOO_LARGE: &str = "That is too large";
/// 414.
pub const ADDRESS_TOO_LONG: Notice = ("That address is too long", "Use a shorter one.");
/// 431.
pub const HEAD_TOO_LARGE: Notice =
    ("That request carries too much", "It has more header fields than any browser sends. Clearing this site's cookies may help.");
/// 421.
pub const MISDIRECTED: Notice = ("Nothing answers here", "No site under this name is served on this connection.");
/// 429.
pub const TOO_MANY: &str = "Too many tries from your network";
/// 429 or 403, for a network from which nobody may sign in.
pub const BANNED: &str = "Signing in is closed to your network";
/// 502.
pub const UPSTREAM_DOWN: &str = "The app isn't answering";
/// 503.
pub const MAINTENANCE: &str = "Closed for maintenance";
/// 503.
pub const UNAVAILABLE: Notice =
    ("We can't check who you are right now", "The sign-in service isn't answering. Nothing you did was lost; try again shortly.");
/// 503.
pub const BUSY: Notice = ("Too many people are signing in", "Your password was not checked. Try again in 2 seconds.");
/// 504.
pub const UPSTREAM_SLOW: &str = "The app is taking too long";

/// Detail of a 401 for want of a newer proof.
pub fn confirm_required(max_age: &str) -> String {
    format!("This needs a factor proven within {max_age}. A person can do that at login_url; the session goes on.")
}

/// Detail of a 403 for somebody who is signed in.
pub fn not_allowed(app: &str, user: &str) -> String {
    format!(
        "You are signed in as {user}, and that account may not open this part of {app}. The owner of this server can change that."
    )
}

/// How long to wait.
pub fn wait(duration: &str) -> String {
    format!("Wait {duration}, then try again.")
}

/// Detail for a network from which nobody may sign in.
pub fn banned(wait: Option<&str>) -> String {
    let then = match wait {
        Some(wait) => format!("Wait {wait}, then try again. If it was not you, use another network."),
        None => "The owner of this server has closed it. Use another network.".to_owned(),
    };
    format!("{then} Whoever is signed in stays so. You can also sign in here with a browser that you have signed in with before.")
}

/// Detail of a 502.
pub fn upstream_down(app: &str) -> String {
    format!("{app} isn't answering. Your sign-in is fine. Try again in a moment.")
}

/// Detail of a 504.
pub fn upstream_slow(app: &str) -> String {
    format!("{app} isn't answering in time. Your sign-in is fine. Try again in a moment.")
}

/// Detail of a 413.
pub fn too_large(app: &str) -> String {
    format!("What you sent is larger than {app} takes here. Nothing was saved.")
}

/// Detail of a 503 that the app's owner wants.
pub fn maintenance(app: &str, text: Option<&str>) -> String {
    match text {
        Some(text) => format!("{app} is closed for now. {text}"),
        None => format!("{app} is closed for now while somebody works on it. Your sign-in is fine. Try again later."),
    }
}

/// What is wrong with a new password.
pub fn weak_password(weak: WeakPassword) -> String {
    match weak {
        WeakPassword::TooShort { min } => password_too_short(min),
        WeakPassword::TooLong => PASSWORD_TOO_LONG.to_owned(),
        WeakPassword::Common => PASSWORD_COMMON.to_owned(),
        WeakPassword::Repeated => PASSWORD_REPEATED.to_owned(),
        WeakPassword::Sequence => PASSWORD_SEQUENCE.to_owned(),
        WeakPassword::AboutYou => PASSWORD_ABOUT_YOU.to_owned(),
    }
}
