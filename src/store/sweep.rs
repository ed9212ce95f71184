//! Clears away what has run out. Called every now and then; does a bounded amount of work each time.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::params;

use crate::base::clock::Timestamp;
use crate::model::audit::{Actor, Deed, Entry};
use crate::store::attempts;
use crate::store::bans;
use crate::store::database::{Database, stored_span};
use crate::store::devices;
use crate::store::fault::Fault;
use crate::store::live::Which;
use crate::store::open::Store;
use crate::store::sessions;
use crate::store::sources;
use crate::store::users;

/// How much of each kind is cleared per call.
const MOST: u32 = 1_000;
/// Counts for names that nobody has stay this long, so that they answer like those of people who exist.
const UNKNOWN_NAMES: Duration = Duration::from_secs(90 * 86_400);

impl Store {
    /// Ends the sessions that have run out by `now` (and cuts what lives by them), and clears away half-done sign-ins,
    /// set-up links and old counts. Returns how many sessions it ended.
    ///
    /// # Errors
    /// Any [`Fault`]; the sessions have ended in memory even then.
    pub async fn sweep(&self, now: Timestamp) -> Result<usize, Fault> {
        let ended = self.live.run_out(now, MOST as usize);
        let owed = self.live.owed(MOST as usize);
        let unknown = Timestamp::from_millis(now.millis().saturating_sub(stored_span(UNKNOWN_NAMES)));
        let (which, count) = (Which::These(ended.clone()), ended.len());
        let (paid, told) = (owed.clone(), self.told());
        self.ending(which, move |database| {
            for id in &ended {
                let select = "SELECT account_id, name FROM session JOIN account ON account.id = account_id WHERE session.id = ?1";
                let whose = database.one(select, params![id.as_str()], |row| Ok((row.id(0)?, users::name(row, 1)?)))?;
                if let Some((user, name)) = whose {
                    let entry = Entry::new(Deed::SessionEnded, Actor::Gateway).of_account(user, &name);
                    told.also(database, &entry.because("its time was over").detailed(id.as_str()))?;
                }
            }
            sessions::delete(database, &ended)?;
            sessions::delete(database, &owed)?;
            clear(database, "ceremony", "id", now)?;
            clear(database, "link", "token", now)?;
            attempts::forget(database, unknown, MOST)?;
            sources::forget(database, unknown, MOST)
        })
        .await?;
        self.live.paid(&paid);
        self.sweep_protection(now).await?;
        Ok(count)
    }

    /// Takes away bans and known devices that are over, and brings memory in step with what became of them otherwise.
    async fn sweep_protection(&self, now: Timestamp) -> Result<(), Fault> {
        let keys = Arc::clone(&self.keys);
        let work = move |database: &Database| {
            devices::clear(database, &keys, (now, MOST))?;
            Ok((bans::clear(database, now, MOST)?, devices::all(database)?))
        };
        self.run(work, |live, outcome| {
            let (over, devices) = outcome?;
            over.iter().for_each(|network| live.remembered.lift(network));
            live.remembered.keep_devices(&devices);
            Ok(())
        })
        .await
    }
}

fn clear(database: &Database, table: &str, key: &str, now: Timestamp) -> Result<(), Fault> {
    let select = format!("SELECT {key} FROM {table} WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2");
    let ended = database.all(&select, params![now.millis(), MOST], |row| row.hash(0))?;
    for token in ended {
        database.execute(&format!("DELETE FROM {table} WHERE {key} = ?1"), params![token.as_bytes()])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::kit::{Kit, hash};

    #[tokio::test]
    async fn what_has_run_out_is_cleared_and_cut_off_and_the_rest_stays() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let session = kit.store.open_session(kit.session(alice.id)).await.unwrap().unwrap();
        kit.store.begin_ceremony(kit.ceremony(alice.id)).await.unwrap();
        kit.store.issue_link(alice.id, hash(), kit.in_an_hour()).await.unwrap();
        assert_eq!(kit.store.sweep(kit.clock.now()).await.unwrap(), 0);
        assert_eq!((kit.count("session"), kit.count("ceremony"), kit.count("link")), (1, 1, 1));

        kit.clock.advance(Duration::from_secs(1200));
        assert_eq!(kit.store.sweep(kit.clock.now()).await.unwrap(), 1);
        assert!(session.lifeline.is_cut());
        assert_eq!((kit.count("session"), kit.count("ceremony"), kit.count("link")), (0, 1, 1));

        kit.clock.advance(Duration::from_secs(2400));
        assert_eq!(kit.store.sweep(kit.clock.now()).await.unwrap(), 0);
        assert_eq!((kit.count("ceremony"), kit.count("link"), kit.count("account")), (0, 0, 1));
    }
}
