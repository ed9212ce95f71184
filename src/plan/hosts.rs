//! Hosts of apps: each read once, none twice.

use std::collections::HashMap;

use crate::config::complaint::{Code, Complaint};
use crate::config::placed::{Place, Placed};
use crate::policy::host::{BadHost, Host};

/// Which hosts were written where.
#[derive(Debug, Default)]
pub struct HostBook(HashMap<Host, Place>);

impl HostBook {
    /// Reads a host that no app has claimed before.
    ///
    /// # Errors
    /// It cannot be read, or is taken.
    pub fn claim(&mut self, written: &Placed<String>) -> Result<Host, Box<Complaint>> {
        let host = Host::parse(&written.value).map_err(|reason| Box::new(unreadable(written, reason)))?;
        match self.0.get(&host) {
            Some(first) => {
                let complaint = Complaint::new(Code::E0501, &written.place, format!("host `{}` is written twice", host.as_str()));
                let complaint = complaint.label("here again").also(first, "first written here");
                Err(Box::new(complaint.help("a host belongs to one app").key("app.host")))
            }
            None => {
                self.0.insert(host.clone(), written.place.clone());
                Ok(host)
            }
        }
    }
}

fn unreadable(written: &Placed<String>, reason: BadHost) -> Complaint {
    let text = written.value.as_str();
    let complaint = Complaint::new(Code::E0505, &written.place, "not a host name or address").key("app.host");
    if text.contains('*') {
        return complaint.label("wildcards are not in this version yet").help("write each host out");
    }
    match host_within(text).filter(|part| *part != text && Host::parse(part).is_ok()) {
        Some(host) => complaint.label(format!("only the host: did you mean \"{host}\"?")).fix(format!("\"{host}\"")),
        None => complaint.label(reason.to_string()),
    }
}

/// The host in a URL or in `host:port`.
fn host_within(text: &str) -> Option<&str> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => authority.split(':').next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_or_a_port_is_recognised_and_the_host_proposed() {
        for text in ["https://a.example/x", "a.example:8443", "a.example/"] {
            assert_eq!(host_within(text), Some("a.example"), "{text}");
        }
        assert_eq!(host_within("http://[::1]:80/"), Some("::1"));
    }

    #[test]
    fn one_host_belongs_to_one_app_however_it_is_spelt() {
        let mut book = HostBook::default();
        assert!(book.claim(&Placed::new("a.example".into(), 0..3)).is_ok());
        let complaint = book.claim(&Placed::new("A.Example".into(), 7..9)).expect_err("taken");
        assert_eq!((complaint.code, &complaint.also[0].0), (Code::E0501, &(0..3)));
    }
}
