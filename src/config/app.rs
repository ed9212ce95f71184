//! `[[app]]`

use std::time::Duration;

use crate::config::auth;
use crate::config::headers::HeadersTable;
use crate::config::placed::{Place, Placed};
use crate::config::reader::Reader;
use crate::config::rule::{BypassEntry, RedirectTable, RuleTable};
use crate::config::tls::WrittenPair;
use crate::config::websocket::WebSocketTable;
use crate::model::strength::Strength;

/// `encoded_slash`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodedSlash {
    /// `"judge"`
    Judge,
    /// `"refuse"`
    Refuse,
}

/// `[[app]]`
#[derive(Clone, Debug)]
pub struct AppTable {
    /// The header.
    pub place: Place,
    /// Its name.
    pub name: Option<Placed<String>>,
    /// The hosts it answers for.
    pub hosts: Vec<Placed<String>>,
    /// Where its requests go.
    pub upstream: Option<Placed<String>>,
    /// What it asks of visitors.
    pub require: Option<Placed<Strength>>,
    /// Denied for everybody.
    pub deny: Vec<Placed<String>>,
    /// How denied paths are answered.
    pub deny_status: Option<Placed<u16>>,
    /// Whether denied names take their suffixes with them.
    pub suffixes: Option<Placed<bool>>,
    /// What becomes of paths with an encoded slash.
    pub encoded_slash: Option<Placed<EncodedSlash>>,
    /// If given, everything else is denied.
    pub only: Option<Placed<Vec<Placed<String>>>>,
    /// Sent elsewhere.
    pub redirects: Vec<RedirectTable>,
    /// Open without a session.
    pub bypass: Vec<BypassEntry>,
    /// `[[app.rule]]`
    pub rules: Vec<RuleTable>,
    /// A certificate of the owner's own.
    pub pair: WrittenPair,
    /// Longest wait for a connection.
    pub connect_timeout: Option<Placed<Duration>>,
    /// Longest wait for the response's head; zero is for ever.
    pub response_timeout: Option<Placed<Duration>>,
    /// Longest silence; zero is for ever.
    pub idle_timeout: Option<Placed<Duration>>,
    /// Largest request body; the inner `None` is `"none"`.
    pub body_limit: Option<Placed<Option<u64>>>,
    /// `app.request_headers`
    pub request_headers: HeadersTable,
    /// `app.response_headers`
    pub response_headers: HeadersTable,
    /// `app.websocket`
    pub websocket: WebSocketTable,
}

impl AppTable {
    /// Reads the table.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let app = Self {
            place: reader.place(),
            name: reader.string("name"),
            hosts: reader.one_or_many("host").unwrap_or_default(),
            upstream: reader.string("upstream"),
            require: auth::strength(reader),
            deny: reader.list("deny").map(|list| list.value).unwrap_or_default(),
            deny_status: reader.choice("deny_status", &[("403", 403), ("404", 404)]),
            suffixes: reader.boolean("suffixes"),
            encoded_slash: reader.choice("encoded_slash", &[("judge", EncodedSlash::Judge), ("refuse", EncodedSlash::Refuse)]),
            only: reader.list("only"),
            redirects: reader.tables("redirect", RedirectTable::read),
            bypass: reader.entries(
                "bypass",
                "a list of strings or tables",
                |text| Some(BypassEntry::Path(text)),
                |table| BypassEntry::Table(Box::new(RuleTable::read_bypass(table))),
            ),
            rules: reader.tables("rule", RuleTable::read),
            pair: WrittenPair::read(reader),
            connect_timeout: reader.duration("connect_timeout"),
            response_timeout: reader.duration("response_timeout"),
            idle_timeout: reader.duration("idle_timeout"),
            body_limit: reader.size_or("body_limit", "none"),
            request_headers: reader.table("request_headers", HeadersTable::read),
            response_headers: reader.table("response_headers", HeadersTable::read),
            websocket: reader.table("websocket", WebSocketTable::read),
        };
        reader.demand(&["host"], "under which name is it reached?", "host = \"paperless.example.com\"");
        reader.demand(&["upstream"], "where do its requests go?", "upstream = \"http://127.0.0.1:8000\"");
        app
    }
}
