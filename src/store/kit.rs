//! What the tests of this room share: a store in a folder of its own, with a clock moved by hand.

use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use crate::auth::throttle::Settings;
use crate::auth::token::{Token, TokenHash};
use crate::base::clock::{Clock, Timestamp};
use crate::base::entropy::Entropy;
use crate::base::id::Id;
use crate::base::seal::MasterKey;
use crate::base::secret::Secret;
use crate::model::attempt::Factor;
use crate::model::credential::{PasswordHash, Totp, TotpRecipe};
use crate::model::session::Proofs;
use crate::model::strength::Strength;
use crate::model::user::{User, UserId, UserName};
use crate::store::attempts::Attempt;
use crate::store::ceremonies::Ceremony;
use crate::store::fault::Fault;
use crate::store::open::{DATABASE, Store};
use crate::store::sessions::NewSession;
use crate::wire::client::Network;

/// A store and what it stands on.
pub(super) struct Kit {
    pub(super) dir: TempDir,
    pub(super) clock: Clock,
    pub(super) store: Store,
}

impl Kit {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        let store = open(&dir, &clock).unwrap();
        Self { dir, clock, store }
    }

    /// The same folder after the store was closed and opened again.
    pub(super) async fn reopened(self) -> Self {
        self.store.close().await.unwrap();
        let store = open(&self.dir, &self.clock).unwrap();
        Self { store, ..self }
    }

    /// A second connection, for what the store itself would never do.
    pub(super) fn raw(&self) -> Connection {
        Connection::open(self.dir.path().join(DATABASE)).unwrap()
    }

    pub(super) fn count(&self, table: &str) -> usize {
        let count: i64 = self.raw().query_one(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        usize::try_from(count).unwrap()
    }

    pub(super) fn in_an_hour(&self) -> Timestamp {
        self.clock.now().plus(Duration::from_secs(3600))
    }

    /// A try from this machine.
    pub(super) fn attempt(&self, name: &UserName, factor: Factor) -> Attempt {
        Attempt::at(Some(name), factor, Network::V4([127, 0, 0, 1].into())).under(Settings::default(), true)
    }

    pub(super) fn totp(&self) -> Totp {
        Totp {
            id: Id::draw(Entropy),
            recipe: TotpRecipe::default(),
            seed: Secret::new(Entropy.bytes::<20>().to_vec()),
            last_step: 0,
            created_at: self.clock.now(),
        }
    }

    /// A user with password and authenticator.
    pub(super) async fn enrolled(&self, text: &str) -> (User, Totp) {
        let user = self.store.add_user(&name(text)).await.unwrap();
        let totp = self.totp();
        assert!(self.store.provision(user.id, Some(password("first")), Some(totp.clone())).await.unwrap());
        (user, totp)
    }

    pub(super) fn session(&self, user: UserId) -> NewSession {
        NewSession {
            token: hash(),
            user,
            host: "a.example".into(),
            strength: Strength::TwoFactor,
            proofs: Proofs { password: Some(self.clock.now()), code: Some(self.clock.now()) },
            expires_at: self.in_an_hour(),
            idle_timeout: Some(Duration::from_secs(1200)),
            network: "192.0.2.1".into(),
            agent: "test".into(),
        }
    }

    pub(super) fn ceremony(&self, user: UserId) -> Ceremony {
        let (id, visitor, expires_at) = (hash(), hash(), self.in_an_hour());
        let return_host = Some(("b.example".into(), hash()));
        let return_to = "/lab?x=1".to_owned();
        Ceremony { id, visitor, user, host: "a.example".into(), return_to, return_host, remember: true, expires_at }
    }
}

pub(super) fn open(dir: &TempDir, clock: &Clock) -> Result<Store, Fault> {
    let key = MasterKey::from_bytes(&[7; 32]).unwrap();
    Store::open(dir.path(), &key, clock.clone(), Entropy)
}

pub(super) fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

pub(super) fn hash() -> TokenHash {
    Token::draw(Entropy).hash()
}

/// Stands for a PHC string; the store does not look into it.
pub(super) fn password(text: &str) -> PasswordHash {
    PasswordHash(Secret::new(format!("$argon2id${text}")))
}
