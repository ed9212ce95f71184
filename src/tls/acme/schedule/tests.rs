//! Years of authorities that issue, refuse and are away, and what the schedule makes of them.

use proptest::prelude::*;

use super::*;
use crate::tls::acme::advice::{Advice, Heard};

const DAY: u64 = 86_400;
const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const STAGING: Ways = Ways { staging: true, fallback: false, wished: false };
const FALLBACK: Ways = Ways { staging: false, fallback: true, wished: false };
const WISHED: Ways = Ways { staging: false, fallback: false, wished: true };

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
        let Step::Order(stage) = (match record.next(None, chance, now, STAGING) {
            Step::Wait(until) => {
                now = until;
                record.next(None, chance, now, STAGING)
            }
            order => order,
        }) else {
            panic!("it is time")
        };
        stages.push(stage);
        match (works, stage) {
            (false, _) => record.failed(now, refusal(stage)),
            (true, Stage::Staging) => record.tried_out(),
            (true, _) => record.succeeded(now, stage, lives(now, days(90))),
        }
    }
    use Stage::{Production, Staging};
    assert_eq!(stages, [Production, Production, Staging, Staging, Staging, Production]);
    let (issued, recent) = (vec![now.millis()], record.recent.clone());
    let known = Record { issued, recent, life: 90 * DAY * 1_000, ..Record::default() };
    assert_eq!(record, known, "nothing else is remembered");
}

/// The attack: an owner's script that forces a renewal again and again, where each success makes room for five failures more.
#[test]
fn a_certificate_in_between_makes_no_room_for_failures() {
    let (mut record, chance) = (Record::default(), Chance::of("a.example"));
    let held = || Some(Held { validity: lives(START, days(90)), advised: None });
    for _ in 0..4 {
        record.failed(START, refusal(Stage::Production));
    }
    record.succeeded(START, Stage::Production, lives(START, days(90)));
    assert_eq!(record.next(held(), chance, START, WISHED), Step::Order(Stage::Production));
    record.failed(START, refusal(Stage::Production));
    assert_eq!(record.next(held(), chance, START, WISHED), Step::Wait(START.plus(HOUR)));
}

/// Earlier versions noted what the place to try things out asked for as if it held for the authority.
#[test]
fn what_an_earlier_version_noted_of_a_trial_holds_nobody() {
    let (first, trial) = ("https://one.example/", "https://trial.example/");
    let not_before = Some(START.plus(days(7)).millis());
    let mut record = Record { failures: 3, refused: 2, last: Some(Stage::Staging), not_before, ..Record::default() };
    record.first = Some(first.to_owned());
    record.turn_to(first, Some(trial), None);
    assert_eq!(record.next(None, Chance::of("a.example"), START, STAGING), Step::Order(Stage::Staging));
    record.failed(START, Failed { retry_after: Some(days(7)), ..refusal(Stage::Staging) });
    assert!(record.not_before.is_none(), "nor does this one");
}

/// What worked where it is tried out, and fails where it counts for another reason: pauses hold then too.
#[test]
fn a_rehearsal_lets_one_order_go_at_once_and_not_each_from_then_on() {
    let (mut record, chance) = (Record::default(), Chance::of("a.example"));
    record.failed(START, refusal(Stage::Production));
    record.failed(START, refusal(Stage::Production));
    record.tried_out();
    assert_eq!(record.next(None, chance, START, STAGING), Step::Order(Stage::Production));
    record.failed(START, Failed { stage: Stage::Production, counts: false, retry_after: None });
    assert!(matches!(record.next(None, chance, START, STAGING), Step::Wait(until) if until > START));
    record.tried_out();
    record.failed(START, refusal(Stage::Fallback));
    assert!(matches!(record.next(None, chance, START, FALLBACK), Step::Wait(until) if until > START));
}

/// The attack: an authority whose certificates are over when they are issued, or a clock that is days ahead, has us order without end
/// although each order works; and so has an owner's loop.
#[test]
fn orders_that_work_are_bounded_too() {
    for (life, wished) in [(days(90), false), (days(90), true), (Duration::ZERO, false), (days(6), true)] {
        let (mut record, chance, mut now, mut orders) = (Record::default(), Chance::of("a.example"), START, Vec::new());
        let mut held = None;
        while now < START.plus(days(3)) {
            match record.next(held, chance, now, Ways { wished, ..Ways::default() }) {
                Step::Wait(until) => now = until,
                Step::Order(stage) => {
                    orders.push(now);
                    let from = Timestamp::from_millis(now.millis() - 200 * 86_400_000);
                    let validity = if wished { lives(now, life) } else { lives(from, life) };
                    held = Some(Held { validity, advised: None });
                    record.succeeded(now, stage, validity);
                    now = now.plus(Duration::from_secs(5));
                }
            }
        }
        let span = life.clamp(HOUR, days(1));
        assert!(most_within(&orders, span) <= MOST_A_DAY, "{life:?}: {}", orders.len());
        // Whoever wants one now gets it now, within what a day allows.
        let rest = if wished { Duration::ZERO } else { REST };
        assert!(orders.windows(2).all(|pair| pair[1].since(pair[0]) >= rest));
    }
    // One that was revoked is replaced at once, but not for ever.
    let (mut record, chance) = (Record::default(), Chance::of("a.example"));
    for _ in 0..MOST_A_DAY {
        assert_eq!(record.next(None, chance, START, WISHED), Step::Order(Stage::Production));
        record.succeeded(START, Stage::Production, lives(START, days(90)));
    }
    assert_eq!(record.next(None, chance, START, WISHED), Step::Wait(START.plus(days(1))));
}

/// The attack: a clock that was years ahead once, and is right again.
#[test]
fn what_a_clock_noted_that_was_ahead_holds_nobody_up() {
    let (mut record, chance, ahead) = (Record::default(), Chance::of("a.example"), START.plus(days(400)));
    for _ in 0..MOST_AN_HOUR {
        record.failed(ahead, Failed { retry_after: Some(days(3)), ..refusal(Stage::Production) });
        record.failed(ahead, Failed { retry_after: Some(days(3)), ..refusal(Stage::Fallback) });
        record.succeeded(ahead, Stage::Fallback, lives(ahead, days(90)));
        record.failed(ahead, Failed { retry_after: Some(days(3)), ..refusal(Stage::Production) });
    }
    assert_eq!(record.next(None, chance, START, WISHED), Step::Order(Stage::Production));
    record.failed(START, refusal(Stage::Production));
    assert_eq!((record.since, record.recent.as_slice()), (Some(START.millis()), &[START.millis()][..]));
}

/// A limit at the first authority that lasts for days is no reason to wait for it as long.
#[test]
fn one_refusal_for_days_sends_a_late_certificate_to_the_second() {
    let (mut record, chance, late) = (Record::default(), Chance::of("a.example"), START.plus(days(80)));
    record.failed(late, Failed { retry_after: Some(days(7)), ..refusal(Stage::Production) });
    let held = Some(held(days(90), None));
    let soon = late.plus(Duration::from_secs(60));
    assert_eq!(record.next(held, chance, soon, FALLBACK), Step::Order(Stage::Fallback));
    assert!(matches!(record.next(held, chance, soon, Ways::default()), Step::Wait(_)));
}

/// The attack: what one authority has against us keeps us from another that the owner turns to.
#[test]
fn limits_are_those_of_the_authority_that_has_set_them() {
    let (mut record, chance) = (Record::default(), Chance::of("a.example"));
    record.turn_to("https://one.example/", None, Some("https://two.example/"));
    record.failed(START, Failed { retry_after: Some(days(7)), ..refusal(Stage::Production) });
    record.failed(START, Failed { retry_after: Some(days(7)), ..refusal(Stage::Fallback) });
    let later = START.plus(Duration::from_secs(10));
    let step = |first: &str, second: Option<&str>| {
        let mut record = record.clone();
        record.turn_to(first, None, second);
        (record.next(None, chance, later, FALLBACK), record.fallback_not_before.is_some())
    };
    assert!(matches!(step("https://one.example/", Some("https://two.example/")), (Step::Wait(_), true)));
    assert_eq!(step("https://new.example/", Some("https://two.example/")), (Step::Order(Stage::Production), true));
    assert!(matches!(step("https://one.example/", Some("https://new.example/")), (_, false)));
}

/// A place to try things out that is away, or does not serve us, bars nobody from where it counts.
#[test]
fn what_cannot_be_tried_out_is_ordered_at_once_where_it_counts_at_the_usual_pauses() {
    let (mut record, chance) = (Record::default(), Chance::of("a.example"));
    record.failed(START, refusal(Stage::Production));
    record.failed(START, refusal(Stage::Production));
    let later = START.plus(Duration::from_secs(60));
    assert_eq!(record.next(None, chance, later, STAGING), Step::Order(Stage::Staging));
    let away = Failed { stage: Stage::Staging, counts: false, retry_after: Some(days(7)) };
    let before = record.clone();
    record.failed(later, away);
    assert_eq!((record.failures, &record.recent, record.not_before), (before.failures, &before.recent, None));
    assert_eq!(record.next(None, chance, later, STAGING), Step::Order(Stage::Production));
    record.failed(later, refusal(Stage::Production));
    assert!(matches!(record.next(None, chance, later, STAGING), Step::Wait(_)), "the pause holds");
    assert_eq!(record.next(None, chance, later.plus(days(1)), STAGING), Step::Order(Stage::Staging), "it may be back");
}

/// The owner names another place to try things out, or none: what the former one refused is past.
#[test]
fn another_place_to_try_things_out_is_not_held_against_a_name() {
    let (mut record, chance) = (Record::default(), Chance::of("a.example"));
    let (first, trial) = ("https://one.example/", "https://trial.example/");
    record.turn_to(first, Some(trial), None);
    for stage in [Stage::Production, Stage::Production, Stage::Staging, Stage::Staging] {
        record.failed(START, Failed { retry_after: Some(days(3)), ..refusal(stage) });
    }
    let step = |trial: Option<&str>, ways: Ways| {
        let mut record = record.clone();
        record.turn_to(first, trial, None);
        record.next(None, chance, START.plus(Duration::from_secs(10)), ways)
    };
    assert!(matches!(step(Some(trial), STAGING), Step::Wait(_)));
    assert_eq!(step(Some("https://other.example/"), STAGING), Step::Order(Stage::Staging));
    assert_eq!(step(None, Ways::default()), Step::Order(Stage::Production));
}

#[test]
fn whose_limit_an_order_waits_for_is_known() {
    let mut record = Record::default();
    let limit = |record: &Record| match record.next(None, Chance::of("a.example"), START, WISHED) {
        Step::Wait(until) => record.limit(until, START),
        Step::Order(_) => None,
    };
    assert_eq!(limit(&record), None);
    for _ in 0..MOST_AN_HOUR {
        record.failed(START, refusal(Stage::Production));
    }
    assert_eq!(limit(&record), Some(Limit::Failures));
    record.failed(START, Failed { retry_after: Some(days(3)), ..refusal(Stage::Production) });
    assert_eq!(limit(&record), Some(Limit::Authority));
    for _ in 0..MOST_A_DAY {
        record.succeeded(START, Stage::Production, lives(START, days(90)));
    }
    assert_eq!(limit(&record), Some(Limit::Certificates));
}

fn lives(from: Timestamp, life: Duration) -> Validity {
    Validity { from, until: from.plus(life) }
}

#[test]
fn without_staging_and_for_an_authority_that_is_away_nothing_is_tried_out() {
    let mut record = Record::default();
    for _ in 0..10 {
        record.failed(START, Failed { stage: Stage::Production, counts: false, retry_after: None });
    }
    let later = START.plus(days(1));
    assert_eq!(record.next(None, Chance::of("a"), later, STAGING), Step::Order(Stage::Production));
    record.failed(START, refusal(Stage::Production));
    record.failed(START, refusal(Stage::Production));
    assert_eq!(record.next(None, Chance::of("a"), later, Ways::default()), Step::Order(Stage::Production));
    assert_eq!(record.next(None, Chance::of("a"), later, STAGING), Step::Order(Stage::Staging));
}

/// The attack: an owner, or a loop of theirs, that says "now" again and again until the authority bars the name.
#[test]
fn a_wish_shortens_pauses_but_no_limit_of_the_authority() {
    let (mut record, chance) = (Record::default(), Chance::of("a.example"));
    for minute in 0..5 {
        let now = START.plus(Duration::from_secs(60 * minute));
        assert_eq!(record.next(None, chance, now, WISHED), Step::Order(Stage::Production));
        record.failed(now, refusal(Stage::Production));
    }
    assert_eq!(record.next(None, chance, START.plus(Duration::from_secs(300)), WISHED), Step::Wait(START.plus(HOUR)));
    record.failed(START, Failed { retry_after: Some(days(3)), ..refusal(Stage::Production) });
    assert_eq!(record.next(None, chance, START.plus(days(2)), WISHED), Step::Wait(START.plus(days(3))));
    record.failed(START, Failed { retry_after: Some(Duration::MAX), ..refusal(Stage::Production) });
    assert_eq!(record.next(None, chance, START.plus(days(9)), WISHED), Step::Order(Stage::Production));
}

fn held(life: Duration, advised: Option<Timestamp>) -> Held {
    Held { validity: Validity { from: START, until: START.plus(life) }, advised }
}

/// The attack: an authority whose windows have us order each certificate anew at once, or let it end.
#[test]
fn the_authority_says_when_but_neither_at_once_for_ever_nor_too_late() {
    let chance = Chance::of("a.example");
    let at =
        |life: Duration, hour: u64| held(life, Some(START.plus(Duration::from_secs(hour * 3_600)))).renewal(chance).since(START);
    assert_eq!(at(days(90), 24 * 40), days(40));
    assert_eq!([at(days(90), 0), at(days(90), 24 * 365)], [days(1), days(90) * 3 / 4]);
    let short = Duration::from_secs(160 * 3_600);
    assert_eq!([at(short, 80), at(short, 0), at(short, 159)], [short / 2, days(1), short * 3 / 4]);
    assert_eq!(at(days(1), 0), days(1) / 6);
    assert_eq!(held(days(90), None).renewal(chance), held(days(90), None).validity.renewal(chance));
}

/// The first authority is away; how often, and whom, a name asks for it.
#[test]
fn a_second_authority_is_asked_after_a_day_or_when_it_is_late_and_then_in_turns() {
    let away = |stage| Failed { stage, counts: false, retry_after: None };
    let lived = |held: Option<Held>, mut now: Timestamp| {
        let (mut record, mut asked, chance) = (Record::default(), Vec::new(), Chance::of("a.example"));
        while asked.len() < 14 {
            match record.next(held, chance, now, FALLBACK) {
                Step::Wait(until) => now = until,
                Step::Order(stage) => {
                    asked.push((stage, now.since(START)));
                    record.failed(now, away(stage));
                }
            }
        }
        (record, asked)
    };
    let (record, asked) = lived(None, START);
    let first_turn = asked.iter().position(|(stage, _)| *stage == Stage::Fallback).expect("some time");
    assert!(asked[first_turn].1 >= days(1) && asked[first_turn].1 < days(1) + Duration::from_secs(12 * 3_600));
    assert!(asked[first_turn..].windows(2).all(|pair| pair[0].0 != pair[1].0), "{asked:?}");
    // One that is late does not wait for a day.
    let late = START.plus(days(68));
    let (_, asked) = lived(Some(held(days(90), None)), late);
    assert_eq!(asked[REPEATED as usize].0, Stage::Fallback);
    // After the second has issued, the first is asked next, and what it had asked for holds.
    let mut record = record;
    record.failed(START, Failed { retry_after: Some(days(3)), ..away(Stage::Production) });
    record.succeeded(START, Stage::Fallback, lives(START, days(90)));
    let chance = Chance::of("a.example");
    assert_eq!(record.next(None, chance, START, FALLBACK), Step::Wait(START.plus(days(3))));
    assert_eq!(record.next(None, chance, START.plus(days(3)), FALLBACK), Step::Order(Stage::Production));
}

/// The attack: a limit of the first authority's that keeps a name from the second, or the other way round.
#[test]
fn each_authority_keeps_its_own_limits() {
    let (mut record, chance) = (Record::default(), Chance::of("a.example"));
    let limited = |stage, pause| Failed { stage, counts: true, retry_after: Some(pause) };
    for _ in 0..REPEATED {
        record.failed(START, limited(Stage::Production, days(5)));
    }
    assert_eq!(record.next(None, chance, START.plus(days(2)), Ways::default()), Step::Wait(START.plus(days(5))));
    assert_eq!(record.next(None, chance, START.plus(Duration::from_secs(3_600)), FALLBACK), Step::Wait(START.plus(days(1))));
    assert_eq!(record.next(None, chance, START.plus(days(2)), FALLBACK), Step::Order(Stage::Fallback));
    record.failed(START.plus(days(2)), limited(Stage::Fallback, days(2)));
    assert_eq!(record.next(None, chance, START.plus(days(3)), FALLBACK), Step::Wait(START.plus(days(4))));
    assert_eq!(record.next(None, chance, START.plus(days(5)), FALLBACK), Step::Order(Stage::Production));
}

#[test]
fn an_authority_that_is_away_for_a_month_costs_two_questions_a_day_and_no_certificate() {
    for life in [days(90), days(64), Duration::from_secs(160 * 3_600)] {
        let up = Spell { hours: 24 * 60, ..Spell::ISSUES };
        let month = Spell { first: Weather::Away, hours: 24 * 30, ..Spell::ISSUES };
        let lived = live(&[up, month, up], life, Ways::default());
        let asked = lived.failures.len();
        // What lives for six days asks more often before its end; and when it has ended, twice a day.
        assert!(asked <= if life > days(30) { 70 } else { 110 }, "{asked} times in a month");
        assert_eq!(lived.lapses.is_empty(), life > days(30), "{:?}", lived.lapses);
        let back = lived.issued.iter().find(|at| **at >= START.plus(days(90))).expect("renewed");
        assert!(life < days(30) || back.since(START) <= days(90) + days(35));
        assert!(life > days(30) || back.since(START.plus(days(90))) <= Duration::from_secs(12 * 3_600), "within hours");
        // With another authority nothing ends, however long a certificate lives.
        assert!(live(&[up, month, up], life, FALLBACK).lapses.is_empty());
    }
}

/// How an authority fares for a while.
#[derive(Clone, Copy, Debug)]
enum Weather {
    Issues,
    Refuses,
    Away,
    Limits(u64),
}

/// A while.
#[derive(Clone, Copy, Debug)]
struct Spell {
    first: Weather,
    second: Weather,
    /// What the first says of when to renew: hundredths of the life, from and until.
    window: Option<(u32, u32)>,
    hours: u64,
}

impl Spell {
    const ISSUES: Self = Self { first: Weather::Issues, second: Weather::Issues, window: None, hours: 1 };
}

fn weather() -> impl Strategy<Value = Weather> {
    prop_oneof![
        4 => Just(Weather::Issues),
        2 => Just(Weather::Refuses),
        2 => Just(Weather::Away),
        1 => (1_u64..72).prop_map(Weather::Limits),
    ]
}

fn spell() -> impl Strategy<Value = Spell> {
    let window = prop::option::of((0_u32..150, 0_u32..150));
    (weather(), weather(), window, 1_u64..(24 * 40)).prop_map(|(first, second, window, hours)| Spell {
        first,
        second,
        window,
        hours,
    })
}

/// What became of a name: moments of orders at the first authority and at the second, of failures, of certificates, of questions
/// for when to renew, and ends of certificates that had no successor.
#[derive(Default)]
struct Life {
    orders: Vec<Timestamp>,
    second: Vec<Timestamp>,
    failures: Vec<Timestamp>,
    issued: Vec<Timestamp>,
    asked: Vec<Timestamp>,
    lapses: Vec<Timestamp>,
}

/// Lives through `spells`, with certificates that live for `life`.
fn live(spells: &[Spell], life: Duration, ways: Ways) -> Life {
    let (mut now, mut record, chance) = (START, Record::default(), Chance::of("a.example"));
    let mut held: Option<(Validity, Option<Advice>)> = None;
    let mut lived = Life::default();
    for spell in spells {
        let end = now.plus(Duration::from_secs(spell.hours * 3_600));
        while now < end {
            if let (Some((validity, advice)), true) = (&mut held, !matches!(spell.first, Weather::Away)) {
                let id = validity.from.millis().to_string();
                let about = (id.as_str(), "first");
                if Advice::is_due(advice.as_ref(), about, now) {
                    let at = |hundredths: u32| validity.from.plus(life * hundredths / 100);
                    let heard = Heard { window: spell.window.map(|(from, until)| (at(from), at(until))), retry_after: None };
                    *advice = Some(Advice::note(advice.take(), about, &heard, now));
                    lived.asked.push(now);
                }
            }
            let known = held
                .as_ref()
                .map(|(validity, advice)| Held { validity: *validity, advised: advice.as_ref().and_then(Advice::moment) });
            match record.next(known, chance, now, ways) {
                Step::Wait(until) => {
                    assert!(until > now);
                    let again = held.as_ref().and_then(|(_, advice)| advice.as_ref()).map(|advice| advice.ask_again);
                    let again = again.map(Timestamp::from_millis).filter(|again| *again > now);
                    let until = again.map_or(until, |again| again.min(until)).min(end);
                    let ended = held.as_ref().filter(|(held, _)| held.until < until && held.until >= now);
                    lived.lapses.extend(ended.map(|(held, _)| held.until));
                    now = until;
                    continue;
                }
                Step::Order(stage) => match order(spell, stage, now, &mut lived) {
                    Some(failed) => {
                        // What cannot be tried out is none: the order that counts follows, at the pauses of those.
                        lived.failures.extend((stage != Stage::Staging || failed.counts).then_some(now));
                        record.failed(now, failed);
                    }
                    None if stage == Stage::Staging => record.tried_out(),
                    None => {
                        record.succeeded(now, stage, lives(now, life));
                        lived.issued.push(now);
                        held = Some((lives(now, life), None));
                    }
                },
            }
            // An order takes a while.
            now = now.plus(Duration::from_secs(5));
        }
    }
    lived
}

fn order(spell: &Spell, stage: Stage, now: Timestamp, lived: &mut Life) -> Option<Failed> {
    let weather = if stage == Stage::Fallback { spell.second } else { spell.first };
    if !matches!(weather, Weather::Away) {
        match stage {
            Stage::Production => lived.orders.push(now),
            Stage::Fallback => lived.second.push(now),
            Stage::Staging => {}
        }
    }
    let failed = |counts, retry_after| Some(Failed { stage, counts, retry_after });
    match weather {
        Weather::Issues => None,
        Weather::Refuses => failed(true, None),
        Weather::Away => failed(false, None),
        Weather::Limits(hours) => failed(true, Some(Duration::from_secs(hours * 3_600))),
    }
}

fn most_within(moments: &[Timestamp], span: Duration) -> usize {
    let within = |from: &Timestamp| moments.iter().filter(|at| **at >= *from && at.since(*from) < span).count();
    moments.iter().map(within).max().unwrap_or(0)
}

/// Whether `answers` held all through `span` before `end`.
fn answered(spells: &[Spell], (end, span): (Timestamp, Duration), answers: impl Fn(&Spell) -> bool) -> bool {
    let mut at = START;
    let mut since = None;
    for spell in spells {
        if !answers(spell) {
            since = None;
        } else if since.is_none() {
            since = Some(at);
        }
        at = at.plus(Duration::from_secs(spell.hours * 3_600));
        if at >= end {
            return since.is_some_and(|since| end.since(since) >= span);
        }
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The attack: weather at the authorities, and windows of theirs, that have us burn their limits, for years.
    #[test]
    fn limits_hold_in_any_weather(
        spells in prop::collection::vec(spell(), 1..80),
        (staging, fallback) in (any::<bool>(), any::<bool>()),
        hours in 24_u64..(24 * 90),
    ) {
        let life = Duration::from_secs(hours * 3_600);
        let lived = live(&spells, life, Ways { staging, fallback, wished: false });
        prop_assert!(most_within(&lived.failures, HOUR) <= MOST_AN_HOUR);
        // Fourteen at a pause of twelve hours, and pauses that shrink towards the end of a certificate: of one in a week, or of
        // seven where they live for a day.
        let bound = if hours >= 144 { 50 } else { 120 };
        for orders in [&lived.orders, &lived.second] {
            let most = most_within(orders, days(7));
            prop_assert!(most <= bound, "{most}");
        }
        // However often the authority says "now": one a day, or six in a life.
        let most = most_within(&lived.issued, days(7));
        prop_assert!(most <= if hours >= 144 { 8 } else { 44 }, "{most} issued in a week");
        prop_assert!(most_within(&lived.asked, days(1)) <= 4 + most_within(&lived.issued, days(1)));
        prop_assert!(fallback || lived.second.is_empty());
    }

    #[test]
    fn no_certificate_ends_that_an_authority_would_have_renewed(
        spells in prop::collection::vec(spell(), 1..80),
        fallback: bool,
        hours in 24_u64..(24 * 90),
    ) {
        // Whoever answers issues: limits and refusals are another matter.
        let calm = |weather: Weather| if matches!(weather, Weather::Issues) { Weather::Issues } else { Weather::Away };
        let spells: Vec<_> =
            spells.into_iter().map(|spell| Spell { first: calm(spell.first), second: calm(spell.second), ..spell }).collect();
        let life = Duration::from_secs(hours * 3_600);
        for end in live(&spells, life, Ways { fallback, ..Ways::default() }).lapses {
            // Had it answered all through the last tenth, there would be a new one; the second is asked from the last quarter on.
            prop_assert!(!answered(&spells, (end, life / 10), |spell| matches!(spell.first, Weather::Issues)) || fallback, "{end:?}");
            prop_assert!(!answered(&spells, (end, life / 4), |spell| matches!(spell.first, Weather::Issues)), "{end:?}");
            let second = |spell: &Spell| matches!(spell.second, Weather::Issues);
            prop_assert!(!fallback || !answered(&spells, (end, life / 4), second), "{end:?}");
        }
    }
}
