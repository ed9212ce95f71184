//! A factor taken away by the owner: for people who have lost it, or whose account is in other hands.

use rusqlite::params;

use crate::model::user::UserId;
use crate::store::database::Database;
use crate::store::fault::Fault;
use crate::store::live::Which;
use crate::store::open::Store;
use crate::store::recovery;
use crate::store::users;

/// What can be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resettable {
    /// All authenticator apps.
    Totp,
    /// All recovery codes.
    Recovery,
    /// All passkeys and security keys.
    Passkey,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// How many were taken away; nothing has changed if none were.
    pub removed: usize,
    /// Sessions ended by it.
    pub ended: usize,
    /// Authenticators that are left.
    pub authenticators: usize,
    /// Recovery codes that are left.
    pub recovery_left: usize,
    /// Passkeys that are left.
    pub passkeys: usize,
}

impl Store {
    /// Takes a factor of a user away, and with it half-done sign-ins, the failures counted for it and, unless they are to be
    /// kept, all sessions. `None` if there is no such user.
    ///
    /// # Errors
    /// Any [`Fault`]; sessions have ended in memory even then.
    pub async fn reset_factor(&self, user: UserId, factor: Resettable, keep_sessions: bool) -> Result<Option<Reset>, Fault> {
        let held = self.ask(move |database| held(database, user, factor)).await?;
        if held.is_none_or(|held| held.removed == 0) {
            return Ok(held);
        }
        let told = self.told();
        let work = move |database: &Database| {
            let Some(held) = self::held(database, user, factor)? else { return Ok(None) };
            match factor {
                Resettable::Totp => {
                    database.execute("DELETE FROM totp WHERE account_id = ?1", params![user.as_str()])?;
                    let delete = "DELETE FROM attempt WHERE account_id = ?1 AND factor = 'code'";
                    database.execute(delete, params![user.as_str()])?;
                }
                Resettable::Recovery => recovery::forget(database, user).map(|_| ())?,
                Resettable::Passkey => {
                    database.execute("DELETE FROM passkey WHERE account_id = ?1", params![user.as_str()])?;
                }
            }
            users::delete_from(database, user, &["ceremony", "link"])?;
            let delete = "DELETE FROM session WHERE account_id = ?1";
            let ended = if keep_sessions { 0 } else { database.execute(delete, params![user.as_str()])? };
            told.tell_of(database, user)?;
            Ok(Some(Reset { ended, ..held }))
        };
        let reset = if keep_sessions { self.ask(work).await } else { self.ending(Which::Of(user), work).await }?;
        self.reread_site().await?;
        Ok(reset)
    }
}

/// What there is to take away, and what stays.
fn held(database: &Database, user: UserId, factor: Resettable) -> Result<Option<Reset>, Fault> {
    let select = "SELECT id, name, disabled, created_at FROM account WHERE id = ?1";
    if database.one(select, params![user.as_str()], users::user)?.is_none() {
        return Ok(None);
    }
    let count = "SELECT count(*) FROM totp WHERE account_id = ?1";
    let totps = database.one(count, params![user.as_str()], |row| row.small(0))?.unwrap_or(0) as usize;
    let good = "SELECT count(*) FROM passkey WHERE account_id = ?1 AND set_aside_at IS NULL";
    let good = database.one(good, params![user.as_str()], |row| row.small(0))?.unwrap_or(0) as usize;
    // Used ones are taken away too, and whoever has only those has something to make anew.
    let codes = "SELECT count(*) FROM recovery_code JOIN recovery_set ON recovery_set.id = set_id WHERE account_id = ?1";
    let codes = database.one(codes, params![user.as_str()], |row| row.small(0))?.unwrap_or(0) as usize;
    let left = recovery::left(database, user)?;
    let count = "SELECT count(*) FROM passkey WHERE account_id = ?1";
    let keys = database.one(count, params![user.as_str()], |row| row.small(0))?.unwrap_or(0) as usize;
    Ok(Some(match factor {
        Resettable::Totp => Reset { removed: totps, ended: 0, authenticators: 0, recovery_left: left, passkeys: good },
        Resettable::Recovery => Reset { removed: codes, ended: 0, authenticators: totps, recovery_left: 0, passkeys: good },
        Resettable::Passkey => Reset { removed: keys, ended: 0, authenticators: totps, recovery_left: left, passkeys: 0 },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::Entropy;
    use crate::base::id::Id;
    use crate::model::attempt::Factor;
    use crate::store::kit::{Kit, password};

    /// The attack: whoever holds the account goes on with what was open when its owner takes the lost factor away.
    #[tokio::test]
    async fn a_reset_ends_sessions_and_half_done_sign_ins_unless_kept() {
        for keeps in [false, true] {
            let kit = Kit::new();
            let (alice, _) = kit.enrolled("alice").await;
            let (bob, _) = kit.enrolled("bob").await;
            kit.store.try_factor(kit.attempt(&alice.name, Factor::Code)).await.unwrap().unwrap();
            let set = Id::draw(Entropy);
            kit.store.stage_recovery(alice.id, set, vec![password("a"), password("b")]).await.unwrap();
            kit.store.put_recovery_in_force(alice.id, set).await.unwrap();
            let session = kit.store.open_session(kit.session(alice.id)).await.unwrap().unwrap();
            let other = kit.store.open_session(kit.session(bob.id)).await.unwrap().unwrap();
            kit.store.begin_ceremony(kit.ceremony(alice.id)).await.unwrap();
            let reset = kit.store.reset_factor(alice.id, Resettable::Totp, keeps).await.unwrap().unwrap();
            let expected = Reset { removed: 1, ended: usize::from(!keeps), authenticators: 0, recovery_left: 2, passkeys: 0 };
            assert_eq!((reset, session.lifeline.is_cut(), other.lifeline.is_cut()), (expected, !keeps, false));
            assert_eq!((kit.count("ceremony"), kit.count("attempt"), kit.count("totp")), (0, 0, 1));
            let reset = kit.store.reset_factor(alice.id, Resettable::Recovery, keeps).await.unwrap().unwrap();
            assert_eq!((reset.removed, kit.count("recovery_set"), kit.count("recovery_code")), (2, 0, 0));
            let nothing = kit.store.reset_factor(alice.id, Resettable::Recovery, false).await.unwrap().unwrap();
            assert_eq!((nothing.removed, session.lifeline.is_cut()), (0, !keeps), "nothing taken, nothing ended");
            kit.store.delete_user(&alice.name).await.unwrap();
            assert!(kit.store.reset_factor(alice.id, Resettable::Totp, false).await.unwrap().is_none());
        }
    }
}
