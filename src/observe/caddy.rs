//! A request as one JSON document with the field names of Caddy's access log, which log readers and ban tools already know.

use std::net::IpAddr;

use serde::Serialize;

use crate::observe::record::Record;
use crate::observe::redact;

/// Appends the line of `record`, its end included.
pub fn write(line: &mut Vec<u8>, record: &Record) {
    let agent = record.agent.as_deref().map(redact::harmless);
    // Plain values into memory: nothing of it can fail.
    drop(serde_json::to_writer(&mut *line, &Line::of(record, agent.as_deref())));
    line.push(b'\n');
}

/// The record with Caddy's field names; `id`, `plan`, `app` and `refusal` are ours.
#[derive(Serialize)]
struct Line<'a> {
    level: &'static str,
    ts: f64,
    logger: &'static str,
    msg: &'static str,
    id: &'a str,
    request: RequestPart<'a>,
    plan: u64,
    app: Option<&'a str>,
    user_id: &'a str,
    refusal: Option<&'static str>,
    duration: f64,
    size: u64,
    status: u16,
}

#[derive(Serialize)]
struct RequestPart<'a> {
    remote_ip: IpAddr,
    remote_port: String,
    client_ip: IpAddr,
    proto: &'static str,
    method: &'a str,
    host: &'a str,
    uri: &'a str,
    headers: Headers<'a>,
    tls: Tls<'a>,
}

/// Of the headers only what ban tools look at: the rest may hold secrets.
#[derive(Serialize)]
struct Headers<'a> {
    #[serde(rename = "User-Agent", skip_serializing_if = "Option::is_none")]
    agent: Option<[&'a str; 1]>,
}

#[derive(Serialize)]
struct Tls<'a> {
    server_name: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn of(record: &'a Record, agent: Option<&'a str>) -> Self {
        Self {
            level: "info",
            ts: record.received.millis() as f64 / 1000.0,
            logger: "http.log.access",
            msg: "handled request",
            id: &record.id,
            request: RequestPart {
                remote_ip: record.peer.ip().to_canonical(),
                remote_port: record.peer.port().to_string(),
                client_ip: record.client,
                proto: record.protocol,
                method: &record.method,
                host: &record.host,
                uri: &record.uri,
                headers: Headers { agent: agent.map(|agent| [agent]) },
                tls: Tls { server_name: record.sni.as_deref() },
            },
            plan: record.plan,
            app: record.app.as_deref(),
            user_id: record.user.as_deref().unwrap_or_default(),
            refusal: record.refusal,
            duration: record.took.as_secs_f64(),
            size: record.sent,
            status: record.status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::sample::record;

    #[test]
    fn a_line_has_caddys_field_names() {
        let mut text = Vec::new();
        write(&mut text, &record());
        let line: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        assert_eq!(line["request"]["client_ip"], "192.0.2.7");
        assert_eq!(line["request"]["remote_ip"], "192.0.2.7");
        assert_eq!(line["status"], 302);
        assert_eq!(line["ts"], 1_700_000_000.5);
        assert_eq!(line["user_id"], "");
        assert_eq!(line["plan"], 7);
    }

    /// The attack: control characters in a path or agent forge lines or colour a terminal.
    #[test]
    fn one_request_is_one_line_without_control_characters() {
        let mut text = Vec::new();
        write(&mut text, &record());
        let text = String::from_utf8(text).expect("UTF-8");
        let line = text.strip_suffix('\n').expect("ends its line");
        assert!(!line.chars().any(char::is_control), "{line}");
    }
}
