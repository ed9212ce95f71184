//! What the world out there has against a configuration: whether names lead here, whether an authority may issue for them, whether
//! clocks agree. Pure: what was seen comes in, findings go out, each at its place in the file.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::base::units::in_words;
use crate::config::complaint::{Code, Complaint};
use crate::config::document::Document;
use crate::config::placed::Place;
use crate::plan::acme;
use crate::plan::acme::{AcmePolicy, Challenge};
use crate::plan::whole::Plan;
use crate::policy::caa::{self, Asking, Record, Refusal};
use crate::policy::wildcard::HostPattern;

/// Clocks that are further apart fail one-time codes.
const TOLERATED: Duration = Duration::from_secs(30);
/// Addresses and records that are named.
const NAMED: usize = 4;
const RESOLVER: &str = "see that this machine's name service answers, then check again";

/// A name to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The host or wildcard.
    pub name: HostPattern,
    /// Where it is written.
    pub place: Place,
    /// In which key.
    pub key: &'static str,
    /// Whether it gets its certificate by ACME.
    pub ordered: bool,
}

/// The CAA records that hold for a name, and whose they are; `None` if nobody has any.
pub type Relevant = Option<(String, Vec<Record>)>;

/// What was seen of a name.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Its addresses, or why nothing is known; `None` if it was not asked for.
    pub addresses: Option<Result<Vec<IpAddr>, String>>,
    /// Its CAA records, or why nothing is known; `None` if it was not asked for.
    pub caa: Option<Result<Relevant, String>>,
    /// Where no connection came about, and why.
    pub closed: Vec<(SocketAddr, String)>,
}

impl Seen {
    /// Why nothing is known of it at all, if something was asked for.
    fn unknown(&self) -> Option<&str> {
        match (&self.addresses, &self.caa) {
            (Some(Err(why)), None | Some(Err(_))) | (None, Some(Err(why))) => Some(why),
            (Some(Ok(_)), _) | (_, Some(Ok(_))) | (None, None) => None,
        }
    }
}

/// What was seen of the authority.
#[derive(Clone, Debug)]
pub struct Authority {
    /// As people know it.
    pub name: String,
    /// What it said of itself, or why nothing is known.
    pub told: Result<Told, Silence>,
}

/// What an authority said of itself.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Names by which CAA records mean it.
    pub identities: Vec<String>,
    /// Where its terms are.
    pub terms: Option<String>,
    /// By how many seconds this machine's clock is ahead of the authority's; `None` if that did not say the time.
    pub ahead: Option<i64>,
}

/// Why nothing is known of an authority.
#[derive(Clone, Debug)]
pub enum Silence {
    /// Its certificate is not valid now, by this machine's clock.
    Clock(String),
    /// Anything else.
    Away(String),
}

/// All that was seen.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Addresses of this machine.
    pub own: Vec<IpAddr>,
    /// What was seen of each name that was asked for, in the same order.
    pub names: Vec<Seen>,
    /// What was seen of the authority, if there is one.
    pub authority: Option<Authority>,
    /// What stands in the way of apps, by their place in the configuration.
    pub apps: Vec<(usize, String)>,
    /// Whether ports were tried.
    pub ports: bool,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What, and where.
    pub complaint: Complaint,
    /// Whether it is certain, or may have a reason that cannot be seen from here.
    pub sure: bool,
}

impl Finding {
    fn sure(complaint: Complaint) -> Self {
        Self { complaint, sure: true }
    }

    fn unsure(complaint: Complaint) -> Self {
        Self { complaint, sure: false }
    }
}

/// The public names of a configuration, each once: those that the world has to find.
pub fn asked(plan: &Plan, document: &Document) -> Vec<Asked> {
    let mut all: Vec<Asked> = Vec::new();
    let mut add = |written: &str, place: &Place, key, own: bool| {
        let Ok(name) = HostPattern::parse(written) else { return };
        let ordered = !own && plan.acme.is_some() && acme::takes(&name, plan.acme.as_ref());
        // An address counts as local, and may be certified all the same.
        if (name.is_local() && !ordered) || all.iter().any(|known| known.name == name) {
            return;
        }
        // What stands for a wildcard is whatever a visitor makes up: only its certificate can be looked at.
        if ordered || matches!(name, HostPattern::Exact(_)) {
            all.push(Asked { name, place: place.clone(), key, ordered });
        }
    };
    let own_for_all = plan.tls.certificate.is_some();
    for (app, table) in plan.apps.iter().zip(&document.apps) {
        for written in &table.hosts {
            add(&written.value, &written.place, "app.host", own_for_all || app.certificate.is_some());
        }
    }
    if let Some(written) = &document.portal {
        add(plan.portal.as_str(), &written.place, "portal", own_for_all);
    }
    all
}

/// What stands in the way of a configuration.
pub fn judge(asked: &[Asked], plan: &Plan, document: &Document, world: &World) -> Vec<Finding> {
    let policy = plan.acme.as_ref();
    let mut found: Vec<Finding> = nothing_known(asked, world).into_iter().collect();
    let is_silent = !found.is_empty();
    for (asked, seen) in asked.iter().zip(&world.names) {
        if !is_silent {
            found.extend(leads_here(asked, seen, world, policy));
            found.extend(policy.and_then(|policy| may_issue(asked, seen, world.authority.as_ref(), policy)));
        }
        found.extend(seen.closed.iter().map(|closed| unreachable(asked, closed, &world.own, plan)));
    }
    if !world.ports {
        found.extend(nobody_listens(asked, plan));
    }
    for (at, remark) in &world.apps {
        let Some(written) = document.apps.get(*at).and_then(|table| table.upstream.as_ref()) else { continue };
        let complaint = Complaint::new(Code::N0804, &written.place, remark).label("no request gets further than here");
        found.push(Finding::sure(complaint.key("app.upstream")));
    }
    let place = document.acme.directory.as_ref().map(|written| written.place.clone()).or_else(|| document.acme.spoken_of());
    if let (Some(authority), Some(place)) = (&world.authority, place) {
        found.extend(heard(authority, &place));
    }
    found
}

/// Whether a name is proven on a port or not at all. Addresses are never proven by DNS (RFC 8738 section 7).
pub fn needs_ports(asked: &Asked, policy: Option<&AcmePolicy>) -> bool {
    let is_address = matches!(&asked.name, HostPattern::Exact(host) if host.ip().is_some());
    asked.ordered && policy.is_some_and(|policy| is_address || !policy.proves_by_dns())
}

/// N0801, once for all names where the name service says nothing of any.
fn nothing_known(asked: &[Asked], world: &World) -> Option<Finding> {
    // An address is asked of nobody.
    let names = || asked.iter().zip(&world.names).filter(|(asked, _)| asked.name.example().ip().is_none());
    let (first, seen) = names().next().filter(|_| names().count() > 1)?;
    let why = seen.unknown()?;
    if !names().all(|(_, seen)| seen.unknown().is_some()) {
        return None;
    }
    let complaint = Complaint::new(Code::N0801, &first.place, format!("no name can be looked up: {why}")).key(first.key);
    let complaint = complaint.label(format!("where {} names lead and what CAA records say is not known", names().count()));
    Some(Finding::unsure(complaint.help(RESOLVER)))
}

/// N0801.
fn leads_here(asked: &Asked, seen: &Seen, world: &World, policy: Option<&AcmePolicy>) -> Option<Finding> {
    let name = &asked.name;
    let complain = |message: String| Complaint::new(Code::N0801, &asked.place, message).key(asked.key);
    let addresses = match seen.addresses.as_ref()? {
        Ok(addresses) => addresses,
        Err(why) => {
            let complaint = complain(format!("`{name}` cannot be looked up: {why}"));
            let complaint = match seen.caa {
                Some(Err(_)) => complaint.label("where it leads and what CAA records say is not known"),
                Some(Ok(_)) | None => complaint.label("whether it leads here is not known"),
            };
            return Some(Finding::unsure(complaint.help(RESOLVER)));
        }
    };
    if addresses.is_empty() {
        let complaint = complain(format!("`{name}` has no address"));
        let advice = "add a record that leads to this machine, or to the router before it; a new one takes minutes to be known";
        return Some(match asked.ordered && !needs_ports(asked, policy) {
            true => {
                Finding::unsure(complaint.label("fine for its certificate, which DNS proves, and not for visitors").help(advice))
            }
            false => Finding::sure(complaint.label("no A or AAAA record is there").help(advice)),
        });
    }
    let foreign: Vec<IpAddr> = addresses.iter().copied().filter(|address| !world.own.contains(address)).collect();
    if foreign.is_empty() {
        let is_closed = addresses.iter().all(|address| !acme::is_public(*address));
        // By DNS, names are proven that nobody outside can reach.
        let looks = |policy: &AcmePolicy| policy.directory == acme::LETS_ENCRYPT && !policy.proves_by_dns();
        let is_public = asked.ordered && policy.is_some_and(looks);
        return (is_closed && is_public).then(|| {
            let message = format!("`{name}` resolves to {}, which nobody outside can reach", listed(addresses));
            let complaint = complain(message).label("fine if the world is told another address");
            Finding::unsure(complaint.help("otherwise give the name a public A or AAAA record"))
        });
    }
    let own: Vec<IpAddr> = world.own.iter().copied().filter(is_told).collect();
    let here = if own.is_empty() {
        "this machine's addresses are not known".to_owned()
    } else {
        format!("this machine has {}", listed(&own))
    };
    if matches!(name, HostPattern::Exact(host) if host.ip().is_some()) {
        let complaint = complain(format!("`{name}` is no address of this machine; {here}"));
        let complaint = complaint.label("fine if a router leads it here");
        return Some(Finding::unsure(complaint.help("otherwise write an address that leads here, or a name")));
    }
    let complaint = complain(format!("`{name}` resolves to {}; {here}", listed(&foreign)));
    let complaint = complaint.label(format!("fine if a router leads {} here", listed(&foreign)));
    Some(Finding::unsure(complaint.help("otherwise correct the A and AAAA records of the name")))
}

/// N0802.
fn may_issue(asked: &Asked, seen: &Seen, authority: Option<&Authority>, policy: &AcmePolicy) -> Option<Finding> {
    let name = &asked.name;
    let complain = |message: String| Complaint::new(Code::N0802, &asked.place, message).key(asked.key);
    let (domain, records) = match seen.caa.as_ref()? {
        Ok(relevant) => relevant.as_ref()?,
        // Said together with its addresses.
        Err(_) if matches!(seen.addresses, Some(Err(_))) => return None,
        Err(why) => {
            let complaint = complain(format!("the CAA records of `{name}` cannot be looked up: {why}"));
            let complaint = complaint.label("an authority that cannot either does not issue");
            return Some(Finding::unsure(complaint.help("see that the name servers of the domain answer questions for CAA")));
        }
    };
    let none = Vec::new();
    let identities = authority.and_then(|authority| authority.told.as_ref().ok()).map_or(&none, |told| &told.identities);
    let methods = methods(name, policy);
    let asking = Asking { identities, wildcard: matches!(name, HostPattern::Under(_)), methods };
    let ca = authority.map_or("the authority", |authority| authority.name.as_str());
    let label = match caa::refusal(records, asking)? {
        Refusal::Nobody => "they let nobody issue".to_owned(),
        Refusal::Others(others) => format!("they let only {} issue", cut(&others)),
        Refusal::Method(methods) => format!("they ask for a proof by {}", cut(&methods)),
        Refusal::Unknown(tag) => format!("they have the critical tag `{tag}`, which authorities do not know"),
    };
    let advice = match identities.first() {
        Some(identity) => format!("add `{domain}. CAA 0 issue \"{identity}\"`, or remove the CAA records that are there"),
        None => format!("remove the CAA records of {domain}, or choose another `acme.directory`"),
    };
    let complaint = complain(format!("the CAA records of `{domain}` do not let {ca} issue for `{name}`"));
    Some(Finding::sure(complaint.label(label).help(advice)))
}

/// N0803.
fn unreachable(asked: &Asked, (address, why): &(SocketAddr, String), own: &[IpAddr], plan: &Plan) -> Finding {
    let message = format!("no connection to `{}` at {} port {} from here: {why}", asked.name, address.ip(), address.port());
    let complaint = Complaint::new(Code::N0803, &asked.place, message).key(asked.key);
    let port = address.port();
    if own.contains(&address.ip()) && listens(plan, |at| at.port() == port && holds(at.ip(), address.ip())) {
        let complaint = complaint.label("that address is this machine's own and `listen` has the port, but nobody listens there");
        let advice = "see that the gateway that runs has this configuration (`doorward status`, `doorward reload`)";
        return Finding::sure(complaint.help(advice));
    }
    if own.contains(&address.ip()) {
        // What a firewall does to connections from outside, it does not do to those from within.
        let led = format!("a firewall here leads port {port} to the gateway, which is not seen from within");
        return Finding::unsure(match (needs_ports(asked, plan.acme.as_ref()), asked.ordered) {
            (true, _) => complaint.label(format!("fine if {led}")).help("authorities come there: otherwise listen on that port"),
            (false, true) => complaint
                .label(format!("fine if visitors name another port, or {led}"))
                .help("no authority comes there, since the name can be proven by DNS; browsers do, unless another port is named"),
            (false, false) => complaint
                .label(format!("fine if visitors name another port, or {led}"))
                .help("browsers come there, unless another port is named: otherwise listen on that port"),
        });
    }
    let complaint = complaint.label("fine if it works from outside: many routers lead nobody in from within");
    Finding::unsure(complaint.help("try it from elsewhere, such as a phone without Wi-Fi; then look at router and firewall"))
}

/// N0803, where no port was tried: authorities do not come to those that the gateway has.
fn nobody_listens(asked: &[Asked], plan: &Plan) -> Option<Finding> {
    let policy = plan.acme.as_ref()?;
    let first = asked.iter().find(|asked| needs_ports(asked, Some(policy)))?;
    let ways = [(80, &plan.listen.http), (443, &plan.listen.https)];
    let ways = ways.into_iter().filter(|(port, at)| !at.is_empty() && comes_to(*port, policy.challenge));
    let ways: Vec<(u16, Vec<u16>)> = ways.map(|(port, at)| (port, at.iter().map(SocketAddr::port).collect())).collect();
    if ways.is_empty() || ways.iter().any(|(port, at)| at.contains(port)) {
        return None;
    }
    let or = |texts: Vec<String>| texts.join(" or ");
    let wanted = or(ways.iter().map(|(port, _)| port.to_string()).collect());
    let has = ways.iter().flat_map(|(_, at)| at).map(u16::to_string).collect::<Vec<_>>().join(" and ");
    let led = or(ways.iter().filter_map(|(port, at)| Some(format!("{port} to {}", at.first()?))).collect());
    let message = format!("authorities come to port {wanted}, and the gateway listens on {has}");
    let complaint = Complaint::new(Code::N0803, &first.place, message).key(first.key);
    let complaint = complaint.label(format!("fine if a router or firewall leads {led}"));
    Some(Finding::unsure(complaint.help("otherwise let it listen on 80 and 443, which takes a permission")))
}

fn comes_to(port: u16, challenge: Challenge) -> bool {
    match challenge {
        Challenge::Auto => port == 80 || port == 443,
        Challenge::Http01 => port == 80,
        Challenge::TlsAlpn01 => port == 443,
        Challenge::Dns01 => false,
    }
}

fn listens(plan: &Plan, fits: impl Fn(&SocketAddr) -> bool) -> bool {
    plan.listen.https.iter().chain(&plan.listen.http).any(fits)
}

/// Whether who listens at `at` takes connections to `address`.
fn holds(at: IpAddr, address: IpAddr) -> bool {
    at == address || (at.is_unspecified() && (at.is_ipv6() || address.is_ipv4()))
}

/// N0805 and N0807.
fn heard(authority: &Authority, place: &Place) -> Option<Finding> {
    let (name, advice) = (&authority.name, "set the clock by NTP (`timedatectl set-ntp true`, for one)");
    let clock = |message: String, label: &str| {
        Finding::sure(Complaint::new(Code::N0805, place, message).label(label).help(advice).key("acme.directory"))
    };
    match &authority.told {
        Ok(told) => {
            let ahead = told.ahead.filter(|ahead| Duration::from_secs(ahead.unsigned_abs()) > TOLERATED)?;
            let (by, way) = (ahead.unsigned_abs(), if ahead > 0 { "ahead of" } else { "behind" });
            let words = in_words(Duration::from_secs(by));
            let message = format!("this machine's clock is {by} s ({words}) {way} that of {name}");
            Some(clock(message, "one-time codes fail, and certificates seem to begin or end at another time"))
        }
        Err(Silence::Clock(why)) => {
            let message = format!("the certificate of {name} is not valid by this machine's clock: {why}");
            Some(clock(message, "either the clock is off, or the authority has let it run out"))
        }
        Err(Silence::Away(why)) => {
            let complaint = Complaint::new(Code::N0807, place, format!("{name} cannot be asked: {why}")).key("acme.directory");
            let complaint = complaint.label("no certificate comes from there; CAA and clock could not be held against it");
            let advice =
                "see that this machine may connect to it, that the address is right, and that `acme.ca_file` vouches for it";
            Some(Finding::sure(complaint.help(advice)))
        }
    }
}

fn methods(name: &HostPattern, policy: &AcmePolicy) -> &'static [&'static str] {
    match (policy.challenge, name) {
        (Challenge::Dns01, _) | (Challenge::Auto, HostPattern::Under(_)) => &["dns-01"],
        (Challenge::Auto, HostPattern::Exact(_)) if policy.proves_by_dns() => &["http-01", "tls-alpn-01", "dns-01"],
        (Challenge::Auto, HostPattern::Exact(_)) => &["http-01", "tls-alpn-01"],
        (Challenge::Http01, _) => &["http-01"],
        (Challenge::TlsAlpn01, _) => &["tls-alpn-01"],
    }
}

/// Whether an address is one that others could be sent to: worth telling an owner who compares.
fn is_told(address: &IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !address.is_loopback() && !link_local
}

fn listed(addresses: &[IpAddr]) -> String {
    cut(&addresses.iter().map(ToString::to_string).collect::<Vec<_>>())
}

fn cut(words: &[String]) -> String {
    match words.len().checked_sub(NAMED).filter(|more| *more > 0) {
        None => words.join(", "),
        Some(more) => format!("{} and {more} more", words[..NAMED].join(", ")),
    }
}
