//! Which TLS set-up speaks to a visitor: one per configured host, made at its first handshake.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::base::chain::Chain;
use crate::base::clock::{Clock, Timestamp};
use crate::base::current::Current;
use crate::model::event::Event;
use crate::plan::app::CertificateFiles;
use crate::plan::policy::TlsVersion;
use crate::plan::whole::Plan;
use crate::policy::host::Host;
use crate::tls::fault::Fault;
use crate::tls::files::{FilePair, Reread};
use crate::tls::local_ca::{Leaf, LocalCa};
use crate::tls::server;
use crate::tls::warning::Warning;

/// A host that is to be served, and where its certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The host.
    pub host: Host,
    /// Where its certificate comes from.
    pub source: Source,
}

/// Where a certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The local authority makes it.
    Local,
    /// The owner keeps it in files.
    Files(CertificateFiles),
}

impl Wanted {
    /// What a plan asks for: an app's own files (a portal without an app has none), else the files for all, else the local authority.
    pub fn by(plan: &Plan) -> Vec<Self> {
        let hosts = plan.apps.iter().flat_map(|app| app.hosts.iter().map(move |host| (host, app.certificate.as_ref())));
        let portal = plan.app(&plan.portal).is_none().then_some((&plan.portal, None));
        hosts
            .chain(portal)
            .map(|(host, own)| {
                let files = own.or(plan.tls.certificate.as_ref()).cloned();
                Self { host: host.clone(), source: files.map_or(Source::Local, Source::Files) }
            })
            .collect()
    }
}

/// What a host shows to visitors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The host.
    pub host: Host,
    /// Who signed it.
    pub issuer: String,
    /// Until when it is valid; `None` while nobody has asked for it, so that it is not made yet.
    pub not_after: Option<Timestamp>,
    /// The owner's file; `None` if the local authority makes it.
    pub file: Option<PathBuf>,
}

/// No host of ours was asked for: the connection is refused, never answered in some default host's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// The client named a host that is not configured.
    #[error("no such host")]
    Name,
    /// The client named none, and no host is the address it connected to.
    #[error("no host named, and none at this address")]
    Address,
}

/// All hosts and their TLS set-up, shared by all workers.
#[derive(Debug)]
pub struct Directory {
    issuing: Issuing,
    inventory: Current<Inventory>,
    /// One replacement at a time: each starts from what the former left.
    replacing: Mutex<()>,
}

/// What it takes to make certificates.
#[derive(Clone, Debug)]
struct Issuing {
    ca: Arc<LocalCa>,
    clock: Clock,
    provider: Arc<CryptoProvider>,
}

/// One state of the directory.
#[derive(Debug)]
struct Inventory {
    min: TlsVersion,
    sites: HashMap<Host, Arc<Site>>,
    addresses: HashMap<IpAddr, Host>,
    pairs: HashMap<CertificateFiles, Arc<FilePair>>,
}

/// One state of the directory, kept to come back to.
#[derive(Clone, Debug)]
pub struct State(Arc<Inventory>);

/// A state that is ready to be served, and what the files that are in use already hold now.
#[derive(Debug)]
pub struct Prepared {
    state: State,
    reread: Vec<(Arc<FilePair>, Reread)>,
}

impl From<State> for Prepared {
    /// A state to come back to: nothing has to be read for it, so nothing can fail.
    fn from(state: State) -> Self {
        Self { state, reread: Vec::new() }
    }
}

/// One host.
#[derive(Debug)]
struct Site {
    source: Source,
    config: OnceLock<Arc<ServerConfig>>,
    issued: OnceLock<Arc<Issued>>,
}

impl Directory {
    /// A directory of `wanted`, refusing versions below `min`.
    ///
    /// # Errors
    /// Every [`Fault`] in the owner's files.
    pub fn new(ca: Arc<LocalCa>, clock: Clock, wanted: Vec<Wanted>, min: TlsVersion) -> Result<Self, Vec<Fault>> {
        let issuing = Issuing { ca, clock, provider: server::provider() };
        let empty = Inventory { min, sites: HashMap::new(), addresses: HashMap::new(), pairs: HashMap::new() };
        let inventory = Current::new(empty.next(&issuing, wanted, min)?);
        Ok(Self { issuing, inventory, replacing: Mutex::new(()) })
    }

    /// Serves `wanted` from now on. Hosts that stay as they were keep their set-up, tickets included; open connections go
    /// on in any case.
    ///
    /// # Errors
    /// Every [`Fault`] in the owner's files; nothing has changed then.
    pub fn replace(&self, wanted: Vec<Wanted>, min: TlsVersion) -> Result<(), Vec<Fault>> {
        let prepared = self.prepare(wanted, min)?;
        self.adopt(prepared);
        Ok(())
    }

    /// Makes ready what [`Directory::adopt`] then serves: reads every file of the owner's, those in use as well.
    ///
    /// # Errors
    /// Every [`Fault`] in the owner's files.
    pub fn prepare(&self, wanted: Vec<Wanted>, min: TlsVersion) -> Result<Prepared, Vec<Fault>> {
        let now = self.inventory.get();
        let next = now.next(&self.issuing, wanted, min)?;
        let kept = next.pairs.iter().filter(|(files, _)| now.pairs.contains_key(files)).map(|(_, pair)| pair);
        let mut faults = vec![];
        let mut reread = vec![];
        for pair in kept {
            match pair.reread() {
                Ok(content) => reread.push((Arc::clone(pair), content)),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(Prepared { state: State(Arc::new(next)), reread }) } else { Err(faults) }
    }

    /// Serves what was prepared from now on, and gives what was served so far.
    pub fn adopt(&self, prepared: Prepared) -> State {
        let _one_at_a_time = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        for (pair, content) in prepared.reread {
            pair.adopt(content);
        }
        let before = State(self.inventory.get());
        self.inventory.put(prepared.state.0);
        before
    }

    /// The host a ClientHello asks for, and the set-up that speaks for it. Without a name (or with an address where a name
    /// belongs, RFC 6066 section 3) it is the host that is the `local` address of the connection.
    ///
    /// # Errors
    /// [`Unknown`]: send [`crate::tls::alert::UNRECOGNIZED_NAME`] and close.
    pub fn choose(&self, sni: Option<&str>, local: IpAddr) -> Result<(Host, Arc<ServerConfig>), Unknown> {
        let inventory = self.inventory.get();
        let named = match sni.map(Host::parse).transpose().map_err(|_| Unknown::Name)? {
            Some(host) if host.ip().is_none() => Some(host),
            Some(_) | None => None,
        };
        let (host, unknown) = match named {
            Some(host) => (host, Unknown::Name),
            None => (inventory.addresses.get(&local.to_canonical()).ok_or(Unknown::Address)?.clone(), Unknown::Address),
        };
        let config = inventory.sites.get(&host).ok_or(unknown)?.config(&host, &inventory, &self.issuing)?;
        Ok((host, config))
    }

    /// Reads the owner's files again where they have changed, each pair once however many hosts use it. Tells for each
    /// changed pair whether its new content is in use. Reads the disk: for a task of its own, every
    /// [`crate::tls::files::LOOK_EVERY`].
    pub fn reread_changed_files(&self) -> Vec<(CertificateFiles, Result<(), Fault>)> {
        let inventory = self.inventory.get();
        let reread = inventory.pairs.values().filter_map(|pair| match pair.reread_if_changed() {
            Ok(false) => None,
            Ok(true) => Some((pair.files().clone(), Ok(()))),
            Err(fault) => Some((pair.files().clone(), Err(fault))),
        });
        reread.collect()
    }

    /// The certificate of every host, by host.
    pub fn certificates(&self) -> Vec<Certificate> {
        let inventory = self.inventory.get();
        let shown = inventory.sites.iter().filter_map(|(host, site)| {
            let host = host.clone();
            Some(match &site.source {
                Source::Local => {
                    let made = site.issued.get().and_then(|issued| issued.leaf.get().as_ref().as_ref().map(Leaf::not_after));
                    Certificate { host, issuer: self.issuing.ca.name().to_owned(), not_after: made, file: None }
                }
                Source::Files(files) => {
                    let (issuer, not_after) = inventory.pairs.get(files)?.signed();
                    Certificate { host, issuer, not_after: Some(not_after), file: Some(files.certificate.clone()) }
                }
            })
        });
        let mut shown: Vec<_> = shown.collect();
        shown.sort_by(|a, b| a.host.as_str().cmp(b.host.as_str()));
        shown
    }

    /// What the owner should know of the certificates in use.
    pub fn warnings(&self, now: Timestamp) -> Vec<Warning> {
        let inventory = self.inventory.get();
        let hosts = inventory.sites.iter().filter_map(|(host, site)| {
            let host = host.clone();
            match &site.source {
                Source::Local => (!host.is_local()).then_some(Warning::LocalForPublicName { host }),
                Source::Files(files) => (!inventory.pairs.get(files)?.covers(&host))
                    .then(|| Warning::NotCovered { host, certificate: files.certificate.clone() }),
            }
        });
        let mut warnings: Vec<_> = inventory.pairs.values().flat_map(|pair| pair.warnings(now)).chain(hosts).collect();
        if inventory.sites.values().any(|site| site.source == Source::Local) {
            warnings.extend(self.issuing.ca.warnings(now));
        }
        warnings.sort_by_cached_key(ToString::to_string);
        warnings
    }
}

impl Inventory {
    /// The state after this one, with `wanted` hosts.
    fn next(&self, issuing: &Issuing, wanted: Vec<Wanted>, min: TlsVersion) -> Result<Self, Vec<Fault>> {
        let mut next =
            Self { min, sites: HashMap::with_capacity(wanted.len()), addresses: HashMap::new(), pairs: HashMap::new() };
        let mut faults = vec![];
        for Wanted { host, source } in wanted {
            if let Source::Files(files) = &source
                && !next.pairs.contains_key(files)
            {
                match self.pair(files, issuing) {
                    Ok(pair) => drop(next.pairs.insert(files.clone(), pair)),
                    Err(fault) => faults.push(fault),
                }
            }
            if let Some(address) = host.ip() {
                next.addresses.insert(address.to_canonical(), host.clone());
            }
            let kept = self.sites.get(&host).filter(|site| self.min == min && site.source == source).cloned();
            next.sites.insert(
                host,
                kept.unwrap_or_else(|| Arc::new(Site { source, config: OnceLock::new(), issued: OnceLock::new() })),
            );
        }
        if faults.is_empty() { Ok(next) } else { Err(faults) }
    }

    fn pair(&self, files: &CertificateFiles, issuing: &Issuing) -> Result<Arc<FilePair>, Fault> {
        match self.pairs.get(files) {
            Some(open) => Ok(Arc::clone(open)),
            None => FilePair::open(files.clone(), Arc::clone(&issuing.provider)).map(Arc::new),
        }
    }
}

impl Site {
    /// Made at the first handshake: ten thousand hosts must not cost ten thousand ticket keys at start.
    fn config(&self, host: &Host, inventory: &Inventory, issuing: &Issuing) -> Result<Arc<ServerConfig>, Unknown> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let resolver: Arc<dyn ResolvesServerCert> = match &self.source {
            Source::Local => {
                let issued = || Arc::new(Issued::new(host.clone(), issuing.clone()));
                Arc::<Issued>::clone(self.issued.get_or_init(issued))
            }
            Source::Files(files) => Arc::new(Kept(Arc::clone(inventory.pairs.get(files).ok_or(Unknown::Name)?))),
        };
        let make = || Arc::new(server::config(Arc::clone(&issuing.provider), inventory.min, resolver, &issuing.clock));
        Ok(Arc::clone(self.config.get_or_init(make)))
    }
}

/// Shows what the owner's files hold.
#[derive(Debug)]
struct Kept(Arc<FilePair>);

impl ResolvesServerCert for Kept {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.key())
    }
}

/// Shows a certificate of the local authority, made when first needed and again before it ends.
#[derive(Debug)]
struct Issued {
    host: Host,
    issuing: Issuing,
    leaf: Current<Option<Leaf>>,
    making: Mutex<()>,
}

impl Issued {
    fn new(host: Host, issuing: Issuing) -> Self {
        Self { host, issuing, leaf: Current::new(None), making: Mutex::new(()) }
    }

    fn fresh(&self, now: Timestamp) -> Option<Arc<CertifiedKey>> {
        self.leaf.get().as_ref().as_ref().filter(|leaf| !leaf.is_due(now)).map(|leaf| Arc::clone(leaf.key()))
    }

    fn key(&self) -> Option<Arc<CertifiedKey>> {
        let now = self.issuing.clock.now();
        if let Some(key) = self.fresh(now) {
            return Some(key);
        }
        // Of many first visitors one makes it, in about the time of a handshake, and the others wait for it.
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = self.fresh(now) {
            return Some(key);
        }
        match self.issuing.ca.issue(&self.host, now) {
            Ok(leaf) => self.leaf.replace(Some(leaf)),
            Err(fault) => {
                tracing::error!(event = Event::CertificateFailing.name(), host = self.host.as_str(), fault = %Chain(&fault), "no new certificate")
            }
        }
        self.leaf.get().as_ref().as_ref().map(|leaf| Arc::clone(leaf.key()))
    }
}

impl ResolvesServerCert for Issued {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.key()
    }
}

#[cfg(test)]
mod tests;
