//! What of what somebody has to prove themselves with they may take away, and for whom it stays.

use crate::model::method::{Method, Methods};
use crate::model::session::Session;
use crate::plan::app::App;
use crate::plan::whole::Plan;
use crate::policy::requirement::Needs;
use crate::policy::rule::Action;
use crate::portal::ways;
use crate::store::keep::{Holding, Keep};
use crate::web::owner;
use crate::web::security;

/// Who or what needs something that somebody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Needed {
    /// The installation (`auth.require`): their last second factor.
    Everywhere,
    /// Whoever has it: they sign in with nothing else.
    ToSignIn,
    /// An app that they may open, by its name: their last second factor.
    By(String),
    /// An app, or the installation, for which nothing else counts that they have.
    ToCount(String),
}

/// Whether what somebody has may become what it is `after`.
///
/// # Errors
/// What needs that which goes.
pub fn may_become(plan: &Plan, session: &Session, (before, after): (Holding, Holding)) -> Result<(), Needed> {
    if !keep(plan, session).forbids(before, after) {
        return Ok(());
    }
    let forbids = |ways| Keep { last: needs_second(ways), ways: vec![ways] }.forbids(before, after);
    let by = asked(plan, session).find(|(_, ways)| forbids(*ways)).map(|(app, _)| app);
    Err(match by {
        Some(app) if after.second_factors() > 0 => Needed::ToCount(app.map_or(&plan.name, |app| &app.name).to_string()),
        Some(app) if !plan.auth.mode.is_single_owner() => by_whom(app),
        Some(_) | None => Needed::ToSignIn,
    })
}

/// What stays for all that somebody may open, for the installation, and for their own account.
pub fn keep(plan: &Plan, session: &Session) -> Keep {
    let ways: Vec<Methods> = asked(plan, session).map(|(_, ways)| ways).collect();
    // Where there is one owner, nothing but factors signs in: the last one stays.
    let last = plan.auth.mode.is_single_owner() || ways.iter().any(|ways| needs_second(*ways));
    Keep { last, ways }
}

/// Whether nothing that somebody may open needs a second factor.
///
/// # Errors
/// What needs it.
pub fn may_have_none(plan: &Plan, session: &Session) -> Result<(), Needed> {
    if plan.auth.mode.is_single_owner() {
        return Err(Needed::ToSignIn);
    }
    match asked(plan, session).find(|(_, ways)| needs_second(*ways)) {
        Some((app, _)) => Err(by_whom(app)),
        None => Ok(()),
    }
}

fn by_whom(app: Option<&App>) -> Needed {
    app.map_or(Needed::Everywhere, |app| Needed::By(app.name.to_string()))
}

fn needs_second(ways: Methods) -> bool {
    !ways.contains(Method::Password)
}

/// The ways that would do for each thing that asks somebody who they are, and the app where it is one.
fn asked<'a>(plan: &'a Plan, session: &'a Session) -> impl Iterator<Item = (Option<&'a App>, Methods)> {
    let terms = &session.profile.terms;
    let everywhere = [plan.auth.needs(), ways::of_account(plan, terms)].map(|needs| (None, needs));
    let apps = plan.apps.iter().flat_map(|app| of_app(app, session).map(move |needs| (Some(&**app), needs)));
    let alone = plan.auth.mode.is_single_owner();
    everywhere.into_iter().chain(apps).filter_map(move |(app, needs)| {
        let ways = needs.of_person(terms).ways();
        match (alone, ways.contains(Method::Password)) {
            (false, _) => Some((app, ways)),
            // Where there is one owner, any factor will do, or a passkey by itself.
            (true, true) => None,
            (true, false) => Some((app, ways.and(Methods::of([Method::Passkey])))),
        }
    })
}

/// What an app, and each part of it, asks of this person, as far as it lets them in.
fn of_app<'a>(app: &'a App, session: &'a Session) -> impl Iterator<Item = Needs> + 'a {
    let rules = app.rules.rules.iter().filter_map(|rule| match &rule.action {
        Action::Require(requirement) => Some(requirement),
        Action::Bypass | Action::Deny | Action::Redirect(_) => None,
    });
    let open = rules.chain([&app.rules.requirement]).filter(|asked| asked.people.let_in(session));
    open.map(|asked| asked.needs())
}

impl Needed {
    /// Why it stays.
    pub fn reason(&self) -> String {
        match self {
            Self::ToSignIn => owner::LAST_FACTOR.to_owned(),
            Self::Everywhere => security::LAST_FACTOR.to_owned(),
            Self::By(app) => security::last_factor_for(app),
            Self::ToCount(name) => security::last_that_counts(name),
        }
    }
}
