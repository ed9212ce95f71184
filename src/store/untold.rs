//! How far the owner's webhook has been told of the audit trail.

use rusqlite::params;

use crate::model::audit::Written;
use crate::store::audit::{COLUMNS, read};
use crate::store::database::{Database, Record, stored};
use crate::store::fault::Fault;
use crate::store::open::Store;

/// What a webhook has still to be told.
#[derive(Clone, Debug, Default)]
pub struct Untold {
    /// Records, oldest first.
    pub records: Vec<Written>,
    /// How many are left out, because too many wait.
    pub skipped: u64,
}

impl Store {
    /// Waits until something is written down, or was since the last time.
    pub async fn written(&self) {
        self.keys.wake.notified().await;
    }

    /// Records that the webhook has not been told of, at most `most`. Of more than `waiting` the oldest are left out.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn untold(&self, most: u32, waiting: u64) -> Result<Untold, Fault> {
        self.ask(move |database| {
            let last =
                database.one("SELECT max(seq) FROM audit", [], |row| row.optional(0, Record::count))?.flatten().unwrap_or(0);
            let told = database.one("SELECT seq FROM audit_told WHERE id = 1", [], |row| row.count(0))?;
            // Who names a webhook for the first time is not told the history.
            let Some(told) = told else {
                keep_told(database, last)?;
                return Ok(Untold::default());
            };
            let from = told.max(last.saturating_sub(waiting));
            Ok(Untold { records: following(database, from, most)?, skipped: from - told })
        })
        .await
    }

    /// Notes that the webhook was told of everything up to `seq`, or that it will not be.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn mark_told(&self, seq: u64) -> Result<(), Fault> {
        self.ask(move |database| keep_told(database, seq)).await
    }

    /// Forgets how far a webhook was told: there is none.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn tell_nobody(&self) -> Result<(), Fault> {
        self.ask(|database| database.execute("DELETE FROM audit_told", []).map(|_| ())).await
    }
}

fn keep_told(database: &Database, seq: u64) -> Result<(), Fault> {
    let upsert = "INSERT INTO audit_told (id, seq) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET seq = excluded.seq";
    database.execute(upsert, params![stored(seq)]).map(|_| ())
}

/// Records after `after`, oldest first.
fn following(database: &Database, after: u64, most: u32) -> Result<Vec<Written>, Fault> {
    let select = format!("SELECT {COLUMNS} FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2");
    database.all(&select, params![stored(after), most], read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::audit::{Actor, Deed, Entry};
    use crate::store::kit::Kit;

    #[tokio::test]
    async fn what_was_before_is_not_told_and_what_is_told_is_not_told_again_after_a_restart() {
        let kit = Kit::new();
        let record = async || kit.store.record(Entry::new(Deed::Reloaded, Actor::Owner)).await.unwrap();
        record().await;
        let numbers = |untold: &Untold| untold.records.iter().map(|written| written.seq).collect::<Vec<_>>();
        assert!(kit.store.untold(10, 100).await.unwrap().records.is_empty());
        for _ in 0..4 {
            record().await;
        }
        assert_eq!(numbers(&kit.store.untold(3, 100).await.unwrap()), [2, 3, 4]);
        kit.store.mark_told(3).await.unwrap();
        let kit = kit.reopened().await;
        assert_eq!(numbers(&kit.store.untold(10, 100).await.unwrap()), [4, 5]);
        let untold = kit.store.untold(10, 1).await.unwrap();
        assert_eq!((numbers(&untold), untold.skipped), (vec![5], 1), "too many wait");
        kit.store.tell_nobody().await.unwrap();
        assert!(kit.store.untold(10, 100).await.unwrap().records.is_empty(), "a webhook that is named later begins anew");
    }
}
