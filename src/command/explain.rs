//! `doorward explain`: what would happen to this request, and why? Reads the configuration file and opens no store. If a gateway
//! runs, it is asked for the groups of a user that was named; it need not run.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use clap::Args;
use http::Method;

use crate::admin::wish::{Answer, Wish};
use crate::base::clock::{Clock, Timestamp};
use crate::command::exit::Failure;
use crate::command::explained::{self, Asked};
use crate::command::output::Output;
use crate::command::place::{Named, load_to_look};
use crate::command::wish::Installation;
use crate::model::identity::Identity;
use crate::model::profile::{GroupName, Profile};
use crate::model::session::{Session, SessionRecord};
use crate::model::strength::Strength;
use crate::model::user::UserName;
use crate::plan::explain::{self, Question};
use crate::policy::host::Authority;
use crate::policy::international;

/// An address of nobody's (RFC 5737), for visitors who are said to come from nowhere in particular.
const SOMEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const HTTPS_PORT: u16 = 443;

/// Words of `explain`.
#[derive(Debug, Args)]
pub struct ExplainWords {
    /// What is asked for, spelt as a client would send it
    pub url: String,
    /// Somebody who is signed in [default: nobody is]
    #[arg(long, value_name = "NAME")]
    pub user: Option<UserName>,
    /// How firmly they have signed in: 2fa or password
    #[arg(long, value_name = "STRENGTH", requires = "user", default_value = "2fa", value_parser = strength)]
    pub strength: Strength,
    /// A group they are in; repeat it for more [default: those that the running gateway knows]
    #[arg(long = "group", value_name = "GROUP", requires = "user")]
    pub groups: Vec<GroupName>,
    /// The method
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    pub method: Method,
    /// Where the visitor comes from
    #[arg(long, value_name = "ADDRESS", default_value_t = SOMEWHERE)]
    pub ip: IpAddr,
}

/// Which groups the user in question is in, and who says so.
#[derive(Clone, Debug)]
pub enum Groups {
    /// The command line.
    Named(Vec<GroupName>),
    /// The running gateway.
    Known(Vec<GroupName>),
    /// The running gateway, which has no such user.
    NoUser,
    /// Nobody.
    Unknown,
}

impl Groups {
    /// The groups, none where they are not known.
    pub fn names(&self) -> Vec<GroupName> {
        match self {
            Self::Named(groups) | Self::Known(groups) => groups.clone(),
            Self::NoUser | Self::Unknown => Vec::new(),
        }
    }
}

/// A URL in the parts that reach us.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    authority: Authority,
    target: String,
    plain: bool,
}

/// Carries out `explain`.
///
/// # Errors
/// [`Failure::Usage`] for what is no URL, [`Failure::Config`] with every complaint.
pub fn explain(named: &Named, words: &ExplainWords, output: Output) -> Result<(), Failure> {
    let Address { authority, target, plain } = address(&words.url).map_err(Failure::Usage)?;
    if [Method::CONNECT, Method::TRACE].contains(&words.method) {
        return Err(Failure::Usage(format!("{} is refused everywhere, whatever the path", words.method)));
    }
    let loaded = load_to_look(&named.required_config()?)?;
    let now = Clock::system().now();
    let groups = groups(named, words);
    let identity = words.user.as_ref().map_or(Identity::Anonymous, |name| {
        let profile = Profile { groups: groups.names().into(), ..Profile::default() };
        Identity::User(session(name, words.strength, profile, now))
    });
    let (host, method) = (&authority.host, &words.method);
    let question = Question { host, target: &target, method, client: words.ip, identity, now };
    let finding = explain::explain(&loaded.plan, &loaded.document, question);
    let asked = Asked { words, authority: &authority, target: &target, plain, loaded: &loaded, groups: &groups };
    output.result(&explained::json(&asked, &finding), || explained::text(&asked, &finding));
    Ok(())
}

/// The session that somebody who has just signed in would have.
fn session(name: &UserName, strength: Strength, profile: Profile, now: Timestamp) -> Arc<Session> {
    let imagined = SessionRecord::imagined(name.clone(), strength, now);
    Arc::new(Session::from(SessionRecord { profile: Arc::new(profile), ..imagined }))
}

/// The groups of the user in question: those that were named, else those that a running gateway knows. Without either they are
/// not known; the store is never opened here.
fn groups(named: &Named, words: &ExplainWords) -> Groups {
    let Some(user) = &words.user else { return Groups::Unknown };
    if !words.groups.is_empty() {
        return Groups::Named(words.groups.clone());
    }
    let known =
        Installation::find(named).and_then(|installation| installation.ask_running(&Wish::UserShow { name: user.to_string() }));
    match known {
        Ok(Some(Answer::Person(person))) => Groups::Known(person.groups.iter().filter_map(|group| group.parse().ok()).collect()),
        Err(Failure::NotFound(_)) => Groups::NoUser,
        Ok(_) | Err(_) => Groups::Unknown,
    }
}

/// Takes a URL apart without changing a byte of its path: a parser for browsers would resolve and escape what is to be judged.
fn address(url: &str) -> Result<Address, String> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let plain = scheme.eq_ignore_ascii_case("http");
    if !plain && !scheme.eq_ignore_ascii_case("https") {
        return Err(format!("`{scheme}` is not a scheme that is served here: write https://HOST/PATH"));
    }
    let (authority, behind) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
    let mut authority = international::authority(authority)
        .map_err(|reason| format!("no host in this URL ({reason}): write https://HOST/PATH"))?;
    // Browsers leave the usual port out.
    authority.port = authority.port.filter(|port| *port != HTTPS_PORT);
    // A fragment is never sent.
    let target = behind.split('#').next().unwrap_or_default();
    let target = if target.starts_with(['/', '\\']) { target.to_owned() } else { format!("/{target}") };
    Ok(Address { authority, target, plain })
}

fn strength(text: &str) -> Result<Strength, String> {
    let mut known = Strength::ALL.into_iter();
    known.find(|strength| strength.name() == text).ok_or_else(|| "2fa, password or passkey".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_its_path_left_as_it_is() {
        for (url, authority, target) in [
            ("https://a.example/Admin%2flogin/", "a.example", "/Admin%2flogin/"),
            ("https://A.Example.:443", "a.example", "/"),
            ("a.example:8443/a/../b?c#d", "a.example:8443", "/a/../b?c"),
            ("http://[2001:db8::1]?q", "[2001:db8::1]", "/?q"),
            ("https://a.example/x?to=https://b.example", "a.example", "/x?to=https://b.example"),
        ] {
            let read = address(url).expect(url);
            assert_eq!((read.authority.to_string().as_str(), read.target.as_str()), (authority, target), "{url}");
        }
        for url in ["", "/admin", "ftp://a.example/", "https://", "https://alice@a.example/", "https://a.example:0/"] {
            assert!(address(url).is_err(), "{url}");
        }
    }
}
