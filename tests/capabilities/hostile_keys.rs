//! Answers of passkeys with their bytes changed at random: a parser of CBOR, of COSE keys and of certificates reads them, for
//! whoever looks at the sign-in page.

use data_encoding::BASE64URL_NOPAD;
use doorward::auth::passkey::answer::Answer;
use doorward::auth::passkey::{Attestation, RelyingParty, Verification};
use doorward::base::clock::Timestamp;
use doorward::base::entropy::Entropy;
use doorward::base::id::Id;
use doorward::base::secret::Secret;
use doorward::model::credential::Passkey;
use doorward::model::user::UserId;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::kit::key::Key;

const ORIGIN: &str = "https://app.example";

fn site() -> RelyingParty {
    RelyingParty::new("app.example", "Example", ORIGIN).expect("a site")
}

/// What is done to the bytes of one part: where (as a part of its length), and what.
#[derive(Clone, Debug)]
enum Blow {
    Flip(u8),
    Cut,
    Put(Vec<u8>),
    Repeat(usize),
}

fn blows() -> impl Strategy<Value = Vec<(usize, Blow)>> {
    // Heads of CBOR that promise more than follows: long texts, arrays, maps, tags, and lengths of 2^64 - 1.
    let heads = prop_oneof![
        Just(vec![0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        Just(vec![0x9b, 0, 0, 0, 1, 0, 0, 0, 0]),
        Just(vec![0xbf]),
        Just(vec![0x9f; 200]),
        Just(vec![0xc1; 200]),
        vec(any::<u8>(), 1..40),
    ];
    let blow = prop_oneof![
        any::<u8>().prop_map(Blow::Flip),
        Just(Blow::Cut),
        heads.prop_map(Blow::Put),
        (1..64_usize).prop_map(Blow::Repeat),
    ];
    vec((any::<usize>(), blow), 1..4)
}

fn struck(bytes: &mut Vec<u8>, blows: &[(usize, Blow)]) {
    for (place, blow) in blows {
        let at = place % bytes.len().max(1);
        match blow {
            Blow::Flip(bits) => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= bits),
            Blow::Cut => bytes.truncate(at),
            Blow::Put(more) => drop(bytes.splice(at..at, more.iter().copied())),
            Blow::Repeat(count) => {
                let part: Vec<u8> = bytes.iter().skip(at).take(*count).copied().collect();
                drop(bytes.splice(at..at, part));
            }
        }
    }
}

/// An answer with one part changed; `whole` changes the JSON itself.
fn changed(answer: &Value, part: Option<&str>, blows: &[(usize, Blow)]) -> String {
    let Some(part) = part else {
        let mut text = answer.to_string().into_bytes();
        struck(&mut text, blows);
        return String::from_utf8_lossy(&text).into_owned();
    };
    let mut answer = answer.clone();
    let mut bytes = BASE64URL_NOPAD.decode(answer["response"][part].as_str().expect("text").as_bytes()).expect("base64url");
    struck(&mut bytes, blows);
    answer["response"][part] = BASE64URL_NOPAD.encode(&bytes).into();
    answer.to_string()
}

/// The attack: an answer that no browser makes, to crash what reads it or to be taken for a right one.
#[tokio::test]
async fn no_changed_answer_is_right_and_none_breaks_what_reads_it() {
    let (site, key, user) = (site(), Key::new(true), UserId::draw(Entropy));
    let (options, registering) =
        site.begin_registration((user, "alice"), &[], (Verification::Preferred, Attestation::Direct)).expect("asked");
    let made = key.register(ORIGIN, &serde_json::from_str(&options).expect("JSON")).await;
    let first = site.finish_registration(&registering, &made.to_string()).expect("a key");
    let passkey = Passkey {
        id: Id::draw(Entropy),
        user,
        credential_id: first.credential_id,
        state: Secret::new(first.state),
        name: "key".to_owned(),
        aaguid: first.aaguid,
        counter: first.counter,
        verifies: first.verified,
        discoverable: first.discoverable,
        backup_eligible: first.backup_eligible,
        backed_up: first.backed_up,
        transports: first.transports,
        created_at: Timestamp::from_secs(0),
        used_at: None,
        set_aside: None,
    };
    let (options, asking) = site.begin(&[], Verification::Preferred).expect("asked");
    let proof = key.prove(ORIGIN, &serde_json::from_str(&options).expect("JSON")).await;
    let judge = |text: &str| site.finish(&asking, &Answer::read(text)?, &passkey, Verification::Preferred);
    judge(&proof.to_string()).expect("right as it is");

    let mut runner = TestRunner::new(Config::default());
    let registered = prop_oneof![Just(Some("attestationObject")), Just(Some("clientDataJSON")), Just(None)];
    let at_adding = runner.run(&(registered, blows()), |(part, blows)| {
        // What was changed may still be a key: nobody vouches for its make. It must not be another's.
        if let Ok(again) = site.finish_registration(&registering, &changed(&made, part, &blows)) {
            prop_assert!(again.credential_id.len() <= 1024, "{}", again.credential_id.len());
        }
        Ok(())
    });
    let parts = ["authenticatorData", "clientDataJSON", "signature", "userHandle"];
    let proven = prop_oneof![(0..parts.len()).prop_map(move |number| Some(parts[number])), Just(None)];
    let at_signing_in = runner.run(&(proven, blows()), |(part, blows)| {
        let text = changed(&proof, part, &blows);
        let meant = |text: &str| serde_json::from_str::<Value>(text).ok().map(|answer| answer["response"].clone());
        if let Ok(shown) = judge(&text) {
            prop_assert!(meant(&text) == meant(&proof.to_string()), "{part:?} {blows:?} {shown:?}");
        }
        Ok(())
    });
    at_adding.expect("nothing breaks");
    at_signing_in.expect("no changed answer is right");
}
