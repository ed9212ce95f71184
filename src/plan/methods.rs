//! `methods`: the ways in which people may prove who they are, for the installation and for an app; and whether what is asked for
//! can be proven in any of them.

use crate::config::app::AppTable;
use crate::config::auth::AuthTable;
use crate::config::complaint::{Code, Complaint};
use crate::config::document::Document;
use crate::config::nearest::nearest;
use crate::config::placed;
use crate::config::placed::{Place, Placed};
use crate::model::method::{Method, Methods};
use crate::model::strength::Strength;

/// A list of ways as it is written.
type Written = Placed<Vec<Placed<String>>>;

/// A way that is not built yet.
const LATER: &str = "oidc";
const KEY: &str = "auth.methods";
const APP_KEY: &str = "app.methods";

/// `auth.methods`, with a complaint about each entry that cannot be used.
pub fn of_installation(table: &AuthTable, complaints: &mut Vec<Complaint>) -> Methods {
    table.methods.as_ref().map_or(Methods::ALL, |written| compile(written, KEY, complaints))
}

/// `app.methods`, cut down to what the installation allows, with a complaint about each entry that cannot be used.
pub fn of_app(document: &Document, table: &AppTable, complaints: &mut Vec<Complaint>) -> Methods {
    // Told where the installation is compiled.
    let (everywhere, all) = (of_installation(&document.auth, &mut Vec::new()), document.auth.methods.as_ref());
    let Some(written) = &table.methods else { return everywhere };
    for entry in &written.value {
        let shut = Method::of_name(&entry.value).is_some_and(|method| !everywhere.contains(method));
        if let Some(all) = all.filter(|_| shut) {
            let complaint = Complaint::new(Code::E0614, &entry.place, "the installation does not allow this way");
            let complaint = complaint.label("an app cannot allow more").also(&all.place, "this is all that counts anywhere");
            complaints.push(complaint.help("remove it here, or add it there").key(APP_KEY));
        }
    }
    compile(written, APP_KEY, complaints).and(everywhere)
}

fn compile(written: &Written, key: &str, complaints: &mut Vec<Complaint>) -> Methods {
    if written.value.is_empty() {
        let complaint = Complaint::new(Code::E0206, &written.place, "`methods` is empty").label("nobody could sign in");
        complaints.push(complaint.help("leave the key out to allow every way").key(key));
    }
    let mut known = Vec::new();
    for entry in &written.value {
        match Method::of_name(&entry.value) {
            Some(method) => known.push(method),
            None => complaints.push(unknown(entry).key(key)),
        }
    }
    Methods::of(known)
}

fn unknown(entry: &Placed<String>) -> Complaint {
    if entry.value == LATER {
        let complaint = Complaint::new(Code::E0614, &entry.place, "signing in by another provider comes in a later version");
        return complaint.label("not in this version yet").help("remove it for now");
    }
    let complaint = Complaint::new(Code::E0614, &entry.place, "not a way to sign in");
    let names = Method::ALL.map(Method::name);
    let meant = match entry.value.as_str() {
        "totp" | "2fa" | "code" | "otp" => Some(Method::PasswordTotp.name()),
        "webauthn" | "fido2" => Some(Method::Passkey.name()),
        text => nearest(text, names),
    };
    match meant {
        Some(name) => complaint.label(format!("did you mean \"{name}\"?")).fix(format!("\"{name}\"")),
        None => complaint.label(names.map(|name| format!("\"{name}\"")).join(" or ")),
    }
}

/// Warns of what no way that counts is firm enough for: it is no fault, and it shuts the door.
pub fn unmeetable(document: &Document, complaints: &mut Vec<Complaint>) {
    let auth = &document.auth;
    let mut warn = |place: &Place, key: &str, (strength, methods): (Strength, Methods)| {
        let complaint = Complaint::new(Code::W0612, place, "nobody can open this: no way that counts is firm enough")
            .label(format!("asks for {}, and all that counts is {methods}", strength.name()))
            .help("add a way to `methods`, or ask for less");
        complaints.push(complaint.key(key));
    };
    for app in &document.apps {
        let methods = of_app(document, app, &mut Vec::new());
        let usual = placed::value(app.require.as_ref().or(auth.require.as_ref())).unwrap_or(Strength::TwoFactor);
        let shut = |strength: Strength| !methods.is_empty() && methods.at_least(strength).is_empty();
        if shut(usual) {
            match (&app.require, &app.methods) {
                (Some(written), _) => warn(&written.place, "app.require", (usual, methods)),
                (None, Some(written)) => warn(&written.place, APP_KEY, (usual, methods)),
                // Told at each app that inherits it: every one of them is shut.
                (None, None) => warn(&app.place, KEY, (usual, methods)),
            }
        }
        for written in app.rules.iter().filter_map(|rule| rule.require.as_ref()).filter(|written| shut(written.value)) {
            warn(&written.place, "app.rule.require", (written.value, methods));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::complaint::Code;
    use crate::model::method::{Method, Methods};
    use crate::plan::compile::compile_text;
    use crate::policy::rule::Action;

    fn text(auth: &str, app: &str) -> String {
        format!("[auth]\n{auth}\n[[app]]\nhost = \"a.example\"\nupstream = \"http://127.0.0.1:1\"\n{app}\n")
    }

    fn told(auth: &str, app: &str) -> Vec<(Code, Option<String>)> {
        let complaints = match compile_text(&text(auth, app)) {
            Ok(compiled) => compiled.warnings,
            Err(complaints) => complaints,
        };
        complaints.into_iter().map(|complaint| (complaint.code, complaint.key)).collect()
    }

    /// The attack (on the owner's intent): an app, or a rule of it, that allows what the installation does not.
    #[test]
    fn an_app_cuts_down_and_its_rules_keep_it() {
        let of = |auth: &str, app: &str| {
            let plan = compile_text(&text(auth, app)).unwrap_or_else(|complaints| panic!("{complaints:#?}")).plan;
            assert_eq!(plan.auth.methods, compile_text(&text(auth, "")).expect("a plan").plan.auth.methods);
            let rules = plan.apps[0].rules.clone();
            for rule in rules.rules.iter() {
                let Action::Require(requirement) = &rule.action else { panic!("a rule that asks") };
                assert_eq!(requirement.methods, rules.requirement.methods);
            }
            rules.requirement.methods
        };
        let rule = "[[app.rule]]\npath = \"/x/\"\nmax_age = \"5m\"";
        assert_eq!(of("", rule), Methods::ALL);
        let two = "methods = [\"password+totp\", \"passkey\"]";
        assert_eq!(of(two, rule), Methods::of([Method::PasswordTotp, Method::Passkey]));
        assert_eq!(of(two, &format!("methods = [\"passkey\"]\n{rule}")), Methods::of([Method::Passkey]));
        assert_eq!(of("", "methods = [\"passkey\", \"passkey\"]"), Methods::of([Method::Passkey]));
        assert_eq!(told("methods = [\"passkey\"]", "methods = [\"password+totp\"]")[0].0, Code::E0614);
    }

    #[test]
    fn what_nobody_can_prove_is_told_where_it_is_asked_for() {
        let nobody = |key: &str| vec![(Code::W0612, Some(key.to_owned()))];
        let only_codes = "methods = [\"password+totp\"]";
        assert_eq!(told(only_codes, "require = \"passkey\""), nobody("app.require"));
        assert_eq!(told("", &format!("require = \"passkey\"\n{only_codes}")), nobody("app.require"));
        assert_eq!(told("require = \"passkey\"", only_codes), nobody("app.methods"));
        assert_eq!(told(&format!("require = \"passkey\"\n{only_codes}"), ""), nobody("auth.methods"));
        assert_eq!(told("", "methods = [\"password\"]"), nobody("app.methods"));
        assert_eq!(told(only_codes, "[[app.rule]]\npath = \"/x/\"\nrequire = \"passkey\""), nobody("app.rule.require"));
        for (auth, app) in [(only_codes, ""), (only_codes, "require = \"password\""), ("", "methods = [\"passkey\"]")] {
            assert_eq!(told(auth, app), [], "{auth} {app}");
        }
    }

    #[test]
    fn what_is_no_way_is_refused() {
        for entry in ["", "oidc", "totp", "Passkey", "password + totp"] {
            assert_eq!(
                told(&format!("methods = [\"{entry}\"]"), "")[0],
                (Code::E0614, Some("auth.methods".to_owned())),
                "{entry}"
            );
        }
        assert_eq!(told("methods = []", "")[0].0, Code::E0206);
        assert_eq!(told("enrol_deadline = \"400d\"", "")[0], (Code::E0206, Some("auth.enrol_deadline".to_owned())));
        assert_eq!(told("", "enrol_deadline = \"400d\"")[0], (Code::E0206, Some("app.enrol_deadline".to_owned())));
    }
}
