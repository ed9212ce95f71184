//! Years of authorities that issue, refuse and are away, and what the schedule makes of them.

use proptest::prelude::*;

use super::*;

const DAY: u64 = 86_400;
const START: Timestamp = Timestamp::from_secs(1_800_000_000);

fn days(days: u64) -> Duration {
    Duration::from_secs(days * DAY)
}

fn refusal(stage: Stage) -> Failed {
    Failed { stage, counts: true, retry_after: None }
}

#[test]
fn warnings_are_fractions_of_a_life() {
    for life in [days(90), days(64), Duration::from_secs(160 * 3_600)] {
        let validity = Validity { from: START, until: START.plus(life) };
        let at = |tenths: u32| validity.health(START.plus(life * tenths / 20));
        assert_eq!([at(0), at(14), at(15), at(17), at(18), at(19), at(20)], {
            use Health::{Alarming, Ended, Late, Well};
            [Well, Well, Late, Late, Alarming, Alarming, Ended]
        });
        for name in ["a.example", "b.example", "c.example"] {
            let renewal = validity.renewal(Chance::of(name)).since(START).as_secs_f64() / life.as_secs_f64();
            assert!((0.61..0.667).contains(&renewal), "{renewal}");
        }
    }
}

#[test]
fn after_two_refusals_it_is_tried_out_until_that_works() {
    let (mut record, chance, mut now) = (Record::default(), Chance::of("a.example"), START);
    let mut stages = Vec::new();
    for works in [false, false, false, false, true, true] {
        let Step::Order(stage) = (match record.next(None, chance, now, (true, false)) {
            Step::Wait(until) => {
                now = until;
                record.next(None, chance, now, (true, false))
            }
            order => order,
        }) else {
            panic!("it is time")
        };
        stages.push(stage);
        if works { record.succeeded(stage) } else { record.failed(now, refusal(stage)) }
    }
    use Stage::{Production, Staging};
    assert_eq!(stages, [Production, Production, Staging, Staging, Staging, Production]);
    assert_eq!(record, Record::default());
}

#[test]
fn without_staging_and_for_an_authority_that_is_away_nothing_is_tried_out() {
    let mut record = Record::default();
    for _ in 0..10 {
        record.failed(START, Failed { stage: Stage::Production, counts: false, retry_after: None });
    }
    let later = START.plus(days(1));
    assert_eq!(record.next(None, Chance::of("a"), later, (true, false)), Step::Order(Stage::Production));
    record.failed(START, refusal(Stage::Production));
    record.failed(START, refusal(Stage::Production));
    assert_eq!(record.next(None, Chance::of("a"), later, (false, false)), Step::Order(Stage::Production));
    assert_eq!(record.next(None, Chance::of("a"), later, (true, false)), Step::Order(Stage::Staging));
}

/// The attack: an owner, or a loop of theirs, that says "now" again and again until the authority bars the name.
#[test]
fn a_wish_shortens_pauses_but_no_limit_of_the_authority() {
    let (mut record, chance) = (Record::default(), Chance::of("a.example"));
    for minute in 0..5 {
        let now = START.plus(Duration::from_secs(60 * minute));
        assert_eq!(record.next(None, chance, now, (false, true)), Step::Order(Stage::Production));
        record.failed(now, refusal(Stage::Production));
    }
    assert_eq!(record.next(None, chance, START.plus(Duration::from_secs(300)), (false, true)), Step::Wait(START.plus(HOUR)));
    record.failed(START, Failed { retry_after: Some(days(3)), ..refusal(Stage::Production) });
    assert_eq!(record.next(None, chance, START.plus(days(2)), (false, true)), Step::Wait(START.plus(days(3))));
    record.failed(START, Failed { retry_after: Some(Duration::MAX), ..refusal(Stage::Production) });
    assert_eq!(record.next(None, chance, START.plus(days(9)), (false, true)), Step::Order(Stage::Production));
}

/// How the authority fares for a while.
#[derive(Clone, Copy, Debug)]
enum Weather {
    Issues,
    Refuses,
    Away,
    Limits(u64),
}

fn weather() -> impl Strategy<Value = (Weather, u64)> {
    let kind = prop_oneof![
        4 => Just(Weather::Issues),
        2 => Just(Weather::Refuses),
        2 => Just(Weather::Away),
        1 => (1_u64..72).prop_map(Weather::Limits),
    ];
    (kind, 1_u64..(24 * 40))
}

/// Lives through `spells` of weather, each so many hours long. Gives the moments of production orders, of failures, and the
/// spans without a valid certificate after the first one.
struct Life {
    orders: Vec<Timestamp>,
    failures: Vec<Timestamp>,
    lapses: Vec<Timestamp>,
}

fn live(spells: &[(Weather, u64)], life: Duration, staging: bool) -> Life {
    let (mut now, mut record, chance) = (START, Record::default(), Chance::of("a.example"));
    let mut held: Option<Validity> = None;
    let mut lived = Life { orders: vec![], failures: vec![], lapses: vec![] };
    for (weather, hours) in spells {
        let end = now.plus(Duration::from_secs(hours * 3_600));
        while now < end {
            match record.next(held, chance, now, (staging, false)) {
                Step::Wait(until) => {
                    assert!(until > now);
                    let ended = held.filter(|held| held.until < until.min(end) && held.until >= now);
                    lived.lapses.extend(ended.map(|held| held.until));
                    now = until.min(end);
                    continue;
                }
                Step::Order(stage) => {
                    if stage == Stage::Production && !matches!(weather, Weather::Away) {
                        lived.orders.push(now);
                    }
                    let failed = |counts, retry_after| Failed { stage, counts, retry_after };
                    let outcome = match weather {
                        Weather::Issues => None,
                        Weather::Refuses => Some(failed(true, None)),
                        Weather::Away => Some(failed(false, None)),
                        Weather::Limits(hours) => Some(failed(true, Some(Duration::from_secs(hours * 3_600)))),
                    };
                    match outcome {
                        Some(failed) => {
                            lived.failures.push(now);
                            record.failed(now, failed);
                        }
                        None => {
                            record.succeeded(stage);
                            if stage == Stage::Production {
                                held = Some(Validity { from: now, until: now.plus(life) });
                            }
                        }
                    }
                }
            }
            // An order takes a while.
            now = now.plus(Duration::from_secs(5));
        }
    }
    lived
}

fn most_within(moments: &[Timestamp], span: Duration) -> usize {
    let within = |from: &Timestamp| moments.iter().filter(|at| **at >= *from && at.since(*from) < span).count();
    moments.iter().map(within).max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The attack: weather at the authority that has us burn its limits, for years.
    #[test]
    fn limits_hold_in_any_weather(spells in prop::collection::vec(weather(), 1..120), staging: bool, hours in 24_u64..(24 * 90)) {
        let lived = live(&spells, Duration::from_secs(hours * 3_600), staging);
        prop_assert!(most_within(&lived.failures, HOUR) <= MOST_AN_HOUR);
        // Fourteen at a pause of twelve hours, and pauses that shrink towards the end of a certificate: of one in a week, or of
        // seven where they live for a day.
        let (most, bound) = (most_within(&lived.orders, days(7)), if hours >= 144 { 50 } else { 120 });
        prop_assert!(most <= bound, "{most}");
    }

    #[test]
    fn no_certificate_ends_that_the_authority_would_have_renewed(
        away in prop::collection::vec((1_u64..2_000, 1_u64..400), 1..60),
        hours in 24_u64..(24 * 90),
    ) {
        let life = Duration::from_secs(hours * 3_600);
        let spells: Vec<_> = away.iter().flat_map(|(up, down)| [(Weather::Issues, *up), (Weather::Away, *down)]).collect();
        let ends = live(&spells, life, false).lapses;
        let mut up = Vec::new();
        let mut at = START;
        for (weather, hours) in &spells {
            let end = at.plus(Duration::from_secs(hours * 3_600));
            if matches!(weather, Weather::Issues) {
                up.push((at, end));
            }
            at = end;
        }
        for end in ends {
            // Had it answered all through the last tenth, there would be a new one.
            let answered = up.iter().any(|(from, until)| end.since(*from) >= life / 10 && *until >= end && *from < end);
            prop_assert!(!answered, "a certificate ended at {end:?}");
        }
    }
}
