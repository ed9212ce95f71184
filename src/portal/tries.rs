//! What stands before every look at a password or code: bans, request budgets, counts of failures; and what is written down of
//! those that come to nothing. A known device of the account passes the first two, and is judged by its own failures alone.

use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::sleep;
use tracing::field::display;

use crate::auth::throttle::Wait;
use crate::base::units::in_words;
use crate::model::attempt::Factor;
use crate::model::audit::{Deed, Outcome};
use crate::model::event::Event;
use crate::model::user::UserName;
use crate::observe::metrics::{self, Method};
use crate::plan::whole::Plan;
use crate::portal::call::Call;
use crate::portal::device;
use crate::portal::service::Portal;
use crate::portal::stop::Stop;
use crate::store::attempts::{Attempt, Held};
use crate::web::page::Alert;
use crate::web::refusal::Refusal;
use crate::web::text;

/// How long a network waits for the answer that it has to wait.
const TARRY: Duration = Duration::from_secs(2);
/// How many may wait so at once; whoever comes on top is answered at once, so that a flood costs us nothing.
const MOST: usize = 64;

/// A try as the trail, the log and the figures name it.
#[derive(Clone, Copy, Debug)]
pub struct Tried<'a> {
    /// At which account, where there is one of that name. Other names stay out of the log: people mistype passwords into that
    /// field.
    pub user: Option<&'a UserName>,
    /// By what.
    pub by: &'static str,
    /// The same, as it is counted.
    pub method: Method,
}

/// Slows those down who do not wait.
#[derive(Debug)]
pub struct Tarpit(Semaphore);

impl Default for Tarpit {
    fn default() -> Self {
        Self(Semaphore::new(MOST))
    }
}

impl Tarpit {
    async fn hold(&self) {
        if let Ok(_place) = self.0.try_acquire() {
            sleep(TARRY).await;
        }
    }
}

/// A try at the account of that name; `None` is a text that can be no name.
pub fn attempt(plan: &Plan, call: &Call<'_>, name: Option<&UserName>, factor: Factor) -> Attempt {
    let attempt = Attempt::at(name, factor, call.network()).on(device::offered(call.headers()));
    attempt.under(plan.auth.throttle, plan.spares(call.client))
}

/// Whether this browser is a known device of the account of that name.
pub fn is_known(portal: &Portal, call: &Call<'_>, name: Option<&UserName>) -> bool {
    name.is_some_and(|name| portal.store.known_device(&device::offered(call.headers()), name).is_some())
}

/// Whether a visitor may sign in from where they are: not from a barred network, except with a browser that somebody has signed
/// in with. What that is worth is judged once a name is typed.
///
/// # Errors
/// [`Refusal::Banned`].
pub fn admit(portal: &Portal, plan: &Plan, call: &Call<'_>) -> Result<(), Refusal<'static>> {
    let known = || device::offered(call.headers()).iter().any(|token| portal.store.knows_device(token));
    match banned(portal, plan, call) {
        Some(refusal) if !known() => Err(refusal),
        Some(_) | None => Ok(()),
    }
}

fn banned(portal: &Portal, plan: &Plan, call: &Call<'_>) -> Option<Refusal<'static>> {
    let ban = portal.store.ban_on(call.client).filter(|_| !plan.spares(call.client))?;
    Some(Refusal::Banned { wait: ban.until.map(|until| until.since(call.now)) })
}

/// Before any work is done for a try: the ban and the request budget of its network.
///
/// # Errors
/// [`Stop`] from a barred network; inside, how long to wait.
pub fn enter(portal: &Portal, plan: &Plan, call: &Call<'_>, name: Option<&UserName>) -> Result<Result<(), Wait>, Stop> {
    if is_known(portal, call, name) {
        return Ok(Ok(()));
    }
    match banned(portal, plan, call) {
        Some(refusal) => Err(refusal.into()),
        None => Ok(portal.budgets.sign_in.spend(call.network()).map_err(Wait::For)),
    }
}

/// What a refused try leads to, besides its answer: a network that does not wait is slowed down. Nothing scarce may be held
/// meanwhile.
pub async fn held(portal: &Portal, plan: &Plan, call: &Call<'_>, held: Held) -> Wait {
    match held {
        Held::Wait(wait) => wait,
        Held::Network { wait, ban } => {
            if let Some(ban) = ban {
                // The network as it may be logged, like any other address.
                let ip = plan.log.shown(call.client);
                let until = ban.until.map(|until| until.secs());
                tracing::warn!(event = Event::BanAdded.name(), %ip, until, reason = &*ban.reason, request = call.request_id);
            }
            portal.tarpit.hold().await;
            wait
        }
    }
}

/// Counts a try before it is made: against its network, then against the account.
///
/// # Errors
/// [`Stop`] from a barred network or when the store does not answer; inside, how long to wait.
pub async fn begin(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (name, factor): (&UserName, Factor),
) -> Result<Result<(), Wait>, Stop> {
    if let Err(wait) = enter(portal, plan, call, Some(name))? {
        return Ok(Err(wait));
    }
    match portal.store.try_factor(attempt(plan, call, Some(name), factor)).await? {
        Ok(()) => Ok(Ok(())),
        Err(refused) => Ok(Err(held(portal, plan, call, refused).await)),
    }
}

/// Takes the count back: the try was right.
///
/// # Errors
/// [`Stop`] when the store does not answer.
pub async fn succeeded(portal: &Portal, plan: &Plan, call: &Call<'_>, (name, factor): (&UserName, Factor)) -> Result<(), Stop> {
    Ok(portal.store.factor_succeeded(attempt(plan, call, Some(name), factor)).await?)
}

/// Writes down a try that was wrong.
///
/// # Errors
/// [`Stop`] when the store does not answer.
pub async fn failed(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    Tried { user, by, method }: Tried<'_>,
    why: &'static str,
) -> Result<(), Stop> {
    portal.metrics.attempt(method, metrics::Attempt::BadCredentials);
    let (name, ip) = (user.map(display), plan.log.shown(call.client));
    tracing::warn!(event = Event::SignInFailed.name(), user = name, %ip, method = by, request = call.request_id);
    let failure = call.entry(Deed::SignInFailed).named(user).by(by).came_to(Outcome::Failed);
    Ok(portal.store.record(failure.because(why)).await?)
}

/// Writes down a try that was not looked at.
///
/// # Errors
/// [`Stop`] when the store does not answer.
pub async fn throttled(portal: &Portal, plan: &Plan, call: &Call<'_>, Tried { user, by, method }: Tried<'_>) -> Result<(), Stop> {
    portal.metrics.attempt(method, metrics::Attempt::Throttled);
    let (name, ip) = (user.map(display), plan.log.shown(call.client));
    tracing::warn!(event = Event::Throttled.name(), user = name, %ip, method = by, request = call.request_id);
    let refusal = call.entry(Deed::Throttled).named(user).by(by).came_to(Outcome::Refused);
    Ok(portal.store.record(refusal.because("too many tries")).await?)
}

/// What somebody is told at `field` who has to wait.
pub fn waiting(field: &'static str, wait: Wait) -> Alert {
    match wait {
        Wait::For(wait) => Alert::new(field, text::too_many_tries(&in_words(wait))),
        Wait::Closed if field == "password" => Alert::new(field, text::PASSWORD_CLOSED),
        Wait::Closed => Alert::new(field, text::CODE_CLOSED),
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    /// The attack: more refused tries at once than there is room for, to have us hold them all.
    #[tokio::test(start_paused = true)]
    async fn so_many_are_slowed_down_and_the_rest_is_answered_at_once() {
        let tarpit = Tarpit::default();
        let _places = tarpit.0.acquire_many(MOST as u32 - 1).await.expect("open");
        let began = Instant::now();
        tarpit.hold().await;
        assert_eq!(began.elapsed(), TARRY);
        let _last = tarpit.0.acquire().await.expect("open");
        tarpit.hold().await;
        assert_eq!(began.elapsed(), TARRY);
    }
}
