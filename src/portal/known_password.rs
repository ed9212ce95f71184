//! The password of somebody who is signed in, asked for once more.

use crate::auth::throttle::Wait;
use crate::base::secret::Secret;
use crate::model::attempt::Factor;
use crate::model::credential::PasswordHash;
use crate::model::user::UserName;
use crate::plan::whole::Plan;
use crate::portal::call::Call;
use crate::portal::service::Portal;
use crate::portal::stop::Stop;
use crate::portal::tries;

/// What it is called in the log and in the trail.
pub const METHOD: &str = "password";

/// What a try came to.
#[derive(Debug)]
pub enum Checked {
    /// It is theirs. The count of the try is the caller's to take back, by [`tries::succeeded`].
    Right,
    /// It is not.
    Wrong,
    /// It was not looked at.
    Wait(Wait),
    /// There was no time to.
    Busy,
}

/// Counts a try, then makes it: against the network and the account, as when signing in.
///
/// # Errors
/// [`Stop`] from a barred network, or when the store does not answer.
pub async fn check(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (user, hash): (&UserName, PasswordHash),
    typed: Secret<String>,
) -> Result<Checked, Stop> {
    let name = Some(user);
    if let Err(wait) = tries::enter(portal, plan, call, name)? {
        return Ok(Checked::Wait(wait));
    }
    // Before it is counted: a try that we had no time for is not held against anybody.
    let Ok(slot) = portal.hasher.slot_for(tries::is_known(portal, call, name)).await else { return Ok(Checked::Busy) };
    if let Err(refused) = portal.store.try_factor(tries::attempt(plan, call, name, Factor::Password)).await? {
        drop(slot);
        return Ok(Checked::Wait(tries::held(portal, plan, call, refused).await));
    }
    Ok(if slot.verify(hash, typed).await { Checked::Right } else { Checked::Wrong })
}
