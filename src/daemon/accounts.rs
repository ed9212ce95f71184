//! What the accounts there are have to say about a configuration: some could not sign in under it, or nobody could say whose code
//! it is.

use std::panic::resume_unwind;
use std::thread;

use tokio::runtime::Builder;
use tracing::info;

use crate::admin::perform::account;
use crate::config::complaint::Complaint;
use crate::daemon::fault::Fault;
use crate::model::audit::{Actor, Deed, Entry};
use crate::model::event::Event;
use crate::plan::owner;
use crate::plan::whole::Plan;
use crate::store::fault::Fault as StoreFault;
use crate::store::open::Store;

/// What stands against `plan`, errors and warnings.
///
/// # Errors
/// [`Fault`] if the store does not answer.
pub fn held_against(plan: &Plan, store: &Store) -> Result<Vec<Complaint>, Fault> {
    let means = waiting(|| store.means())?;
    Ok(owner::held_against(plan, &means.into_iter().map(account).collect::<Vec<_>>()))
}

/// Ends the sessions that nobody could have begun where the mode of `plan` holds: those from before it changed.
///
/// # Errors
/// [`Fault`] if the store does not answer.
pub fn end_foreign(plan: &Plan, store: &Store) -> Result<(), Fault> {
    let ended = waiting(async || {
        let owner = store.owner().await?.facts().map(|facts| facts.user.id);
        let sessions = store.list_sessions().await?;
        let foreign = sessions.iter().filter(|session| !owner::could_begin(plan.auth.mode, session, owner));
        let mut ended = 0;
        for session in foreign {
            let told = Entry::new(Deed::SessionEnded, Actor::Gateway).because("auth.mode is another");
            ended += usize::from(store.telling(told).end_session(session.id).await?);
        }
        Ok(ended)
    })?;
    if ended > 0 {
        info!(event = Event::SessionEnded.name(), ended, "`auth.mode` is another: these sessions could not have begun under it");
    }
    Ok(())
}

/// Asks the store on a thread of its own: whoever starts or reloads a gateway may be within a runtime, which must not wait.
fn waiting<T: Send>(ask: impl AsyncFnOnce() -> Result<T, StoreFault> + Send) -> Result<T, Fault> {
    let ask = || {
        let runtime = Builder::new_current_thread().build().map_err(Fault::Thread)?;
        runtime.block_on(ask()).map_err(Fault::Store)
    };
    thread::scope(|scope| scope.spawn(ask).join()).unwrap_or_else(|panic| resume_unwind(panic))
}
