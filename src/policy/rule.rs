//! The rules of one app and what they say of a request.

use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::ControlFlow;

use http::Method;
use ipnet::IpNet;

use crate::policy::charset::Charset;
use crate::policy::index::{Indexed, Speaks};
use crate::policy::pattern::{Pattern, Root};
use crate::policy::reading::{Form, Reading, Visitor};
use crate::policy::requirement::Requirement;
use crate::policy::resolve::Dots;
use crate::policy::target::Target;

/// In a redirect's `to`, behind its last slash: what follows the folder that is sent elsewhere.
pub const REST: &str = "{rest}";

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Paths it speaks of; any of them.
    pub paths: Vec<Pattern>,
    /// Methods it speaks of; all if empty.
    pub methods: Vec<Method>,
    /// Client networks it speaks of; all if empty.
    pub networks: Vec<IpNet>,
    /// What it says.
    pub action: Action,
    /// Largest body of a request it lets pass, in bytes; `None` allows any.
    pub body_limit: Option<u64>,
}

/// What a rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask for this.
    Require(Requirement),
    /// Let pass without a session.
    Bypass,
    /// Let nobody pass.
    Deny,
    /// Send elsewhere.
    Redirect(Redirect),
}

/// Where a path is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The `Location`.
    pub to: String,
    /// 302, 303, 307 or 308.
    pub status: u16,
}

/// How a denied path is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DenyStatus {
    /// 404: as if nothing were there.
    #[default]
    NotFound,
    /// 403: honest.
    Forbidden,
}

/// Whether a denied name takes its suffixes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Suffixes {
    /// `/admin.json` is `/admin` for what takes away: many frameworks serve it so.
    #[default]
    Covered,
    /// It is a name of its own.
    Apart,
}

/// What becomes of a path with an encoded slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum EncodedSlash {
    /// It is judged as separator and as part of a name.
    #[default]
    Judge,
    /// It is denied.
    Refuse,
}

/// All rules of one app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSet {
    /// If given, everything else is denied.
    pub only: Option<Indexed<Pattern>>,
    /// Denied for everybody.
    pub deny: Indexed<Pattern>,
    /// Sent elsewhere.
    pub redirects: Indexed<(Pattern, Redirect)>,
    /// In written order; the first that matches speaks, except that a deny among them always does.
    pub rules: Indexed<Rule>,
    /// Open without a session.
    pub bypass: Indexed<Rule>,
    /// What everything else asks for.
    pub requirement: Requirement,
    /// How denied paths are answered.
    pub deny_status: DenyStatus,
    /// Whether denied names take their suffixes with them.
    pub suffixes: Suffixes,
    /// What becomes of encoded slashes.
    pub encoded_slash: EncodedSlash,
    /// What its paths are written in.
    pub charset: Charset,
    /// What becomes of paths with `.` and `..`.
    pub dots: Dots,
    /// Largest body of a request that no rule speaks of, in bytes; `None` allows any.
    pub body_limit: Option<u64>,
}

/// What the rules say of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Nobody passes.
    Denied(DenyStatus),
    /// Sent elsewhere.
    Redirected(Redirect),
    /// Who meets this passes.
    Required(Requirement),
    /// Anybody passes.
    Open,
}

/// What the rules say of one reading.
#[derive(Clone)]
enum Opinion<'a> {
    Deny,
    Redirect(&'a Redirect),
    // Owned only where two that differ had to be put together.
    Require(Cow<'a, Requirement>),
    Open,
}

/// What speaks of one reading.
#[derive(Clone, Copy, Debug)]
pub enum Voice<'a> {
    /// A list that denies, or a rule that does.
    Deny,
    /// An entry of the list of redirects.
    Redirect(&'a Redirect),
    /// A rule that denies nothing, or an entry of the list of what is open.
    Rule(&'a Rule),
    /// What holds for everything else.
    Otherwise,
}

/// Who asks and how; the same for every reading.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The method.
    pub method: &'a Method,
    /// The client's address in canonical form ([`IpAddr::to_canonical`]).
    pub client: IpAddr,
}

impl RuleSet {
    /// What the rules say of a request: the whole list once per reading of its path, and the strictest answer wins.
    ///
    /// A HEAD is read both as what it is and as the GET that most apps make of it, and `post` as the POST that many make of it:
    /// what GET takes away HEAD does too, and what opens GET alone opens no HEAD.
    pub fn judge(&self, target: &Target, method: &Method, client: IpAddr) -> Judgement {
        let client = client.to_canonical();
        let heard = |strictest, method: &Method| self.strictest(strictest, target, Call { method, client });
        let strictest = doubles(method).fold(heard(None, method), |strictest, double| heard(strictest, &double));
        match strictest {
            // Every target has a reading; should one ever have none, then nothing spoke for opening it.
            Some(Opinion::Deny) | None => Judgement::Denied(self.deny_status),
            Some(Opinion::Redirect(redirect)) => Judgement::Redirected(self.arrival(redirect, target)),
            Some(Opinion::Require(requirement)) => Judgement::Required(requirement.into_owned()),
            Some(Opinion::Open) => Judgement::Open,
        }
    }

    fn strictest<'a>(&'a self, so_far: Option<Opinion<'a>>, target: &Target, call: Call<'_>) -> Option<Opinion<'a>> {
        if self.refuses(target) {
            return Some(Opinion::Deny);
        }
        let mut strictest = so_far;
        let _stopped = self.each_reading(target, &mut |reading| {
            let heard = self.opinion(reading, call);
            strictest = match (strictest.take(), heard) {
                (Some(known), Some(heard)) => Some(known.stricter(heard)),
                (known, heard) => known.or(heard),
            };
            if matches!(strictest, Some(Opinion::Deny)) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        strictest
    }

    /// Whether a path is denied for how it is written, whatever else the rules say.
    pub fn refuses(&self, target: &Target) -> bool {
        self.encoded_slash == EncodedSlash::Refuse && target.hides_a_separator()
    }

    /// The readings that count for this app.
    pub fn each_reading(&self, target: &Target, visit: &mut Visitor<'_>) -> ControlFlow<()> {
        target.each_reading(&mut |reading| match (self.suffixes, reading.form()) {
            (Suffixes::Apart, Form::Loose) => ControlFlow::Continue(()),
            (_, Form::Exact | Form::Folded | Form::Loose) => visit(reading),
        })
    }

    /// Where a redirect leads a target: its `{rest}` is what follows the folder, query included, as it was written. A target that
    /// is the folder only in another reading is led to the front of the new one.
    fn arrival(&self, redirect: &Redirect, target: &Target) -> Redirect {
        let Some(front) = redirect.to.strip_suffix(REST) else { return redirect.clone() };
        let by_list = self.redirects.iter().filter(|(_, other)| std::ptr::eq(other, redirect)).map(|(from, _)| from);
        let own = |rule: &&Rule| matches!(&rule.action, Action::Redirect(other) if std::ptr::eq(other, redirect));
        let by_rule = self.rules.iter().filter(own).flat_map(|rule| &rule.paths);
        let mut folders = by_list.chain(by_rule).filter(|from| from.is_folder()).map(ToString::to_string);
        let rest = folders.find_map(|folder| target.as_str().strip_prefix(&folder).map(str::to_owned)).unwrap_or_default();
        // Never a second slash at the front: after a bare `/` it would begin the name of another host.
        Redirect { to: format!("{front}{}", rest.trim_start_matches('/')), status: redirect.status }
    }

    /// What the rules say of one reading. `None` if they say nothing and the reading can only take away.
    fn opinion(&self, reading: &Reading<'_>, call: Call<'_>) -> Option<Opinion<'_>> {
        Some(match self.voice(reading, call)? {
            Voice::Deny => Opinion::Deny,
            Voice::Redirect(redirect) => Opinion::Redirect(redirect),
            Voice::Rule(rule) => Opinion::of(&rule.action),
            Voice::Otherwise => Opinion::Require(Cow::Borrowed(&self.requirement)),
        })
    }

    /// Which of the rules speaks of one reading. Whatever else hangs on a rule than who passes is asked of this one too, lest it be
    /// of another than the one that let the request pass.
    pub fn voice(&self, reading: &Reading<'_>, call: Call<'_>) -> Option<Voice<'_>> {
        let listed = |patterns: &Indexed<Pattern>, root| patterns.any(reading, |pattern| pattern.covers(reading, root));
        let outside = |only: &Indexed<Pattern>| !reading.is_aside() && !listed(only, Root::Alone);
        if listed(&self.deny, Root::Everything) || self.only.as_ref().is_some_and(outside) {
            return Some(Voice::Deny);
        }
        if self.rules.any(reading, |rule| rule.action == Action::Deny && rule.speaks_of(reading, call)) {
            return Some(Voice::Deny);
        }
        // What an app sees of a path is denied like any path. Of all else, what spoke of the whole path has been heard already.
        let whole = reading.whole();
        let speaks =
            |rule: &Rule| rule.speaks_of(reading, call) && !whole.as_ref().is_some_and(|whole| rule.speaks_of(whole, call));
        let sent = |(from, _): &(Pattern, Redirect)| {
            let heard = whole.as_ref().is_some_and(|whole| sends(from, whole, Root::Alone));
            !heard && sends(from, reading, Root::Alone)
        };
        if let Some((_, redirect)) = self.redirects.first(reading, sent) {
            return Some(Voice::Redirect(redirect));
        }
        let spoken = self.rules.first(reading, speaks).or_else(|| self.bypass.first(reading, speaks));
        let otherwise = || (!reading.is_aside()).then_some(Voice::Otherwise);
        spoken.map(Voice::Rule).or_else(otherwise)
    }
}

impl Speaks for Rule {
    fn patterns(&self) -> &[Pattern] {
        &self.paths
    }
}

impl Speaks for (Pattern, Redirect) {
    fn patterns(&self) -> &[Pattern] {
        std::slice::from_ref(&self.0)
    }
}

impl Rule {
    /// Whether it speaks of one reading of a request.
    pub fn speaks_of(&self, reading: &Reading<'_>, call: Call<'_>) -> bool {
        let covers = |pattern: &Pattern| match self.action {
            Action::Redirect(_) => sends(pattern, reading, Root::Everything),
            Action::Require(_) | Action::Bypass | Action::Deny => pattern.covers(reading, Root::Everything),
        };
        self.paths.iter().any(covers)
            && (self.methods.is_empty() || self.methods.contains(call.method))
            && (self.networks.is_empty() || self.networks.iter().any(|network| within(network, call.client)))
    }
}

impl<'a> Opinion<'a> {
    fn of(action: &'a Action) -> Self {
        match action {
            Action::Require(requirement) => Self::Require(Cow::Borrowed(requirement)),
            Action::Bypass => Self::Open,
            Action::Deny => Self::Deny,
            Action::Redirect(redirect) => Self::Redirect(redirect),
        }
    }

    /// The stricter of two opinions; two requirements must both be met, and of two redirects the more literal reading's stays.
    fn stricter(self, other: Self) -> Self {
        match (self, other) {
            (Self::Deny, _) | (_, Self::Deny) => Self::Deny,
            (redirect @ Self::Redirect(_), _) | (_, redirect @ Self::Redirect(_)) => redirect,
            (Self::Require(one), Self::Require(two)) if one == two => Self::Require(one),
            (Self::Require(one), Self::Require(two)) => Self::Require(Cow::Owned(one.and(&two))),
            (require @ Self::Require(_), Self::Open) | (Self::Open, require @ Self::Require(_)) => require,
            (Self::Open, Self::Open) => Self::Open,
        }
    }
}

/// What else an app might take a method for. Methods are case-sensitive (RFC 9110 section 9.1), but Django, Werkzeug and Symfony
/// put them into upper case before they look.
pub fn doubles(method: &Method) -> impl Iterator<Item = Method> {
    let has_lower = method.as_str().bytes().any(|byte| byte.is_ascii_lowercase());
    let upper = has_lower.then(|| method.as_str().to_ascii_uppercase());
    let upper = upper.map(|name| Method::from_bytes(name.as_bytes()).expect("a token in upper case is a token"));
    let get = (upper.as_ref().unwrap_or(method) == Method::HEAD).then_some(Method::GET);
    upper.into_iter().chain(get)
}

/// Whether a redirect applies. From a folder it is a kind of denial and applies to every reading. From a single place it is a
/// signpost and applies to that place alone: `/lab` to `/lab/`, or `/` to `/index.php`, must arrive.
pub fn sends(from: &Pattern, reading: &Reading<'_>, root: Root) -> bool {
    (from.is_folder() || reading.is_proper()) && from.covers(reading, root)
}

/// Whether a client is in a network; an IPv4 client also in an IPv4 network that is written as IPv6 (`::ffff:192.0.2.0/120`).
pub fn within(network: &IpNet, client: IpAddr) -> bool {
    match (network, client) {
        (IpNet::V6(network), IpAddr::V4(client)) => network.prefix_len() >= 96 && network.contains(&client.to_ipv6_mapped()),
        (network, client) => network.contains(&client),
    }
}

#[cfg(test)]
mod tests;
