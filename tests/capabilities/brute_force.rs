//! Guessing for thirty days: what `docs/security.md` says of it, held against store and throttle by a clock of its own.

use std::time::Duration;

use doorward::auth::throttle::{Settings, Wait};
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

/// Where a code signs in alone: every stranger may guess at it.
const LONE_CODE: Bound = Bound { factor: Factor::Code, of_one: 50, until_closed: 50, a_day: 10, longest_wait: DAY };
/// And recovery codes, which each network is held to by itself.
const LONE_RECOVERY: u32 = 20;
/// Of a million codes, so many are right at any time.
const RIGHT: f64 = 3e-6;

struct World {
    dir: TempDir,
    settings: Settings,
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
        Self { dir, settings: Settings::default(), clock, store, alice, device }
    }

    /// An installation of one owner, who signs in by a code alone.
    async fn of_one_owner() -> Self {
        Self { settings: Settings { code_alone: true, ..Settings::default() }, ..Self::new().await }
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
        self.store
            .try_factor(Attempt::at(Some(&self.alice.name), factor, network).on(forged).under(self.settings, false))
            .await
            .expect("judged")
    }

    fn hers(&self, factor: Factor) -> Attempt {
        Attempt::at(Some(&self.alice.name), factor, HOME).under(self.settings, false)
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

/// The attack: ten thousand networks guess for a month at a code that signs in alone, and nobody helps the owner.
#[tokio::test]
async fn ten_thousand_networks_guess_at_a_code_that_signs_in_alone() {
    for (networks, guesses) in [(1, LONE_CODE.of_one), (10_000, LONE_CODE.until_closed)] {
        let (world, days) = attack(World::of_one_owner().await, (&LONE_CODE, networks), false).await;
        assert_eq!(days.iter().sum::<u32>(), guesses, "{days:?}");
        assert!(days.iter().all(|day| f64::from(*day) * RIGHT < 0.000_031), "{days:?}");
        assert!(f64::from(guesses) * RIGHT < 0.000_151);
        assert_eq!(world.elsewhere(Factor::Code).await, Err(Held::Wait(Wait::Closed)));
        assert_eq!(world.elsewhere(Factor::Recovery).await, Ok(()), "another way is open");
        world.signs_in_at_once().await;
        world.link().await;
        assert_eq!(world.elsewhere(Factor::Code).await, Ok(()));
    }
}

/// The attack: the same, while the owner has it opened again each time; and while the owner signs in on new devices whenever that
/// is possible, so that there are never fifty failures in a row.
#[tokio::test]
async fn a_month_of_guesses_at_a_code_that_signs_in_alone_stays_under_its_bound() {
    let (_, days) = attack(World::of_one_owner().await, (&LONE_CODE, 10_000), true).await;
    assert!(days.iter().all(|day| *day <= 2 * LONE_CODE.a_day), "{days:?}");
    assert!(f64::from(days.iter().sum::<u32>()) * RIGHT <= 0.001, "{days:?}");

    let world = World::of_one_owner().await;
    let (mut days, mut next, mut arrivals) = (Vec::new(), 0, 0);
    for _ in 0..DAYS {
        let mut guesses = 0;
        for _ in 0..STEPS_A_DAY {
            arrivals += u32::from(world.elsewhere(Factor::Code).await.is_ok());
            while world.guess(next, Factor::Code).await.is_ok() {
                (guesses, next) = (guesses + 1, next + 1);
            }
            world.clock.advance(STEP);
        }
        days.push(guesses);
    }
    assert!(arrivals > 20, "{arrivals}");
    assert!(days.iter().all(|day| *day <= LONE_CODE.a_day), "{days:?}");
    let guesses = days.iter().sum::<u32>();
    assert!(guesses > LONE_CODE.until_closed && f64::from(guesses) * RIGHT < 0.000_901, "{days:?}");
}

/// The attack: as many networks as there are use up the tries with recovery codes, to shut the way in for whoever lost the phone.
#[tokio::test]
async fn no_number_of_networks_shuts_an_owners_recovery_codes() {
    let world = World::of_one_owner().await;
    let mut guesses = [0_u32; 100];
    for _ in 0..STEPS_A_DAY {
        for (network, guessed) in (0..).zip(&mut guesses) {
            *guessed += u32::from(world.guess(network, Factor::Recovery).await.is_ok());
        }
        assert_eq!(world.elsewhere(Factor::Recovery).await, Ok(()));
        world.clock.advance(STEP);
    }
    assert!(guesses.iter().all(|guessed| *guessed == LONE_RECOVERY), "{guesses:?}");
    // Every IPv4 address there is, for as long as it gets, against eighty bits.
    assert!(4e9 * f64::from(LONE_RECOVERY) / 2_f64.powi(80) < 1e-13);
}
