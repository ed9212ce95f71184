//! The rules of one app and what they say of a request.

use std::net::IpAddr;

use http::Method;
use ipnet::IpNet;

use crate::policy::pattern::Pattern;
use crate::policy::requirement::Requirement;
use crate::policy::target::Target;

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Paths it speaks of; any of them.
    pub paths: Vec<Pattern>,
    /// Methods it speaks of; all if empty.
    pub methods: Vec<Method>,
    /// Client networks it speaks of; all if empty.
    pub networks: Vec<IpNet>,
    /// What it says.
    pub action: Action,
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

/// All rules of one app.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    /// If given, everything else is denied.
    pub only: Option<Vec<Pattern>>,
    /// Denied for everybody.
    pub deny: Vec<Pattern>,
    /// Sent elsewhere.
    pub redirects: Vec<(Pattern, Redirect)>,
    /// In written order; the first that matches speaks.
    pub rules: Vec<Rule>,
    /// Open without a session.
    pub bypass: Vec<Rule>,
    /// What everything else asks for.
    pub requirement: Requirement,
    /// How denied paths are answered.
    pub deny_status: DenyStatus,
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

impl RuleSet {
    /// What the rules say of a request.
    pub fn judge(&self, _target: &Target, _method: &Method, _client: IpAddr) -> Judgement {
        Judgement::Required(self.requirement)
    }
}
