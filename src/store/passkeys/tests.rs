//! Passkeys as the store keeps them.

use std::time::Duration;

use super::*;
use crate::base::task;
use crate::model::method::Methods;
use crate::model::session::{Proofs, Session};
use crate::store::kit::{Kit, hash, password};
use crate::store::proof::Proof;

fn made(id: u8) -> Made {
    Made {
        credential_id: vec![id; 32],
        state: format!("what recognises {id}").into_bytes(),
        aaguid: [0; 16],
        counter: 1,
        verified: true,
        discoverable: true,
        backup_eligible: false,
        backed_up: false,
        transports: "usb nfc".to_owned(),
    }
}

fn proof(id: PasskeyId, counter: u32) -> Proof {
    Proof::Passkey { id, counter, verified: true, backed_up: false }
}

fn by(session: &Session) -> Changer {
    Changer { session: session.id, token: hash(), host: "a.example".into() }
}

impl Kit {
    async fn signed_in(&self, user: UserId) -> Arc<Session> {
        self.store.open_session(self.session(user)).await.unwrap().unwrap()
    }

    async fn add(&self, session: &Session, made: Made) -> Changed {
        // So that each is younger than the one before.
        self.clock.advance(Duration::from_millis(1));
        self.store.add_passkey(by(session), (made, "a key".to_owned()), "a.example").await.unwrap()
    }

    async fn remove(&self, session: &Session, id: PasskeyId, needs: Strength) -> Changed {
        let keep = Keep { last: needs > Strength::Password, ways: vec![Methods::ALL.at_least(needs)] };
        self.store.remove_passkey(by(session), id, keep).await.unwrap()
    }
}

/// The attack: whoever holds another session, or an old token of this one, profits from a new key; or keeps what an old one gave.
#[tokio::test]
async fn adding_and_removing_ends_every_other_session_and_every_other_token() {
    let kit = Kit::new();
    let (alice, _) = kit.enrolled("alice").await;
    let (mine, other) = (kit.session(alice.id), kit.signed_in(alice.id).await);
    let session = kit.store.open_session(mine.clone()).await.unwrap().unwrap();
    assert!(kit.add(&session, made(1)).await.is_ok());
    assert!(other.lifeline.is_cut() && !session.lifeline.is_cut());
    assert!(kit.store.session(&mine.token, "a.example").unwrap().is_none());
    assert_eq!((kit.count("session"), kit.count("session_token")), (1, 1));
    let kit = kit.reopened().await;
    let [key] = <[Passkey; 1]>::try_from(kit.store.passkeys_of(alice.id).await.unwrap()).unwrap();
    assert_eq!((key.name.as_str(), key.counter, key.transports.as_str()), ("a key", 1, "usb nfc"));
    assert_eq!(key.state.expose(), &made(1).state);
    assert_eq!(*kit.store.site(), Site { id: Some("a.example".into()), passkeys: 1 });
    let other = kit.signed_in(alice.id).await;
    assert!(kit.remove(&session, key.id, Strength::TwoFactor).await.is_ok());
    assert!(other.lifeline.is_cut());
    assert_eq!((*kit.store.site()).clone(), Site::default());
}

/// The attack: a key of one account is registered with another, or twice.
#[tokio::test]
async fn a_key_belongs_to_one_account_once() {
    let kit = Kit::new();
    let (alice, _) = kit.enrolled("alice").await;
    let (mallory, _) = kit.enrolled("mallory").await;
    let (hers, his) = (kit.signed_in(alice.id).await, kit.signed_in(mallory.id).await);
    assert!(kit.add(&hers, made(1)).await.is_ok());
    assert!(matches!(kit.add(&hers, made(1)).await, Err(Refused::Taken)));
    assert!(matches!(kit.add(&his, made(1)).await, Err(Refused::Taken)));
    assert_eq!(kit.count("passkey"), 1);
    let key = kit.store.passkeys_of(alice.id).await.unwrap().remove(0);
    assert!(matches!(kit.remove(&his, key.id, Strength::Password).await, Err(Refused::Gone)));
    assert!(!kit.store.rename_passkey(mallory.id, key.id, "mine".to_owned()).await.unwrap());
    assert!(kit.store.open_by(proof(key.id, 9), kit.session(mallory.id)).await.unwrap().is_none());
}

#[tokio::test]
async fn there_are_so_many_and_all_for_one_site() {
    let kit = Kit::new();
    let (alice, _) = kit.enrolled("alice").await;
    let session = kit.signed_in(alice.id).await;
    for id in 0..u8::try_from(MOST).unwrap() {
        assert!(kit.add(&session, made(id)).await.is_ok());
    }
    assert!(matches!(kit.add(&session, made(200)).await, Err(Refused::TooMany)));
    let (bob, _) = kit.enrolled("bob").await;
    let his = kit.signed_in(bob.id).await;
    let elsewhere = kit.store.add_passkey(by(&his), (made(201), "x".to_owned()), "b.example");
    assert!(matches!(elsewhere.await.unwrap(), Err(Refused::OtherSite)));
    assert!(kit.store.delete_user(&alice.name).await.unwrap());
    assert_eq!(kit.store.site().id, None, "with the last key its site is free again");
}

/// The attack: a copy of a key is used at the same moment, or after it.
#[tokio::test]
async fn of_two_uses_with_one_count_one_wins_and_a_lower_count_never_does() {
    let kit = Kit::new();
    let (alice, _) = kit.enrolled("alice").await;
    let session = kit.signed_in(alice.id).await;
    assert!(kit.add(&session, made(1)).await.is_ok());
    let key = kit.store.passkeys_of(alice.id).await.unwrap().remove(0);
    let uses = [(), ()].map(|()| {
        let (store, proof, new) = (kit.store.clone(), proof(key.id, 5), kit.session(alice.id));
        task::start("use", async move { store.open_by(proof, new).await.unwrap().is_some() })
    });
    let mut won = 0;
    for done in uses {
        won += usize::from(done.await.unwrap());
    }
    assert_eq!(won, 1);
    for (counter, opens) in [(5, false), (4, false), (0, false), (6, true)] {
        let opened = kit.store.open_by(proof(key.id, counter), kit.session(alice.id)).await.unwrap();
        assert_eq!(opened.is_some(), opens, "{counter}");
    }
    assert!(kit.add(&session, Made { counter: 0, ..made(2) }).await.is_ok());
    let synced = kit.store.passkeys_of(alice.id).await.unwrap().remove(1);
    for _ in 0..2 {
        assert!(kit.store.open_by(proof(synced.id, 0), kit.session(alice.id)).await.unwrap().is_some());
    }
    kit.store.set_passkey_aside(alice.id, synced.id).await.unwrap();
    assert!(kit.store.open_by(proof(synced.id, 0), kit.session(alice.id)).await.unwrap().is_none());
    let facts = kit.store.sign_in_facts_of(alice.id).await.unwrap().unwrap();
    assert_eq!(facts.passkeys.iter().map(|passkey| passkey.id).collect::<Vec<_>>(), [key.id]);
}

#[tokio::test]
async fn what_is_asked_of_somebody_keeps_their_last_key() {
    let kit = Kit::new();
    let (alice, _) = kit.enrolled("alice").await;
    let session = kit.signed_in(alice.id).await;
    assert!(kit.add(&session, made(1)).await.is_ok());
    assert!(kit.add(&session, Made { verified: false, ..made(2) }).await.is_ok());
    let [first, second] = <[Passkey; 2]>::try_from(kit.store.passkeys_of(alice.id).await.unwrap()).unwrap();
    assert!(
        matches!(kit.remove(&session, first.id, Strength::Passkey).await, Err(Refused::LastFactor)),
        "the other only is a second step"
    );
    kit.raw().execute("DELETE FROM totp", []).unwrap();
    assert!(kit.remove(&session, first.id, Strength::TwoFactor).await.is_ok());
    assert!(matches!(kit.remove(&session, second.id, Strength::TwoFactor).await, Err(Refused::LastFactor)));
    kit.store.set_passkey_aside(alice.id, second.id).await.unwrap();
    assert!(session.lifeline.is_cut() && kit.count("session") == 0, "one of them may be of whoever holds the copy");
    let session = kit.signed_in(alice.id).await;
    assert!(kit.remove(&session, second.id, Strength::TwoFactor).await.is_ok(), "it opened nothing");
}

/// The attack: who can write to the database hands their own key over to somebody else's account.
#[tokio::test]
async fn a_key_that_changes_hands_does_not_open() {
    let kit = Kit::new();
    let (alice, _) = kit.enrolled("alice").await;
    let (mallory, _) = kit.enrolled("mallory").await;
    let his = kit.signed_in(mallory.id).await;
    assert!(kit.add(&his, made(1)).await.is_ok());
    kit.raw().execute("UPDATE passkey SET account_id = ?1", params![alice.id.as_str()]).unwrap();
    assert!(matches!(kit.store.passkeys_of(alice.id).await, Err(Fault::Sealed(_))));
    assert!(matches!(kit.store.passkey(&[1; 32]).await, Err(Fault::Sealed(_))));
}

#[tokio::test]
async fn a_session_that_proves_a_passkey_is_one_from_then_on() {
    let kit = Kit::new();
    let (alice, _) = kit.enrolled("alice").await;
    let session = kit.signed_in(alice.id).await;
    assert!(kit.add(&session, made(1)).await.is_ok());
    let key = kit.store.passkeys_of(alice.id).await.unwrap().remove(0);
    kit.clock.advance(Duration::from_secs(60));
    let (token, proven) = (hash(), proof(key.id, 2));
    let proven = kit.store.confirm(session.id, proven, (token, "a.example".into())).await.unwrap().unwrap();
    let expected = Proofs { passkey: Some(kit.clock.now()), ..session.proofs };
    assert_eq!((proven.strength, proven.proofs), (Strength::Passkey, expected));
    let kit = kit.reopened().await;
    let read = kit.store.session(&token, "a.example").unwrap().unwrap();
    assert_eq!((read.strength, read.proofs), (Strength::Passkey, expected));
    let unverified = Proof::Passkey { id: key.id, counter: 3, verified: false, backed_up: false };
    let weak = kit.store.open_session(kit.session(alice.id)).await.unwrap().unwrap();
    let proven = kit.store.confirm(weak.id, unverified, (hash(), "a.example".into())).await.unwrap().unwrap();
    assert_eq!(proven.strength, Strength::TwoFactor);
}

/// The attack: a lost phone holds a passkey, and its owner has set up their account anew from a link.
#[tokio::test]
async fn setting_up_anew_takes_every_key_away() {
    let kit = Kit::new();
    let (alice, totp) = kit.enrolled("alice").await;
    let session = kit.signed_in(alice.id).await;
    assert!(kit.add(&session, made(1)).await.is_ok());
    let link = hash();
    assert!(kit.store.issue_link(alice.id, link, kit.clock.now().plus(Duration::from_secs(60))).await.unwrap());
    assert!(kit.store.stage_password(link, password("new"), totp).await.unwrap());
    assert_eq!(kit.count("passkey"), 1, "nothing counts before it is complete");
    assert!(kit.store.prove_link(link, 9).await.unwrap());
    assert!(kit.store.complete_link(link, None, kit.session(alice.id)).await.unwrap().is_some());
    assert_eq!((kit.count("passkey"), (*kit.store.site()).clone()), (0, Site::default()));
}
