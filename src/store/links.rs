//! Set-up links: how somebody gets their first password and authenticator, or new ones.

use std::sync::Arc;

use rusqlite::params;
use serde::{Deserialize, Serialize};

use crate::auth::passkey::Made;
use crate::auth::token::TokenHash;
use crate::base::clock::Timestamp;
use crate::base::id::Id;
use crate::model::credential::{PasskeyId, PasswordHash, RecoverySetId, Totp};
use crate::model::session::{Session, SessionId};
use crate::model::user::{FIRST_USER, User, UserId};
use crate::store::admission::Admitted;
use crate::store::credentials;
use crate::store::database::{Database, Record, stored};
use crate::store::devices;
use crate::store::fault::Fault;
use crate::store::open::{Keys, Store};
use crate::store::own_account::Refused;
use crate::store::passkeys;
use crate::store::recovery;
use crate::store::sessions::{self, NewSession};
use crate::store::users;
use crate::store::vault;

/// A set-up link that still counts.
#[derive(Clone, Debug)]
pub struct Link {
    /// Whom it sets up.
    pub user: User,
    /// Whether the account was never set up.
    pub is_first: bool,
    /// Whether its holder may choose the name: [`Store::name_new_account`].
    pub may_choose_name: bool,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What was chosen so far; nothing of it counts before the link is completed.
    pub pending: Option<Pending>,
}

/// What is set up, but not yet proven.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The password chosen; none where nobody is asked for one.
    pub password: Option<PasswordHash>,
    /// The authenticator shown. Stays the same however often the page is loaded.
    pub totp: Totp,
    /// What was proven to work, and when: a code of that authenticator, or a passkey in its place.
    pub proven: Option<(Enrolled, Timestamp)>,
}

/// The factor that completing a link puts in force.
#[derive(Clone, Debug)]
pub enum Enrolled {
    /// The authenticator shown.
    Authenticator {
        /// The step of the code that was right.
        step: u64,
    },
    /// A key that was made meanwhile.
    Passkey(Box<NewPasskey>),
}

/// A key that waits beside a link.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewPasskey {
    /// The key.
    pub made: Made,
    /// What its holder calls it.
    pub name: String,
    /// The domain it was made for.
    pub site: String,
}

impl Store {
    /// Issues a link that ends at `expires_at`. Older links of the user die, and factors that were closed after too many
    /// failures are open again. Returns whether there is such a user.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn issue_link(&self, user: UserId, token: TokenHash, expires_at: Timestamp) -> Result<bool, Fault> {
        let told = self.told();
        self.ask(move |database| {
            let select = "SELECT id FROM account WHERE id = ?1";
            if database.one(select, params![user.as_str()], |_| Ok(()))?.is_none() {
                return Ok(false);
            }
            users::delete_from(database, user, &["attempt", "guess"])?;
            insert(database, (user, token), None, expires_at)?;
            told.tell_of(database, user)?;
            Ok(true)
        })
        .await
    }

    /// Issues a link to the holder of a session, in place of older ones of their own. It ends with the session, whatever ends that,
    /// and opens no factor that is closed. `false` if the session has ended, its user is disabled, or the owner made them a link that
    /// still counts: who knows a password must not take that away from whom it was made for.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn issue_own_link(&self, session: SessionId, token: TokenHash, expires_at: Timestamp) -> Result<bool, Fault> {
        let (told, now) = (self.told(), self.clock.now());
        self.ask(move |database| {
            let select = "SELECT account_id FROM session WHERE id = ?1";
            let Some(user) = database.one(select, params![session.as_str()], |row| row.id(0))? else { return Ok(false) };
            let owners = "SELECT token FROM link WHERE account_id = ?1 AND session_id IS NULL AND expires_at > ?2";
            let has_owners = database.one(owners, params![user.as_str(), now.millis()], |_| Ok(()))?.is_some();
            if has_owners || users::enabled(database, user)?.is_none() {
                return Ok(false);
            }
            insert(database, (user, token), Some(session), expires_at)?;
            told.tell_of(database, user)?;
            Ok(true)
        })
        .await
    }

    /// The link of that token, unless it has ended or its user is disabled. Looking consumes nothing.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn link(&self, token: TokenHash) -> Result<Option<Link>, Fault> {
        let (keys, now) = (Arc::clone(&self.keys), self.clock.now());
        self.ask(move |database| find(database, &keys, token, now)).await
    }

    /// Keeps the password chosen (the last one counts) and the authenticator to enrol (the first one counts, so that the
    /// code on the page stays the same). Returns `false` if the link has ended.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn stage_password(&self, token: TokenHash, password: PasswordHash, totp: Totp) -> Result<bool, Fault> {
        self.stage(token, Some(password), totp).await
    }

    /// The same without a password, where nobody is asked for one; one that was chosen before is forgotten.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn stage_authenticator(&self, token: TokenHash, totp: Totp) -> Result<bool, Fault> {
        self.stage(token, None, totp).await
    }

    async fn stage(&self, token: TokenHash, password: Option<PasswordHash>, totp: Totp) -> Result<bool, Fault> {
        let (keys, now) = (Arc::clone(&self.keys), self.clock.now());
        self.ask(move |database| {
            let Some(Link { user: User { id: user, .. }, .. }) = find(database, &keys, token, now)? else { return Ok(false) };
            let update = "UPDATE link SET password = ?2 WHERE token = ?1";
            database.execute(update, params![token.as_bytes(), password.as_ref().map(|hash| hash.0.expose())])?;
            let update = "UPDATE link SET totp_id = ?2, totp_algorithm = ?3, totp_digits = ?4, totp_period = ?5, totp_seed = ?6,
                                          totp_created_at = ?7
                          WHERE token = ?1 AND totp_id IS NULL";
            let (id, recipe, seed) =
                (totp.id.as_str(), totp.recipe, keys.vault.seal(&place("totp_seed", token, user), totp.seed.expose()));
            let (period, created) = (stored(recipe.period), totp.created_at.millis());
            let values = params![token.as_bytes(), id, recipe.algorithm.name(), recipe.digits, period, seed, created];
            database.execute(update, values)?;
            Ok(true)
        })
        .await
    }

    /// Notes that a code of the pending authenticator was right at `step`; the first one counts. Returns `false` if the link
    /// has ended or has nothing pending.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn prove_link(&self, token: TokenHash, step: u64) -> Result<bool, Fault> {
        let (keys, now) = (Arc::clone(&self.keys), self.clock.now());
        self.ask(move |database| {
            if find(database, &keys, token, now)?.and_then(|link| link.pending).is_none() {
                return Ok(false);
            }
            let update = "UPDATE link SET totp_step = ?2, proven_at = ?3 WHERE token = ?1 AND proven_at IS NULL";
            database.execute(update, params![token.as_bytes(), stored(step), now.millis()])?;
            Ok(true)
        })
        .await
    }

    /// Keeps a key that was made with this link; what was proven first counts. Says why the key cannot be taken, or that the link
    /// has ended or has no password yet ([`Refused::Gone`]).
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn prove_link_by_passkey(&self, token: TokenHash, key: NewPasskey) -> Result<Result<(), Refused>, Fault> {
        let (keys, now) = (Arc::clone(&self.keys), self.clock.now());
        self.ask(move |database| {
            let Some(Link { user, pending: Some(_), .. }) = find(database, &keys, token, now)? else {
                return Ok(Err(Refused::Gone));
            };
            // The keys that this account has now go when the link is completed.
            if let Some(refused) = passkeys::unfit(database, None, &key.made, &key.site)? {
                return Ok(Err(refused));
            }
            let text = serde_json::to_vec(&key).map_err(|_| Fault::Unreadable { column: "link.passkey" })?;
            let sealed = keys.vault.seal(&place("passkey", token, user.id), &text);
            let update = "UPDATE link SET passkey = ?2, proven_at = ?3 WHERE token = ?1 AND proven_at IS NULL";
            // Of two tabs the first counts, and the other must not believe that its key does.
            let is_first = database.execute(update, params![token.as_bytes(), sealed, now.millis()])? > 0;
            Ok(if is_first { Ok(()) } else { Err(Refused::Gone) })
        })
        .await
    }

    /// Completes a link whose authenticator or passkey is proven, all at once: consumes it, puts the pending password, authenticator or
    /// passkey, and recovery codes (those of `codes`, else none) in place of all there were, passkeys too, ends the user's other sessions
    /// and half-done sign-ins, forgets their failures and opens `session`. `None`, and nothing of all this, if the link has ended, has nothing
    /// proven, is another user's, or other codes were shown since: of two who complete one link, one gets the session. A passkey that
    /// is somebody else's by now is forgotten, so that the link can be followed on with another one.
    ///
    /// # Errors
    /// Any [`Fault`]; nothing has changed then.
    pub async fn complete_link(
        &self,
        token: TokenHash,
        codes: Option<RecoverySetId>,
        session: NewSession,
    ) -> Result<Option<Arc<Session>>, Fault> {
        let (keys, entropy, now) = (Arc::clone(&self.keys), self.entropy, self.clock.now());
        let (user, told) = (session.user, self.told());
        let work = self.admitting(move |database| {
            let link = find(database, &keys, token, now)?.filter(|link| link.user.id == user);
            let Some(pending) = link.and_then(|link| link.pending) else { return Ok(None) };
            let Some((enrolled, at)) = pending.proven else { return Ok(None) };
            match codes {
                None => recovery::forget(database, user).map(|_| ())?,
                Some(set) if recovery::put_in_force(database, user, set)? => {}
                Some(_) => return Ok(None),
            }
            match &pending.password {
                Some(password) => credentials::set_password(database, user, password)?,
                None => credentials::forget_password(database, user)?,
            }
            // Passkeys too: whoever set this up has lost something, and a key on it opens the door by itself.
            users::delete_from(database, user, &["link", "session", "ceremony", "attempt", "guess", "passkey"])?;
            let second = (enrolled, pending.totp, at);
            replace_second_factor(database, &keys, (Id::draw(entropy), user), second)?;
            devices::forget_all(database, user)?;
            told.tell_of(database, user)?;
            let opened = sessions::write(database, session, now, entropy)?;
            Ok(opened.map(|opened| Admitted { opened, recovered: Some(user) }))
        });
        let session = match work.await {
            Err(Fault::Taken) => {
                let forget = "UPDATE link SET passkey = NULL, proven_at = NULL WHERE token = ?1 AND passkey IS NOT NULL";
                self.ask(move |database| database.execute(forget, params![token.as_bytes()])).await?;
                None
            }
            outcome => outcome?,
        };
        self.reread_site().await?;
        Ok(session)
    }
}

/// Puts what was proven at `at` in place of every second factor of a user.
fn replace_second_factor(
    database: &Database,
    keys: &Keys,
    (id, user): (PasskeyId, UserId),
    (enrolled, totp, at): (Enrolled, Totp, Timestamp),
) -> Result<(), Fault> {
    match enrolled {
        Enrolled::Authenticator { step } => credentials::replace_totps(database, keys, user, &Totp { last_step: step, ..totp }),
        Enrolled::Passkey(key) => {
            // Somebody else was faster with the same key, or the site is another since.
            if passkeys::unfit(database, None, &key.made, &key.site)?.is_some() {
                return Err(Fault::Taken);
            }
            credentials::remove_totps(database, user)?;
            passkeys::insert(database, keys, (id, user), &key, at)
        }
    }
}

/// Puts a link in place of all of its user.
fn insert(
    database: &Database,
    (user, token): (UserId, TokenHash),
    session: Option<SessionId>,
    expires_at: Timestamp,
) -> Result<(), Fault> {
    database.execute("DELETE FROM link WHERE account_id = ?1", params![user.as_str()])?;
    let insert = "INSERT INTO link (token, account_id, session_id, expires_at) VALUES (?1, ?2, ?3, ?4)";
    let session = session.as_ref().map(|id| id.as_str());
    database.execute(insert, params![token.as_bytes(), user.as_str(), session, expires_at.millis()]).map(|_| ())
}

fn find(database: &Database, keys: &Keys, token: TokenHash, now: Timestamp) -> Result<Option<Link>, Fault> {
    let select = "SELECT account.id, name, disabled, account.created_at, expires_at, link.password, totp_id, totp_algorithm,
                         totp_digits, totp_period, totp_seed, totp_created_at,
                         account.password IS NULL AND NOT EXISTS (SELECT 1 FROM totp WHERE totp.account_id = account.id)
                             AND NOT EXISTS (SELECT 1 FROM passkey WHERE passkey.account_id = account.id),
                         account.name = ?3 AND NOT EXISTS (SELECT 1 FROM account AS other WHERE other.id <> account.id),
                         totp_step, proven_at, link.passkey
                  FROM link JOIN account ON account.id = link.account_id
                  WHERE token = ?1 AND expires_at > ?2 AND disabled = 0";
    database.one(select, params![token.as_bytes(), now.millis(), FIRST_USER], |row| {
        let user = users::user(row)?;
        let pending = row.optional(6, |row, _| pending(row, keys, (token, user.id)))?;
        let is_first = row.flag(12)?;
        Ok(Link { user, is_first, may_choose_name: is_first && row.flag(13)?, expires_at: row.time(4)?, pending })
    })
}

fn pending(row: &Record<'_>, keys: &Keys, (token, user): (TokenHash, UserId)) -> Result<Pending, Fault> {
    let seed = keys.vault.open(&place("totp_seed", token, user), &row.bytes(10)?)?;
    let recipe = credentials::recipe(row, 7)?;
    let totp = Totp { id: row.id(6)?, recipe, seed, last_step: 0, created_at: row.time(11)? };
    let by_code = row.optional(14, |row, column| Ok((Enrolled::Authenticator { step: row.count(column)? }, row.time(15)?)))?;
    let by_passkey = row.optional(16, |row, column| {
        let text = keys.vault.open(&place("passkey", token, user), &row.bytes(column)?)?;
        let key = serde_json::from_slice(text.expose()).map_err(|_| Fault::Unreadable { column: "link.passkey" })?;
        Ok((Enrolled::Passkey(Box::new(key)), row.time(15)?))
    })?;
    let proven = by_passkey.or(by_code);
    let password = row.optional(5, |row, column| row.secret(column).map(PasswordHash))?;
    Ok(Pending { password, totp, proven })
}

fn place(column: &str, token: TokenHash, user: UserId) -> String {
    vault::place("link", column, &token.to_string(), user.as_str())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::task;
    use crate::model::attempt::Factor;
    use crate::store::kit::{Kit, hash, name, password};

    async fn issued(kit: &Kit, user: UserId) -> TokenHash {
        let token = hash();
        assert!(kit.store.issue_link(user, token, kit.in_an_hour()).await.unwrap());
        token
    }

    /// The attack: whoever came in with a stolen recovery code makes a link for later, and is thrown out before they use it.
    #[tokio::test]
    async fn a_link_of_ones_own_ends_with_the_session_that_made_it() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let own = async || {
            let session = kit.store.open_session(kit.session(alice.id)).await.unwrap().unwrap();
            let token = hash();
            assert!(kit.store.issue_own_link(session.id, token, kit.in_an_hour()).await.unwrap());
            assert!(kit.store.link(token).await.unwrap().is_some());
            (session.id, token)
        };
        kit.store.try_factor(kit.attempt(&alice.name, Factor::Code)).await.unwrap().unwrap();
        let (session, token) = own().await;
        assert_eq!(kit.count("attempt"), 1, "it opens no factor that is closed");
        assert!(kit.store.end_session(session).await.unwrap());
        assert!(kit.store.link(token).await.unwrap().is_none());
        assert!(!kit.store.issue_own_link(session, hash(), kit.in_an_hour()).await.unwrap());
        let (_, token) = own().await;
        kit.store.end_sessions_of(alice.id).await.unwrap();
        assert!(kit.store.link(token).await.unwrap().is_none());
        let owners = issued(&kit, alice.id).await;
        kit.store.end_sessions_of(alice.id).await.unwrap();
        assert!(kit.store.link(owners).await.unwrap().is_some(), "what the owner sent stays good");
    }

    #[tokio::test]
    async fn a_link_leads_from_nothing_to_a_session() {
        let kit = Kit::new();
        let alice = kit.store.add_user(&name("alice")).await.unwrap();
        let token = issued(&kit, alice.id).await;
        let link = kit.store.link(token).await.unwrap().unwrap();
        assert_eq!((&link.user, link.expires_at), (&alice, kit.in_an_hour()));
        assert!(link.pending.is_none());
        assert!(kit.store.complete_link(token, None, kit.session(alice.id)).await.unwrap().is_none(), "nothing pending");

        let totp = kit.totp();
        assert!(kit.store.stage_password(token, password("chosen"), totp.clone()).await.unwrap());
        assert!(kit.store.sign_in_facts(&alice.name).await.unwrap().unwrap().password.is_none(), "nothing counts yet");
        let kit = kit.reopened().await;
        let new = kit.session(alice.id);
        assert!(kit.store.complete_link(token, None, new.clone()).await.unwrap().is_none(), "nothing proven");
        assert!(kit.store.prove_link(token, 5).await.unwrap() && kit.store.prove_link(token, 9).await.unwrap());
        let session = kit.store.complete_link(token, None, new.clone()).await.unwrap().unwrap();
        assert_eq!(kit.store.session(&new.token, "a.example").unwrap().unwrap().id, session.id);
        assert!(kit.store.link(token).await.unwrap().is_none(), "consumed");

        let kit = kit.reopened().await;
        assert!(kit.store.session(&new.token, "a.example").unwrap().is_some());
        let facts = kit.store.sign_in_facts(&alice.name).await.unwrap().unwrap();
        assert_eq!(facts.password.unwrap().0.expose(), password("chosen").0.expose());
        assert!(facts.totps[0].seed.same_as(totp.seed.expose()));
        assert_eq!(facts.totps[0].last_step, 5);
        assert!(!kit.store.burn_step(totp.id, 5).await.unwrap(), "the code that proved it does not sign in");
    }

    #[tokio::test]
    async fn loading_the_page_again_shows_the_same_code_and_the_last_password_counts() {
        let kit = Kit::new();
        let alice = kit.store.add_user(&name("alice")).await.unwrap();
        let token = issued(&kit, alice.id).await;
        let first = kit.totp();
        kit.store.stage_password(token, password("one"), first.clone()).await.unwrap();
        kit.store.stage_password(token, password("two"), kit.totp()).await.unwrap();
        let pending = kit.store.link(token).await.unwrap().unwrap().pending.unwrap();
        assert_eq!(pending.totp.id, first.id);
        assert!(pending.totp.seed.same_as(first.seed.expose()));
        assert_eq!(pending.password.unwrap().0.expose(), password("two").0.expose());
    }

    /// The attack: an old link, found in a mailbox, is used after a new one was sent, or after its time.
    #[tokio::test]
    async fn older_links_die_and_links_end() {
        let kit = Kit::new();
        let alice = kit.store.add_user(&name("alice")).await.unwrap();
        let (old, new) = (issued(&kit, alice.id).await, issued(&kit, alice.id).await);
        assert!(kit.store.link(old).await.unwrap().is_none());
        assert!(!kit.store.stage_password(old, password("x"), kit.totp()).await.unwrap());
        assert!(kit.store.stage_password(new, password("x"), kit.totp()).await.unwrap());
        kit.clock.advance(Duration::from_secs(3600));
        assert!(kit.store.link(new).await.unwrap().is_none());
        assert!(!kit.store.stage_password(new, password("y"), kit.totp()).await.unwrap());
        assert!(kit.store.complete_link(new, None, kit.session(alice.id)).await.unwrap().is_none());
    }

    /// The attack: one link is completed twice at the same moment, for two sessions.
    #[tokio::test]
    async fn of_two_who_complete_a_link_one_wins() {
        let kit = Kit::new();
        let alice = kit.store.add_user(&name("alice")).await.unwrap();
        let token = issued(&kit, alice.id).await;
        kit.store.stage_password(token, password("x"), kit.totp()).await.unwrap();
        kit.store.prove_link(token, 1).await.unwrap();
        let complete = || {
            let (store, session) = (kit.store.clone(), kit.session(alice.id));
            task::start("complete", async move { store.complete_link(token, None, session).await.unwrap().is_some() })
        };
        let (one, two) = (complete(), complete());
        assert!(one.await.unwrap() != two.await.unwrap());
        assert_eq!(kit.store.list_sessions().await.unwrap().len(), 1);
    }

    /// The attack: a link of one's own opens a session of somebody else.
    #[tokio::test]
    async fn a_link_opens_a_session_of_its_user_only() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let mallory = kit.store.add_user(&name("mallory")).await.unwrap();
        let token = issued(&kit, mallory.id).await;
        kit.store.stage_password(token, password("x"), kit.totp()).await.unwrap();
        kit.store.prove_link(token, 1).await.unwrap();
        assert!(kit.store.complete_link(token, None, kit.session(alice.id)).await.unwrap().is_none());
        assert!(kit.store.link(token).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn setting_up_anew_ends_the_sessions_of_before_and_opens_closed_factors() {
        let kit = Kit::new();
        let (alice, old) = kit.enrolled("alice").await;
        let (bob, _) = kit.enrolled("bob").await;
        let before = kit.store.open_session(kit.session(alice.id)).await.unwrap().unwrap();
        let others = kit.store.open_session(kit.session(bob.id)).await.unwrap().unwrap();
        let attempt = kit.attempt(&alice.name, Factor::Code);
        let closed = "UPDATE attempt SET consecutive = 100";
        for reopens in ["issue", "complete"] {
            let token = if reopens == "complete" { issued(&kit, alice.id).await } else { hash() };
            kit.store.try_factor(attempt.clone()).await.unwrap().unwrap();
            kit.raw().execute(closed, []).unwrap();
            assert!(kit.store.try_factor(attempt.clone()).await.unwrap().is_err());
            if reopens == "issue" {
                kit.store.issue_link(alice.id, token, kit.in_an_hour()).await.unwrap();
            } else {
                kit.store.stage_password(token, password("x"), kit.totp()).await.unwrap();
                kit.store.prove_link(token, 1).await.unwrap();
                kit.store.complete_link(token, None, kit.session(alice.id)).await.unwrap().unwrap();
            }
            assert!(kit.store.try_factor(attempt.clone()).await.unwrap().is_ok(), "{reopens}");
            kit.store.factor_succeeded(attempt.clone()).await.unwrap();
        }
        assert!(before.lifeline.is_cut() && !others.lifeline.is_cut());
        assert!(!kit.store.burn_step(old.id, 99).await.unwrap(), "the old authenticator is gone");
    }
}
