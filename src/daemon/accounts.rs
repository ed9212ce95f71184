//! What the accounts there are have to say about a configuration: some could not sign in under it, or nobody could say whose code
//! it is.

use std::panic::resume_unwind;
use std::thread;

use tokio::runtime::Builder;

use crate::admin::perform::account;
use crate::config::complaint::Complaint;
use crate::daemon::fault::Fault;
use crate::plan::owner;
use crate::plan::whole::Plan;
use crate::store::open::Store;

/// What stands against `plan`, errors and warnings.
///
/// # Errors
/// [`Fault`] if the store does not answer.
pub fn held_against(plan: &Plan, store: &Store) -> Result<Vec<Complaint>, Fault> {
    // On a thread of its own: whoever starts or reloads a gateway may be within a runtime, which must not wait.
    let ask = || {
        let runtime = Builder::new_current_thread().build().map_err(Fault::Thread)?;
        runtime.block_on(store.means()).map_err(Fault::Store)
    };
    let means = thread::scope(|scope| scope.spawn(ask).join()).unwrap_or_else(|panic| resume_unwind(panic))?;
    Ok(owner::held_against(plan, &means.into_iter().map(account).collect::<Vec<_>>()))
}
