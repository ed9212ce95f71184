//! `[[app]]`

use std::time::Duration;

use crate::config::auth;
use crate::config::headers::HeadersTable;
use crate::config::placed::{Place, Placed};
use crate::config::reader::Reader;
use crate::config::rule::{BypassEntry, RedirectTable, RuleTable};
use crate::config::tls::WrittenPair;
use crate::config::upstream_tls::UpstreamTlsTable;
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

/// `path_charset`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathCharset {
    /// `"utf-8"`
    Utf8,
    /// `"bytes"`
    Bytes,
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
    /// Where on those hosts it is.
    pub path: Option<Placed<String>>,
    /// Whether it does not see that path.
    pub strip_path: Option<Placed<bool>>,
    /// Where its requests go.
    pub upstream: Option<Placed<String>>,
    /// What it asks of visitors.
    pub require: Option<Placed<Strength>>,
    /// The ways to prove it that count.
    pub methods: Option<Placed<Vec<Placed<String>>>>,
    /// How long somebody new may add what it asks for with a password alone.
    pub enrol_deadline: Option<Placed<Duration>>,
    /// Whom it lets in.
    pub allow: Option<Placed<Vec<Placed<String>>>>,
    /// How long ago a proof may be; the inner `None` is `"off"`.
    pub max_age: Option<Placed<Option<Duration>>>,
    /// Whether the home page shows it.
    pub listed: Option<Placed<bool>>,
    /// What the home page says of it.
    pub description: Option<Placed<String>>,
    /// Denied for everybody.
    pub deny: Vec<Placed<String>>,
    /// How denied paths are answered.
    pub deny_status: Option<Placed<u16>>,
    /// Whether denied names take their suffixes with them.
    pub suffixes: Option<Placed<bool>>,
    /// What becomes of paths with an encoded slash.
    pub encoded_slash: Option<Placed<EncodedSlash>>,
    /// What its paths are written in.
    pub path_charset: Option<Placed<PathCharset>>,
    /// Whether paths with `.` and `..` are sent to what they come to.
    pub normalise: Option<Placed<bool>>,
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
    /// Whether the upstream gets the visitor's `Host`.
    pub preserve_host: Option<Placed<bool>>,
    /// `app.upstream_tls`
    pub upstream_tls: UpstreamTlsTable,
    /// Closed for now; the inner text is the owner's, if it is not `true` or `false`.
    pub maintenance: Option<Placed<Closed>>,
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

/// `app.maintenance`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// `false`
    No,
    /// `true`
    Yes,
    /// What visitors are told.
    Saying(String),
}

impl From<Result<bool, String>> for Closed {
    fn from(written: Result<bool, String>) -> Self {
        match written {
            Ok(true) => Self::Yes,
            Ok(false) => Self::No,
            Err(text) => Self::Saying(text),
        }
    }
}

impl AppTable {
    /// Reads the table.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let app = Self {
            place: reader.place(),
            name: reader.string("name"),
            hosts: reader.one_or_many("host").unwrap_or_default(),
            path: reader.string("path"),
            strip_path: reader.boolean("strip_path"),
            upstream: reader.string("upstream"),
            require: auth::strength(reader),
            methods: reader.list("methods"),
            enrol_deadline: reader.duration("enrol_deadline"),
            allow: reader.list("allow"),
            max_age: reader.duration_or("max_age", "off"),
            listed: reader.boolean("listed"),
            description: reader.string("description"),
            deny: reader.list("deny").map(|list| list.value).unwrap_or_default(),
            deny_status: reader.choice("deny_status", &[("403", 403), ("404", 404)]),
            suffixes: reader.boolean("suffixes"),
            encoded_slash: reader.choice("encoded_slash", &[("judge", EncodedSlash::Judge), ("refuse", EncodedSlash::Refuse)]),
            path_charset: reader.choice("path_charset", &[("utf-8", PathCharset::Utf8), ("bytes", PathCharset::Bytes)]),
            normalise: reader.boolean("normalise"),
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
            preserve_host: reader.boolean("preserve_host"),
            upstream_tls: reader.table("upstream_tls", UpstreamTlsTable::read),
            maintenance: reader
                .switch_or_text("maintenance")
                .map(|written| Placed::new(Closed::from(written.value), written.place)),
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
