//! What a route asks of a visitor: who they are, how firmly that is proven, and how recently.

use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::model::method::{Method, Methods};
use crate::model::session::Session;
use crate::model::strength::Strength;
use crate::model::terms::Terms;
use crate::policy::people::People;

/// A clock that is set back by no more than this asks nobody twice. What lies further ahead was proven under another time.
const AHEAD: Duration = Duration::from_secs(30);

/// What a route asks of a visitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// How firmly identity must be proven.
    pub strength: Strength,
    /// By which ways it may be proven.
    pub methods: Methods,
    /// Whether passwords are asked for. Where they are not, ways are not told apart, whatever was set down of them for a person.
    pub passwords: bool,
    /// How long ago that may be; `None` for as long as the session lasts.
    pub max_age: Option<Duration>,
    /// Whom it lets in.
    pub people: People,
}

/// The part of a requirement that anybody can meet by proving more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// How firmly identity must be proven.
    pub strength: Strength,
    /// By which ways.
    pub methods: Methods,
    /// Whether passwords are asked for, and ways told apart.
    pub passwords: bool,
    /// How long ago that may be.
    pub max_age: Option<Duration>,
}

/// What a session lacks of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// Identity was not proven firmly enough, or not by a way that counts here.
    Strength,
    /// It was, but too long ago.
    Freshness,
}

impl Requirement {
    /// A session of that strength, whoever's it is and however old.
    pub const fn of(strength: Strength) -> Self {
        Self { strength, methods: Methods::ALL, passwords: true, max_age: None, people: People::Everybody }
    }

    /// Both requirements together: what two readings of one path ask for must all be met.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let Needs { strength, methods, passwords, max_age } = self.needs().and(other.needs());
        Self { strength, methods, passwords, max_age, people: self.people.and(&other.people) }
    }

    /// What it needs proven.
    pub fn needs(&self) -> Needs {
        Needs { strength: self.strength, methods: self.methods, passwords: self.passwords, max_age: self.max_age }
    }
}

impl Default for Requirement {
    /// A configured app that says nothing asks for a full second-factor session.
    fn default() -> Self {
        Self::of(Strength::TwoFactor)
    }
}

impl Needs {
    /// A session of that strength, however old.
    pub const fn of(strength: Strength) -> Self {
        Self { strength, methods: Methods::ALL, passwords: true, max_age: None }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let max_age = match (self.max_age, other.max_age) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        let (strength, methods) = (self.strength.max(other.strength), self.methods.and(other.methods));
        Self { strength, methods, passwords: self.passwords && other.passwords, max_age }
    }

    /// The same of somebody for whom the owner set down `terms`: never less.
    #[must_use]
    pub fn of_person(self, terms: &Terms) -> Self {
        let strength = terms.demanded.map_or(self.strength, |demanded| self.strength.max(demanded));
        let methods = if self.passwords { self.methods.and(terms.methods) } else { self.methods };
        Self { strength, methods, ..self }
    }

    /// The ways that would do. If there is none, nobody can prove enough.
    pub fn ways(self) -> Methods {
        self.methods.at_least(self.strength)
    }

    /// What a session that counts lacks of it at `now`, by what its holder's owner set down as well; `None` if it has everything.
    pub fn lack(self, session: &Session, now: Timestamp) -> Option<Lack> {
        self.of_person(&session.profile.terms).lack_of_proof(session, now)
    }

    /// The same without what was set down for the person: for the pages on which they add what that asks for.
    pub fn lack_of_proof(self, session: &Session, now: Timestamp) -> Option<Lack> {
        // How a session from before proofs were noted was proven is not known, which matters only where it makes a difference.
        let ways = if self.methods == Methods::ALL { self.ways() } else { self.ways().and(session.proven()) };
        if session.strength < self.strength || ways.is_empty() {
            return Some(Lack::Strength);
        }
        let max_age = self.max_age?;
        let fresh = |at: Timestamp| at <= now.plus(AHEAD) && now < at.plus(max_age);
        if ways.iter().filter_map(|way| at(way, session)).any(fresh) { None } else { Some(Lack::Freshness) }
    }
}

/// When what makes a way was last proven. A password proven anew says nothing of the second factor.
fn at(way: Method, session: &Session) -> Option<Timestamp> {
    match way {
        Method::Password => session.proofs.password,
        Method::PasswordTotp => session.proofs.code,
        Method::PasswordPasskey => session.proofs.passkey,
        Method::Passkey => session.proofs.passkey.filter(|_| session.strength == Strength::Passkey),
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::model::session::{Proofs, SessionRecord};

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(100_000 + secs)
    }

    fn session(strength: Strength, proofs: Proofs) -> Session {
        let new = SessionRecord::imagined("alice".parse().expect("a name"), strength, at(0));
        Session::from(SessionRecord { proofs, expires_at: at(100_000), ..new })
    }

    #[test]
    fn of_two_requirements_the_stronger_and_the_fresher_hold() {
        let [weak, strong] = [Strength::Password, Strength::TwoFactor].map(Requirement::of);
        for (one, two) in [(&weak, &strong), (&strong, &weak), (&strong, &strong)] {
            assert_eq!(one.and(two), strong);
        }
        assert_eq!(weak.and(&weak), weak);
        let fresh = Requirement { max_age: Some(MINUTE), ..weak.clone() };
        let older = Requirement { max_age: Some(2 * MINUTE), ..strong.clone() };
        for (one, two) in [(&fresh, &older), (&older, &fresh)] {
            assert_eq!(one.and(two), Requirement { max_age: Some(MINUTE), ..strong.clone() });
        }
        assert_eq!(strong.and(&fresh).max_age, Some(MINUTE));
    }

    #[test]
    fn saying_nothing_asks_for_two_factors_of_everybody() {
        let nothing = Requirement::default();
        assert_eq!((nothing.strength, nothing.max_age, nothing.people), (Strength::TwoFactor, None, People::Everybody));
    }

    /// The attack: a password read over a shoulder is to make a session fresh whose second factor was proven long ago.
    #[test]
    fn each_strength_is_as_fresh_as_what_makes_it() {
        let needs = |strength| Needs { max_age: Some(MINUTE), ..Needs::of(strength) };
        let both = session(Strength::TwoFactor, Proofs { password: Some(at(50)), code: Some(at(0)), passkey: None });
        assert_eq!(needs(Strength::TwoFactor).lack(&both, at(59)), None);
        assert_eq!(needs(Strength::TwoFactor).lack(&both, at(60)), Some(Lack::Freshness));
        assert_eq!(needs(Strength::Password).lack(&both, at(109)), None);
        let one = session(Strength::Password, Proofs { password: Some(at(0)), ..Proofs::default() });
        assert_eq!(needs(Strength::TwoFactor).lack(&one, at(1)), Some(Lack::Strength));
        assert_eq!(needs(Strength::Password).lack(&one, at(59)), None);
        assert_eq!(needs(Strength::Passkey).lack(&both, at(1)), Some(Lack::Strength));
        let never = session(Strength::TwoFactor, Proofs::default());
        assert_eq!(needs(Strength::TwoFactor).lack(&never, at(0)), Some(Lack::Freshness));
        assert_eq!(Needs::of(Strength::TwoFactor).lack(&never, at(99_999)), None);
    }

    /// The attack: a code, which a session begun with a passkey never stood on, is to make it fresh where ways are told apart.
    #[test]
    fn what_a_session_never_proved_makes_it_no_fresher() {
        let ways = Methods::of([Method::PasswordTotp, Method::Passkey]);
        let needs = Needs { methods: ways, max_age: Some(MINUTE), ..Needs::of(Strength::TwoFactor) };
        let begun = Proofs { passkey: Some(at(0)), code: Some(at(50)), password: None };
        assert_eq!(needs.lack(&session(Strength::Passkey, begun), at(59)), None);
        assert_eq!(needs.lack(&session(Strength::Passkey, begun), at(60)), Some(Lack::Freshness));
        let both = session(Strength::Passkey, Proofs { password: Some(at(0)), ..begun });
        assert_eq!(needs.lack(&both, at(60)), None);
    }

    /// The attack: a proof given while the clock ran ahead is to count for years once it is right again.
    #[test]
    fn a_proof_from_the_future_counts_only_where_clocks_may_differ() {
        let needs = Needs { max_age: Some(MINUTE), ..Needs::of(Strength::TwoFactor) };
        let ahead = session(Strength::TwoFactor, Proofs { code: Some(at(1_000)), ..Proofs::default() });
        for (now, lack) in [(970, None), (969, Some(Lack::Freshness)), (0, Some(Lack::Freshness)), (1_059, None)] {
            assert_eq!(needs.lack(&ahead, at(now)), lack, "{now}");
        }
    }
}
