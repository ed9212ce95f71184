//! Which ways to prove who they are somebody can take with what they have, and what of it is asked for where.

use crate::auth::passkey::Verification;
use crate::model::credential::Passkey;
use crate::model::method::{Method, Methods};
use crate::model::strength::Strength;
use crate::model::terms::Terms;
use crate::plan::whole::Plan;
use crate::policy::requirement::Needs;
use crate::portal::passkey;
use crate::portal::service::Portal;
use crate::store::credentials::SignInFacts;
use crate::store::keep::Holding;

/// What may be asked for in the second step.
#[derive(Clone, Debug)]
pub struct Step {
    /// A code from an authenticator app.
    pub code: bool,
    /// Whether codes count, and with them recovery codes.
    pub counts_codes: bool,
    /// One of these keys.
    pub keys: Vec<Passkey>,
    /// What those have to do.
    pub verification: Verification,
    recovery: bool,
}

/// The ways that count for somebody anywhere in this installation.
pub fn allowed(plan: &Plan, terms: &Terms) -> Methods {
    plan.auth.needs().of_person(terms).methods
}

/// The ways that somebody can take with what they have. A recovery code stands in for one from an app. Where one owner signs in, nobody
/// is asked for a password, and any one factor opens what one opens elsewhere.
pub fn held(portal: &Portal, plan: &Plan, facts: &SignInFacts) -> Methods {
    let alone = plan.auth.mode.is_single_owner();
    let mut has = Holding::from(facts);
    has.authenticators += u64::from(facts.recovery_left > 0);
    if passkey::site(portal, plan).is_none() {
        has = Holding { keys: 0, verifying: 0, ..has };
    }
    let one = (alone && has.second_factors() > 0).then_some(Method::Password);
    let has = Holding { password: has.password && !alone, ..has };
    Methods::of(has.ways().iter().chain(one))
}

/// What the pages of somebody's own account ask of them: what their owner demands everywhere.
pub fn of_account(plan: &Plan, terms: &Terms) -> Needs {
    let strength = terms.demanded.unwrap_or(Strength::Password);
    Needs { methods: allowed(plan, terms), ..Needs::of(strength) }
}

/// Whether somebody has anything that will do for the pages of their own account. Whoever has nothing is let at those pages with
/// what there is, because that is where they add it; no app opens to them before.
pub fn has_any(portal: &Portal, plan: &Plan, facts: &SignInFacts) -> bool {
    !held(portal, plan, facts).and(of_account(plan, &facts.terms).ways()).is_empty()
}

impl Step {
    /// The second step for somebody on the way to what asks for `needs`: by a way that counts there; else by one that counts for them
    /// elsewhere; and if they have nothing that counts, by what they have, because a password must not open an account for which there is
    /// more. What the session may do is judged by how it was proven, wherever it comes.
    pub fn of(plan: &Plan, facts: &SignInFacts, needs: Needs) -> Self {
        let sets = [needs.of_person(&facts.terms).methods, allowed(plan, &facts.terms)];
        let counting = sets.into_iter().map(|methods| Self::by(plan, facts, methods)).find(|step| !step.is_nothing());
        counting.unwrap_or_else(|| Self { counts_codes: false, recovery: false, ..Self::by(plan, facts, Methods::ALL) })
    }

    fn by(plan: &Plan, facts: &SignInFacts, methods: Methods) -> Self {
        let (codes, any_key) = (methods.contains(Method::PasswordTotp), methods.contains(Method::PasswordPasskey));
        let firm = methods.contains(Method::Passkey);
        Self {
            code: codes && !facts.totps.is_empty(),
            counts_codes: codes,
            keys: facts.passkeys.iter().filter(|key| any_key || (firm && key.verifies)).cloned().collect(),
            verification: if any_key { plan.auth.passkeys.verification } else { Verification::Required },
            recovery: codes && facts.recovery_left > 0,
        }
    }

    /// Whether there is nothing to ask for.
    pub fn is_nothing(&self) -> bool {
        !self.asks() && !self.recovery
    }

    /// Whether there is an app or a key to ask for.
    pub fn asks(&self) -> bool {
        self.code || !self.keys.is_empty()
    }
}
