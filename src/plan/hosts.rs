//! Hosts of apps: each read once, none twice.

use std::collections::HashMap;

use crate::config::complaint::{Code, Complaint};
use crate::config::placed::{Place, Placed};
use crate::policy::mount::Mount;
use crate::policy::wildcard::{BadHostPattern, HostPattern};

/// Which hosts and paths were written where.
#[derive(Debug, Default)]
pub struct HostBook(HashMap<HostPattern, Vec<(Mount, Place)>>);

impl HostBook {
    /// Reads a host that no app has claimed before with this path.
    ///
    /// # Errors
    /// It cannot be read, or is taken.
    pub fn claim(&mut self, written: &Placed<String>, mount: &Mount) -> Result<HostPattern, Box<Complaint>> {
        let host = HostPattern::parse(&written.value).map_err(|reason| Box::new(unreadable(written, reason)))?;
        let claims = self.0.entry(host.clone()).or_default();
        if let Some((taken, first)) = claims.iter().find(|(taken, _)| taken.clashes_with(mount)) {
            let place = format!("`{host}{}`", mount.prefix());
            let complaint = |message: String| Complaint::new(Code::E0501, &written.place, message).key("app.host");
            return Err(Box::new(match taken.prefix() == mount.prefix() {
                true => complaint(format!("{}{place} is written twice", if mount.is_root() { "host " } else { "" }))
                    .label("here again")
                    .also(first, "first written here")
                    .help("a host belongs to one app, or to several with a `path` each"),
                false => complaint(format!("{place} cannot be told from `{host}{}`", taken.prefix()))
                    .label("here at one path…")
                    .also(first, "…and here at the other")
                    .help("some servers take both for the same path, or one for a part of the other: rename one of them"),
            }));
        }
        claims.push((mount.clone(), written.place.clone()));
        Ok(host)
    }
}

fn unreadable(written: &Placed<String>, reason: BadHostPattern) -> Complaint {
    let text = written.value.as_str();
    let complaint = Complaint::new(Code::E0505, &written.place, "not a host name or address").key("app.host");
    match host_within(text).filter(|part| *part != text && HostPattern::parse(part).is_ok()) {
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
        let root = Mount::root();
        assert!(book.claim(&Placed::new("a.example".into(), 0..3), &root).is_ok());
        let complaint = book.claim(&Placed::new("A.Example".into(), 7..9), &root).expect_err("taken");
        assert_eq!((complaint.code, &complaint.also[0].0), (Code::E0501, &(0..3)));
    }

    #[test]
    fn one_path_of_a_host_belongs_to_one_app_however_servers_read_it() {
        let mut book = HostBook::default();
        let mut claim = |host: &str, path: &str| {
            let mount = Mount::parse(path, false).expect(path);
            book.claim(&Placed::new(host.into(), 0..3), &mount).is_ok()
        };
        assert!(claim("a.example", "/") && claim("a.example", "/x") && claim("a.example", "/x/y/"));
        assert!(claim("*.a.example", "/x") && claim("b.a.example", "/x"), "a wildcard is another host");
        for (host, path) in [("a.example", "/x/"), ("A.example.", "/X"), ("a.example", "/x/Y"), ("*.A.example", "/x")] {
            assert!(!claim(host, path), "{host}{path}");
        }
    }
}
