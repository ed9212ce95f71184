//! Guessing for thirty days: what `docs/security.md` says of it, held against store and throttle by a clock of its own.

use std::time::Duration;

use doorward::auth::throttle::Wait;
use doorward::auth::token::{Token, TokenHash};
use doorward::base::clock::{Clock, Timestamp};
use doorward::base::entropy::Entropy;
use doorward::base::seal::MasterKey;
use doorward::model::attempt::Factor;
use doorward::model::user::{User, UserName};
use doorward::store::attempts::{Attempt, Held};
use doorward::store::open::Store;
use doorward::wire::client::Network;
use tempfile::TempDir;

const STEP: Duration = Duration::from_secs(15 * 60);
const STEPS_A_DAY: u32 = 96;
const DAYS: u32 = 30;
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Where the owner is, which no attacker is.
const HOME: Network = Network::V4(std::net::Ipv4Addr::new(203, 0, 113, 7));

/// What `docs/security.md` states.
struct Bound {
    factor: Factor,
    /// Guesses of one network, ever.
    of_one: u32,
    /// Guesses of all unknown devices until a set-up link reopens the factor.
    until_closed: u32,
    /// And on one day.
    a_day: u32,
    /// The longest that an unknown device is told to wait, unless the factor is closed.
    longest_wait: Duration,
}

/// Add a line for each factor: a test fails if one is missing.
const BOUNDS: &[Bound] = &[
    Bound { factor: Factor::Password, of_one: 30, until_closed: 100, a_day: 100, longest_wait: Duration::from_secs(3_600) },
    Bound { factor: Factor::Code, of_one: 100, until_closed: 100, a_day: 20, longest_wait: DAY },
    Bound { factor: Factor::Recovery, of_one: 20, until_closed: 20, a_day: 20, longest_wait: Duration::from_secs(3_600) },
];

struct World {
    dir: TempDir,
    clock: Clock,
    store: Store,
    alice: User,
    device: TokenHash,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        let store = open(&dir, &clock);
        let alice = store.add_user(&"alice".parse::<UserName>().expect("a name")).await.expect("made");
        let device = Token::draw(Entropy).hash();
        store.remember_device(alice.id, device, clock.now().plus(90 * DAY)).await.expect("kept");
        Self { dir, clock, store, alice, device }
    }

    async fn restarted(self) -> Self {
        self.store.close().await.expect("closed");
        let store = open(&self.dir, &self.clock);
        Self { store, ..self }
    }

    /// A guess in a flow that was begun anew, with a device cookie of the guesser's own making.
    async fn guess(&self, number: u32, factor: Factor) -> Result<(), Held> {
        let network = Network::V4((0x0a00_0000 + number).into());
        let forged = vec![Token::draw(Entropy).hash()];
        self.store.try_factor(Attempt::at(Some(&self.alice.name), factor, network).on(forged)).await.expect("judged")
    }

    fn hers(&self, factor: Factor) -> Attempt {
        Attempt::at(Some(&self.alice.name), factor, HOME)
    }

    /// She signs in on the device that she always uses.
    async fn signs_in_at_once(&self) {
        for factor in Factor::ALL {
            let attempt = self.hers(*factor).on(vec![self.device]);
            assert_eq!(self.store.try_factor(attempt.clone()).await.expect("judged"), Ok(()), "{factor:?}");
            self.store.factor_succeeded(attempt).await.expect("taken back");
        }
    }

    /// She tries on a device that is new; what she is told.
    async fn elsewhere(&self, factor: Factor) -> Result<(), Held> {
        let outcome = self.store.try_factor(self.hers(factor)).await.expect("judged");
        if outcome.is_ok() {
            self.store.factor_succeeded(self.hers(factor)).await.expect("taken back");
        }
        outcome
    }

    async fn link(&self) {
        let (token, until) = (Token::draw(Entropy).hash(), self.clock.now().plus(DAY));
        assert!(self.store.issue_link(self.alice.id, token, until).await.expect("issued"));
    }
}

fn open(dir: &TempDir, clock: &Clock) -> Store {
    let key = MasterKey::from_bytes(&[7; 32]).expect("a key");
    Store::open(dir.path(), &key, clock.clone(), Entropy).expect("opens")
}

/// As many guesses as `networks` get looked at in thirty days, by days. Each quarter of an hour it goes on until several networks
/// in a row have been refused. The gateway is restarted now and then, and `each_day` happens at noon.
async fn attack(world: World, (bound, networks): (&Bound, u32), reopen: bool) -> (World, Vec<u32>) {
    let (mut world, mut days, mut next) = (world, Vec::new(), 0_u32);
    for day in 0..DAYS {
        let mut guesses = 0;
        for step in 0..STEPS_A_DAY {
            let mut refused = 0;
            while refused < 3.min(networks) {
                next = (next + 1) % networks;
                match world.guess(next, bound.factor).await {
                    Ok(()) => (guesses, refused) = (guesses + 1, 0),
                    Err(_) => refused += 1,
                }
            }
            if step == STEPS_A_DAY / 2 {
                world.signs_in_at_once().await;
                let told = world.elsewhere(bound.factor).await;
                match told {
                    Ok(()) => {}
                    Err(Held::Wait(Wait::For(wait))) => assert!(wait <= bound.longest_wait, "{wait:?}"),
                    Err(Held::Wait(Wait::Closed)) if reopen => {
                        world.link().await;
                        assert_eq!(world.elsewhere(bound.factor).await, Ok(()), "a link helps at once");
                    }
                    Err(Held::Wait(Wait::Closed)) => {}
                    Err(held @ Held::Network { .. }) => panic!("her network did nothing: {held:?}"),
                }
            }
            world.clock.advance(STEP);
            if step % 32 == 0 {
                world.store.sweep(world.clock.now()).await.expect("swept");
            }
        }
        days.push(guesses);
        if day % 3 == 2 {
            world = world.restarted().await;
        }
    }
    (world, days)
}

#[test]
fn every_factor_has_a_bound() {
    for factor in Factor::ALL {
        assert_eq!(BOUNDS.iter().filter(|bound| bound.factor == *factor).count(), 1, "{factor:?}");
    }
}

/// The attack: one network guesses for a month, and nobody helps the owner.
#[tokio::test]
async fn one_network_guesses_for_a_month() {
    for bound in BOUNDS {
        let (world, days) = attack(World::new().await, (bound, 1), false).await;
        let guesses: u32 = days.iter().sum();
        assert_eq!(guesses, bound.of_one, "{:?}: {days:?}", bound.factor);
        assert!(days.iter().all(|day| *day <= bound.a_day), "{:?}: {days:?}", bound.factor);
        if bound.factor == Factor::Password {
            assert_eq!(world.elsewhere(bound.factor).await, Ok(()), "others are not made to wait");
        }
        world.signs_in_at_once().await;
    }
}

/// The attack: ten thousand networks guess for a month.
#[tokio::test]
async fn ten_thousand_networks_guess_for_a_month() {
    for bound in BOUNDS {
        let (world, days) = attack(World::new().await, (bound, 10_000), false).await;
        let guesses: u32 = days.iter().sum();
        assert_eq!(guesses, bound.until_closed, "{:?}: {days:?}", bound.factor);
        assert!(days.iter().all(|day| *day <= bound.a_day), "{:?}: {days:?}", bound.factor);
        assert_eq!(world.elsewhere(bound.factor).await, Err(Held::Wait(Wait::Closed)));
        world.signs_in_at_once().await;
        world.link().await;
        assert_eq!(world.elsewhere(bound.factor).await, Ok(()));
    }
}

/// The attack: the same, and its victim has the factor opened again each day.
#[tokio::test]
async fn ten_thousand_networks_guess_at_somebody_who_never_learns() {
    for bound in BOUNDS {
        let (_, days) = attack(World::new().await, (bound, 10_000), true).await;
        let guesses: u32 = days.iter().sum();
        assert!(days.iter().all(|day| *day <= 2 * bound.a_day), "{:?}: {days:?}", bound.factor);
        assert!(guesses > bound.until_closed, "{:?}: it was reopened", bound.factor);
        if bound.factor == Factor::Code {
            // Three of a million codes are right at any time.
            assert!(f64::from(guesses) * 3e-6 <= 0.0025, "{days:?}");
        }
    }
}
