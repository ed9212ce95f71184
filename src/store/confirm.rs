//! A factor proven once more by somebody who is signed in.

use std::sync::Arc;

use rusqlite::params;

use crate::auth::token::TokenHash;
use crate::base::clock::Timestamp;
use crate::model::session::{Proofs, Session, SessionId};
use crate::store::database::{Database, Record};
use crate::store::fault::Fault;
use crate::store::open::Store;
use crate::store::proof::Proof;
use crate::store::sessions;
use crate::store::users;

impl Store {
    /// Notes that the holder of a session proved a factor at this moment, all at once: burns the code's step, and gives
    /// `host` a new token, the only one from here on. Every other host asks the portal again, which costs its people a
    /// redirect; whoever holds a stolen token has nothing of what was proven here.
    ///
    /// `None`, and nothing of all this, if the step was burnt already, the authenticator is not its user's, the session has
    /// ended, or the user is gone or disabled.
    ///
    /// # Errors
    /// Any [`Fault`]; nothing has changed then.
    pub async fn confirm(
        &self,
        session: SessionId,
        proof: Proof,
        (token, host): (TokenHash, Box<str>),
    ) -> Result<Option<Arc<Session>>, Fault> {
        let now = self.clock.now();
        let Some(known) = self.live.of_id(&session).filter(|session| session.check(now).is_ok()) else { return Ok(None) };
        let kept = host.clone();
        let work = move |database: &Database| {
            // It may have ended while this waited.
            let lasts = proofs(database, session)?.is_some() && users::enabled(database, known.user)?.is_some();
            if !lasts || !proof.spend(database, known.user, now)? {
                return Ok(None);
            }
            proof.note_use(database, now)?;
            let update = format!("UPDATE session SET {} = ?2 WHERE id = ?1", proof.column());
            database.execute(&update, params![session.as_str(), now.millis()])?;
            database.execute("DELETE FROM session_token WHERE session_id = ?1", params![session.as_str()])?;
            sessions::insert_token(database, session, (token, &host), now)?;
            proofs(database, session)
        };
        self.run(work, move |live, outcome| Ok(outcome?.and_then(|proofs| live.confirm(&session, (token, kept), proofs)))).await
    }
}

/// When the factors of a session were last proven; `None` if it has ended.
pub(super) fn proofs(database: &Database, session: SessionId) -> Result<Option<Proofs>, Fault> {
    let select = "SELECT password_at, code_at FROM session WHERE id = ?1";
    database.one(select, params![session.as_str()], |row| read(row, 0))
}

/// Reads the columns `password_at, code_at` from `first` on.
pub(super) fn read(row: &Record<'_>, first: usize) -> Result<Proofs, Fault> {
    Ok(Proofs { password: moment(row, first)?, code: moment(row, first + 1)? })
}

fn moment(row: &Record<'_>, column: usize) -> Result<Option<Timestamp>, Fault> {
    row.optional(column, Record::time)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::kit::{Kit, hash};

    /// The attack: a thief waits with a stolen token until its owner has proven once more who they are.
    #[tokio::test]
    async fn what_is_proven_counts_for_a_new_token_and_every_old_one_dies() {
        let kit = Kit::new();
        let (alice, totp) = kit.enrolled("alice").await;
        let new = kit.session(alice.id);
        let before = kit.store.open_session(new.clone()).await.unwrap().unwrap();
        let away = hash();
        kit.store.give_token((before.id, new.token), (away, "b.example".into()), "a.example").await.unwrap().unwrap();
        kit.clock.advance(Duration::from_secs(600));
        let token = hash();
        let proof = Proof::Code { totp: totp.id, step: 9 };
        let after = kit.store.confirm(before.id, proof, (token, "a.example".into())).await.unwrap().unwrap();
        assert_eq!(
            (after.id, after.proofs.code, after.proofs.password),
            (before.id, Some(kit.clock.now()), before.proofs.password)
        );
        assert_eq!(before.proofs.code, before.proofs.password, "what is under way was judged by what it had");
        assert!(!before.lifeline.is_cut(), "nothing that is open ends");
        assert!(kit.store.session(&new.token, "a.example").unwrap().is_none());
        assert!(kit.store.session(&away, "b.example").unwrap().is_none());
        assert_eq!(kit.store.hosts_of(after.id), ["a.example".into()]);
        let kit = kit.reopened().await;
        assert!(kit.store.session(&new.token, "a.example").unwrap().is_none());
        let read = kit.store.session(&token, "a.example").unwrap().unwrap();
        assert_eq!(read.proofs, after.proofs);
        assert!(kit.store.end_session(read.id).await.unwrap());
    }

    /// The attack: a hand-off by an old token is under way while a factor is proven, or comes after it, and takes what was proven
    /// to one more host.
    #[tokio::test]
    async fn no_token_is_given_by_one_of_before() {
        let kit = Kit::new();
        let (alice, totp) = kit.enrolled("alice").await;
        let new = kit.session(alice.id);
        let session = kit.store.open_session(new.clone()).await.unwrap().unwrap();
        let give = |by, token| kit.store.give_token((session.id, by), (token, "b.example".into()), "a.example");
        let confirm =
            |token, step| kit.store.confirm(session.id, Proof::Code { totp: totp.id, step }, (token, "a.example".into()));
        let (second, third, faster) = (hash(), hash(), hash());
        let (proven, given) = tokio::join!(confirm(second, 8), give(new.token, hash()));
        assert!(proven.unwrap().is_some() && given.unwrap().is_none());
        assert!(give(new.token, hash()).await.unwrap().is_none());
        let (given, proven) = tokio::join!(give(second, faster), confirm(third, 9));
        assert!(given.unwrap().is_some() && proven.unwrap().is_some());
        assert!(kit.store.session(&faster, "b.example").unwrap().is_none(), "given before, it died with the others");
        assert_eq!(kit.count("session_token"), 1);
        assert!(give(third, hash()).await.unwrap().is_some());
    }

    /// The attack: a code that was used, one of somebody else's authenticator, a session that is over.
    #[tokio::test]
    async fn a_proof_counts_once_for_its_owner_while_the_session_lasts() {
        let kit = Kit::new();
        let (alice, totp) = kit.enrolled("alice").await;
        let (_, foreign) = kit.enrolled("mallory").await;
        let new = kit.session(alice.id);
        let session = kit.store.open_session(new.clone()).await.unwrap().unwrap();
        let confirm = |proof| kit.store.confirm(session.id, proof, (hash(), "a.example".into()));
        let code = |totp, step| Proof::Code { totp, step };
        assert!(confirm(code(foreign.id, 5)).await.unwrap().is_none());
        assert!(kit.store.burn_step(totp.id, 7).await.unwrap());
        assert!(confirm(code(totp.id, 7)).await.unwrap().is_none());
        assert!(kit.store.session(&new.token, "a.example").unwrap().is_some(), "a failure changes no token");
        assert!(confirm(code(totp.id, 8)).await.unwrap().is_some());
        kit.clock.advance(Duration::from_secs(60));
        let again = confirm(Proof::Password).await.unwrap().unwrap();
        assert_eq!(again.proofs.password, Some(kit.clock.now()));
        assert_ne!(again.proofs.code, again.proofs.password);
        assert!(kit.store.end_session(session.id).await.unwrap());
        assert!(confirm(code(totp.id, 10)).await.unwrap().is_none());
        let gone = kit.store.open_session(kit.session(alice.id)).await.unwrap().unwrap();
        kit.store.set_disabled(&alice.name, true).await.unwrap();
        assert!(kit.store.confirm(gone.id, Proof::Password, (hash(), "a.example".into())).await.unwrap().is_none());
    }
}
