//! Which TLS set-up speaks to a visitor: one per configured host, made at its first handshake.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::base::clock::{Clock, Timestamp};
use crate::base::current::Current;
use crate::plan::acme;
use crate::plan::app::CertificateFiles;
use crate::plan::policy::TlsVersion;
use crate::plan::whole::Plan;
use crate::policy::host::Host;
use crate::policy::wildcard::HostPattern;
use crate::tls::acme::folder::Folder;
use crate::tls::acme::names::{Names, ShownOr, Slot, Standing};
use crate::tls::acme::schedule::Health;
use crate::tls::fault::Fault;
use crate::tls::files::{FilePair, Reread};
use crate::tls::issued::{Issuing, Until};
use crate::tls::local_ca::{self, LocalCa};
use crate::tls::server;
use crate::tls::warning::Warning;

/// A host, or all under a wildcard, that are to be served, and where their certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The host or wildcard.
    pub host: HostPattern,
    /// Where its certificate comes from.
    pub source: Source,
}

/// Where a certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The local authority makes it.
    Local,
    /// An authority out there issues it; the local one makes one until it has.
    Acme,
    /// The owner keeps it in files.
    Files(CertificateFiles),
}

impl Wanted {
    /// What a plan asks for: the own files of an app of that host (a portal without an app has none), else the files for all,
    /// else an authority out there if the plan has one and the name is public, else the local authority.
    pub fn by(plan: &Plan) -> Vec<Self> {
        let mut hosts: HashMap<HostPattern, Option<&CertificateFiles>> = HashMap::new();
        hosts.insert(HostPattern::Exact(plan.portal.clone()), None);
        for app in &plan.apps {
            for host in app.patterns() {
                let files = hosts.entry(host).or_default();
                *files = files.or(app.certificate.as_ref());
            }
        }
        let source = |host: &HostPattern, own: Option<&CertificateFiles>| match own.or(plan.tls.certificate.as_ref()) {
            Some(files) => Source::Files(files.clone()),
            None if plan.acme.is_some() && acme::takes(host, plan.acme.as_ref()) => Source::Acme,
            None => Source::Local,
        };
        hosts.into_iter().map(|(host, own)| Self { source: source(&host, own), host }).collect()
    }
}

/// What a host shows to visitors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The host, or the wildcard: never a name that a visitor made up.
    pub host: HostPattern,
    /// Who signed it.
    pub issuer: String,
    /// From when on it is valid; `None` if the local authority made it, which makes another as soon as a visitor needs one.
    pub not_before: Option<Timestamp>,
    /// Until when it is valid; `None` while nobody has asked for it, so that it is not made yet.
    pub not_after: Option<Timestamp>,
    /// The owner's file; `None` if an authority issues it, here or out there.
    pub file: Option<PathBuf>,
    /// Where it comes from.
    pub source: Source,
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
    names: Arc<Names>,
    inventory: Current<Inventory>,
    /// One replacement at a time: each starts from what the former left.
    replacing: Mutex<()>,
}

/// One state of the directory.
#[derive(Debug)]
struct Inventory {
    min: TlsVersion,
    sites: HashMap<Host, Arc<Site>>,
    /// By the name behind the star.
    wildcards: HashMap<Host, Arc<Site>>,
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

/// One host, or all under a wildcard: they lead to the same apps, so they may share ticket keys.
#[derive(Debug)]
struct Site {
    host: HostPattern,
    source: Source,
    config: OnceLock<Arc<ServerConfig>>,
    until: Until,
}

impl Directory {
    /// A directory of `wanted`, refusing versions below `min`.
    ///
    /// # Errors
    /// Every [`Fault`] in the owner's files.
    pub fn new(ca: Arc<LocalCa>, clock: Clock, wanted: Vec<Wanted>, min: TlsVersion) -> Result<Self, Vec<Fault>> {
        // Beside the local authority: what is issued belongs into the same folder.
        let certs = ca.certificate_path().parent().unwrap_or(Path::new("."));
        let folder = Folder::within(certs);
        let issuing = Issuing { ca, clock: clock.clone(), provider: server::provider() };
        let names = Arc::new(Names::new(folder, Arc::clone(&issuing.provider), clock));
        let empty =
            Inventory { min, sites: HashMap::new(), wildcards: HashMap::new(), addresses: HashMap::new(), pairs: HashMap::new() };
        let inventory = Current::new(empty.next(&issuing, wanted, min)?);
        Ok(Self { issuing, names, inventory, replacing: Mutex::new(()) })
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
        // There may be new names to order for, or another authority to order from.
        self.names.wake();
        before
    }

    /// Names whose certificates come by ACME.
    pub fn names(&self) -> &Arc<Names> {
        &self.names
    }

    /// Those of them that are served now.
    pub fn ordered(&self) -> Vec<Arc<Slot>> {
        let inventory = self.inventory.get();
        let sites = inventory.all().filter(|site| site.source == Source::Acme);
        sites.map(|site| self.names.slot(&site.host)).collect()
    }

    /// What speaks to an authority that asks for a proof that `sni` is ours, if an order of that name waits for it; else nobody does.
    pub fn proof(&self, sni: Option<&str>) -> Option<Arc<ServerConfig>> {
        self.names.challenges().certificate(&Host::parse(sni?).ok()?)
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
        let config = inventory.site(&host).ok_or(unknown)?.config(&inventory, &self.issuing, &self.names)?;
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
        let shown = inventory.all().filter_map(|site| {
            let host = site.host.clone();
            Some(match &site.source {
                Source::Local => {
                    let issuer = self.issuing.ca.name().to_owned();
                    Certificate { host, issuer, not_before: None, not_after: site.until.get(), file: None, source: Source::Local }
                }
                Source::Acme => {
                    let shown = self.names.slot(&host).standing().shown;
                    let local = || (self.issuing.ca.name().to_owned(), site.until.get());
                    let not_before = shown.as_ref().map(|(_, validity)| validity.from);
                    let (issuer, not_after) = shown.map_or_else(local, |(issuer, validity)| (issuer, Some(validity.until)));
                    Certificate { host, issuer, not_before, not_after, file: None, source: Source::Acme }
                }
                Source::Files(files) => {
                    let pair = inventory.pairs.get(files)?;
                    let ((issuer, not_after), not_before) = (pair.signed(), Some(pair.begins()));
                    let file = Some(files.certificate.clone());
                    Certificate { host, issuer, not_before, not_after: Some(not_after), file, source: site.source.clone() }
                }
            })
        });
        let mut shown: Vec<_> = shown.collect();
        shown.sort_by_cached_key(|shown| shown.host.to_string());
        shown
    }

    /// What the owner should know of the certificates in use.
    pub fn warnings(&self, now: Timestamp) -> Vec<Warning> {
        let inventory = self.inventory.get();
        let hosts = inventory.all().filter_map(|site| {
            let host = site.host.clone();
            match &site.source {
                Source::Local => (!host.is_local()).then_some(Warning::LocalForPublicName { host }),
                Source::Acme => late(host.clone(), &self.names.slot(&host).standing(), now),
                Source::Files(files) => (!inventory.pairs.get(files)?.covers(&host.example()))
                    .then(|| Warning::NotCovered { host, certificate: files.certificate.clone() }),
            }
        });
        let mut warnings: Vec<_> = inventory.pairs.values().flat_map(|pair| pair.warnings(now)).chain(hosts).collect();
        if inventory.all().any(|site| site.source == Source::Local) {
            warnings.extend(self.issuing.ca.warnings(now));
        }
        warnings.sort_by_cached_key(ToString::to_string);
        warnings
    }
}

/// What the owner should know of a name whose certificates come by ACME.
fn late(host: HostPattern, standing: &Standing, now: Timestamp) -> Option<Warning> {
    let told = || standing.history.trouble.as_ref().map(|told| told.sentence.clone());
    // Where an owner, or a loop of theirs, has removed, revoked or ordered it again and again.
    let spent = || {
        let day = local_ca::day(standing.history.record.spent(now)?);
        Some(format!("it got as many in a day as a name may; the next order is due on {day}"))
    };
    let why = |otherwise: &str| told().or_else(spent).unwrap_or_else(|| otherwise.to_owned());
    let Some((_, validity)) = standing.shown else {
        return Some(Warning::NotIssued { host, why: why("its first order runs") });
    };
    let (day, why) = (local_ca::day(validity.until), why("it is about to be tried"));
    if standing.revoked {
        return Some(Warning::Revoked { host, why });
    }
    match validity.health(now) {
        Health::Well => None,
        Health::Late => Some(Warning::RenewalLate { host, day, why }),
        Health::Alarming => Some(Warning::RenewalAlarming { host, day, why }),
        Health::Ended => Some(Warning::RenewalFailed { host, day, why }),
    }
}

impl Inventory {
    /// The state after this one, with `wanted` hosts.
    fn next(&self, issuing: &Issuing, wanted: Vec<Wanted>, min: TlsVersion) -> Result<Self, Vec<Fault>> {
        let (sites, wildcards) = (HashMap::with_capacity(wanted.len()), HashMap::new());
        let mut next = Self { min, sites, wildcards, addresses: HashMap::new(), pairs: HashMap::new() };
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
            let kept = match &host {
                HostPattern::Exact(host) => self.sites.get(host),
                HostPattern::Under(wildcard) => self.wildcards.get(wildcard.parent()),
            };
            let kept = kept.filter(|site| self.min == min && site.source == source).cloned();
            let site = kept.unwrap_or_else(|| {
                Arc::new(Site { host: host.clone(), source, config: OnceLock::new(), until: Until::default() })
            });
            match host {
                HostPattern::Exact(host) => {
                    next.addresses.extend(host.ip().map(|address| (address.to_canonical(), host.clone())));
                    next.sites.insert(host, site);
                }
                HostPattern::Under(wildcard) => drop(next.wildcards.insert(wildcard.parent().clone(), site)),
            }
        }
        if faults.is_empty() { Ok(next) } else { Err(faults) }
    }

    /// What speaks for a host: its own, else that of the wildcard it falls under. As requests find their app.
    fn site(&self, host: &Host) -> Option<&Arc<Site>> {
        self.sites.get(host).or_else(|| self.wildcards.get(host.behind_first_label()?))
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Site>> {
        self.sites.values().chain(self.wildcards.values())
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
    fn config(&self, inventory: &Inventory, issuing: &Issuing, names: &Names) -> Result<Arc<ServerConfig>, Unknown> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let resolver: Arc<dyn ResolvesServerCert> = match &self.source {
            Source::Local => issuing.resolver(&self.host, &self.until),
            Source::Acme => {
                Arc::new(ShownOr { slot: names.slot(&self.host), otherwise: issuing.resolver(&self.host, &self.until) })
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

#[cfg(test)]
mod tests;
