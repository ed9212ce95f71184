//! A question to name servers.

use std::net::{IpAddr, SocketAddr};

use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use crate::dns::fault::{Fault, Refusal};
use crate::dns::line;
use crate::dns::name;
use crate::policy::caa;

/// Records that are taken from one answer. Nobody has so many name servers or running proofs.
const MOST: usize = 64;

/// Kinds of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// Who may issue certificates for it.
    Caa,
    /// Another name for it.
    Cname,
    /// A name server of a zone.
    Ns,
    /// The head of a zone.
    Soa,
    /// Words.
    Txt,
}

/// What an answer holds of the kind that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// An address.
    Address(IpAddr),
    /// A word on who may issue.
    Caa(caa::Record),
    /// A name; `None` if it is an odd one.
    Name(Option<String>),
    /// Words, joined.
    Words(Vec<u8>),
    /// It is the head of a zone.
    Zone,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// What it holds for exactly the name and kind that were asked for.
    pub found: Vec<Found>,
    /// The zone in which there is nothing of it.
    pub zone: Option<String>,
}

/// Whom to ask, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The servers.
    pub servers: Vec<SocketAddr>,
    /// Whether they are to find out what they do not know themselves.
    pub recursive: bool,
}

impl Asker {
    /// Asks until one answers. That there is no such name or record is an answer.
    ///
    /// # Errors
    /// [`Fault`] of the last that was asked.
    pub async fn ask(&self, name: &str, kind: Kind) -> Result<Answer, Fault> {
        let mut last = Fault::Nobody;
        for server in &self.servers {
            match one(*server, name, kind, self.recursive).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => last = fault.at(*server),
            }
        }
        Err(last)
    }
}

async fn one(server: SocketAddr, name: &str, kind: Kind, recursive: bool) -> Result<Answer, Fault> {
    let owner = name::written(name)?;
    let mut message = Message::query();
    message.metadata.recursion_desired = recursive;
    message.add_query(Query::query(owner.clone(), record_type(kind)));
    let sent = message.to_vec().map_err(|_| Fault::Unwritable(name.to_owned()))?;
    let answer = line::exchange(server, &sent, true).await?;
    judged(&answer, message.metadata.id, &owner, kind)
}

fn judged(bytes: &[u8], id: u16, owner: &Name, kind: Kind) -> Result<Answer, Fault> {
    let answer = Message::from_vec(bytes).map_err(|_| Fault::Garbled)?;
    let asked = answer.queries.first().is_some_and(|query| query.name() == owner && query.query_type() == record_type(kind));
    let is_answer = answer.metadata.id == id && answer.metadata.message_type == MessageType::Response;
    if !is_answer || answer.metadata.truncation {
        return Err(Fault::Garbled);
    }
    match answer.metadata.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain if asked => {}
        ResponseCode::NoError | ResponseCode::NXDomain => return Err(Fault::Garbled),
        other => return Err(Fault::Said(refusal(other))),
    }
    let ours = |record: &&Record| record.name == *owner && record.dns_class == DNSClass::IN;
    let found = answer.answers.iter().filter(ours).filter_map(|record| found(record, kind)).take(MOST).collect();
    let heads = answer.authorities.iter().filter(|record| matches!(record.data, RData::SOA(_)));
    let zone = heads.filter(|record| record.name.zone_of(owner)).find_map(|record| name::read(&record.name));
    Ok(Answer { found, zone })
}

fn found(record: &Record, kind: Kind) -> Option<Found> {
    match (&record.data, kind) {
        (RData::A(address), Kind::A) => Some(Found::Address(IpAddr::V4(address.0))),
        (RData::AAAA(address), Kind::Aaaa) => Some(Found::Address(IpAddr::V6(address.0))),
        (RData::CAA(caa), Kind::Caa) => Some(Found::Caa(caa::Record {
            critical: caa.issuer_critical,
            tag: caa.tag.clone(),
            value: String::from_utf8_lossy(&caa.value).into_owned(),
        })),
        (RData::CNAME(target), Kind::Cname) => Some(Found::Name(name::read(&target.0))),
        (RData::NS(server), Kind::Ns) => Some(Found::Name(name::read(&server.0))),
        (RData::TXT(words), Kind::Txt) => Some(Found::Words(words.txt_data.concat())),
        (RData::SOA(_), Kind::Soa) => Some(Found::Zone),
        // The library's list of kinds is open.
        (_, Kind::A | Kind::Aaaa | Kind::Caa | Kind::Cname | Kind::Ns | Kind::Soa | Kind::Txt) => None,
    }
}

fn record_type(kind: Kind) -> RecordType {
    match kind {
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
        Kind::Caa => RecordType::CAA,
        Kind::Cname => RecordType::CNAME,
        Kind::Ns => RecordType::NS,
        Kind::Soa => RecordType::SOA,
        Kind::Txt => RecordType::TXT,
    }
}

/// What a code means.
pub(crate) fn refusal(code: ResponseCode) -> Refusal {
    match code {
        ResponseCode::FormErr => Refusal::Form,
        ResponseCode::ServFail => Refusal::Server,
        ResponseCode::NotImp => Refusal::Unknown,
        ResponseCode::Refused => Refusal::Refused,
        ResponseCode::NotAuth => Refusal::NotAuthoritative,
        ResponseCode::NotZone => Refusal::NotZone,
        // The library's list of codes is open.
        other => Refusal::Other(other.into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dns::kit::Server;

    fn words(text: &str) -> Found {
        Found::Words(text.as_bytes().to_vec())
    }

    #[tokio::test]
    async fn answers_are_those_to_the_question() {
        let server = Server::start(&["a.example TXT one", "a.example TXT two", "b.example TXT three", "example SOA"]).await;
        let asker = Asker { servers: vec![server.address], recursive: true };
        let answer = asker.ask("a.example", Kind::Txt).await.expect("an answer");
        assert_eq!(answer.found, [words("one"), words("two")]);
        let none = asker.ask("c.example", Kind::Txt).await.expect("an answer");
        assert_eq!(none, Answer { found: vec![], zone: Some("example".to_owned()) });
        let nobody = Asker { servers: vec!["127.0.0.1:1".parse().expect("an address")], recursive: true };
        assert!(matches!(nobody.ask("a.example", Kind::Txt).await.expect_err("nobody").bare(), Fault::Unreachable(_)));
        let both = Asker { servers: [nobody.servers, asker.servers].concat(), recursive: true };
        assert_eq!(both.ask("a.example", Kind::Txt).await.expect("the second").found.len(), 2);
    }

    /// The attack: an answer to another question, by somebody who guesses, or with records that nobody asked for.
    #[test]
    fn what_was_not_asked_for_is_not_believed() {
        let owner = name::written("a.example").expect("a name");
        let mut honest = Message::query();
        honest.metadata.message_type = MessageType::Response;
        honest.add_query(Query::query(owner.clone(), RecordType::TXT));
        let text = |name: &str| {
            let rdata = RData::TXT(hickory_proto::rr::rdata::TXT::new(vec!["x".to_owned()]));
            Record::from_rdata(name::written(name).expect("a name"), 1, rdata)
        };
        honest.add_answer(text("a.example")).add_answer(text("other.example"));
        let id = honest.metadata.id;
        let judge = |message: &Message| judged(&message.to_vec().expect("written"), id, &owner, Kind::Txt);
        assert_eq!(judge(&honest).expect("an answer").found, [words("x")]);
        let mut other = honest.clone();
        other.metadata.id = id.wrapping_add(1);
        assert!(judge(&other).is_err());
        let mut other = honest.clone();
        other.metadata.message_type = MessageType::Query;
        assert!(judge(&other).is_err());
        let mut other = honest.clone();
        other.queries = vec![Query::query(name::written("b.example").expect("a name"), RecordType::TXT)];
        assert!(judge(&other).is_err());
        let mut many = honest;
        many.answers.extend((0..1_000).map(|_| text("a.example")));
        assert_eq!(judge(&many).expect("an answer").found.len(), MOST);
    }

    proptest! {
        /// The attack: any bytes for an answer.
        #[test]
        fn any_bytes_are_judged_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let owner = name::written("a.example").expect("a name");
            drop(judged(&bytes, 1, &owner, Kind::Txt));
        }

        /// The attack: an honest answer with some bytes turned.
        #[test]
        fn turned_bytes_are_judged_without_panic(turns in proptest::collection::vec((0..200_usize, any::<u8>()), 1..8)) {
            let owner = name::written("a.example").expect("a name");
            let mut message = Message::query();
            message.metadata.message_type = MessageType::Response;
            message.add_query(Query::query(owner.clone(), RecordType::CNAME));
            let target = hickory_proto::rr::rdata::CNAME(name::written("b.c.example").expect("a name"));
            message.add_answer(Record::from_rdata(owner.clone(), 1, RData::CNAME(target)));
            let mut bytes = message.to_vec().expect("written");
            for (at, byte) in turns {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            drop(judged(&bytes, message.metadata.id, &owner, Kind::Cname));
        }
    }
}
