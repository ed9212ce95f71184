//! A name server for tests: some records, changed by whoever has the key.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::tsig::TsigError;
use hickory_proto::rr::rdata::{A, AAAA, CAA, CNAME, NS, SOA, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType, TSigResponseContext, TSigner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::base::task;

/// The name of the key it knows; the bytes are "between us".
pub const KEY: &str = "doorward";

/// A name server on a port of its own, until the test ends.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    records: Arc<Mutex<Vec<Record>>>,
}

impl Server {
    /// With records such as `a.example TXT words` and `example SOA`.
    pub async fn start(records: &[&str]) -> Self {
        Self::run(records, true).await
    }

    /// One that was made a server of the zone and knows nothing of it.
    pub async fn lame() -> Self {
        Self::run(&[], true).await
    }

    /// The same, and what it consents to is not signed, nor is a signature looked at.
    pub async fn unsigned(records: &[&str]) -> Self {
        Self::run(records, false).await
    }

    /// One that drops connections, as some resolvers do, and answers packets, after some of somebody who guesses.
    pub async fn without_tcp(records: &[&str]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let records = Arc::new(Mutex::new(records.iter().map(|line| record(line)).collect::<Vec<_>>()));
        let shared = Arc::clone(&records);
        // What nobody takes fills the queue; whoever comes then is dropped.
        let listener = TcpSocket::new_v4().unwrap();
        listener.bind(address).unwrap();
        let listener = listener.listen(1).unwrap();
        let mut queue = Vec::new();
        while let Ok(stream) = timeout(Duration::from_millis(50), TcpStream::connect(address)).await {
            queue.push(stream.unwrap());
        }
        task::start("name server", async move {
            let _held = (listener, queue);
            let mut bytes = vec![0; 1_000];
            while let Ok((count, from)) = socket.recv_from(&mut bytes).await {
                let question = Message::from_vec(&bytes[..count]).unwrap();
                let answer = answered(&question, &shared.lock().unwrap());
                for packet in guesses(&answer).into_iter().chain([answer]) {
                    socket.send_to(&packet, from).await.unwrap();
                }
            }
        });
        Self { address, records }
    }

    /// How many values a name has.
    pub fn count(&self, name: &str) -> usize {
        let name = Name::from_ascii(format!("{name}.")).unwrap();
        let is_one = |record: &&Record| record.name == name && record.record_type() == RecordType::TXT;
        self.records.lock().unwrap().iter().filter(is_one).count()
    }

    async fn run(records: &[&str], signs: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let records = Arc::new(Mutex::new(records.iter().map(|line| record(line)).collect::<Vec<_>>()));
        let shared = Arc::clone(&records);
        task::start("name server", async move {
            while let Ok((stream, _)) = listener.accept().await {
                task::start("question", serve(stream, Arc::clone(&shared), signs));
            }
        });
        Self { address, records }
    }
}

async fn serve(mut stream: TcpStream, records: Arc<Mutex<Vec<Record>>>, signs: bool) {
    while let Ok(length) = stream.read_u16().await {
        let mut bytes = vec![0; usize::from(length)];
        stream.read_exact(&mut bytes).await.unwrap();
        let question = Message::from_vec(&bytes).unwrap();
        let answer = match question.metadata.op_code {
            OpCode::Update => updated(&bytes, &question, &mut records.lock().unwrap(), signs),
            _ => answered(&question, &records.lock().unwrap()),
        };
        let length = u16::try_from(answer.len()).unwrap();
        stream.write_all(&[&length.to_be_bytes()[..], &answer].concat()).await.unwrap();
    }
}

/// An answer with one thing wrong in each.
fn guesses(answer: &[u8]) -> Vec<Vec<u8>> {
    let mut wrong = Vec::new();
    // Its number, that it is an answer, that it is whole, the name it is about.
    for (at, change) in [(1, 0x01), (2, 0x80), (2, 0x02), (13, 0x01)] {
        let mut packet = answer.to_vec();
        packet[at] ^= change;
        wrong.push(packet);
    }
    wrong.push(answer[..6].to_vec());
    wrong
}

fn answered(question: &Message, records: &[Record]) -> Vec<u8> {
    let query: &Query = &question.queries[0];
    let mut answer = Message::response(question.metadata.id, OpCode::Query);
    answer.add_query(query.clone());
    answer.metadata.authoritative = !records.is_empty();
    let fits = |record: &&Record| record.name == *query.name() && record.record_type() == query.query_type();
    answer.add_answers(records.iter().filter(fits).cloned());
    if answer.answers.is_empty() {
        let mut heads: Vec<_> = records.iter().filter(|record| record.record_type() == RecordType::SOA).collect();
        heads.sort_by_key(|record| std::cmp::Reverse(record.name.num_labels()));
        answer.add_authorities(heads.into_iter().find(|record| record.name.zone_of(query.name())).cloned());
    }
    answer.to_vec().unwrap()
}

fn updated(bytes: &[u8], question: &Message, records: &mut Vec<Record>, signs: bool) -> Vec<u8> {
    let id = question.metadata.id;
    let mut answer = Message::new(id, MessageType::Response, OpCode::Update);
    let zone = question.queries[0].name();
    if !records.iter().any(|record| record.record_type() == RecordType::SOA && record.name == *zone) {
        answer.metadata.response_code = ResponseCode::NotAuth;
        return answer.to_vec().unwrap();
    }
    let signature = question.signature.clone().map(|record| *record);
    let mut context = None;
    if let (Some(signature), true) = (signature, signs) {
        let algorithm = signature.data.algorithm.clone();
        let signer = |name: Name| TSigner::new(b"between us".to_vec(), algorithm.clone(), name, 300).unwrap();
        let known = Name::from_ascii(format!("{KEY}.")).unwrap();
        let (time, mac) = (signature.data.time, signature.data.mac.clone());
        if signature.name != known {
            context = Some(TSigResponseContext::unknown_key(id, time, signature.name));
            answer.metadata.response_code = ResponseCode::NotAuth;
        } else if signer(known.clone()).verify_message_byte(bytes, None, true).is_err() {
            context = Some(TSigResponseContext::bad_signature(id, time, signer(known)));
            answer.metadata.response_code = ResponseCode::NotAuth;
        } else {
            context = Some(TSigResponseContext::new(id, time, signer(known), mac, None::<TsigError>));
        }
    }
    if answer.metadata.response_code == ResponseCode::NoError {
        for change in &question.authorities {
            records.retain(|record| record.name != change.name || record.data != change.data);
            if change.dns_class == DNSClass::IN {
                records.push(change.clone());
            }
        }
    }
    let encoded = answer.to_vec().unwrap();
    match context {
        None => encoded,
        Some(context) => {
            answer.set_signature(context.sign(&encoded).unwrap());
            answer.to_vec().unwrap()
        }
    }
}

fn record(line: &str) -> Record {
    let mut words = line.split(' ');
    let name = |text: &str| {
        let mut name = Name::from_labels(text.split('.').map(str::as_bytes)).unwrap();
        name.set_fqdn(true);
        name
    };
    let (owner, kind, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap_or_default());
    let data = match kind {
        "A" => RData::A(A(rest.parse().unwrap())),
        "AAAA" => RData::AAAA(AAAA(rest.parse().unwrap())),
        // Flags, tag, who may; nobody if it says no more.
        "CAA" => {
            let (is_critical, tag, issuer) =
                (rest == "128", words.next().unwrap(), words.next().map(|text| Name::from_ascii(text).unwrap()));
            RData::CAA(if tag == "issue" {
                CAA::new_issue(is_critical, issuer, vec![])
            } else {
                CAA::new_issuewild(is_critical, issuer, vec![])
            })
        }
        "CNAME" => RData::CNAME(CNAME(name(rest))),
        "NS" => RData::NS(NS(name(rest))),
        "SOA" => RData::SOA(SOA::new(name(owner), name(owner), 1, 1, 1, 1, 1)),
        "TXT" => RData::TXT(TXT::new(vec![rest.to_owned()])),
        other => panic!("{other}"),
    };
    Record::from_rdata(name(owner), 1, data)
}
