//! Tests of sealing anew: with people enrolling meanwhile, after a stop half-way, with values that do not open.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::base::seal::{MasterKey, RecordSealer};
use crate::base::task;
use crate::model::audit::{Actor, Deed, Entry};
use crate::store::key_file::{KEY, KeyHolder};
use crate::store::kit::{Kit, hash, name, password};

/// A kit whose keys are in the file.
async fn with_file() -> Kit {
    let kit = Kit::new();
    let path = kit.dir.path().join(KEY);
    fs::create_dir(path.parent().unwrap()).unwrap();
    fs::write(&path, [7; 32]).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    kit.store.close().await.unwrap();
    reopen(kit).unwrap()
}

fn reopen(kit: Kit) -> Result<Kit, Fault> {
    let keys = KeyHolder::open(kit.dir.path(), None, Entropy, kit.clock.now())?;
    let store = Store::open(kit.dir.path(), keys, kit.clock.clone(), Entropy)?;
    Ok(Kit { store, ..kit })
}

async fn reseal_all(store: &Store, most: u32) -> Resealed {
    loop {
        let resealed = store.reseal(most).await.unwrap();
        assert!(resealed.done <= u64::from(most));
        if resealed.done == 0 {
            return resealed;
        }
    }
}

async fn seed_of(store: &Store, text: &str) -> Vec<u8> {
    let facts = store.sign_in_facts(&name(text)).await.unwrap().unwrap();
    facts.totps[0].seed.expose().clone()
}

#[tokio::test]
async fn after_a_rotation_everything_is_sealed_anew_and_the_old_key_can_go() {
    let kit = with_file().await;
    let mut seeds = vec![];
    for n in 0..7 {
        let (user, totp) = kit.enrolled(&format!("user{n}")).await;
        seeds.push((user.name.to_string(), totp.seed.expose().clone()));
    }
    let link = hash();
    let alice = kit.store.add_user(&name("alice")).await.unwrap();
    kit.store.issue_link(alice.id, link, kit.in_an_hour()).await.unwrap();
    kit.store.stage_password(link, password("x"), kit.totp()).await.unwrap();
    let old = kit.store.keys().await.unwrap()[0].id;
    let new = kit.store.telling(Entry::new(Deed::KeyRotated, Actor::Owner)).rotate_key().await.unwrap();
    assert!(matches!(kit.store.drop_key(old).await, Err(Fault::KeyNeeded { .. })));
    assert!(matches!(kit.store.drop_key(new).await, Err(Fault::KeyActive { .. })));
    // Half of it, then a restart: both keys are there, and it goes on.
    let half = kit.store.reseal(3).await.unwrap();
    assert!(half.done == 3 && half.left > 3);
    kit.store.close().await.unwrap();
    let kit = reopen(kit).unwrap();
    for (name, seed) in &seeds {
        assert_eq!(seed_of(&kit.store, name).await, *seed);
    }
    assert_eq!(reseal_all(&kit.store, 2).await, Resealed::default());
    let keys = kit.store.keys().await.unwrap();
    assert_eq!(
        keys.iter().map(|key| (key.id, key.active, key.sealed > 10)).collect::<Vec<_>>(),
        [(new, true, true), (old, false, false)]
    );
    kit.store.telling(Entry::new(Deed::KeyDropped, Actor::Owner)).drop_key(old).await.unwrap();
    assert!(matches!(kit.store.drop_key(old).await, Err(Fault::KeyUnknown { .. })));
    kit.store.close().await.unwrap();
    let kit = reopen(kit).unwrap();
    assert_eq!(kit.store.keys().await.unwrap().len(), 1);
    for (name, seed) in &seeds {
        assert_eq!(seed_of(&kit.store, name).await, *seed);
    }
    assert!(kit.store.link(link).await.unwrap().unwrap().pending.is_some());
    let told =
        kit.store.audit(crate::store::audit::Wanted { most: 10, event: Some("key".into()), ..Default::default() }).await.unwrap();
    assert_eq!(told.iter().map(|told| told.detail.clone().unwrap()).collect::<Vec<_>>(), [new.to_string(), old.to_string()]);
}

/// The attack (by mishap): people enrol while keys are rotated and dropped; somebody's seed is sealed with a key that is gone.
#[tokio::test]
async fn enrolling_while_keys_come_and_go_loses_nobody() {
    let kit = with_file().await;
    let enrol = |n: u32| {
        let (store, totp) = (kit.store.clone(), kit.totp());
        task::start("enrol", async move {
            let user = store.add_user(&name(&format!("user{n}"))).await.unwrap();
            let seed = totp.seed.expose().clone();
            store.provision(user.id, Some(password("x")), Some(totp)).await.unwrap();
            (user.name, seed)
        })
    };
    let mut enrolled = vec![];
    for round in 0..6 {
        enrolled.extend((0..8).map(|n| enrol(round * 8 + n)));
        kit.store.rotate_key().await.unwrap();
        enrolled.push(enrol(1000 + round));
        reseal_all(&kit.store, 5).await;
        for key in kit.store.keys().await.unwrap().iter().filter(|key| !key.active) {
            kit.store.drop_key(key.id).await.unwrap();
        }
    }
    let mut people = vec![];
    for task in enrolled {
        people.push(task.await.unwrap());
    }
    kit.store.close().await.unwrap();
    let kit = reopen(kit).unwrap();
    for (name, seed) in people {
        assert_eq!(seed_of(&kit.store, name.as_str()).await, seed);
    }
}

/// The attack (by a power cut): a key is dropped in the very transaction in which the last values were sealed anew, and that
/// transaction is lost.
#[tokio::test]
async fn a_key_does_not_go_before_it_is_on_disk_that_nothing_needs_it() {
    let kit = with_file().await;
    kit.enrolled("alice").await;
    let old = kit.store.keys().await.unwrap()[0].id;
    kit.store.rotate_key().await.unwrap();
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let (begin, begun) = tokio::sync::oneshot::channel();
    let start = |work: std::pin::Pin<Box<dyn Future<Output = bool> + Send>>| task::start("work", work);
    let store = kit.store.clone();
    start(Box::pin(async move {
        let hold = move |_: &Database| {
            let _ = begin.send(());
            Ok(wait.recv().is_ok())
        };
        store.ask(hold).await.is_ok()
    }));
    begun.await.unwrap();
    // These wait together, so they are one transaction.
    let store = kit.store.clone();
    let resealed = start(Box::pin(async move { store.reseal(100).await.is_ok() }));
    let store = kit.store.clone();
    let dropped = start(Box::pin(async move { store.drop_key(old).await.is_ok() }));
    let store = kit.store.clone();
    let lost = start(Box::pin(async move { store.ask(|database| database.batch("ROLLBACK")).await.is_ok() }));
    tokio::task::yield_now().await;
    drop(release);
    assert!(!resealed.await.unwrap() && !dropped.await.unwrap() && !lost.await.unwrap());
    kit.store.close().await.unwrap();
    let kit = reopen(kit).unwrap();
    assert_eq!(kit.store.keys().await.unwrap().len(), 2);
    seed_of(&kit.store, "alice").await;
}

/// The attack: a value that somebody has been at keeps rotation from ending, or is "healed" by being sealed anew.
#[tokio::test]
async fn what_does_not_open_is_left_as_it_is_and_keeps_its_key() {
    let kit = with_file().await;
    let (alice, _) = kit.enrolled("alice").await;
    let (bob, _) = kit.enrolled("bob").await;
    let swap = "UPDATE totp SET seed = (SELECT seed FROM totp WHERE account_id = ?2) WHERE account_id = ?1";
    kit.raw().execute(swap, params![alice.id.as_str(), bob.id.as_str()]).unwrap();
    let old = kit.store.keys().await.unwrap()[0].id;
    kit.store.rotate_key().await.unwrap();
    let resealed = reseal_all(&kit.store, 100).await;
    assert_eq!((resealed.left, resealed.unreadable), (1, 1));
    assert!(matches!(kit.store.drop_key(old).await, Err(Fault::KeyNeeded { sealed: 1, .. })));
    assert!(kit.store.sign_in_facts(&bob.name).await.is_ok() && kit.store.sign_in_facts(&alice.name).await.is_err());
}

/// The attack (by mishap): a key is taken out of the file by hand while something is sealed with it.
#[tokio::test]
async fn a_start_without_a_key_that_is_needed_is_refused_and_changes_nothing() {
    let kit = with_file().await;
    kit.enrolled("alice").await;
    kit.store.rotate_key().await.unwrap();
    kit.store.reseal(1).await.unwrap();
    kit.store.close().await.unwrap();
    let path = kit.dir.path().join(KEY);
    let whole = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let before = fs::read(kit.dir.path().join("doorward.db")).unwrap();
    for (kept, gone) in [([lines[0], lines[1]], true), ([lines[0], lines[2]], false)] {
        fs::write(&path, kept.join("\n")).unwrap();
        let keys = KeyHolder::open(kit.dir.path(), None, Entropy, kit.clock.now()).unwrap();
        let fault = Store::open(kit.dir.path(), keys, kit.clock.clone(), Entropy).unwrap_err();
        assert!(matches!((&fault, gone), (Fault::KeyGone { .. }, true) | (Fault::KeyWrong, false)), "{fault:?}");
    }
    assert_eq!(fs::read(kit.dir.path().join("doorward.db")).unwrap(), before);
    fs::write(&path, whole).unwrap();
    seed_of(&reopen(kit).unwrap().store, "alice").await;
}

#[tokio::test]
async fn keys_that_are_not_ours_to_change_are_not_changed() {
    let kit = Kit::new();
    kit.store.close().await.unwrap();
    let text = KeyRing::of(MasterKey::from_bytes(&[7; 32]).unwrap(), None).to_text();
    let given = crate::store::key_file::Given::Variable(Secret::new(text.expose().clone()));
    let keys = KeyHolder::open(kit.dir.path(), Some(&given), Entropy, kit.clock.now()).unwrap();
    let store = Store::open(kit.dir.path(), keys, kit.clock.clone(), Entropy).unwrap();
    assert!(matches!(store.rotate_key().await, Err(Fault::KeysElsewhere { .. })));
    assert_eq!(store.keys().await.unwrap().len(), 1);
}

/// Every column that the schema calls sealed is sealed anew: who adds one and forgets the table would lose it.
#[test]
fn the_table_of_sealed_columns_is_the_schema_s() {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/schema");
    let mut sealed = vec![];
    let mut files: Vec<_> = fs::read_dir(schema).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        let mut table = String::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("CREATE TABLE ") {
                table = name.split(' ').next().unwrap().to_owned();
            }
            // A column of the table above, or one that is added to another.
            let (table, column) = match line.strip_prefix("ALTER TABLE ").and_then(|rest| rest.split_once(" ADD COLUMN ")) {
                Some((altered, column)) => (altered, column),
                None => (table.as_str(), line),
            };
            if line.contains("-- sealed to ") || line.contains("-- opens under ") {
                sealed.push((table.to_owned(), column.split_whitespace().next().unwrap().to_owned()));
            }
        }
    }
    let mut known: Vec<_> = COLUMNS.iter().map(|column| (column.table.to_owned(), column.column.to_owned())).collect();
    known.sort();
    sealed.sort();
    assert_eq!(known, sealed);
}

#[test]
fn an_envelope_of_no_key_is_nobody_s() {
    assert_eq!(RecordSealer::key_of(&[]), None);
    assert_eq!(RecordSealer::key_of(&[2; 16]), None);
    assert_eq!(RecordSealer::key_of(&[1; 40]), None);
    assert!(RecordSealer::key_of(&[2; 17]).is_some());
}
