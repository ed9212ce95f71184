//! `auth.mode`: what holds where one owner signs in by a code alone, and who could not sign in under a configuration.

use serde::{Deserialize, Serialize};

use crate::config::complaint::{Code, Complaint};
use crate::config::document::Document;
use crate::config::placed;
use crate::config::placed::Place;
use crate::model::method::Methods;
use crate::model::mode::Mode;
use crate::model::session::Session;
use crate::model::strength::Strength;
use crate::model::user::UserId;
use crate::plan::whole::Plan;

const MODE: &str = "auth.mode";
/// Names told of one complaint.
const MOST_NAMES: usize = 5;

/// An account that is not disabled, and what it has to sign in with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Whether there is a password.
    pub password: bool,
    /// How many authenticators there are.
    pub authenticators: u64,
    /// How many passkeys.
    pub passkeys: u64,
    /// The ways that the owner left it, as [`Methods`] writes them; not known of a program that does not tell.
    #[serde(default)]
    pub ways: Option<String>,
}

/// What apps ask for unless something says otherwise: all that the one who signs in there can be counted on to have.
pub const fn require(mode: Mode) -> Strength {
    match mode {
        Mode::People => Strength::TwoFactor,
        Mode::SingleOwner => Strength::Password,
    }
}

/// Whether somebody could have begun this session where `mode` holds; `owner` is whose installation it is, if it is one person's.
/// What one mode takes for one factor is none in the other: a code alone here, a password alone there.
pub fn could_begin(mode: Mode, session: &Session, owner: Option<UserId>) -> bool {
    let by_password = session.proofs.password.is_some();
    match mode {
        Mode::People => session.strength > Strength::Password || by_password,
        Mode::SingleOwner => owner == Some(session.user) && (session.strength > Strength::Password || !by_password),
    }
}

/// What a requirement asks for, in a word: where a code is enough there is no password to speak of.
pub const fn asked(mode: Mode, strength: Strength) -> &'static str {
    match (mode, strength) {
        (Mode::SingleOwner, Strength::Password) => "one factor",
        (Mode::People | Mode::SingleOwner, strength) => strength.name(),
    }
}

/// Warns of what a code does not open where it is all that is asked for.
pub fn unmet(plan: &Plan, document: &Document, complaints: &mut Vec<Complaint>) {
    if !plan.auth.mode.is_single_owner() {
        return;
    }
    let mut warn = |place: &Place, key: &str| {
        let complaint = match plan.passkey_site() {
            Some(_) => Complaint::new(Code::W0514, place, "a code does not open this: it is one factor, and this asks for two")
                .label("met by a passkey that verifies its user, by fingerprint, face or PIN, and by nothing else")
                .help("add such a passkey on the security page; or leave `require` out, for a code or a passkey"),
            None => Complaint::new(Code::W0612, place, "nobody can open this: a code is one factor, and this asks for two")
                .label(format!("only a passkey would do, and browsers have none for {}", plan.portal))
                .help("leave `require` out, or give the portal a name"),
        };
        complaints.push(complaint.key(key));
    };
    let asks = |written: Option<&placed::Placed<Strength>>| placed::value(written) == Some(Strength::TwoFactor);
    if let Some(written) = document.auth.require.as_ref().filter(|written| asks(Some(written))) {
        warn(&written.place, "auth.require");
    }
    for app in &document.apps {
        for (written, key) in std::iter::once((app.require.as_ref(), "app.require"))
            .chain(app.rules.iter().map(|rule| (rule.require.as_ref(), "app.rule.require")))
        {
            if let Some(written) = written.filter(|written| asks(Some(written))) {
                warn(&written.place, key);
            }
        }
    }
}

/// Complains about lists of ways with passwords where nobody has one.
pub fn ways_named(plan: &Plan, document: &Document, complaints: &mut Vec<Complaint>) {
    if !plan.auth.mode.is_single_owner() {
        return;
    }
    let of_apps = document.apps.iter().map(|app| (app.methods.as_ref(), "app.methods"));
    for (written, key) in std::iter::once((document.auth.methods.as_ref(), "auth.methods")).chain(of_apps) {
        let Some(written) = written else { continue };
        let complaint =
            Complaint::new(Code::E0513, &written.place, "`methods` tells ways with passwords apart, and one owner has none");
        let complaint = complaint.label("a code alone or a passkey is what signs in here").key(key);
        complaints.push(complaint.help("remove it; `require = \"passkey\"` admits nothing but a passkey"));
    }
}

/// Complains about a second person who is to be let in, where there is one.
pub fn several_named(plan: &Plan, document: &Document, complaints: &mut Vec<Complaint>) {
    if !plan.auth.mode.is_single_owner() {
        return;
    }
    let lists = document.apps.iter().flat_map(|app| app.rules.iter().map(|rule| &rule.allow).chain([&app.allow])).flatten();
    let mut named = lists.flat_map(|list| &list.value).filter(|entry| entry.value.starts_with("user:")).collect::<Vec<_>>();
    named.sort_by_key(|entry| entry.place.start);
    let Some((first, others)) = named.split_first() else { return };
    for other in others.iter().filter(|other| !other.value.eq_ignore_ascii_case(&first.value)) {
        let complaint =
            Complaint::new(Code::E0513, &other.place, "`mode = \"single_owner\"` is for one account, and this is another");
        let complaint = complaint.label("nobody else has an account").also(&first.place, "the first");
        complaints.push(complaint.help("name one person, or write `mode = \"people\"`").key(MODE));
    }
}

/// What stands against a configuration while there are these accounts: errors, and what their owner should know.
pub fn held_against(plan: &Plan, accounts: &[Account]) -> Vec<Complaint> {
    match (plan.auth.mode, accounts) {
        (Mode::SingleOwner, [_, _, ..]) => vec![several(accounts)],
        (Mode::SingleOwner, _) => {
            let stuck = accounts.iter().filter(|account| account.authenticators + account.passkeys == 0);
            stuck
                .filter(|account| account.password)
                .map(|account| barred(account, "a password, which nobody is asked for"))
                .collect()
        }
        (Mode::People, _) => {
            let stuck = accounts.iter().filter(|account| !account.password && account.authenticators > 0);
            let stuck =
                stuck.take(MOST_NAMES).map(|account| barred(account, "no password, without which its codes open nothing"));
            stuck.chain(shut_out(accounts, plan.auth.methods)).collect()
        }
    }
}

/// Of whom the owner set down, before this configuration, that only such ways count as it leaves out.
fn shut_out(accounts: &[Account], everywhere: Methods) -> impl Iterator<Item = Complaint> {
    let left = |account: &Account| account.ways.as_deref().map(|ways| Methods::parse(ways).unwrap_or(Methods::NONE));
    let shut = accounts.iter().filter(move |account| left(account).is_some_and(|ways| ways.and(everywhere).is_empty()));
    shut.take(MOST_NAMES).map(move |account| {
        let (name, ways) = (&account.name, account.ways.as_deref().unwrap_or_default());
        let complaint =
            Complaint::without_place(Code::W0612, format!("nothing opens to {name}: no way that counts for them counts here"));
        let complaint = complaint.note(format!("for {name} there is {ways}; all that counts anywhere is {everywhere}"));
        let back = format!("`doorward user set {name} --methods inherit --require inherit` takes back what was set down");
        complaint.help(format!("{back}; or add a way to `auth.methods`")).key("auth.methods")
    })
}

fn several(accounts: &[Account]) -> Complaint {
    let mut names: Vec<&str> = accounts.iter().take(MOST_NAMES).map(|account| account.name.as_str()).collect();
    if accounts.len() > MOST_NAMES {
        names.push("…");
    }
    let message = format!("`mode = \"single_owner\"` is for one account, and there are {}", accounts.len());
    let complaint = Complaint::without_place(Code::E0513, message);
    let complaint = complaint.note(format!("these may sign in: {}", names.join(", ")));
    let help = "keep one: `doorward user disable NAME` for each of the others, which can be undone, or `doorward user delete NAME`; or write `mode = \"people\"`";
    complaint.help(help).key(MODE)
}

fn barred(account: &Account, has: &str) -> Complaint {
    let name = &account.name;
    let complaint = Complaint::without_place(Code::W0514, format!("{name} has {has}"));
    complaint.help(format!("`doorward user link {name}` makes a set-up link")).key(MODE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::compile::Compiled;
    use crate::plan::compile::compile_text;

    fn compiled(text: &str) -> Compiled {
        let app = "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:1\"\n";
        compile_text(&format!("{text}\n{app}")).unwrap_or_else(|complaints| panic!("{complaints:#?}"))
    }

    fn account(name: &str, password: bool, authenticators: u64, passkeys: u64) -> Account {
        Account { name: name.to_owned(), password, authenticators, passkeys, ways: None }
    }

    fn codes(text: &str, accounts: &[Account]) -> Vec<Code> {
        held_against(&compiled(text).plan, accounts).iter().map(|complaint| complaint.code).collect()
    }

    #[test]
    fn apps_ask_for_what_the_mode_has() {
        let strength = |text: &str| compiled(text).plan.apps[0].rules.requirement.strength;
        assert_eq!(strength(""), Strength::TwoFactor);
        assert_eq!(strength("[auth]\nmode = \"people\""), Strength::TwoFactor);
        assert_eq!(strength("[auth]\nmode = \"single_owner\""), Strength::Password);
        let plan = compiled("[auth]\nmode = \"single_owner\"\nrequire = \"2fa\"").plan;
        assert_eq!((plan.auth.require, plan.apps[0].rules.requirement.strength), (Strength::TwoFactor, Strength::TwoFactor));
        assert!(plan.auth.throttle.code_alone);
    }

    #[test]
    fn whoever_could_not_sign_in_any_more_is_told_of() {
        let (alone, with, without) = ("[auth]\nmode = \"single_owner\"", account("a", true, 1, 0), account("b", false, 1, 0));
        assert_eq!(codes(alone, &[with.clone(), without.clone()]), [Code::E0513]);
        assert!(codes(alone, &[]).is_empty() && codes(alone, std::slice::from_ref(&without)).is_empty());
        assert!(codes(alone, &[account("new", false, 0, 0)]).is_empty(), "its set-up link is under way");
        assert_eq!(codes(alone, &[account("a", true, 0, 0)]), [Code::W0514]);
        assert_eq!(codes("", &[with, without]), [Code::W0514]);
        assert!(codes("", &[account("a", false, 0, 1), account("new", false, 0, 0)]).is_empty());
    }

    /// The attack (on ourselves): a list that is cut down later leaves somebody nothing that counts, and nobody hears of it.
    #[test]
    fn whoever_has_no_way_left_is_told_of() {
        let with = |ways: &str| [Account { ways: Some(ways.to_owned()), ..account("a", true, 1, 1) }];
        let cut = "[auth]\nmethods = [\"password+totp\"]";
        assert_eq!(codes(cut, &with("passkey")), [Code::W0612]);
        assert_eq!(codes(cut, &with("")), [Code::W0612]);
        let told = held_against(&compiled(cut).plan, &with("passkey")).remove(0);
        assert!(told.message.contains("nothing opens to a"), "{told:?}");
        for (text, ways) in [(cut, "password+totp, passkey"), ("", "passkey"), ("[auth]\nmode = \"single_owner\"", "password")] {
            assert!(codes(text, &with(ways)).is_empty(), "{text} {ways}");
        }
    }
}
