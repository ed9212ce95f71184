//! Changes to a zone by its primary server (RFC 2136), signed with a key that both know (RFC 8945). Always over TCP.

use std::net::SocketAddr;

use hickory_proto::op::update_message;
use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::rdata::tsig::{TsigAlgorithm, TsigError};
use hickory_proto::rr::{Name, RData, Record, RecordSet, RecordType, TSigVerifier, TSigner};

use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::dns::ask;
use crate::dns::fault::{Fault, Refusal};
use crate::dns::line;
use crate::dns::name;

/// Seconds that the server's clock and ours may differ (RFC 8945 section 10 recommends them).
const FUDGE: u16 = 300;
/// Seconds that a record of a proof may be remembered.
const TTL: u32 = 60;

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Sha256,
    /// With SHA-384.
    Sha384,
    /// With SHA-512.
    Sha512,
}

/// A key that the server knows too.
#[derive(Clone, Debug)]
pub struct Key<'a> {
    /// Its name there.
    pub name: &'a str,
    /// How it signs.
    pub algorithm: Algorithm,
    /// Its bytes.
    pub secret: &'a Secret<Vec<u8>>,
}

/// What is to become of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is there, beside others of the name.
    Add,
    /// It is not there; others of the name stay.
    Remove,
}

/// A record of words.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    /// The zone it is in.
    pub zone: &'a str,
    /// Its name.
    pub name: &'a str,
    /// What it says.
    pub value: &'a str,
}

/// Has a server change a zone.
///
/// # Errors
/// [`Fault`]; an answer without the key's signature is [`Fault::Unsigned`] where there is a key, whatever it says.
pub async fn send(
    server: SocketAddr,
    key: Option<&Key<'_>>,
    change: Change,
    words: Words<'_>,
    now: Timestamp,
) -> Result<(), Fault> {
    let mut message = message(change, words)?;
    let verifier = match key {
        None => None,
        Some(key) => {
            let seconds = u64::try_from(now.secs()).unwrap_or(0);
            let signed = signer(key)?.sign_message(&message, seconds);
            let (signature, verifier) = signed.map_err(|_| Fault::Unwritable("the signature".to_owned()))?;
            message.set_signature(signature);
            verifier
        }
    };
    let sent = message.to_vec().map_err(|_| Fault::Unwritable(words.name.to_owned()))?;
    let answer = line::exchange(server, &sent, false).await.map_err(|fault| fault.at(server))?;
    judged(&answer, message.metadata.id, verifier).map_err(|fault| fault.at(server))
}

fn message(change: Change, words: Words<'_>) -> Result<Message, Fault> {
    let (zone, owner) = (name::written(words.zone)?, name::written(words.name)?);
    // The library insists on it.
    if !zone.zone_of(&owner) {
        return Err(Fault::NoZone(words.name.to_owned()));
    }
    let mut set = RecordSet::with_ttl(owner.clone(), RecordType::TXT, TTL);
    let record = Record::from_rdata(owner, TTL, RData::TXT(TXT::new(vec![words.value.to_owned()])));
    if !set.insert(record, 0) {
        return Err(Fault::Unwritable(words.name.to_owned()));
    }
    Ok(match change {
        Change::Add => update_message::append(set, zone, false, false),
        Change::Remove => update_message::delete_by_rdata(set, zone, false),
    })
}

fn signer(key: &Key<'_>) -> Result<TSigner, Fault> {
    let algorithm = match key.algorithm {
        Algorithm::Sha256 => TsigAlgorithm::HmacSha256,
        Algorithm::Sha384 => TsigAlgorithm::HmacSha384,
        Algorithm::Sha512 => TsigAlgorithm::HmacSha512,
    };
    let name: Name = name::written(key.name)?;
    TSigner::new(key.secret.expose().clone(), algorithm, name, FUDGE).map_err(|_| Fault::Unwritable("the key".to_owned()))
}

fn judged(bytes: &[u8], id: u16, verifier: Option<TSigVerifier>) -> Result<(), Fault> {
    let answer = Message::from_vec(bytes).map_err(|_| Fault::Garbled)?;
    let (metadata, signature) = (answer.metadata, answer.signature);
    if metadata.id != id || metadata.message_type != MessageType::Response || metadata.op_code != OpCode::Update {
        return Err(Fault::Garbled);
    }
    let signed = signature.as_ref().and_then(|record| record.data.error);
    let refusal = match (signed, metadata.response_code) {
        (Some(TsigError::BadKey), _) => Some(Refusal::BadKey),
        (Some(TsigError::BadSig), _) => Some(Refusal::BadSignature),
        (Some(TsigError::BadTime), _) => Some(Refusal::BadTime),
        // The library's lists of codes are open. A refusal needs no signature: at worst a stranger keeps us from what he could
        // keep us from anyway.
        (Some(other), _) => Some(Refusal::Other(other.into())),
        (None, ResponseCode::NoError) => None,
        (None, other) => Some(ask::refusal(other)),
    };
    match (refusal, verifier) {
        (Some(refusal), _) => Err(Fault::Said(refusal)),
        (None, None) => Ok(()),
        (None, Some(mut verifier)) => {
            if signature.is_none() || verifier.verify(bytes).is_err() {
                return Err(Fault::Unsigned);
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::ask::{Asker, Found, Kind};
    use crate::dns::kit::{KEY, Server};

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const NAME: &str = "_acme-challenge.a.example";

    fn secret(text: &str) -> Secret<Vec<u8>> {
        Secret::new(text.as_bytes().to_vec())
    }

    async fn tell(server: &Server, key: Option<&Key<'_>>, change: Change, value: &str) -> Result<(), Fault> {
        send(server.address, key, change, Words { zone: "example", name: NAME, value }, NOW).await
    }

    async fn kept(server: &Server) -> Vec<Found> {
        let asker = Asker { servers: vec![server.address], recursive: false };
        asker.ask(NAME, Kind::Txt).await.expect("an answer").found
    }

    #[tokio::test]
    async fn values_stand_beside_each_other_and_go_one_by_one() {
        let server = Server::start(&["example SOA"]).await;
        let secret = secret("between us");
        for algorithm in [Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512] {
            let key = Key { name: KEY, algorithm, secret: &secret };
            tell(&server, Some(&key), Change::Add, "one").await.expect("added");
            tell(&server, Some(&key), Change::Add, "two").await.expect("added");
            assert_eq!(kept(&server).await.len(), 2, "{algorithm:?}");
            tell(&server, Some(&key), Change::Remove, "one").await.expect("removed");
            assert_eq!(kept(&server).await, [Found::Words(b"two".to_vec())]);
            tell(&server, Some(&key), Change::Remove, "two").await.expect("removed");
            tell(&server, Some(&key), Change::Remove, "two").await.expect("what is gone stays gone");
        }
    }

    #[tokio::test]
    async fn refusals_are_told_apart() {
        let server = Server::start(&["example SOA"]).await;
        let (right, wrong) = (secret("between us"), secret("another"));
        let said = async |name: &str, secret: &Secret<Vec<u8>>| {
            let key = Key { name, algorithm: Algorithm::Sha256, secret };
            match tell(&server, Some(&key), Change::Add, "x").await.expect_err("refused").bare() {
                Fault::Said(refusal) => *refusal,
                other => panic!("{other}"),
            }
        };
        assert_eq!(said("nobody", &right).await, Refusal::BadKey);
        assert_eq!(said(KEY, &wrong).await, Refusal::BadSignature);
        let key = Key { name: KEY, algorithm: Algorithm::Sha256, secret: &right };
        let words = Words { zone: "test", name: "a.test", value: "x" };
        let fault = send(server.address, Some(&key), Change::Add, words, NOW).await.expect_err("another zone");
        assert!(matches!(fault.bare(), Fault::Said(Refusal::NotAuthoritative)), "{fault}");
        let words = Words { zone: "example", name: "a.test", value: "x" };
        assert!(matches!(send(server.address, Some(&key), Change::Add, words, NOW).await, Err(Fault::NoZone(_))));
        assert!(kept(&server).await.is_empty());
    }

    /// The attack: somebody on the way answers "done" in the server's place, so that a removal never happens.
    #[tokio::test]
    async fn consent_without_the_keys_signature_is_none() {
        let server = Server::unsigned(&["example SOA"]).await;
        let secret = secret("between us");
        let key = Key { name: KEY, algorithm: Algorithm::Sha256, secret: &secret };
        let fault = tell(&server, Some(&key), Change::Add, "x").await.expect_err("unsigned");
        assert!(matches!(fault.bare(), Fault::Unsigned), "{fault}");
        tell(&server, None, Change::Add, "y").await.expect("without a key there is nothing to verify");
    }
}
