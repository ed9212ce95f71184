//! A browser: a jar of cookies per host, some tabs, and what they showed before.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use doorward::wire::cookie::SESSION;
use http::HeaderMap;
use http::header::SET_COOKIE;

use crate::kit::form::Form;

/// Where a tab is.
#[derive(Clone, Debug)]
pub struct Page {
    pub host: String,
    pub path: String,
    pub form: Option<Form>,
}

#[derive(Debug)]
pub struct Browser {
    pub client: IpAddr,
    pub jars: BTreeMap<String, BTreeMap<String, String>>,
    pub tabs: [Option<Page>; 2],
    /// Pages one can go back to.
    pub before: Vec<Page>,
    /// Addresses that were seen in the address bar.
    pub history: Vec<(String, String)>,
}

impl Browser {
    /// A fresh one, in a household of its own.
    pub fn new(household: u64) -> Self {
        let client = IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | (u128::from(household) << 64) | 1));
        Self { client, jars: BTreeMap::new(), tabs: [None, None], before: Vec::new(), history: Vec::new() }
    }

    pub fn cookies(&self, host: &str) -> Option<String> {
        let jar = self.jars.get(host).filter(|jar| !jar.is_empty())?;
        Some(jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; "))
    }

    pub fn session_cookie(&self, host: &str) -> Option<&String> {
        self.jars.get(host)?.get(SESSION)
    }

    pub fn put(&mut self, host: &str, name: &str, value: &str) {
        self.jars.entry(host.to_owned()).or_default().insert(name.to_owned(), value.to_owned());
    }

    /// Keeps what an answer sets; what became of the session's cookie.
    pub fn keep(&mut self, host: &str, headers: &HeaderMap) -> Option<String> {
        let jar = self.jars.entry(host.to_owned()).or_default();
        let mut session = None;
        for line in headers.get_all(SET_COOKIE) {
            let line = line.to_str().expect("ASCII");
            let (name, rest) = line.split_once('=').expect("a cookie");
            if line.ends_with("Max-Age=0") {
                jar.remove(name);
                continue;
            }
            let value = rest.split(';').next().expect("a value");
            jar.insert(name.to_owned(), value.to_owned());
            if name == SESSION {
                session = Some(value.to_owned());
            }
        }
        session
    }
}
