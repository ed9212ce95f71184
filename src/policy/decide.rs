//! The verdict on one request, and the grant without which nothing is forwarded.

use crate::base::clock::Timestamp;
use crate::model::identity::Identity;
use crate::model::session::Ended;
use crate::policy::requirement::{Lack, Needs};
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
    /// Not for this visitor, whatever they prove.
    Forbid(Forbidden),
    /// Nobody gets this path.
    Deny(DenyStatus),
}

/// Why a visitor cannot get what others may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// They are signed in as somebody who is not among those let in.
    NotAllowed,
}

/// What a visitor has to do before the request can pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// What was asked for: where the visitor wants to be after signing in.
    pub target: Target,
    /// What would do.
    pub needs: Needs,
    /// Whether all that is lacking is a new proof.
    pub stale: bool,
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
        Judgement::Open => return Verdict::Grant(Grant { target, identity: identity.living(now), public: true, _seal: Seal }),
        Judgement::Required(requirement) => requirement,
    };
    let needs = requirement.needs();
    let (ended, lack) = match &identity {
        Identity::Anonymous => (None, None),
        Identity::User(session) => match session.check(now) {
            Err(ended) => (Some(ended), None),
            // First of all: nobody is asked to prove more for what they do not get afterwards.
            Ok(()) if !requirement.people.let_in(session) => return Verdict::Forbid(Forbidden::NotAllowed),
            Ok(()) => match needs.lack(session, now) {
                None => return Verdict::Grant(Grant { target, identity, public: false, _seal: Seal }),
                lack => (None, lack),
            },
        },
    };
    Verdict::Challenge(Challenge { target, needs, stale: lack == Some(Lack::Freshness), ended })
}

impl Grant {
    /// The target to forward: of the one that was judged exactly the bytes that the app is to see. They were judged as well.
    pub fn target(&self) -> &Target {
        self.target.forwarded()
    }

    /// The target as it was judged: the one that the rules are written for, wherever the app is mounted.
    pub fn judged(&self) -> &Target {
        &self.target
    }

    /// Who asks.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether a rule let this request pass without a session.
    pub fn is_public(&self) -> bool {
        self.public
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::model::session::{Proofs, Session, SessionRecord};
    use crate::model::strength::Strength;
    use crate::policy::people::{Allowed, People};
    use crate::policy::requirement::Requirement;

    const START: Timestamp = Timestamp::from_secs(1_000);
    const SOON: Timestamp = Timestamp::from_secs(1_010);

    fn session(strength: Strength) -> Arc<Session> {
        let new = SessionRecord::imagined("alice".parse().expect("a name"), strength, START);
        Arc::new(Session::from(SessionRecord {
            proofs: Proofs { password: Some(START), code: Some(START), passkey: None },
            expires_at: START.plus(Duration::from_secs(1_000)),
            idle_timeout: Some(Duration::from_secs(100)),
            ..new
        }))
    }

    fn required(strength: Strength) -> Judgement {
        Judgement::Required(Requirement::of(strength))
    }

    fn target() -> Target {
        Target::parse("/a%2Fb?c").expect("a target")
    }

    fn verdict(judgement: Judgement, identity: Identity, now: Timestamp) -> Verdict {
        decide(judgement, target(), identity, now)
    }

    fn granted(verdict: Verdict) -> Grant {
        let Verdict::Grant(grant) = verdict else { panic!("not granted: {verdict:?}") };
        grant
    }

    fn challenge(verdict: Verdict) -> Challenge {
        let Verdict::Challenge(challenge) = verdict else { panic!("not challenged: {verdict:?}") };
        challenge
    }

    #[test]
    fn a_session_strong_enough_passes_with_the_target_that_was_judged() {
        for (held, needed) in [
            (Strength::TwoFactor, Strength::TwoFactor),
            (Strength::TwoFactor, Strength::Password),
            (Strength::Password, Strength::Password),
        ] {
            let grant = granted(verdict(required(needed), Identity::User(session(held)), SOON));
            assert_eq!(*grant.target(), target());
            assert!(!grant.is_public());
            assert!(grant.identity().session().is_some());
        }
    }

    /// The attack: a password alone where two factors are asked for.
    #[test]
    fn a_weaker_session_is_asked_for_more_and_not_told_it_ended() {
        let asked = challenge(verdict(required(Strength::TwoFactor), Identity::User(session(Strength::Password)), SOON));
        assert_eq!(asked, Challenge { target: target(), needs: Needs::of(Strength::TwoFactor), stale: false, ended: None });
    }

    #[test]
    fn a_stranger_is_asked_to_sign_in() {
        let asked = challenge(verdict(required(Strength::TwoFactor), Identity::Anonymous, SOON));
        assert_eq!(asked, Challenge { target: target(), needs: Needs::of(Strength::TwoFactor), stale: false, ended: None });
    }

    /// The attack: going on with a session after its end, in the very moment of its end, or after it was revoked.
    #[test]
    fn a_session_that_ended_opens_nothing() {
        let active = session(Strength::TwoFactor);
        active.seen(Timestamp::from_secs(1_950));
        let revoked = session(Strength::TwoFactor);
        revoked.lifeline.cut();
        for (session, now, ended) in [
            (session(Strength::TwoFactor), Timestamp::from_secs(1_100), Ended::Idle),
            (active, Timestamp::from_secs(2_000), Ended::Expired),
            (revoked, SOON, Ended::Revoked),
        ] {
            let asked = challenge(verdict(required(Strength::Password), Identity::User(session), now));
            let needs = Needs::of(Strength::Password);
            assert_eq!(asked, Challenge { target: target(), needs, stale: false, ended: Some(ended) });
        }
    }

    /// The attack: somebody who is signed in, firmly and just now, opens what is for others.
    #[test]
    fn who_is_not_let_in_is_not_asked_to_prove_more() {
        let only = |name: &str| People::listed(Allowed::new(vec![name.parse().expect("a name")], vec![]));
        let required = |name, strength| Judgement::Required(Requirement { people: only(name), ..Requirement::of(strength) });
        for held in [Strength::Password, Strength::TwoFactor] {
            let refused = verdict(required("bob", Strength::TwoFactor), Identity::User(session(held)), SOON);
            assert!(matches!(refused, Verdict::Forbid(Forbidden::NotAllowed)), "{refused:?}");
        }
        let _grant = granted(verdict(required("alice", Strength::TwoFactor), Identity::User(session(Strength::TwoFactor)), SOON));
        let stranger = challenge(verdict(required("bob", Strength::TwoFactor), Identity::Anonymous, SOON));
        assert!(!stranger.stale);
        let ended = session(Strength::TwoFactor);
        ended.lifeline.cut();
        let ended = challenge(verdict(required("bob", Strength::TwoFactor), Identity::User(ended), SOON));
        assert_eq!(ended.ended, Some(Ended::Revoked), "whoever is signed out is told that and nothing else");
    }

    #[test]
    fn an_old_proof_is_asked_for_again_and_nothing_else_is() {
        let max_age = Some(Duration::from_secs(60));
        let required = Judgement::Required(Requirement { max_age, ..Requirement::default() });
        let at = |secs| START.plus(Duration::from_secs(secs));
        let _grant = granted(verdict(required.clone(), Identity::User(session(Strength::TwoFactor)), at(59)));
        let asked = challenge(verdict(required, Identity::User(session(Strength::TwoFactor)), at(60)));
        let needs = Needs { max_age, ..Needs::of(Strength::TwoFactor) };
        assert_eq!(asked, Challenge { target: target(), needs, stale: true, ended: None });
    }

    /// The attack: what asks for a passkey is opened by a password and a code.
    #[test]
    fn what_asks_for_a_passkey_opens_to_nothing_less() {
        for identity in [Identity::Anonymous, Identity::User(session(Strength::TwoFactor))] {
            let asked = challenge(verdict(required(Strength::Passkey), identity, SOON));
            assert_eq!((asked.needs, asked.stale), (Needs::of(Strength::Passkey), false));
        }
        let _grant = granted(verdict(required(Strength::Passkey), Identity::User(session(Strength::Passkey)), SOON));
        let _grant = granted(verdict(required(Strength::TwoFactor), Identity::User(session(Strength::Passkey)), SOON));
    }

    #[test]
    fn denied_and_redirected_paths_are_so_for_everybody() {
        let redirect = Redirect { to: "/z".to_owned(), status: 302 };
        for identity in [Identity::Anonymous, Identity::User(session(Strength::TwoFactor))] {
            for status in [DenyStatus::NotFound, DenyStatus::Forbidden] {
                assert!(
                    matches!(verdict(Judgement::Denied(status), identity.clone(), SOON), Verdict::Deny(given) if given == status)
                );
            }
            let sent = verdict(Judgement::Redirected(redirect.clone()), identity, SOON);
            assert!(matches!(sent, Verdict::Redirect(to) if to == redirect));
        }
    }

    #[test]
    fn a_public_path_passes_anybody_and_hangs_on_no_session() {
        for identity in [Identity::Anonymous, Identity::User(session(Strength::Password))] {
            let signed_in = identity.session().is_some();
            let grant = granted(verdict(Judgement::Open, identity, SOON));
            assert!(grant.is_public());
            assert_eq!(grant.identity().session().is_some(), signed_in);
        }
    }

    /// The attack: asking for a public path with the cookie of a session that has idled away, so that the request counts as a
    /// sign of life and the session opens everything else again.
    #[test]
    fn on_a_public_path_a_session_that_ended_is_nobody() {
        let ended = session(Strength::TwoFactor);
        let grant = granted(verdict(Judgement::Open, Identity::User(ended), Timestamp::from_secs(1_100)));
        assert!(grant.is_public());
        assert!(grant.identity().session().is_none());
    }
}
