//! A record for the tests of this room.

use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::observe::record::Record;

/// A refused request with hostile bytes in it.
pub fn record() -> Record {
    Record {
        id: "abc".into(),
        plan: 7,
        received: Timestamp::from_millis(1_700_000_000_500),
        peer: "[::ffff:192.0.2.7]:4711".parse().expect("an address"),
        client: "192.0.2.7".parse().expect("an address"),
        sni: Some("a.example".into()),
        protocol: "HTTP/2.0",
        method: "GET".into(),
        host: "a.example".into(),
        uri: "/\u{1b}[31m".into(),
        agent: Some((*b"curl\n").into()),
        referer: None,
        app: Some("a".into()),
        user: None,
        refusal: Some("sign-in"),
        status: 302,
        sent: 0,
        took: Duration::from_millis(2),
    }
}
