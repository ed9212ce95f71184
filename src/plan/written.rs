//! The gateway.toml that `doorward up HOST=UPSTREAM …` stands for. `up` compiles exactly this text and `--print-config` prints
//! it, so what was tried on the command line can be kept as a file.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::model::mode::Mode;
use crate::plan::upstream;
use crate::plan::upstream::{BadUpstream, Origin};
use crate::policy::wildcard::HostPattern;

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quick {
    /// The apps.
    pub apps: Vec<QuickApp>,
    /// Where to listen for TLS; empty leaves the default.
    pub https: Vec<SocketAddr>,
    /// Where to listen for plain HTTP; `None` leaves the default, an empty list listens nowhere.
    pub http: Option<Vec<SocketAddr>>,
    /// Where the store lives.
    pub data_dir: Option<PathBuf>,
    /// Whether there are people, or one owner.
    pub mode: Mode,
    /// Where certificates for public names come from, if the authority's terms are agreed to.
    pub acme: Option<QuickAcme>,
}

/// Where certificates for public names come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuickAcme {
    /// Whom the authority may write to.
    pub email: Option<String>,
    /// The authority, if it is not the default one.
    pub directory: Option<String>,
    /// The file of a private authority's certificate.
    pub ca_file: Option<PathBuf>,
}

/// One `HOST=UPSTREAM`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuickApp {
    /// The host.
    pub host: HostPattern,
    /// Its upstream.
    pub upstream: Origin,
}

/// Why a text is not `HOST=UPSTREAM`. Each is said together with the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadQuick {
    /// No `=`.
    #[error("has no `=`: write HOST=UPSTREAM, such as jupyter.localhost=127.0.0.1:8888")]
    NoEquals,
    /// Left of `=`.
    #[error("`{0}` is not a host name: write it without scheme, port or path, such as jupyter.localhost")]
    Host(String),
    /// Right of `=`.
    #[error("the upstream {reason}: write a port, HOST:PORT, http://…, https://… or unix:/PATH, such as 127.0.0.1:8888")]
    Upstream {
        /// What is wrong with it.
        #[source]
        reason: BadUpstream,
    },
}

impl QuickApp {
    /// Reads `HOST=UPSTREAM`; the upstream is `http://HOST:PORT`, `https://HOST:PORT`, `unix:/PATH`, `HOST:PORT`, or a
    /// port of this machine.
    ///
    /// # Errors
    /// [`BadQuick`].
    pub fn parse(text: &str) -> Result<Self, BadQuick> {
        let (host, upstream) = text.split_once('=').ok_or(BadQuick::NoEquals)?;
        let (host, upstream) = (host.trim(), upstream.trim());
        let host = HostPattern::parse(host).map_err(|_| BadQuick::Host(host.to_owned()))?;
        let whole = match upstream {
            port if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => format!("http://127.0.0.1:{port}"),
            local if local.starts_with(':') => format!("http://127.0.0.1{local}"),
            other if other.contains("://") || other.starts_with("unix:") || other.starts_with('/') => other.to_owned(),
            other => format!("http://{other}"),
        };
        let upstream = upstream::origin(&whole).map_err(|reason| BadQuick::Upstream { reason })?;
        Ok(Self { host, upstream })
    }
}

impl Quick {
    /// The file that stands for it.
    pub fn to_toml(&self) -> String {
        let mut text = String::from("# Check with `doorward check`, run with `doorward run`. Every other key has its default.\n");
        if let Some(path) = &self.data_dir {
            text.push_str(&format!("data_dir = {}\n", quoted(&path.display().to_string())));
        }
        if !self.https.is_empty() || self.http.is_some() {
            text.push_str("\n[listen]\n");
        }
        if !self.https.is_empty() {
            text.push_str(&format!("https = {}\n", list(&self.https)));
        }
        if let Some(http) = &self.http {
            let told = "redirects to https, never serves an app";
            text.push_str(&format!("http = {} # {told}\n", list(http)));
        }
        if let Some(acme) = &self.acme {
            let ca_file = acme.ca_file.as_ref().map(|path| path.display().to_string());
            text.push_str("\n# Public names get certificates that everybody trusts.\n[acme]\nagree_tos = true\n");
            for (key, value) in [("email", &acme.email), ("directory", &acme.directory), ("ca_file", &ca_file)] {
                text.extend(value.as_ref().map(|value| format!("{key} = {}\n", quoted(value))));
            }
        }
        let asks = match self.mode {
            Mode::People => "a password and a one-time code",
            Mode::SingleOwner => {
                text.push_str(&format!(
                    "\n# One account: a code alone signs in, or a passkey.\n[auth]\nmode = {}\n",
                    quoted(self.mode.name())
                ));
                "a one-time code or a passkey"
            }
        };
        for app in &self.apps {
            text.push_str(&format!("\n# Asks for {asks}. Close paths to everybody with: deny = [\"/admin/\"]\n"));
            text.push_str(&format!(
                "[[app]]\nhost = {}\nupstream = {}\n",
                quoted(&app.host.to_string()),
                quoted(&app.upstream.to_string())
            ));
        }
        text
    }
}

fn list(addresses: &[SocketAddr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(|address| quoted(&address.to_string())).collect();
    format!("[{}]", addresses.join(", "))
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(letter))),
            letter => quoted.push(letter),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::compile::compile_text;

    #[test]
    fn an_upstream_is_a_port_an_address_or_a_url() {
        for (text, upstream) in [
            ("jupyter.localhost=127.0.0.1:8888", "http://127.0.0.1:8888"),
            ("jupyter.localhost=8888", "http://127.0.0.1:8888"),
            ("jupyter.localhost=:8888", "http://127.0.0.1:8888"),
            ("jupyter.localhost=http://box:8888/", "http://box:8888"),
            ("jupyter.localhost=[::1]:8888", "http://[::1]:8888"),
            (" jupyter.localhost = box ", "http://box:80"),
            ("jupyter.localhost=https://box", "https://box:443"),
            ("jupyter.localhost=unix:/run/jupyter.sock", "unix:/run/jupyter.sock"),
        ] {
            let app = QuickApp::parse(text).expect(text);
            assert_eq!((app.host.to_string().as_str(), app.upstream.to_string().as_str()), ("jupyter.localhost", upstream));
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        for (text, told) in [
            ("jupyter.localhost", "no `=`"),
            ("=8888", "not a host name"),
            ("https://a=8888", "not a host name"),
            ("a.localhost=", "not a host"),
            ("a.localhost=gopher://box", "only http://, https:// and unix:/ are known"),
            ("a.localhost=unix:x", "a Unix socket is written unix:/PATH"),
            ("a.localhost=/run/x", "has no scheme"),
            ("a.localhost=box:99999", "not a port"),
            ("a.localhost=99999", "not a port"),
            ("a.localhost=box/path", "no path belongs here"),
        ] {
            let told_really = QuickApp::parse(text).expect_err(text).to_string();
            assert!(told_really.contains(told), "{text}: {told_really}");
        }
    }

    #[test]
    fn what_is_printed_compiles_to_what_was_asked_for() {
        let quick = Quick {
            apps: ["a.localhost=8888", "b.localhost=[::1]:9"].map(|text| QuickApp::parse(text).expect(text)).into(),
            https: vec!["127.0.0.1:8443".parse().expect("an address")],
            http: Some(Vec::new()),
            data_dir: Some(PathBuf::from("/tmp/a \"b\"\\c\u{1}")),
            mode: Mode::SingleOwner,
            acme: Some(QuickAcme {
                email: Some("ops@example.com".to_owned()),
                directory: Some("https://ca.example/dir".to_owned()),
                ca_file: Some(PathBuf::from("/ca.pem")),
            }),
        };
        let plan = compile_text(&quick.to_toml()).expect("compiles").plan;
        assert_eq!((&plan.data_dir, plan.auth.mode), (&quick.data_dir, Mode::SingleOwner));
        let acme = plan.acme.expect("agreed");
        assert_eq!((acme.email, Some(acme.directory), acme.ca_file), {
            let asked = quick.acme.clone().expect("asked for");
            (asked.email, asked.directory, asked.ca_file)
        });
        assert_eq!(plan.listen.https, quick.https);
        assert_eq!(plan.listen.http, []);
        let apps: Vec<_> =
            plan.apps.iter().map(|app| (HostPattern::Exact(app.hosts[0].clone()), app.upstream.origin.to_string())).collect();
        let expected = ["http://127.0.0.1:8888", "http://[::1]:9"].map(str::to_owned);
        assert_eq!(apps, [(quick.apps[0].host.clone(), expected[0].clone()), (quick.apps[1].host.clone(), expected[1].clone())]);
        let least = Quick { apps: quick.apps, https: Vec::new(), http: None, data_dir: None, mode: Mode::People, acme: None };
        assert_eq!(compile_text(&least.to_toml()).expect("compiles").plan.listen, crate::plan::listener::Listen::default());
    }
}
