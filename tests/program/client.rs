//! A browser's part of a sign-in over real TLS, one connection for each request.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use socket2::{Domain, Socket, Type};

use doorward::auth::totp::{code_at, parse_seed};
use doorward::base::clock::{Clock, Timestamp};
use doorward::base::entropy::Entropy;
use doorward::base::id::Id;
use doorward::model::credential::{Totp, TotpRecipe};

/// An answer; everything is text.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// A browser on one host.
#[derive(Clone)]
pub struct Browser {
    pub cookies: BTreeMap<String, String>,
    address: String,
    source: [u8; 4],
    host: String,
    config: Arc<ClientConfig>,
}

impl Browser {
    /// A browser that trusts the authority in `ca` alone.
    pub fn new(address: &str, host: &str, ca: &Path) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca).expect("a certificate")).expect("an authority");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
        let config = Arc::new(versions.with_root_certificates(roots).with_no_client_auth());
        Self { cookies: BTreeMap::new(), address: address.to_owned(), source: [127, 0, 0, 1], host: host.to_owned(), config }
    }

    /// The same browser, after the gateway has come back on another port.
    pub fn at(&self, address: &str) -> Self {
        Self { address: address.to_owned(), ..self.clone() }
    }

    /// The same browser on another machine: budgets are counted for each network apart.
    pub fn from(&self, a: u8, b: u8) -> Self {
        Self { source: [127, 1 + a, b, 1], ..self.clone() }
    }

    pub fn get(&mut self, path: &str) -> std::io::Result<Answer> {
        self.send("GET", path, None)
    }

    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> std::io::Result<Answer> {
        let form: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        self.send("POST", path, Some(&form.join("&")))
    }

    /// Signs in with password and code.
    pub fn sign_in(&mut self, name: &str, password: &str, code: &str) -> std::io::Result<Answer> {
        let page = self.get("/.doorward/login")?;
        let fields = [("t", page.field("t")), ("go", page.field("go")), ("name", name.into()), ("password", password.into())];
        let answer = self.post("/.doorward/login", &borrowed(&fields))?;
        let Some(to) = answer.header("location").map(str::to_owned) else { return Ok(answer) };
        let page = self.get(&to)?;
        let fields = [("t", page.field("t")), ("c", page.field("c")), ("go", page.field("go")), ("code", code.into())];
        self.post("/.doorward/login/code", &borrowed(&fields))
    }

    /// The same browser on another host, where it has no cookie yet.
    pub fn on(&self, host: &str) -> Self {
        Self { host: host.to_owned(), cookies: BTreeMap::new(), ..self.clone() }
    }

    /// Comes to this host by way of `portal`, where the same browser is signed in. Ends with what the ticket brought.
    pub fn follow(&mut self, portal: &mut Self) -> std::io::Result<Answer> {
        let sent = self.get("/")?;
        let handed = portal.get(&path_of(&sent))?;
        self.get(&path_of(&handed))
    }

    /// Whether the gateway knows this browser's session.
    pub fn is_signed_in(&mut self) -> std::io::Result<bool> {
        Ok(self.get("/.doorward/session")?.status == 200)
    }

    fn send(&mut self, method: &str, path: &str, form: Option<&str>) -> std::io::Result<Answer> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((self.source, 0)).into())?;
        socket.connect(&self.address.parse::<SocketAddr>().expect("an address").into())?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(super::bed::PATIENCE))?;
        let name = ServerName::try_from(self.host.clone()).expect("a host");
        let tls = ClientConnection::new(Arc::clone(&self.config), name).expect("a connection");
        let mut stream = StreamOwned::new(tls, stream);
        stream.write_all(self.head(method, path, form).as_bytes())?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let cut = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let (head, body) = text.split_once("\r\n\r\n").ok_or_else(cut)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(cut)?;
        let answer = Answer { status, head: head.to_owned(), body: body.to_owned() };
        self.keep_cookies(&answer);
        Ok(answer)
    }

    fn head(&self, method: &str, path: &str, form: Option<&str>) -> String {
        let port = self.address.rsplit(':').next().unwrap_or_default();
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nHost: {}:{port}\r\nAccept: text/html\r\nConnection: close\r\n", self.host);
        if !self.cookies.is_empty() {
            let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            head.push_str(&format!("Cookie: {}\r\n", pairs.join("; ")));
        }
        match form {
            Some(form) => {
                let length = form.len();
                head + &format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}")
            }
            None => head + "\r\n",
        }
    }

    fn keep_cookies(&mut self, answer: &Answer) {
        for line in answer.head.lines() {
            let Some((name, line)) = line.split_once(": ") else { continue };
            if !name.eq_ignore_ascii_case("set-cookie") {
                continue;
            }
            let (name, value) = line.split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie");
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}

impl Answer {
    pub fn header(&self, wanted: &str) -> Option<&str> {
        let pairs = self.head.lines().filter_map(|line| line.split_once(": "));
        pairs.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value).next()
    }

    /// The value of a hidden field.
    pub fn field(&self, name: &str) -> String {
        let begin = format!("name=\"{name}\" value=\"");
        let rest = self.body.split_once(&begin).map(|(_, rest)| rest).unwrap_or_default();
        rest.split('"').next().unwrap_or_default().to_owned()
    }
}

/// The path of the URL that an answer leads to.
fn path_of(answer: &Answer) -> String {
    let url = answer.header("location").unwrap_or_default().trim_start_matches("https://");
    url.find('/').map_or_else(String::new, |slash| url[slash..].to_owned())
}

fn borrowed<'a>(fields: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    fields.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

fn escaped(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The step of the code that authenticators show now.
pub fn step_now() -> i64 {
    Clock::system().now().secs() / 30
}

/// The code that an authenticator with this key shows at `step`.
pub fn code(key: &str, step: i64) -> String {
    let seed = parse_seed(key).expect("a key");
    let at = Timestamp::from_secs(30 * step);
    code_at(&Totp { id: Id::draw(Entropy), recipe: TotpRecipe::default(), seed, last_step: 0, created_at: at }, at)
}
