//! Tests of the trail: that it is written with the change or not at all, and that what is done to it shows.

use std::time::Duration;

use super::*;
use crate::model::audit::Actor;
use crate::store::kit::{Kit, name, password};

const ALL: Wanted = Wanted { account: None, since: None, event: None, after: 0, most: 1000 };

fn owner(deed: Deed) -> Entry {
    Entry::new(deed, Actor::Owner)
}

fn sign_in(address: [u8; 4], agent: &str) -> Entry {
    Entry::new(Deed::SignIn, Actor::Visitor).from(address.into(), "r1").with(agent).by("code")
}

async fn events(kit: &Kit) -> Vec<String> {
    kit.store.audit(ALL).await.unwrap().into_iter().map(|written| written.event).collect()
}

async fn verified(kit: &Kit, most: u32) -> Verified {
    let mut from = None;
    loop {
        match kit.store.verify_audit(from, most).await.unwrap() {
            Verified::SoFar { at, tag } => from = Some((at, tag)),
            end @ (Verified::Whole(_) | Verified::Broken { .. }) => return end,
        }
    }
}

async fn is_whole(kit: &Kit) -> bool {
    matches!(verified(kit, 3).await, Verified::Whole(head) if head.breaks.is_empty())
}

/// A trail of some length.
async fn with_trail(count: usize) -> Kit {
    let kit = Kit::new();
    for n in 0..count {
        kit.store.record(owner(Deed::Reloaded).detailed(format!("version {n}"))).await.unwrap();
        kit.clock.advance(Duration::from_secs(60));
    }
    kit
}

#[tokio::test]
async fn a_change_and_its_record_are_one() {
    let kit = Kit::new();
    assert!(is_whole(&kit).await);
    let alice = kit.store.telling(owner(Deed::UserAdded)).add_user(&name("alice")).await.unwrap();
    assert!(kit.store.telling(owner(Deed::UserAdded)).add_user(&name("alice")).await.is_err());
    kit.store.telling(owner(Deed::UserDisabled)).set_disabled(&name("nobody"), true).await.unwrap();
    assert!(!kit.store.telling(owner(Deed::UserDeleted)).delete_user(&name("nobody")).await.unwrap());
    assert!(kit.store.telling(sign_in([192, 0, 2, 1], "a")).open_session(kit.session(alice.id)).await.unwrap().is_some());
    kit.store.telling(owner(Deed::UserDisabled)).set_disabled(&alice.name, true).await.unwrap();
    assert!(kit.store.telling(sign_in([192, 0, 2, 1], "a")).open_session(kit.session(alice.id)).await.unwrap().is_none());
    kit.store.telling(owner(Deed::UserDeleted)).delete_user(&alice.name).await.unwrap();
    let records = kit.store.audit(ALL).await.unwrap();
    let names: Vec<&str> = records.iter().map(|written| written.event.as_str()).collect();
    assert_eq!(names, ["user.added", "sign_in", "sign_in.new_device", "user.disabled", "user.deleted"]);
    assert!(records.iter().all(|written| written.account.as_deref() == Some("alice")));
    assert!(is_whole(&kit).await);
    let kit = kit.reopened().await;
    assert!(is_whole(&kit).await);
}

#[tokio::test]
async fn a_browser_and_network_that_are_known_are_not_new() {
    let kit = Kit::new();
    let (alice, _) = kit.enrolled("alice").await;
    let new = async |address, agent| {
        let before = kit.store.notices_of(alice.id).await.unwrap().len();
        kit.store.telling(sign_in(address, agent)).open_session(kit.session(alice.id)).await.unwrap().unwrap();
        kit.store.notices_of(alice.id).await.unwrap().len() > before
    };
    assert!(new([192, 0, 2, 1], "Firefox/140.0").await);
    assert!(!new([192, 0, 2, 77], "Firefox/141.2").await, "a new version in the same network");
    assert!(new([198, 51, 100, 1], "Firefox/140.0").await);
    assert!(new([192, 0, 2, 1], "Chrome/150").await);
    let notices = kit.store.notices_of(alice.id).await.unwrap();
    assert_eq!(notices.iter().map(|notice| notice.deed).collect::<Vec<_>>(), [Deed::NewDevice; 3]);
    kit.store.dismiss_notices(alice.id, notices[1].id).await.unwrap();
    assert_eq!(kit.store.notices_of(alice.id).await.unwrap(), notices[2..]);
}

/// The attack: who can write to the database changes what it says of them.
#[tokio::test]
async fn an_altered_record_shows() {
    for change in [
        "UPDATE audit SET account = 'mallory' WHERE seq = 4",
        "UPDATE audit SET at = at + 1 WHERE seq = 4",
        "UPDATE audit SET reason = '' WHERE seq = 4",
        "UPDATE audit SET method = detail, detail = NULL WHERE seq = 4",
        "UPDATE audit SET tally = 2 WHERE seq = 4",
        "UPDATE audit SET tag = zeroblob(32) WHERE seq = 4",
    ] {
        let kit = with_trail(9).await;
        kit.raw().execute(change, []).unwrap();
        assert_eq!(verified(&kit, 2).await, Verified::Broken { at: 4, fault: ChainFault::Altered }, "{change}");
    }
}

/// The attack: a record is taken out, doubled, or two change places.
#[tokio::test]
async fn a_missing_inserted_or_swapped_record_shows() {
    for (change, at, fault) in [
        ("DELETE FROM audit WHERE seq = 4", 4, ChainFault::Missing),
        ("DELETE FROM audit WHERE seq = 1", 1, ChainFault::Missing),
        ("DELETE FROM audit WHERE seq = 4; UPDATE audit SET seq = seq - 1 WHERE seq > 4", 4, ChainFault::Altered),
        (
            "UPDATE audit SET seq = 99 WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = 5; UPDATE audit SET seq = 5 WHERE seq = 99",
            4,
            ChainFault::Altered,
        ),
        (
            "INSERT INTO audit SELECT 10, at, event, outcome, account_id, account, actor, address, method, reason, detail, tally,
          device, request, tag FROM audit WHERE seq = 9",
            10,
            ChainFault::Beyond,
        ),
        (
            "INSERT INTO audit SELECT 0, at, event, outcome, account_id, account, actor, address, method, reason, detail, tally,
          device, request, tag FROM audit WHERE seq = 9",
            0,
            ChainFault::Beyond,
        ),
    ] {
        let kit = with_trail(9).await;
        kit.raw().execute_batch(change).unwrap();
        assert_eq!(verified(&kit, 100).await, Verified::Broken { at, fault }, "{change}");
    }
}

/// The attack: the last records, those of the attacker, are cut off; and the gateway goes on writing.
#[tokio::test]
async fn a_truncated_trail_shows_before_and_after_it_is_written_on() {
    for cut in
        ["DELETE FROM audit WHERE seq > 6", "DELETE FROM audit", "DELETE FROM audit_head", "UPDATE audit_head SET sealed = x'02'"]
    {
        let kit = with_trail(9).await;
        kit.raw().execute(cut, []).unwrap();
        assert!(matches!(verified(&kit, 100).await, Verified::Broken { .. }), "{cut}");
        kit.store.record(owner(Deed::Reloaded)).await.unwrap();
        assert_eq!(events(&kit).await.iter().filter(|event| *event == "audit.broken").count(), 1, "{cut}");
        kit.store.record(owner(Deed::Reloaded)).await.unwrap();
        let after = verified(&kit, 100).await;
        assert!(!matches!(&after, Verified::Whole(head) if head.breaks.is_empty()), "{cut}: {after:?}");
    }
}

/// The attack: a head of an earlier time is put back together with the records of that time. The records alone do not show
/// it, a head that was noted elsewhere does.
#[tokio::test]
async fn a_trail_set_back_shows_to_whoever_kept_a_later_head() {
    let kit = with_trail(5).await;
    let early: Vec<u8> = kit.raw().query_one("SELECT sealed FROM audit_head", [], |row| row.get(0)).unwrap();
    kit.store.record(owner(Deed::UserDeleted)).await.unwrap();
    let noted = kit.store.audit_head().await.unwrap().unwrap();
    kit.raw().execute("UPDATE audit_head SET sealed = ?1", params![early]).unwrap();
    kit.raw().execute("DELETE FROM audit WHERE seq > 5", []).unwrap();
    let Verified::Whole(head) = verified(&kit, 100).await else { panic!("it is whole as far as it goes") };
    assert!(head.last < noted.last);
}

#[tokio::test]
async fn old_records_go_and_the_rest_stays_whole() {
    let kit = with_trail(9).await;
    let before = kit.store.audit(ALL).await.unwrap()[5].at;
    assert_eq!(kit.store.prune_audit(before, 2).await.unwrap(), 2, "some at a time");
    assert_eq!(kit.store.prune_audit(before, 100).await.unwrap(), 3);
    assert_eq!(kit.store.prune_audit(before, 100).await.unwrap(), 0);
    assert!(is_whole(&kit).await);
    kit.raw().execute("DELETE FROM audit WHERE seq = 6", []).unwrap();
    assert!(!is_whole(&kit).await, "taking away more than is said shows");
    let kit = with_trail(3).await;
    assert_eq!(kit.store.prune_audit(kit.clock.now(), 100).await.unwrap(), 3);
    assert!(is_whole(&kit).await);
    kit.store.record(owner(Deed::Reloaded)).await.unwrap();
    assert!(is_whole(&kit).await && kit.count("audit") == 1);
}

#[tokio::test]
async fn a_rotation_of_the_master_key_does_not_break_the_chain() {
    let kit = with_trail(3).await;
    kit.store.telling(owner(Deed::KeyRotated)).rotate_key().await.unwrap();
    kit.store.record(owner(Deed::Reloaded)).await.unwrap();
    while kit.store.reseal(10).await.unwrap().done > 0 {}
    kit.store.record(owner(Deed::Reloaded)).await.unwrap();
    assert!(is_whole(&kit).await);
}

/// The attack: a flood of failures fills the disk.
#[tokio::test]
async fn failures_that_come_too_often_are_counted_and_not_written() {
    let kit = Kit::new();
    let failure = || Entry::new(Deed::SignInFailed, Actor::Visitor).from([192, 0, 2, 1].into(), "r").came_to(Outcome::Failed);
    for _ in 0..50 {
        kit.store.record(failure()).await.unwrap();
    }
    assert_eq!(kit.count("audit"), 3);
    kit.clock.advance(Duration::from_secs(60));
    kit.store.record_flood().await.unwrap();
    let records = kit.store.audit(ALL).await.unwrap();
    assert_eq!(records.iter().map(|written| written.tally).sum::<u64>(), 50);
    assert_eq!(records.len(), 4);
    assert!(is_whole(&kit).await);
}

#[tokio::test]
async fn records_are_found_by_person_time_and_event() {
    let kit = with_trail(3).await;
    kit.store.telling(owner(Deed::UserAdded)).add_user(&name("alice")).await.unwrap();
    kit.clock.advance(Duration::from_secs(60));
    let user = kit.store.user(&name("alice")).await.unwrap().unwrap();
    kit.store.telling(owner(Deed::CredentialChanged)).provision(user.id, Some(password("x")), None).await.unwrap();
    let count = async |wanted: Wanted| kit.store.audit(wanted).await.unwrap().len();
    assert_eq!(count(Wanted { account: Some("alice".into()), ..ALL }).await, 2);
    assert_eq!(count(Wanted { since: Some(kit.clock.now()), ..ALL }).await, 1);
    assert_eq!(count(Wanted { event: Some("user".into()), ..ALL }).await, 1);
    assert_eq!(count(Wanted { event: Some("user.added".into()), ..ALL }).await, 1);
    assert_eq!(count(Wanted { event: Some("use".into()), ..ALL }).await, 0);
    let newest = kit.store.audit(Wanted { most: 2, ..ALL }).await.unwrap();
    assert_eq!(newest.iter().map(|written| written.seq).collect::<Vec<_>>(), [4, 5]);
}
