//! `[auth.webauthn]`: the site that passkeys are made for, and whether those that exist would still open it.

use crate::auth::passkey::{Attestation, Verification};
use crate::config::auth::{WebauthnTable, WrittenAttestation, WrittenVerification};
use crate::config::complaint::{Code, Complaint};
use crate::config::document::Document;
use crate::config::placed;
use crate::config::placed::{Place, Placed};
use crate::model::strength::Strength;
use crate::plan::policy::PasskeyPolicy;
use crate::plan::settings;
use crate::plan::whole::Plan;
use crate::policy::host::Host;

const RP_ID: &str = "auth.webauthn.rp_id";

/// `[auth.webauthn]`
pub fn compile(table: &WebauthnTable, portal: &Host, complaints: &mut Vec<Complaint>) -> PasskeyPolicy {
    let name = table.rp_name.as_ref().and_then(|name| settings::shown_name(name, "auth.webauthn.rp_name", complaints));
    let verification = match placed::value(table.user_verification.as_ref()).unwrap_or(WrittenVerification::Preferred) {
        WrittenVerification::Preferred => Verification::Preferred,
        WrittenVerification::Required => Verification::Required,
    };
    let site = table.rp_id.as_ref().and_then(|written| site(written, portal, complaints));
    let attestation = match placed::value(table.attestation.as_ref()).unwrap_or(WrittenAttestation::None) {
        WrittenAttestation::None => Attestation::None,
        WrittenAttestation::Direct => Attestation::Direct,
    };
    PasskeyPolicy { site, name, verification, attestation }
}

fn site(written: &Placed<String>, portal: &Host, complaints: &mut Vec<Complaint>) -> Option<Host> {
    let reason = match Host::parse(written.value.trim()) {
        Err(reason) => reason.to_string(),
        Ok(site) if site.ip().is_some() => "browsers have passkeys only for names, not for addresses".to_owned(),
        // Browsers refuse what is no domain of somebody's own; a whole list of those is theirs, the first rule of it is this.
        Ok(site) if site != *portal && !site.as_str().contains('.') => {
            "a passkey for a whole top-level domain is refused".to_owned()
        }
        Ok(site) if !opens(site.as_str(), portal) => format!("people sign in on {portal}, which is not below it"),
        Ok(site) => return Some(site),
    };
    let complaint = Complaint::new(Code::E0503, &written.place, "no passkey can be made for `rp_id`").label(reason);
    complaints.push(complaint.help(format!("write \"{portal}\", a domain above it, or leave the key out")).key(RP_ID));
    None
}

/// Warns of what asks for a passkey where browsers have none: it is no fault, and it shuts the door.
pub fn unmeetable(plan: &Plan, document: &Document, complaints: &mut Vec<Complaint>) {
    if plan.passkey_site().is_some() {
        return;
    }
    let mut warn = |place: &Place, key: &str| {
        let complaint = Complaint::new(Code::W0612, place, "nobody can open this: it asks for a passkey")
            .label(format!("browsers have passkeys only for names, and people sign in on {}", plan.portal))
            .help("give the portal a name, or write \"2fa\"");
        complaints.push(complaint.key(key));
    };
    let asks = |written: &Option<Placed<Strength>>| placed::value(written.as_ref()) == Some(Strength::Passkey);
    for app in &document.apps {
        match &app.require {
            Some(written) if written.value == Strength::Passkey => warn(&written.place, "app.require"),
            // Told at each app that inherits it: every one of them is shut.
            None if asks(&document.auth.require) => warn(&app.place, "auth.require"),
            Some(_) | None => {}
        }
        for written in
            app.rules.iter().filter_map(|rule| rule.require.as_ref()).filter(|written| written.value == Strength::Passkey)
        {
            warn(&written.place, "app.rule.require");
        }
    }
}

/// Whether passkeys made for `site` open pages of `portal`: the same name, or one below it.
pub fn opens(site: &str, portal: &Host) -> bool {
    let above = portal.as_str().strip_suffix(site).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    above && portal.ip().is_none()
}

/// What stands against a configuration while there are `count` passkeys for `site`.
pub fn orphaned(plan: &Plan, (site, count): (&str, u64)) -> Option<Complaint> {
    let named = plan.auth.passkeys.site.as_ref().map(Host::as_str);
    let wanted = match named {
        Some(named) if named != site => named,
        _ if !opens(site, &plan.portal) => plan.portal.as_str(),
        Some(_) | None => return None,
    };
    let keys = if count == 1 { "1 passkey".to_owned() } else { format!("{count} passkeys") };
    let complaint = Complaint::without_place(Code::E0503, format!("{keys} would open nothing any more"));
    let complaint = complaint.note(format!("they were made for {site}, and browsers use them for {site} and names below it only; this configuration asks for {wanted}"));
    let help = format!(
        "sign people in on {site} as before (`portal`, `auth.webauthn.rp_id`); or have everybody remove their passkeys first and make new ones afterwards"
    );
    Some(complaint.help(help).key(if named.is_some_and(|named| named != site) { RP_ID } else { "portal" }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::compile::compile_text;

    fn plan(text: &str) -> Plan {
        let app = "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:1\"\n";
        compile_text(&format!("{text}\n{app}")).unwrap_or_else(|complaints| panic!("{complaints:#?}")).plan
    }

    #[test]
    fn passkeys_open_their_own_name_and_those_below() {
        let portal = Host::parse("auth.example.com").expect("a host");
        for (site, right) in [
            ("auth.example.com", true),
            ("example.com", true),
            ("h.example.com", false),
            ("x.auth.example.com", false),
            ("", false),
        ] {
            assert_eq!(opens(site, &portal), right, "{site}");
        }
        assert!(!opens("127.0.0.1", &Host::parse("127.0.0.1").expect("a host")));
    }

    /// The attack (on ourselves): a portal is moved, and nobody can sign in with the key that they have.
    #[test]
    fn a_move_that_passkeys_do_not_survive_is_told() {
        let at = |text: &str, site: &str| orphaned(&plan(text), (site, 2)).map(|complaint| complaint.key.expect("a key"));
        assert_eq!(at("", "app.example.com"), None);
        assert_eq!(at("portal = \"https://auth.example.com\"", "app.example.com").as_deref(), Some("portal"));
        assert_eq!(at("portal = \"https://auth.example.com\"", "example.com"), None);
        assert_eq!(at("[auth.webauthn]\nrp_id = \"example.com\"", "app.example.com").as_deref(), Some(RP_ID));
        assert_eq!(at("[auth.webauthn]\nrp_id = \"app.example.com\"", "app.example.com"), None);
        assert_eq!(at("portal = \"https://127.0.0.1\"", "app.example.com").as_deref(), Some("portal"));
    }
}
