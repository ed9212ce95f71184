//! Password hashing off the workers, as many at once as there are cores, with a short queue in front.
//!
//! One hash takes 19 MiB and some 15 ms of a core. Without a bound, a flood of sign-ins would take the machine; with one,
//! it takes the sign-in page for a moment, and everybody who is signed in does not notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::auth::password;
use crate::base::entropy::Entropy;
use crate::base::secret::Secret;
use crate::model::credential::PasswordHash;

const QUEUE: usize = 32;
/// Known devices that may wait besides.
const KNOWN_QUEUE: usize = 8;
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Hashes and verifies passwords. Clones share the bounds.
#[derive(Clone, Debug)]
pub struct Hasher {
    cores: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    /// One run more, and places to wait for it, that strangers cannot take.
    reserved: Arc<Semaphore>,
    known: Arc<Semaphore>,
    /// Who hashes many at a time does so alone.
    many: Arc<Semaphore>,
    runs: Arc<AtomicU64>,
}

/// The right to one run of the hash.
#[derive(Debug)]
pub struct Slot {
    permit: OwnedSemaphorePermit,
    runs: Arc<AtomicU64>,
}

/// All cores are hashing and enough others wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked")]
pub struct Busy;

impl Hasher {
    /// As many runs at once as this machine has cores.
    pub fn new() -> Self {
        Self::with_cores(available_parallelism().map_or(1, usize::from))
    }

    /// As many runs at once as `cores`.
    pub(super) fn with_cores(cores: usize) -> Self {
        Self {
            cores: Arc::new(Semaphore::new(cores)),
            queue: Arc::new(Semaphore::new(cores + QUEUE)),
            reserved: Arc::new(Semaphore::new(1)),
            known: Arc::new(Semaphore::new(KNOWN_QUEUE)),
            many: Arc::new(Semaphore::new(1)),
            runs: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Waits for a slot. Taken before a try is counted, so that a try we had no time for is not held against anybody.
    ///
    /// # Errors
    /// [`Busy`] when 32 wait already, or after a second.
    pub async fn slot(&self) -> Result<Slot, Busy> {
        self.slot_for(false).await
    }

    /// The same. A known device has a run of its own to wait for when strangers have taken all others.
    ///
    /// # Errors
    /// As [`Self::slot`].
    pub async fn slot_for(&self, is_known: bool) -> Result<Slot, Busy> {
        let (cores, queue) = match Arc::clone(&self.cores).try_acquire_owned() {
            Ok(permit) => return Ok(Slot { permit, runs: Arc::clone(&self.runs) }),
            Err(_) if is_known => (&self.reserved, &self.known),
            Err(_) => (&self.cores, &self.queue),
        };
        let _waiting = queue.try_acquire().map_err(|_| Busy)?;
        let permit = timeout(LONGEST_WAIT, Arc::clone(cores).acquire_owned()).await.map_err(|_| Busy)?;
        Ok(Slot { permit: permit.expect("the semaphore is never closed"), runs: Arc::clone(&self.runs) })
    }

    /// The hashes of secrets of our own making, one after the other, each with a salt of its own. Before each, whoever waits to
    /// sign in has their turn; and nobody else hashes many meanwhile, so that most cores stay for those.
    ///
    /// # Errors
    /// [`Busy`] when others hash many, or the machine is busy, for longer than a second.
    pub async fn hash_all(&self, secrets: Vec<Secret<String>>, entropy: Entropy) -> Result<Vec<PasswordHash>, Busy> {
        let alone = timeout(LONGEST_WAIT, self.many.acquire()).await.map_err(|_| Busy)?;
        let _alone = alone.expect("the semaphore is never closed");
        let mut hashes = Vec::with_capacity(secrets.len());
        for secret in secrets {
            hashes.push(self.slot().await?.hash(secret, entropy.bytes()).await?);
        }
        Ok(hashes)
    }

    /// How often the hash was run since the start.
    pub fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

impl Slot {
    /// Whether `password` is the one behind `hash`.
    pub async fn verify(self, hash: PasswordHash, password: Secret<String>) -> bool {
        self.run(move || password::verify(&hash, password.expose())).await.unwrap_or(false)
    }

    /// The hash of a new password.
    ///
    /// # Errors
    /// [`Busy`] if the process is shutting down and runs nothing any more.
    pub async fn hash(self, password: Secret<String>, salt: [u8; 16]) -> Result<PasswordHash, Busy> {
        self.run(move || password::hash(&password, salt)).await.ok_or(Busy)
    }

    /// The permit goes along: a visitor who hangs up frees the core only when the hash is done.
    async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let Self { permit, runs } = self;
        runs.fetch_add(1, Ordering::Relaxed);
        spawn_blocking(move || {
            let outcome = work();
            drop(permit);
            outcome
        })
        .await
        .ok()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::Pin;
    use std::task::Poll;

    use super::*;

    /// The attack: more sign-ins at once than the machine can hash.
    #[tokio::test(start_paused = true)]
    async fn a_flood_is_turned_away_after_a_second() {
        let hasher = Hasher::with_cores(1);
        let held = hasher.slot().await.expect("the first gets the core");
        assert_eq!(hasher.slot().await.map(|_| ()), Err(Busy), "after a second of waiting");
        drop(held);
        assert!(hasher.slot().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_short() {
        let hasher = Hasher::with_cores(1);
        let _held = hasher.slot().await.expect("the first gets the core");
        let mut waiting: Vec<_> = (0..=QUEUE).map(|_| Box::pin(hasher.slot())).collect();
        for one in &mut waiting {
            assert!(is_pending(one).await);
        }
        assert_eq!(hasher.slot().await.map(|_| ()), Err(Busy), "at once: the queue is full");
    }

    /// The attack: taking all runs, so that nobody gets to sign in.
    #[tokio::test(start_paused = true)]
    async fn a_flood_leaves_a_run_for_known_devices() {
        let hasher = Hasher::with_cores(1);
        let _held = hasher.slot().await.expect("the first gets the core");
        let mut waiting: Vec<_> = (0..=QUEUE).map(|_| Box::pin(hasher.slot())).collect();
        for one in &mut waiting {
            assert!(is_pending(one).await);
        }
        let known = hasher.slot_for(true).await.expect("its own");
        assert_eq!(hasher.slot_for(true).await.map(|_| ()), Err(Busy), "after a second of waiting");
        drop(known);
        assert!(hasher.slot_for(true).await.is_ok());
    }

    async fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
        poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context).is_pending())).await
    }

    #[tokio::test]
    async fn every_run_is_counted() {
        let hasher = Hasher::new();
        let password = Secret::new("correct horse".to_owned());
        let hash = hasher.slot().await.expect("free").hash(password.clone(), [1; 16]).await.expect("running");
        assert!(hasher.slot().await.expect("free").verify(hash.clone(), password).await);
        assert!(!hasher.slot().await.expect("free").verify(hash, Secret::new("other".to_owned())).await);
        assert_eq!(hasher.runs(), 3);
    }

    /// The attack: having sets of codes hashed, one after the other, so that nobody else can sign in.
    #[tokio::test]
    async fn hashing_many_leaves_room_between_them() {
        let hasher = Hasher::with_cores(1);
        let secrets = || (0..3).map(|n| Secret::new(n.to_string())).collect::<Vec<_>>();
        let many = hasher.hash_all(secrets(), Entropy);
        let one = async {
            let slot = hasher.slot().await.expect("a turn");
            (slot.verify(password::decoy().clone(), Secret::new("x".to_owned())).await, hasher.runs())
        };
        let (hashes, (_, runs)) = tokio::join!(many, one);
        assert_eq!(hashes.expect("hashed").len(), 3);
        assert!(runs < 4, "somebody had a turn before all were hashed: {runs}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_hashes_many_does_so_alone() {
        let hasher = Hasher::with_cores(2);
        let held = hasher.many.acquire().await.expect("free");
        assert_eq!(hasher.hash_all(vec![], Entropy).await.map(|_| ()), Err(Busy), "after a second");
        drop(held);
        assert!(hasher.hash_all(vec![], Entropy).await.is_ok());
    }
}
