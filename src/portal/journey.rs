//! Where visitors want to be once they are signed in. Kept here, on the server; the browser carries a name for it that says
//! nothing (`go=`). `docs/decisions/0017-return-targets-in-memory.md` tells why in memory.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::token::{Token, TokenHash};
use crate::base::clock::Timestamp;
use crate::base::entropy::Entropy;
use crate::plan::app::App;
use crate::plan::whole::Plan;
use crate::policy::host::Host;
use crate::policy::requirement::Needs;
use crate::portal::shelf::{Limits, Shelf};
use crate::web::return_to::Destination;
use crate::wire::client::Network;

/// An hour without a page of ours is the end of a sign-in. A household holds what dozens of restored tabs ask for; all
/// together take 20 MiB at most.
const LIMITS: Limits = Limits { life: Duration::from_secs(3600), most: 10_000, most_per_owner: 256 };

/// Where a visitor wants to be once they are signed in.
#[derive(Clone, Debug)]
pub struct Journey {
    /// What the browser calls it; `None` for one that is not worth keeping.
    name: Option<Token>,
    /// The host of an app.
    pub host: Host,
    /// The page there.
    pub to: Destination,
    /// The browser as that host knows it. A ticket for that host counts in this browser only; without, none is made.
    pub visitor: Option<TokenHash>,
    /// What had to be proven when this was asked for. Judged anew before it counts, but never forgotten: a rule may look at
    /// the client's address, and browsers reach two hosts by different ones.
    pub needs: Needs,
}

/// Journeys under way.
#[derive(Debug)]
pub struct Journeys(Shelf<Network, Journey>);

impl Journey {
    /// A journey that can be kept.
    pub fn new(entropy: Entropy, host: Host, to: Destination, needs: Needs) -> Self {
        Self { name: Some(Token::draw(entropy)), host, to, visitor: None, needs }
    }

    /// Whether somebody asked for this very page.
    pub fn is_kept(&self) -> bool {
        self.name.is_some()
    }

    /// The same, for this browser.
    #[must_use]
    pub fn bound_to(self, visitor: TokenHash) -> Self {
        Self { visitor: Some(visitor), ..self }
    }

    /// The app it leads to, unless that is a page of ours.
    pub fn app<'a>(&self, plan: &'a Plan) -> Option<&'a Arc<App>> {
        if self.to.is_ours() {
            return None;
        }
        plan.app_for(&self.host, self.to.target()).map(|(app, _)| app)
    }

    /// Whether what it leads to is still there after a reload.
    pub fn leads_somewhere(&self, plan: &Plan) -> bool {
        plan.has_apps(&self.host) || (self.to.is_ours() && plan.is_portal(&self.host))
    }

    /// Where somebody goes who came for nothing in particular: to the app where there is only one (`None`: to our own page
    /// that lists the apps).
    pub fn of_no_wish(plan: &Plan, host: &Host) -> Option<Self> {
        let app = plan.only_app()?;
        let needs = Needs { max_age: None, ..app.rules.requirement.needs() };
        Some(Self { name: None, host: host.clone(), to: Destination::home(), visitor: None, needs })
    }
}

impl Journeys {
    /// None under way.
    pub fn new() -> Self {
        Self(Shelf::new(LIMITS))
    }

    /// Keeps a journey, for another hour if it was kept before, and returns the name by which to ask for it.
    pub fn keep(&self, journey: Option<&Journey>, network: Network, now: Timestamp) -> String {
        let named = journey.and_then(|journey| journey.name.as_ref().map(|name| (journey, name)));
        let Some((journey, name)) = named else { return String::new() };
        self.0.put(network, name.hash(), journey.clone(), now);
        name.to_text().expose().clone()
    }

    /// The journey of that name. A name that was altered or is too old is no name.
    pub fn find(&self, name: &str, now: Timestamp) -> Option<Journey> {
        self.0.ask(&Token::parse(name)?.hash(), now, |journey| journey.clone())
    }

    /// How many are kept.
    pub fn count(&self) -> usize {
        self.0.count()
    }
}

impl Default for Journeys {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::strength::Strength;
    use crate::policy::target::Target;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn journey(text: &str) -> Journey {
        let host = Host::parse("a.example").expect("a host");
        Journey::new(Entropy, host, Destination::of(&Target::parse(text).expect("a target")), Needs::of(Strength::TwoFactor))
    }

    fn found(journeys: &Journeys, name: &str, seconds: u64) -> Option<String> {
        journeys.find(name, NOW.plus(Duration::from_secs(seconds))).map(|journey| journey.to.as_str().to_owned())
    }

    #[test]
    fn a_journey_is_kept_for_an_hour_after_it_was_last_kept() {
        let journeys = Journeys::new();
        let name = journeys.keep(Some(&journey("/x?y")), Network::V6(1), NOW);
        assert_eq!(found(&journeys, &name, 3_599).as_deref(), Some("/x?y"));
        let again = journeys.find(&name, NOW).expect("kept");
        assert_eq!(journeys.keep(Some(&again), Network::V6(1), NOW.plus(Duration::from_secs(3_000))), name);
        assert_eq!(found(&journeys, &name, 6_599).as_deref(), Some("/x?y"));
        assert_eq!(found(&journeys, &name, 6_600), None);
        assert_eq!(journeys.keep(None, Network::V6(1), NOW), "");
    }

    /// The attack: names made up, altered, or empty.
    #[test]
    fn only_a_name_that_was_given_out_leads_anywhere() {
        let journeys = Journeys::new();
        let name = journeys.keep(Some(&journey("/x")), Network::V6(1), NOW);
        for name in ["", "x", &name[1..], &format!("{name}A"), "https://evil.example/", "/x"] {
            assert_eq!(found(&journeys, name, 0), None, "{name}");
        }
    }

    /// The attack: asking for pages without end, to fill memory or to make others lose their way.
    #[test]
    fn a_flood_of_one_network_costs_that_network_its_way_and_nobody_else() {
        let journeys = Journeys::new();
        let name = journeys.keep(Some(&journey("/x")), Network::V6(1), NOW);
        for _ in 0..1_000 {
            journeys.keep(Some(&journey("/flood")), Network::V6(2), NOW);
        }
        assert_eq!(found(&journeys, &name, 0).as_deref(), Some("/x"));
        assert_eq!(journeys.count(), 257);
    }
}
