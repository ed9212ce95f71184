//! Redirects: where a path is sent, and that it does not come back.

use std::net::{IpAddr, Ipv4Addr};

use http::Method;

use crate::config::complaint::{Code, Complaint};
use crate::config::placed::{Place, Placed};
use crate::policy::host::Host;
use crate::policy::mount::{self, Choice, Mount};
use crate::policy::pattern::Pattern;
use crate::policy::rule::{Judgement, REST, Redirect, RuleSet};
use crate::policy::target::Target;

/// Statuses of redirects, and what a browser does with the method (RFC 9110 section 15.4). Not 301: it is kept for ever by
/// browsers, and a rule can be taken back.
pub const STATUSES: &[(u16, &str)] = &[
    (302, "GET stays GET; most clients turn POST into GET"),
    (303, "every method becomes GET"),
    (307, "the method and body stay as they are"),
    (308, "the method and body stay as they are, and clients may remember it"),
];

/// Used where no status is written.
const USUAL: u16 = 302;

/// Browsers give up after 20 redirects; a round is found within as many.
const MOST_HOPS: usize = 20;

/// Compiles a redirect's target and status; `place` is that of the whole entry.
pub fn compile(
    place: &Place,
    to: Option<&Placed<String>>,
    status: Option<&Placed<u64>>,
    complaints: &mut Vec<Complaint>,
) -> Option<Redirect> {
    let Some(to) = to else {
        if complaints.iter().any(|complaint| is_about_target(complaint, place)) {
            return None;
        }
        let complaint = Complaint::new(Code::E0612, place, "a redirect has no `to`").label("sent where?");
        complaints.push(complaint.help("add `to = \"/\"`, or an address such as \"https://example.com/\""));
        return None;
    };
    if let Some(reason) = unusable(&to.value) {
        complaints.push(Complaint::new(Code::E0612, &to.place, "a redirect cannot go there").label(reason));
        return None;
    }
    let number = status.map_or(Some(USUAL), |status| u16::try_from(status.value).ok());
    match number.filter(|number| STATUSES.iter().any(|(known, _)| known == number)) {
        Some(status) => Some(Redirect { to: to.value.clone(), status }),
        None => {
            let place = status.map_or_else(|| place.clone(), |status| status.place.clone());
            let complaint = Complaint::new(Code::E0612, &place, "not a status that redirects").label("302, 303, 307 or 308");
            let permanent = status.is_some_and(|status| status.value == 301);
            complaints.push(match permanent {
                true => complaint.note("browsers keep a 301 for ever, even after the rule is gone").help("write 308").fix("308"),
                false => complaint,
            });
            None
        }
    }
}

/// Whether the entry's own `to` is complained about already, as misspelt or of the wrong type.
fn is_about_target(complaint: &Complaint, entry: &Place) -> bool {
    let inside = complaint.place.as_ref().is_some_and(|place| entry.contains(&place.start));
    inside && complaint.meant_key().is_some_and(|key| key.ends_with(".to"))
}

/// Complains about a `{rest}` where nothing is left over: behind a single place, a shape of places, or a regular expression.
pub fn check_rest(redirect: &Redirect, from: &[Pattern], place: &Place, complaints: &mut Vec<Complaint>) {
    let is_plain_folder = |from: &Pattern| from.is_folder() && !from.to_string().contains(['*', '?']);
    if redirect.to.contains(REST) && !from.iter().all(is_plain_folder) {
        let complaint = Complaint::new(Code::E0612, place, "a redirect has no rest to pass on");
        complaints.push(complaint.label(format!("`{REST}` goes with folders only, such as \"/old/\"")));
    }
}

/// Why a `Location` is refused.
fn unusable(to: &str) -> Option<&'static str> {
    let plain = to.bytes().all(|byte| byte.is_ascii_graphic());
    match to {
        "" => Some("it is empty"),
        to if to.strip_suffix(REST).map_or(to.contains(REST), |front| !front.ends_with('/') || front.contains(REST)) => {
            Some("`{rest}` stands once, at the end, behind a slash")
        }
        _ if !plain => Some("a space, control or non-ASCII character: write it percent-encoded"),
        // Browsers read both as another host.
        to if to.starts_with("//") || to.starts_with("/\\") => Some("this names another host; write its scheme too"),
        to if to.starts_with('/') || to.starts_with("https://") || to.starts_with("http://") => None,
        _ => Some("a path that begins with `/`, or an address that begins with `https://`"),
    }
}

/// Complains about redirects that lead back to themselves, at once or in a round.
pub fn find_loops(set: &RuleSet, at: (&[Host], &Mount), written: &[(Redirect, Place)], complaints: &mut Vec<Complaint>) {
    for (redirect, place) in written {
        let mut passed = vec![redirect.to.clone()];
        while passed.len() < MOST_HOPS
            && let Some(next) = passed.last().and_then(|to| follow(set, at, to))
        {
            if passed.contains(&next) {
                // A round is told once, by those that are part of it.
                if next == redirect.to {
                    let complaint = Complaint::new(Code::E0612, place, "this redirect never ends");
                    complaints.push(complaint.label(match passed.as_slice() {
                        [to] => format!("`{to}` is sent to `{to}`"),
                        passed => format!("it goes round: {} and again {next}", passed.join(", ")),
                    }));
                }
                break;
            }
            passed.push(next);
        }
        if passed.len() == MOST_HOPS {
            let complaint = Complaint::new(Code::E0612, place, "this redirect never ends");
            complaints.push(complaint.label(format!("after {MOST_HOPS} redirects it is still sent on, and browsers give up")));
        }
    }
}

/// Where a visitor who arrives at `to` is sent next by the same app.
fn follow(set: &RuleSet, (hosts, mount): (&[Host], &Mount), to: &str) -> Option<String> {
    let path = match to.split_once("://") {
        None => to.to_owned(),
        Some((_, rest)) => {
            let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            hosts.iter().any(|host| host.as_str().eq_ignore_ascii_case(authority)).then(|| match path.starts_with('/') {
                true => path.to_owned(),
                false => format!("/{path}"),
            })?
        }
    };
    let path = path.split('#').next().unwrap_or_default();
    let target = Target::parse(path).ok()?;
    let Choice::One(_) = mount::choose(&[mount], &target) else { return None };
    let target = mount.enter(target).ok()?;
    match set.judge(&target, &Method::GET, IpAddr::V4(Ipv4Addr::LOCALHOST)) {
        Judgement::Redirected(redirect) => Some(redirect.to),
        Judgement::Denied(_) | Judgement::Required(_) | Judgement::Open => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The attack: `//evil.example` and `/\evil.example` look like paths and are other hosts to a browser.
    #[test]
    fn a_redirect_goes_to_a_path_or_a_whole_address() {
        for to in ["/lab", "/", "https://example.com/x?y=1#z", "http://intranet/"] {
            assert_eq!(unusable(to), None, "{to}");
        }
        for to in ["", "lab", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "/a b", "/a\r\nSet-Cookie: x", "/ä"] {
            assert!(unusable(to).is_some(), "{to}");
        }
    }

    #[test]
    fn only_statuses_of_the_catalogue_are_taken() {
        let to = Placed::new("/lab".to_owned(), 0..1);
        for status in 100..600 {
            let mut complaints = Vec::new();
            let made = compile(&(0..9), Some(&to), Some(&Placed::new(status, 2..3)), &mut complaints);
            assert_eq!(made.is_some(), [302, 303, 307, 308].contains(&status), "{status}");
            assert_eq!(made.is_none(), complaints.len() == 1, "{status}");
        }
    }
}
