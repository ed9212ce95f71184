//! What somebody has to prove themselves with, and what of it they may take away.

use crate::model::method::Method;
use crate::model::session::Session;
use crate::model::terms::Terms;
use crate::plan::app::App;
use crate::plan::whole::Plan;
use crate::policy::requirement::Needs;
use crate::policy::rule::Action;
use crate::store::credentials::SignInFacts;
use crate::web::owner;
use crate::web::security;

/// How much somebody has to prove themselves with, by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Authenticator apps.
    pub authenticators: usize,
    /// Passkeys and security keys.
    pub passkeys: usize,
}

/// Who or what needs somebody's last second factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Needed {
    /// The installation (`auth.require`).
    Everywhere,
    /// Whoever has it: they sign in with nothing else.
    ToSignIn,
    /// An app that they may open, by its name.
    By(String),
}

impl Held {
    /// Of what signing in knows.
    pub fn of(facts: &SignInFacts) -> Self {
        Self { authenticators: facts.totps.len(), passkeys: facts.passkeys.len() }
    }

    /// Second factors of every kind. Recovery codes are none: they stand in for one that is lost.
    pub fn second_factors(self) -> usize {
        self.authenticators + self.passkeys
    }

    /// What there is, in words: "1 authenticator app, 2 passkeys".
    pub fn in_words(self) -> String {
        security::factors(self.authenticators, self.passkeys)
    }
}

/// Whether somebody may take one of their second factors away.
///
/// # Errors
/// What needs it, if it is the last.
pub fn may_remove(plan: &Plan, session: &Session, held: Held) -> Result<(), Needed> {
    if held.second_factors() > 1 { Ok(()) } else { may_have_none(plan, session) }
}

/// Whether nothing that somebody may open needs a second factor.
///
/// # Errors
/// What needs it.
pub fn may_have_none(plan: &Plan, session: &Session) -> Result<(), Needed> {
    if plan.auth.mode.is_single_owner() {
        return Err(Needed::ToSignIn);
    }
    let terms = &session.profile.terms;
    if !does_a_password(plan.auth.needs(), terms) {
        return Err(Needed::Everywhere);
    }
    match plan.apps.iter().find(|app| needs_second_factor(app, session)) {
        Some(app) => Err(Needed::By(app.name.to_string())),
        None => Ok(()),
    }
}

/// Whether an app, or a part of it, that lets this person in asks for more than a password.
fn needs_second_factor(app: &App, session: &Session) -> bool {
    let rules = app.rules.rules.iter().filter_map(|rule| match &rule.action {
        Action::Require(requirement) => Some(requirement),
        Action::Bypass | Action::Deny | Action::Redirect(_) => None,
    });
    let asked = rules.chain([&app.rules.requirement]);
    asked.into_iter().any(|asked| !does_a_password(asked.needs(), &session.profile.terms) && asked.people.let_in(session))
}

/// Whether a password alone is enough for this person.
fn does_a_password(needs: Needs, terms: &Terms) -> bool {
    needs.of_person(terms).ways().contains(Method::Password)
}

impl Needed {
    /// Why it stays.
    pub fn reason(&self) -> String {
        match self {
            Self::ToSignIn => owner::LAST_FACTOR.to_owned(),
            Self::Everywhere => security::LAST_FACTOR.to_owned(),
            Self::By(app) => security::last_factor_for(app),
        }
    }
}
