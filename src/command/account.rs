//! `doorward user …` and `doorward session …`.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::admin::perform::{read_details, unfit_name};
use crate::admin::terms::TermsWish;
use crate::admin::wish::{Answer, Credentials, Details, ResetAnswer, Resettable, SessionLine, UserAnswer, UserLine, Which, Wish};
use crate::auth::password;
use crate::auth::totp;
use crate::base::clock::{Clock, Timestamp};
use crate::base::entropy::Entropy;
use crate::base::secret::Secret;
use crate::base::units::in_words;
use crate::command::exit::Failure;
use crate::command::line::{
    GroupVerb, GroupWords, PasskeyVerb, RecoveryVerb, ResetWords, SessionVerb, TotpVerb, UserAdd, UserSet, UserVerb,
};
use crate::command::output::{Output, table, terminal_qr};
use crate::command::place::Named;
use crate::command::wish::{Installation, UNKNOWN_ORIGIN};
use crate::model::credential::TotpRecipe;
use crate::model::user::UserName;
use crate::plan::whole::Plan;

/// Shortest password where no configuration says otherwise.
const PASSWORD_MIN_LENGTH: usize = 12;
/// A secret file in bytes at most.
const LARGEST_SECRET: u64 = 64 * 1024;

/// Carries out `user …`.
///
/// # Errors
/// [`Failure`]; nothing was changed then.
pub fn user(named: &Named, verb: UserVerb, output: Output) -> Result<(), Failure> {
    let installation = Installation::find(named)?;
    match verb {
        UserVerb::Add(words) => {
            // Here as well as in the gateway: what is refused must not make an installation.
            UserName::from_str(&words.name).map_err(|fault| Failure::Failed(unfit_name(&words.name, &fault)))?;
            let details = Details { display_name: words.display_name.clone(), email: words.email.clone() };
            read_details(&details).map_err(Failure::Failed)?;
            let credentials = credentials(&words, &installation)?;
            show(installation.ask(Wish::UserAdd { name: words.name, credentials, details }, true)?, output);
        }
        UserVerb::Link { name } => show(installation.ask(Wish::UserLink { name }, false)?, output),
        UserVerb::Set(UserSet { name, display_name, email, methods, require, self_service }) => {
            let (details, terms) = (Details { display_name, email }, TermsWish { methods, require, self_service });
            show(installation.ask(Wish::UserSet { name, details, terms }, false)?, output);
        }
        UserVerb::Show { name } => show(installation.ask(Wish::UserShow { name }, false)?, output),
        UserVerb::Group(verb) => {
            let (member, GroupWords { name, group }) = match verb {
                GroupVerb::Add(words) => (true, words),
                GroupVerb::Remove(words) => (false, words),
            };
            show(installation.ask(Wish::UserGroup { name, group, member }, false)?, output);
        }
        UserVerb::Totp(TotpVerb::Reset(words)) => reset(&installation, (Resettable::Totp, words), output)?,
        UserVerb::Passkey(PasskeyVerb::Reset(words)) => reset(&installation, (Resettable::Passkey, words), output)?,
        UserVerb::Recovery(RecoveryVerb::Reset(words)) => reset(&installation, (Resettable::Recovery, words), output)?,
        UserVerb::List => show(installation.ask(Wish::UserList, false)?, output),
        UserVerb::Disable { name } => show(installation.ask(Wish::UserDisable { name, disabled: true }, false)?, output),
        UserVerb::Enable { name } => show(installation.ask(Wish::UserDisable { name, disabled: false }, false)?, output),
        UserVerb::Delete { name, yes } => {
            confirm(yes, &name)?;
            show(installation.ask(Wish::UserDelete { name }, false)?, output);
        }
    }
    Ok(())
}

/// Carries out `session …`.
///
/// # Errors
/// [`Failure`]; nothing was changed then.
pub fn session(named: &Named, verb: SessionVerb, output: Output) -> Result<(), Failure> {
    let installation = Installation::find(named)?;
    let wish = match verb {
        SessionVerb::List => Wish::SessionList,
        SessionVerb::End { id: Some(id), .. } => Wish::SessionEnd { which: Which::One(id) },
        SessionVerb::End { user: Some(user), .. } => Wish::SessionEnd { which: Which::User(user) },
        SessionVerb::End { .. } => Wish::SessionEnd { which: Which::All },
    };
    show(installation.ask(wish, false)?, output);
    Ok(())
}

fn reset(installation: &Installation, (factor, words): (Resettable, ResetWords), output: Output) -> Result<(), Failure> {
    let ResetWords { name, keep_sessions } = words;
    show(installation.ask(Wish::UserReset { name, factor, keep_sessions }, false)?, output);
    Ok(())
}

/// The password is hashed here, so that the plain one never leaves this process.
fn credentials(words: &UserAdd, installation: &Installation) -> Result<Option<Credentials>, Failure> {
    let plan = installation.plan.as_ref();
    let Some(file) = &words.password_file else {
        if plan.is_some_and(|plan| plan.auth.mode.is_single_owner()) {
            return Ok(totp_seed(words, plan)?.map(|seed| Credentials { password_hash: None, totp_seed: Some(seed) }));
        }
        let orphan = words.totp || words.totp_secret_file.is_some();
        let advice = "`--totp` goes with `--password-file FILE`; without both, a set-up link is made. Where a code alone signs in \
                      (`auth.mode = \"single_owner\"`), name the configuration with `--config`";
        return if orphan { Err(Failure::Usage(advice.to_owned())) } else { Ok(None) };
    };
    let stdin = |path: &PathBuf| path.as_os_str() == "-";
    if stdin(file) && words.totp_secret_file.as_ref().is_some_and(stdin) {
        return Err(Failure::Usage("standard input can hold the password or the authenticator's key, not both".to_owned()));
    }
    let plain = secret_file(file)?;
    let least = plan.map_or(PASSWORD_MIN_LENGTH, |plan| plan.auth.password_min_length);
    password::judge(plain.expose(), least, &[&words.name]).map_err(|weak| Failure::Failed(weak.to_string()))?;
    let hash = password::hash(&plain, Entropy.bytes());
    Ok(Some(Credentials { password_hash: Some(hash.0.expose().clone()), totp_seed: totp_seed(words, plan)? }))
}

/// The authenticator's key that is asked for: one of a file, or a new one.
fn totp_seed(words: &UserAdd, plan: Option<&Plan>) -> Result<Option<String>, Failure> {
    Ok(match &words.totp_secret_file {
        Some(file) => Some(key_file(file)?),
        None if words.totp => {
            let recipe = plan.map_or_else(TotpRecipe::default, |plan| plan.auth.totp);
            Some(totp::key_in_groups(&totp::draw_seed(recipe.algorithm, Entropy)).expose().clone())
        }
        None => None,
    })
}

/// An authenticator's key, judged here so that a wrong one makes no account.
fn key_file(path: &Path) -> Result<String, Failure> {
    let key = secret_file(path)?;
    let fault =
        || Failure::Failed(format!("what {} holds is no authenticator's key: base32 of at least 16 bytes", path.display()));
    totp::parse_seed(key.expose()).map(|_| key.expose().clone()).ok_or_else(fault)
}

/// A secret from a file, or from standard input for `-`; one line break at its end is not part of it.
///
/// # Errors
/// [`Failure`] when it cannot be read, or is empty.
pub fn secret_file(path: &Path) -> Result<Secret<String>, Failure> {
    let read = |reader: &mut dyn Read| {
        let mut text = String::new();
        reader.take(LARGEST_SECRET).read_to_string(&mut text).map(|_| text)
    };
    let text =
        if path == Path::new("-") { read(&mut io::stdin()) } else { fs::File::open(path).and_then(|mut file| read(&mut file)) };
    let mut text = text.map_err(|fault| {
        let told = format!("cannot read {}: {fault}", path.display());
        if fault.kind() == ErrorKind::PermissionDenied { Failure::Permission(told) } else { Failure::Failed(told) }
    })?;
    if text.ends_with('\n') {
        text.truncate(text.len() - if text.ends_with("\r\n") { 2 } else { 1 });
    }
    if text.is_empty() { Err(Failure::Failed(format!("{} is empty", path.display()))) } else { Ok(Secret::new(text)) }
}

/// Deleting cannot be undone, so a slip of the hand must not do it.
fn confirm(yes: bool, name: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "this takes the account, its credentials and its sessions away for good; add `--yes` if you mean it. \
         `doorward user disable {name}` only bars sign-in and can be undone"
    )))
}

fn show(answer: Answer, output: Output) {
    match answer {
        Answer::User(user) => {
            output.result(&user, || user_text(&user));
            remark_on(user.setup_link.as_deref(), output);
        }
        Answer::Reset(reset) => {
            output.result(&reset, || reset_text(&reset));
            remark_on(reset.setup_link.as_deref(), output);
        }
        Answer::Person(person) => output.result(&person, || person_text(&person)),
        Answer::Users { users } => output.result(&serde_json::json!({ "users": users }), || users_text(&users)),
        Answer::Done { user } => output.result(&serde_json::json!({ "user": user }), || format!("done: {user}")),
        Answer::Sessions { sessions } => {
            output.result(&serde_json::json!({ "sessions": sessions }), || sessions_text(&sessions));
        }
        Answer::Ended { ended } => output.result(&serde_json::json!({ "ended": ended }), || match ended {
            0 => "there was no live session to end".to_owned(),
            1 => "1 session ended; its open connections close within 2 seconds".to_owned(),
            more => format!("{more} sessions ended; their open connections close within 2 seconds"),
        }),
        Answer::Site(_)
        | Answer::Well { .. }
        | Answer::Imported { .. }
        | Answer::Keys { .. }
        | Answer::Trail { .. }
        | Answer::Bans { .. }
        | Answer::Certificates { .. }
        | Answer::Status(_)
        | Answer::Reloaded(_)
        | Answer::Kept { .. }
        | Answer::Different { .. }
        | Answer::Complaints(_)
        | Answer::Refused { .. } => {}
    }
}

fn remark_on(link: Option<&str>, output: Output) {
    if link.is_some_and(leads_nowhere) {
        output.remark("No gateway has run here yet: put the host of your app in place of HOST, with its port unless it is 443.");
    }
}

/// Whether the link begins with a host that the person has to fill in.
fn leads_nowhere(link: &str) -> bool {
    link.strip_prefix(UNKNOWN_ORIGIN).is_some_and(|path| path.starts_with('/'))
}

fn user_text(user: &UserAnswer) -> String {
    let mut text = format!("user {} is ready", user.user);
    if let Some(link) = &user.setup_link {
        text = link_text(&user.user, link);
    }
    if let Some(uri) = &user.otpauth {
        text.push_str(&format!("\n\nFor the authenticator app, shown only this once:\n\n    {uri}\n\n{}", terminal_qr(uri)));
    }
    text
}

fn link_text(user: &str, link: &str) -> String {
    let picture = if leads_nowhere(link) { String::new() } else { terminal_qr(link) };
    format!(
        "Set-up link for {user}. It works once, for 24 hours; older links of this user no longer work.\n\n    {link}\n\n{picture}"
    )
}

fn reset_text(reset: &ResetAnswer) -> String {
    let what = match (reset.factor, reset.removed) {
        (Resettable::Totp, 1) => "1 authenticator".to_owned(),
        (Resettable::Totp, more) => format!("{more} authenticators"),
        (Resettable::Passkey, 1) => "1 passkey".to_owned(),
        (Resettable::Passkey, more) => format!("{more} passkeys"),
        (Resettable::Recovery, more) => format!("{more} recovery codes, used ones included,"),
    };
    let sessions = match reset.ended {
        0 => "no session was ended".to_owned(),
        1 => "1 session ended".to_owned(),
        more => format!("{more} sessions ended"),
    };
    let mut text = format!("{what} of {} taken away; {sessions}", reset.user);
    if let Some(link) = &reset.setup_link {
        let left = match (reset.alone, reset.recovery_codes > 0) {
            (false, true) => "a password and recovery codes left, and no second factor",
            (false, false) => "a password left, and no second factor",
            (true, true) => "nothing but recovery codes to sign in with",
            (true, false) => "nothing to sign in with",
        };
        text.push_str(&format!("\n{} has {left}.\n\n{}", reset.user, link_text(&reset.user, link)));
    }
    text
}

fn users_text(users: &[UserLine]) -> String {
    if users.is_empty() {
        return "there are no users yet; `doorward user add NAME` makes the first".to_owned();
    }
    let rows: Vec<Vec<String>> = users
        .iter()
        .map(|user| {
            vec![
                user.user.clone(),
                user.display_name.clone().unwrap_or_default(),
                user.groups.join(" "),
                state(user).to_owned(),
                user.authenticators.to_string(),
                user.sessions.to_string(),
                ago(user.created_at),
            ]
        })
        .collect();
    table(&["NAME", "CALLED", "GROUPS", "STATE", "AUTHENTICATORS", "SESSIONS", "MADE"], &rows)
}

fn state(user: &UserLine) -> &'static str {
    match (user.disabled, user.password || user.authenticators + user.passkeys > 0) {
        (true, _) => "disabled",
        (false, false) => "not set up",
        (false, true) => "active",
    }
}

fn person_text(user: &UserLine) -> String {
    let or_none = |text: Option<&str>| text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned();
    let rows = [
        ("user", user.user.clone()),
        ("called", or_none(user.display_name.as_deref())),
        ("e-mail", or_none(user.email.as_deref())),
        ("groups", or_none(Some(&user.groups.join(" ")))),
        ("state", state(user).to_owned()),
        ("authenticators", user.authenticators.to_string()),
        ("passkeys", user.passkeys.to_string()),
        (
            "signs in by",
            user.terms.methods.as_ref().map_or_else(|| "every way that is allowed".to_owned(), |ways| ways.join(", ")),
        ),
        ("must prove", user.terms.require.clone().unwrap_or_else(|| "what apps ask for".to_owned())),
        (
            "self-service",
            match user.terms.self_service {
                Some(true) => "on".to_owned(),
                Some(false) => "off".to_owned(),
                None => "as configured".to_owned(),
            },
        ),
        ("recovery codes", format!("{} left", user.recovery_codes)),
        ("sessions", user.sessions.to_string()),
        ("last sign-in", user.last_sign_in.map_or_else(|| "-".to_owned(), ago)),
        ("made", ago(user.created_at)),
    ];
    rows.map(|(key, value)| format!("{key:<15} {value}")).join("\n")
}

fn sessions_text(sessions: &[SessionLine]) -> String {
    if sessions.is_empty() {
        return "nobody is signed in".to_owned();
    }
    let rows: Vec<Vec<String>> = sessions
        .iter()
        .map(|session| {
            let agent: String = session.agent.chars().take(40).collect();
            let place = [session.user.clone(), session.hosts.join(" "), session.strength.clone(), session.network.clone()];
            [vec![session.id.clone()], place.to_vec(), vec![ago(session.last_seen), agent]].concat()
        })
        .collect();
    table(&["ID", "USER", "HOSTS", "BY", "FROM", "LAST SEEN", "BROWSER"], &rows)
}

fn ago(secs: i64) -> String {
    format!("{} ago", in_words(Clock::system().now().since(Timestamp::from_secs(secs))))
}
