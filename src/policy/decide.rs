//! The verdict on one request, and the grant without which nothing is forwarded.

use crate::base::clock::Timestamp;
use crate::base::lifeline::Lifeline;
use crate::model::identity::Identity;
use crate::model::session::Ended;
use crate::model::strength::Strength;
use crate::policy::rule::{DenyStatus, Judgement, Redirect};
use crate::policy::target::Target;

/// Evidence that this one request may be forwarded: the target that was judged and who asks for it.
///
/// Its seal is private to this file, it is not `Clone`, and forwarding consumes it, so it serves one request. It carries the
/// target itself: what is forwarded cannot be other bytes than those that were judged.
#[derive(Debug)]
#[must_use]
pub struct Grant {
    target: Target,
    identity: Identity,
    public: bool,
    _seal: Seal,
}

/// Keeps others from writing a `Grant` out by hand.
#[derive(Debug)]
struct Seal;

/// The verdict on one request.
#[derive(Debug)]
pub enum Verdict {
    /// It may be forwarded.
    Grant(Grant),
    /// The owner sends this path elsewhere.
    Redirect(Redirect),
    /// The visitor has to sign in (again, or more firmly) first.
    Challenge(Challenge),
    /// Nobody gets this path.
    Deny(DenyStatus),
}

/// What a visitor has to do before the request can pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// What was asked for: where the visitor wants to be after signing in.
    pub target: Target,
    /// The strength that would do.
    pub needs: Strength,
    /// Why the session they came with counts no longer, if they came with one.
    pub ended: Option<Ended>,
}

/// Decides on one request: what its path asks for against who sent it.
///
/// The session is checked here and not only where it was looked up, so that no caller can forget it.
pub fn decide(judgement: Judgement, target: Target, identity: Identity, now: Timestamp) -> Verdict {
    let requirement = match judgement {
        Judgement::Denied(status) => return Verdict::Deny(status),
        Judgement::Redirected(redirect) => return Verdict::Redirect(redirect),
        Judgement::Open => return Verdict::Grant(Grant { target, identity, public: true, _seal: Seal }),
        Judgement::Required(requirement) => requirement,
    };
    let needs = requirement.strength;
    let ended = match &identity {
        Identity::Anonymous => None,
        Identity::User(session) => match session.check(now) {
            Ok(()) if session.strength >= needs => {
                return Verdict::Grant(Grant { target, identity, public: false, _seal: Seal });
            }
            Ok(()) => None,
            Err(ended) => Some(ended),
        },
    };
    Verdict::Challenge(Challenge { target, needs, ended })
}

impl Grant {
    /// The target that was judged; exactly these bytes are forwarded.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Who asks.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What a stream opened under this grant must hold on to; `None` where no session was needed.
    pub fn lifeline(&self) -> Option<&Lifeline> {
        if self.public { None } else { self.identity.session().map(|session| &session.lifeline) }
    }

    /// Whether a rule let this request pass without a session.
    pub fn is_public(&self) -> bool {
        self.public
    }
}
