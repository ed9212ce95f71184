//! Real handshakes against the directory, over pipes in memory.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::{
    AlertDescription, ClientConfig, HandshakeKind, NamedGroup, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
};
use rustls_pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::{LazyConfigAcceptor, TlsConnector, client, server as accepted};

use super::*;
use crate::base::entropy::Entropy;
use crate::tls::acme::folder::{History, Told};
use crate::tls::acme::schedule::{Record, Stage, Validity};
use crate::tls::alert;
use crate::tls::durable;
use crate::tls::server::ByClock;
use crate::tls::warning::Telling;

const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const DAY: Duration = Duration::from_secs(86_400);
const HERE: &str = "127.0.0.1";
const TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
const TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

type Sides = (client::TlsStream<DuplexStream>, accepted::TlsStream<DuplexStream>);

struct Ground {
    dir: TempDir,
    clock: Clock,
    ca: Arc<LocalCa>,
}

impl Ground {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = Clock::manual(START);
        let ca = Arc::new(LocalCa::open_or_create(&dir.path().join("certs"), &clock, Entropy).expect("created"));
        Self { dir, clock, ca }
    }

    fn directory(&self, wanted: Vec<Wanted>, min: TlsVersion) -> Directory {
        Directory::new(Arc::clone(&self.ca), self.clock.clone(), wanted, min).expect("a directory")
    }

    fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.certificate_der().clone()).expect("a root");
        let mut config = ClientConfig::builder_with_details(server::provider(), Arc::new(ByClock(self.clock.clone())))
            .with_protocol_versions(versions)
            .expect("known versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
        config
    }

    /// Writes a fresh certificate for `host`, signed by the authority, as an owner's renewal would.
    fn renew_files(&self, host: &str) -> CertificateFiles {
        let files =
            CertificateFiles { certificate: self.dir.path().join("chain.pem"), private_key: self.dir.path().join("key.pem") };
        let (chain, key) = self.pair(host);
        put(&files.certificate, chain.as_bytes());
        put(&files.private_key, key.as_bytes());
        files
    }

    fn pair(&self, host: &str) -> (String, String) {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new([host.to_owned()]).expect("a name");
        params.serial_number = Some(rcgen::SerialNumber::from_slice(&Entropy.bytes::<8>()));
        let signer = rcgen::KeyPair::from_pem(&fs::read_to_string(self.dir.path().join("certs/local-ca.key")).expect("read"));
        let signer = signer.expect("a key");
        let issuer = rcgen::Issuer::from_ca_cert_der(self.ca.certificate_der(), &signer).expect("an issuer");
        (params.signed_by(&key, &issuer).expect("signed").pem(), key.serialize_pem())
    }
}

/// By renaming: two writes to one file within one tick of the file system's clock would look like one.
fn put(path: &Path, bytes: &[u8]) {
    durable::write(path, bytes, 0o600).expect("written");
}

fn host(text: &str) -> Host {
    Host::parse(text).expect("a host")
}

fn pattern(text: &str) -> HostPattern {
    HostPattern::parse(text).expect("a host or wildcard")
}

fn local(names: &[&str]) -> Vec<Wanted> {
    names.iter().map(|name| Wanted { host: pattern(name), source: Source::Local }).collect()
}

fn in_files(name: &str, files: &CertificateFiles) -> Wanted {
    Wanted { host: pattern(name), source: Source::Files(files.clone()) }
}

/// A handshake as the listener does it, and a byte from the server so that the client has taken its tickets.
async fn shake(directory: &Directory, client: &Arc<ClientConfig>, name: &str, at: &str) -> Result<Sides, io::Error> {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let name = ServerName::try_from(name.to_owned()).expect("a server name");
    let serve = async {
        let mut start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), ours).await?;
        let chosen = directory.choose(start.client_hello().server_name(), at.parse().expect("an address"));
        match chosen {
            Ok((_, config)) => {
                let mut stream = start.into_stream(config).await?;
                stream.write_all(b"!").await?;
                stream.flush().await?;
                Ok(stream)
            }
            Err(unknown) => {
                start.io.write_all(&alert::UNRECOGNIZED_NAME).await?;
                Err(io::Error::other(unknown))
            }
        }
    };
    let visit = async {
        let mut stream = TlsConnector::from(Arc::clone(client)).connect(name, theirs).await?;
        stream.read_exact(&mut [0]).await?;
        Ok::<_, io::Error>(stream)
    };
    let (server, client) = tokio::join!(serve, visit);
    // What the client saw is what matters first.
    let client = client?;
    Ok((client, server?))
}

fn shown(sides: &Sides) -> CertificateDer<'static> {
    sides.0.get_ref().1.peer_certificates().expect("certificates")[0].clone()
}

fn kind(sides: &Sides) -> HandshakeKind {
    sides.1.get_ref().1.handshake_kind().expect("done")
}

async fn is_alive(sides: &mut Sides) -> bool {
    let mut heard = [0; 4];
    sides.1.write_all(b"ping").await.is_ok()
        && sides.1.flush().await.is_ok()
        && sides.0.read_exact(&mut heard).await.is_ok()
        && &heard == b"ping"
}

#[tokio::test]
async fn browsers_that_trust_the_authority_connect_by_name_and_by_address() {
    let ground = Ground::new();
    let directory = ground.directory(local(&["app.localhost", HERE, "::1"]), TlsVersion::V1_2);
    for (versions, version) in [(TLS12, ProtocolVersion::TLSv1_2), (TLS13, ProtocolVersion::TLSv1_3)] {
        for (name, at) in
            [("app.localhost", HERE), ("APP.localhost", HERE), (HERE, HERE), ("::1", "::1"), (HERE, "::ffff:127.0.0.1")]
        {
            // A client that remembers nothing: resumption has no key exchange to look at in TLS 1.2.
            let client = Arc::new(ground.client(versions));
            let sides = shake(&directory, &client, name, at).await.expect(name);
            let (_, server) = sides.1.get_ref();
            assert_eq!(server.protocol_version(), Some(version), "{name}");
            assert_eq!(server.alpn_protocol(), Some(&b"h2"[..]), "{name}");
            let group = server.negotiated_key_exchange_group().expect("agreed").name();
            let expected = if version == ProtocolVersion::TLSv1_3 { NamedGroup::X25519MLKEM768 } else { NamedGroup::X25519 };
            assert_eq!(group, expected, "{name}");
        }
    }
}

#[tokio::test]
async fn a_client_that_speaks_http_1_only_gets_it() {
    let ground = Ground::new();
    let directory = ground.directory(local(&["app.localhost"]), TlsVersion::V1_2);
    let mut client = ground.client(TLS13);
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    let sides = shake(&directory, &Arc::new(client), "app.localhost", HERE).await.expect("connected");
    assert_eq!(sides.1.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
}

/// The attack: a client that speaks nothing newer than TLS 1.2 to an owner who has ruled it out.
#[tokio::test]
async fn versions_below_the_configured_one_are_refused() {
    let ground = Ground::new();
    let directory = ground.directory(local(&["app.localhost"]), TlsVersion::V1_3);
    assert!(shake(&directory, &Arc::new(ground.client(TLS12)), "app.localhost", HERE).await.is_err());
    assert!(shake(&directory, &Arc::new(ground.client(TLS13)), "app.localhost", HERE).await.is_ok());
}

/// The attack: ask for a host that is not configured, or for none, and hope for a default app behind it.
#[tokio::test]
async fn nobody_is_served_by_default() {
    let ground = Ground::new();
    let directory = ground.directory(local(&["app.localhost", HERE]), TlsVersion::V1_2);
    for versions in [TLS12, TLS13] {
        let client = Arc::new(ground.client(versions));
        for (name, at) in [("other.localhost", HERE), ("localhost", HERE), (HERE, "192.0.2.7"), ("x.app.localhost", HERE)] {
            let fault = shake(&directory, &client, name, at).await.expect_err("refused");
            let fault = fault.get_ref().and_then(|fault| fault.downcast_ref::<rustls::Error>());
            assert_eq!(fault, Some(&rustls::Error::AlertReceived(AlertDescription::UnrecognisedName)), "{name} {at}");
        }
    }
    let here: IpAddr = HERE.parse().expect("an address");
    assert_eq!(directory.choose(Some("other.localhost"), here).err(), Some(Unknown::Name));
    assert_eq!(directory.choose(Some(""), here).err(), Some(Unknown::Name));
    assert_eq!(directory.choose(None, "192.0.2.7".parse().expect("an address")).err(), Some(Unknown::Address));
    let (by_address, _) = directory.choose(Some("192.0.2.7"), here).expect("an address is no name: the connection's own counts");
    assert_eq!(by_address, host(HERE));
}

/// Offers every ticket to every host, as no honest client does.
#[derive(Debug)]
struct OneBag(ClientSessionMemoryCache, ServerName<'static>);

impl OneBag {
    fn resumption() -> Resumption {
        let bag = Self(ClientSessionMemoryCache::new(8), ServerName::try_from("bag").expect("a name"));
        Resumption::store(Arc::new(bag))
    }
}

impl ClientSessionStore for OneBag {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.0.set_kx_hint(self.1.clone(), group);
    }
    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.kx_hint(&self.1)
    }
    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.0.set_tls12_session(self.1.clone(), value);
    }
    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.tls12_session(&self.1)
    }
    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.0.remove_tls12_session(&self.1);
    }
    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(self.1.clone(), value);
    }
    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(&self.1)
    }
}

/// The attack: take a ticket at one host and resume with it at another, whose policy the session never met (nginx
/// CVE-2025-23419). By name, and by address, where no name is there to be compared and the ticket keys alone decide.
#[tokio::test]
async fn a_ticket_opens_nothing_at_another_host() {
    let ground = Ground::new();
    let directory = ground.directory(local(&["a.localhost", "b.localhost", "192.0.2.1", "192.0.2.2"]), TlsVersion::V1_2);
    for versions in [TLS12, TLS13] {
        for (first, second, at, then_at) in
            [("a.localhost", "b.localhost", HERE, HERE), ("192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.2")]
        {
            let mut client = ground.client(versions);
            client.resumption = OneBag::resumption();
            let client = Arc::new(client);
            assert_eq!(kind(&shake(&directory, &client, first, at).await.expect("first")), HandshakeKind::Full);
            assert_eq!(kind(&shake(&directory, &client, first, at).await.expect("again")), HandshakeKind::Resumed, "{first}");
            let other = shake(&directory, &client, second, then_at).await.expect("second");
            assert_eq!(kind(&other), HandshakeKind::Full, "{first} → {second}");
        }
    }
}

#[tokio::test]
async fn a_certificate_swapped_on_disk_is_shown_next_while_open_connections_live_on() {
    let ground = Ground::new();
    let files = ground.renew_files("shop.localhost");
    let directory = ground.directory(vec![in_files("shop.localhost", &files)], TlsVersion::V1_2);
    let client = || Arc::new(ground.client(TLS13));
    let mut open = shake(&directory, &client(), "shop.localhost", HERE).await.expect("connected");
    assert!(directory.reread_changed_files().is_empty());

    ground.renew_files("shop.localhost");
    let reread = directory.reread_changed_files();
    assert!(matches!(&reread[..], [(changed, Ok(()))] if *changed == files), "{reread:?}");
    let next = shake(&directory, &client(), "shop.localhost", HERE).await.expect("connected");
    assert_ne!(shown(&open), shown(&next));
    assert!(is_alive(&mut open).await);
}

#[tokio::test]
async fn a_bad_new_file_keeps_the_old_certificate_and_is_told_once() {
    let ground = Ground::new();
    let files = ground.renew_files("shop.localhost");
    let (chain, key) = ["chain.pem", "key.pem"].map(|name| fs::read(ground.dir.path().join(name)).expect("read")).into();
    let directory = ground.directory(vec![in_files("shop.localhost", &files)], TlsVersion::V1_2);
    let before = shown(&shake(&directory, &Arc::new(ground.client(TLS13)), "shop.localhost", HERE).await.expect("connected"));
    let (strange_chain, strange_key) = ground.pair("shop.localhost");
    let half = &strange_chain.as_bytes()[..100];
    for (path, bad) in [
        (&files.certificate, &b""[..]),
        (&files.certificate, half),
        (&files.certificate, strange_chain.as_bytes()),
        (&files.private_key, strange_key.as_bytes()),
        (&files.private_key, b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"),
        (&files.private_key, b""),
    ] {
        put(path, bad);
        assert!(matches!(&directory.reread_changed_files()[..], [(_, Err(_))]), "{}", String::from_utf8_lossy(bad));
        assert!(directory.reread_changed_files().is_empty(), "told once");
        let now = shown(&shake(&directory, &Arc::new(ground.client(TLS13)), "shop.localhost", HERE).await.expect("connected"));
        assert_eq!(now, before);
        put(&files.certificate, &chain);
        put(&files.private_key, &key);
        assert!(matches!(&directory.reread_changed_files()[..], [(_, Ok(()))]));
    }
    fs::remove_file(&files.private_key).expect("removed");
    assert!(matches!(&directory.reread_changed_files()[..], [(_, Err(Fault::Unreadable { .. }))]));
}

#[tokio::test]
async fn a_certificate_of_the_authority_is_made_once_and_again_before_it_ends() {
    let ground = Ground::new();
    let directory = ground.directory(local(&["app.localhost"]), TlsVersion::V1_2);
    let mut seen = vec![];
    for days in [0, 19, 2, 19, 60] {
        ground.clock.advance(DAY * days);
        let sides = shake(&directory, &Arc::new(ground.client(TLS13)), "app.localhost", HERE).await.expect("valid by then");
        seen.push(shown(&sides));
    }
    assert_eq!(seen[0], seen[1], "after 19 of 30 days");
    assert_ne!(seen[1], seen[2], "after 21 of 30 days");
    assert_eq!(seen[2], seen[3]);
    assert_ne!(seen[3], seen[4], "long after the end");
}

#[test]
fn a_reload_keeps_the_set_up_of_hosts_that_stay() {
    let ground = Ground::new();
    let files = ground.renew_files("shop.localhost");
    let here = HERE.parse().expect("an address");
    let directory = ground.directory(local(&["a.localhost", "b.localhost", "c.localhost"]), TlsVersion::V1_2);
    let set_up = |name: &str| directory.choose(Some(name), here).map(|(_, config)| config);
    let [a, b] = ["a.localhost", "b.localhost"].map(|name| set_up(name).expect("there"));

    let mut wanted = local(&["a.localhost"]);
    wanted.push(in_files("b.localhost", &files));
    wanted.push(in_files("d.localhost", &files));
    directory.replace(wanted, TlsVersion::V1_2).expect("replaced");
    assert!(Arc::ptr_eq(&a, &set_up("a.localhost").expect("there")));
    assert!(!Arc::ptr_eq(&b, &set_up("b.localhost").expect("there")));
    assert_eq!(set_up("c.localhost").err(), Some(Unknown::Name));
    assert!(set_up("d.localhost").is_ok());

    let gone = CertificateFiles { certificate: "/nowhere/chain.pem".into(), private_key: "/nowhere/key.pem".into() };
    let mut wanted = local(&["e.localhost"]);
    wanted.push(in_files("f.localhost", &gone));
    let faults = directory.replace(wanted, TlsVersion::V1_2).expect_err("refused");
    assert!(faults[0].to_string().starts_with("cannot read /nowhere/chain.pem: "), "{}", faults[0]);
    assert!(Arc::ptr_eq(&a, &set_up("a.localhost").expect("nothing has changed")));
    assert!(set_up("e.localhost").is_err());

    directory.replace(local(&["a.localhost"]), TlsVersion::V1_3).expect("replaced");
    assert!(!Arc::ptr_eq(&a, &set_up("a.localhost").expect("there")), "another least version is another set-up");
}

#[test]
fn ten_thousand_hosts_cost_nothing_until_somebody_asks() {
    let ground = Ground::new();
    let wanted = (0..10_000).map(|n| Wanted { host: pattern(&format!("h{n}.localhost")), source: Source::Local }).collect();
    let directory = ground.directory(wanted, TlsVersion::V1_2);
    let here = HERE.parse().expect("an address");
    assert!(directory.choose(Some("h77.localhost"), here).is_ok());
    let made = directory.inventory.get().sites.values().filter(|site| site.config.get().is_some()).count();
    assert_eq!(made, 1);
}

#[test]
fn the_owner_is_told_what_visitors_will_complain_about() {
    let ground = Ground::new();
    let files = ground.renew_files("shop.localhost");
    fs::set_permissions(&files.private_key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("set");
    let mut wanted = local(&["public.example", "app.localhost"]);
    wanted.extend(["shop.localhost", "other.localhost"].map(|name| in_files(name, &files)));
    let directory = ground.directory(wanted, TlsVersion::V1_2);
    let warnings = directory.warnings(START);
    assert!(warnings.contains(&Warning::LocalForPublicName { host: pattern("public.example") }));
    assert!(warnings.contains(&Warning::NotCovered { host: pattern("other.localhost"), certificate: files.certificate.clone() }));
    assert!(warnings.contains(&Warning::KeyReadable { path: files.private_key }));
    let about = |name: &str| {
        warnings.iter().any(|warning| matches!(warning, Warning::NotCovered { host, .. } if host.to_string() == name))
    };
    assert!(!about("shop.localhost"));
    let late = directory.warnings(START.plus(DAY * 3_600));
    assert!(
        late.iter()
            .any(|warning| matches!(warning, Warning::ExpiresSoon { certificate, .. } if named(certificate, "local-ca.pem")))
    );
}

/// The attack: names made up under a wildcard, each for a certificate, a set-up and ticket keys of its own.
#[tokio::test]
async fn names_under_a_wildcard_share_one_set_up_however_many_are_asked_for() {
    let ground = Ground::new();
    let directory = ground.directory(local(&["*.apps.example", "*.localhost", "own.apps.example"]), TlsVersion::V1_2);
    let here: IpAddr = HERE.parse().expect("an address");
    for number in 0..10_000 {
        directory.choose(Some(&format!("n{number}.apps.example")), here).expect("under the wildcard");
    }
    let inventory = directory.inventory.get();
    assert_eq!((inventory.sites.len(), inventory.wildcards.len()), (1, 2));
    let client = Arc::new(ground.client(TLS13));
    let mut seen = vec![];
    for name in ["a.apps.example", "b.apps.example", "own.apps.example", "a.localhost", "b.localhost"] {
        seen.push(shown(&shake(&directory, &client, name, HERE).await.expect(name)));
    }
    assert_eq!(seen[0], seen[1], "one certificate with a star");
    assert!(seen[2] != seen[0] && seen[3] != seen[4], "and one for each name elsewhere");
    for name in ["apps.example", "b.a.apps.example", "localhost", "b.a.localhost", "apps.example.com"] {
        assert_eq!(directory.choose(Some(name), here).err(), Some(Unknown::Name), "{name}");
    }
}

#[tokio::test]
async fn the_owners_file_for_a_wildcard_is_shown_under_it_and_told_of_where_it_does_not_fit() {
    let ground = Ground::new();
    let files = ground.renew_files("*.apps.example");
    let wanted = ["*.apps.example", "*.other.example", "shop.apps.example"].map(|name| in_files(name, &files)).to_vec();
    let directory = ground.directory(wanted, TlsVersion::V1_2);
    let client = Arc::new(ground.client(TLS13));
    for name in ["x.apps.example", "shop.apps.example"] {
        shake(&directory, &client, name, HERE).await.expect(name);
    }
    assert!(shake(&directory, &client, "x.other.example", HERE).await.is_err());
    let uncovered: Vec<String> = directory
        .warnings(START)
        .iter()
        .filter_map(|warning| if let Warning::NotCovered { host, .. } = warning { Some(host.to_string()) } else { None })
        .collect();
    assert_eq!(uncovered, ["*.other.example"]);
}

/// The attack: a ticket from one name under a wildcard is brought to another, or to a host that is written out.
#[tokio::test]
async fn a_ticket_from_under_a_wildcard_opens_nothing_elsewhere() {
    let ground = Ground::new();
    let directory = ground.directory(local(&["*.apps.example", "own.apps.example"]), TlsVersion::V1_2);
    for versions in [TLS12, TLS13] {
        for second in ["b.apps.example", "own.apps.example"] {
            let mut client = ground.client(versions);
            client.resumption = OneBag::resumption();
            let client = Arc::new(client);
            shake(&directory, &client, "a.apps.example", HERE).await.expect("first");
            let again = shake(&directory, &client, "a.apps.example", HERE).await.expect("again");
            assert_eq!(kind(&again), HandshakeKind::Resumed);
            let other = shake(&directory, &client, second, HERE).await.expect("second");
            assert_eq!(kind(&other), HandshakeKind::Full, "{second}");
        }
    }
}

fn named(path: &Path, name: &str) -> bool {
    path.file_name().is_some_and(|last| last == name)
}

#[test]
fn public_names_without_files_are_ordered_where_the_owner_agreed() {
    let text = |acme: &str| {
        format!(
            "portal = \"https://own.example\"\n{acme}\n[[app]]\nhost = [\"a.example\", \"*.b.example\", \"a.localhost\", \"192.168.2.1\"]\n\
             upstream = \"http://127.0.0.1:1\"\n[[app]]\nhost = \"own.example\"\nupstream = \"http://127.0.0.1:1\"\n\
             certificate = \"a.pem\"\nprivate_key = \"a.key\"\n"
        )
    };
    let ordered = |acme: &str| {
        let plan = crate::plan::compile::compile_text(&text(acme)).expect("compiles").plan;
        let wanted = Wanted::by(&plan);
        wanted
            .into_iter()
            .filter(|wanted| wanted.source == Source::Acme)
            .map(|wanted| wanted.host.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(ordered("[acme]\nagree_tos = true"), ["a.example"]);
    assert_eq!(ordered(""), Vec::<String>::new());
}

/// Tickets and set-up of the name stay; only what it shows changes, for whoever comes next.
#[tokio::test]
async fn an_issued_certificate_takes_the_place_of_the_local_one_between_two_handshakes() {
    let ground = Ground::new();
    let wanted = vec![Wanted { host: pattern("a.example"), source: Source::Acme }];
    let directory = ground.directory(wanted.clone(), TlsVersion::V1_2);
    let mut config = ground.client(TLS13);
    config.resumption = Resumption::disabled();
    let client = Arc::new(config);
    let shown = async |directory: &Directory| {
        let (stream, _) = shake(directory, &client, "a.example", HERE).await.expect("a handshake");
        stream.get_ref().1.peer_certificates().expect("a chain")[0].clone().into_owned()
    };
    let local = shown(&directory).await;
    assert!(matches!(directory.warnings(START).as_slice(), [Warning::NotIssued { .. }]), "{:?}", directory.warnings(START));
    let (chain, key) = ground.pair("a.example");
    let names = directory.names();
    let folder = &names.ground().folder;
    folder.make().expect("made");
    let loaded = folder.keep(&pattern("a.example"), (&format!("{key}{chain}"), None), &server::provider()).expect("kept");
    let issued = loaded.key.cert[0].clone();
    let lease = names.lease(&names.slot(&pattern("a.example"))).expect("free");
    lease.show(loaded);
    drop(lease);
    assert_ne!(shown(&directory).await, local);
    assert_eq!(shown(&directory).await, issued);
    // After a restart it is there from the first handshake.
    assert_eq!(shown(&ground.directory(wanted, TlsVersion::V1_2)).await, issued);
}

#[tokio::test]
async fn every_name_under_a_wildcard_shows_the_certificate_that_was_issued_for_it() {
    let ground = Ground::new();
    let wanted = vec![
        Wanted { host: pattern("*.apps.example"), source: Source::Acme },
        Wanted { host: pattern("own.apps.example"), source: Source::Local },
    ];
    let directory = ground.directory(wanted, TlsVersion::V1_2);
    assert_eq!(directory.ordered().iter().map(|slot| slot.host().to_string()).collect::<Vec<_>>(), ["*.apps.example"]);
    let (chain, key) = ground.pair("*.apps.example");
    let (names, name) = (directory.names(), pattern("*.apps.example"));
    let folder = &names.ground().folder;
    folder.make().expect("made");
    let loaded = folder.keep(&name, (&format!("{key}{chain}"), None), &server::provider()).expect("kept");
    assert!(folder.certificate(&name).ends_with("acme/_.apps.example.pem"));
    let issued = loaded.key.cert[0].clone();
    let lease = names.lease(&names.slot(&name)).expect("free");
    lease.show(loaded);
    drop(lease);
    let client = Arc::new(ground.client(TLS13));
    let shown = async |host: &str| {
        let (stream, _) = shake(&directory, &client, host, HERE).await.expect("a handshake");
        stream.get_ref().1.peer_certificates().expect("a chain")[0].clone().into_owned()
    };
    assert_eq!((shown("one.apps.example").await, shown("two.apps.example").await), (issued.clone(), issued.clone()));
    // A host of its own has a certificate of its own, and neither the name behind the star nor one further down is meant.
    assert_ne!(shown("own.apps.example").await, issued);
    for other in ["apps.example", "a.b.apps.example"] {
        assert!(shake(&directory, &client, other, HERE).await.is_err(), "{other}");
    }
}

/// What the log says of a certificate that is not renewed: looked at every five minutes, however long it lives.
#[test]
fn the_log_says_when_a_certificate_becomes_late_and_alarming_and_else_once_a_day() {
    for hours in [90 * 24, 64 * 24, 160] {
        let life = DAY / 24 * hours;
        let validity = Validity { from: START, until: START.plus(life) };
        let trouble = |at: Timestamp| Some(Told { at: at.secs(), sentence: format!("why, {}", at.secs()), words: None });
        let (mut telling, mut said) = (Telling::default(), Vec::new());
        let (mut now, end) = (START, START.plus(life + DAY / 2));
        while now < end {
            // The reason is another each time: that says nothing new about the certificate.
            let history = History { trouble: trouble(now), ..History::default() };
            let shown = Some(("R11".to_owned(), validity));
            let standing = Standing { shown, renewal_id: None, revoked: false, history, running: None, wished: false };
            let warnings = late(pattern("a.example"), &standing, now).into_iter().collect();
            said.extend(telling.due(warnings, now).into_iter().map(|warning| (now, warning)));
            now = now.plus(Duration::from_secs(300));
        }
        let first = |is: fn(&Warning) -> bool| said.iter().find(|(_, warning)| is(warning)).expect("said").0.since(START);
        let within = |at: Duration, crossed: Duration| at >= crossed && at <= crossed + Duration::from_secs(300);
        assert!(within(first(|warning| matches!(warning, Warning::RenewalLate { .. })), life * 3 / 4), "{hours}");
        assert!(within(first(|warning| matches!(warning, Warning::RenewalAlarming { .. })), life * 9 / 10), "{hours}");
        assert!(within(first(|warning| matches!(warning, Warning::RenewalFailed { .. })), life), "{hours}");
        let kind = |warning: &Warning| std::mem::discriminant(warning);
        let pairs = said.windows(2).filter(|two| kind(&two[0].1) == kind(&two[1].1));
        assert!(pairs.into_iter().all(|two| two[1].0.since(two[0].0) >= DAY), "{hours}");
        let days = (life / 4 + DAY / 2).as_secs() / 86_400;
        assert!(said.len() as u64 >= days && said.len() as u64 <= days + 4, "{} times in {days} days", said.len());
    }
}

#[test]
fn what_is_said_anew_is_what_has_come_back() {
    let warning = |day: &str| vec![Warning::RenewalLate { host: pattern("a.example"), day: day.to_owned(), why: day.to_owned() }];
    let mut telling = Telling::default();
    let mut said = |warnings: Vec<Warning>, hours: u32| telling.due(warnings, START.plus(DAY / 24 * hours)).len();
    assert_eq!([said(warning("1"), 0), said(warning("2"), 23), said(warning("3"), 24), said(warning("4"), 25)], [1, 0, 1, 0]);
    assert_eq!([said(vec![], 26), said(warning("5"), 27)], [0, 1], "it was renewed in between");
    assert_eq!(said(warning("6"), 0), 1, "the clock was ahead");
}

/// One that was revoked, and may not be replaced yet, is not said to be about to be.
#[test]
fn what_waits_for_a_limit_says_so() {
    let mut record = Record::default();
    let validity = Validity { from: START, until: START.plus(DAY * 90) };
    (0..5).for_each(|_| record.succeeded(START, Stage::Production, validity));
    let history = History { record, ..History::default() };
    let shown = Some(("R11".to_owned(), validity));
    let standing = Standing { shown, renewal_id: None, revoked: true, history, running: None, wished: true };
    let told = late(pattern("a.example"), &standing, START).expect("a warning").to_string();
    assert!(told.contains("as many in a day as a name may; the next order is due on 2027-01-"), "{told}");
}
