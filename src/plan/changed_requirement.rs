//! What an app or rule asks of visitors compared with what it asked: strength, people, age of the proof.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::base::units::written;
use crate::plan::difference::{Effect, behind};
use crate::policy::people::People;
use crate::policy::requirement::Requirement;

/// Says in what the requirement of an app differs from what it was.
pub fn compare(old: &Requirement, new: &Requirement, say: &mut impl FnMut(Effect, String)) {
    if old.strength != new.strength {
        say(of_strength(old, new), format!("stands {} instead of {}", behind(new.strength), behind(old.strength)));
    }
    if old.methods != new.methods {
        say(of_methods(old, new), format!("counts {} as a proof instead of {}", new.methods, old.methods));
    }
    people(&old.people, &new.people, say);
    if old.max_age != new.max_age {
        let within = |age: Duration| format!("a proof given within {}", written(age));
        let sentence = match (old.max_age, new.max_age) {
            (_, None) => "asks for no new proof any more, however old the last is".to_owned(),
            (None, Some(age)) => format!("asks for {}, no longer for one of any age", within(age)),
            (Some(old), Some(age)) => format!("asks for {} instead of {}", within(age), written(old)),
        };
        say(of_age(old, new), sentence);
    }
}

/// What it means that a requirement takes the place of another that differs: whatever opens anything is told as opening.
pub fn effect(old: &Requirement, new: &Requirement) -> Effect {
    let mut effects = vec![of_strength(old, new), of_methods(old, new), of_age(old, new)];
    people(&old.people, &new.people, &mut |effect, _| effects.push(effect));
    effects.into_iter().min().unwrap_or(Effect::Alters)
}

fn of_strength(old: &Requirement, new: &Requirement) -> Effect {
    eased(old.strength, new.strength)
}

/// One way more opens, whatever else goes.
fn of_methods(old: &Requirement, new: &Requirement) -> Effect {
    match (old.methods, new.methods) {
        (old, new) if old == new => Effect::Alters,
        (old, new) if new.and(old) == new => Effect::Closes,
        (_, _) => Effect::Opens,
    }
}

fn of_age(old: &Requirement, new: &Requirement) -> Effect {
    let age = |requirement: &Requirement| requirement.max_age.unwrap_or(Duration::MAX);
    eased(age(new), age(old))
}

fn people(old: &People, new: &People, say: &mut impl FnMut(Effect, String)) {
    match (old, new) {
        (old, new) if old == new => {}
        (People::Everybody, new) => say(Effect::Closes, format!("only {new} may open it, no longer everybody who is signed in")),
        (old, People::Everybody) => say(Effect::Opens, format!("everybody who is signed in may open it, no longer only {old}")),
        (old, new) => {
            let entries = |people: &People| people.lists().iter().flat_map(|list| list.entries()).collect::<BTreeSet<_>>();
            let [before, now] = [entries(old), entries(new)];
            for entry in now.difference(&before) {
                say(Effect::Opens, format!("{entry} may open it"));
            }
            for entry in before.difference(&now) {
                say(Effect::Closes, format!("{entry} may no longer open it"));
            }
        }
    }
}

/// What it means that so much is asked for instead.
fn eased<T: Ord>(old: T, new: T) -> Effect {
    match old.cmp(&new) {
        Ordering::Greater => Effect::Opens,
        Ordering::Less => Effect::Closes,
        Ordering::Equal => Effect::Alters,
    }
}
