//! What is said of the world out there, word for word: `tests/golden/online/*.toml`, a world for each, and the `.txt` beside it.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use doorward::config::complaint::Code;
use doorward::config::environment::Environment;
use doorward::config::report::Report;
use doorward::daemon::configuration;
use doorward::plan::online::{Authority, Finding, Seen, Silence, Told, World, asked, judge};
use doorward::policy::caa::Record;

const FOLDER: &str = "tests/golden/online";

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A world in which nothing is wrong with `paperless.example.com` and `wiki.example.com`.
fn well() -> World {
    let seen = Seen { addresses: Some(Ok(vec![ip("198.51.100.4")])), caa: Some(Ok(None)), closed: Vec::new() };
    let told = Told { identities: vec!["letsencrypt.org".to_owned()], terms: None, ahead: Some(-2) };
    World {
        own: ["127.0.0.1", "::1", "fe80::1", "198.51.100.4", "192.168.1.5"].map(ip).into(),
        names: vec![seen.clone(), seen],
        authority: Some(Authority { name: "Let's Encrypt".to_owned(), told: Ok(told) }),
        apps: Vec::new(),
        ports: true,
    }
}

fn issue(value: &str) -> Record {
    Record { critical: false, tag: "issue".to_owned(), value: value.to_owned() }
}

/// Each case with its world, and whether what is found is certain.
fn cases() -> Vec<(&'static str, World, bool)> {
    let changed = |change: &dyn Fn(&mut World)| {
        let mut world = well();
        change(&mut world);
        world
    };
    let addresses = |world: &mut World, addresses: &[&str]| {
        world.names[0].addresses = Some(Ok(addresses.iter().copied().map(ip).collect()));
    };
    let caa = |world: &mut World, records: Vec<Record>| {
        world.names[1].caa = Some(Ok(Some(("example.com".to_owned(), records))));
    };
    let closed = |world: &mut World, end: &str| {
        let end: SocketAddr = end.parse().expect("an end");
        world.names[0].closed = vec![(end, "Connection refused (os error 111)".to_owned())];
    };
    let silence = |world: &mut World| {
        let nobody = || "there is no resolver to ask".to_owned();
        world.names = vec![Seen { addresses: Some(Err(nobody())), caa: Some(Err(nobody())), closed: Vec::new() }; 2];
    };
    let told = |world: &mut World, told: Result<Told, Silence>| world.authority.as_mut().expect("one").told = told;
    vec![
        ("n0801_none", changed(&|world| addresses(world, &[])), true),
        ("n0801_elsewhere", changed(&|world| addresses(world, &["203.0.113.7", "198.51.100.4", "2001:db8::7"])), false),
        ("n0801_unknown", changed(&|world| world.names[0].addresses = Some(Err("no answer within 7 seconds".to_owned()))), false),
        ("n0801_silence", changed(&silence), false),
        ("n0801_address", changed(&|world| addresses(world, &["203.0.113.7"])), false),
        ("n0801_private", changed(&|world| addresses(world, &["192.168.1.5"])), false),
        ("n0802_others", changed(&|world| caa(world, vec![issue("ca.example"), issue("other.example; a=b")])), true),
        ("n0802_nobody", changed(&|world| caa(world, vec![issue(";")])), true),
        ("n0803_own", changed(&|world| closed(world, "198.51.100.4:80")), true),
        // Nobody comes to a port there but browsers, and who connects from here does not meet the firewall.
        ("n0803_dns", changed(&|world| closed(world, "198.51.100.4:443")), false),
        ("n0803_led", changed(&|world| closed(world, "198.51.100.4:443")), false),
        ("n0803_other_ports", changed(&|world| world.ports = false), false),
        ("n0803_outside", changed(&|world| closed(world, "203.0.113.7:443")), false),
        ("n0804_nothing", changed(&|world| world.apps = vec![(1, "nothing answers at 127.0.0.1:8001 yet".to_owned())]), true),
        ("n0805_behind", changed(&|world| told(world, Ok(Told { ahead: Some(-185), ..Told::default() }))), true),
        (
            "n0805_certificate",
            changed(&|world| told(world, Err(Silence::Clock("invalid peer certificate: expired".to_owned())))),
            true,
        ),
        ("n0807_away", changed(&|world| told(world, Err(Silence::Away("it cannot be reached: timed out".to_owned())))), true),
    ]
}

fn found(name: &str, world: &World) -> (Report, Vec<Finding>) {
    found_at(&Path::new(FOLDER).join(name).with_extension("toml"), world)
}

fn found_at(path: &Path, world: &World) -> (Report, Vec<Finding>) {
    let loaded = configuration::load(path, &Environment::default()).expect("it compiles");
    let names = asked(&loaded.plan, &loaded.document);
    assert_eq!(names.len(), 2, "what is local is not asked for");
    let found = judge(&names, &loaded.plan, &loaded.document, world);
    let complaints = found.iter().map(|finding| finding.complaint.clone()).collect();
    (Report::new(loaded.report.source, complaints), found)
}

#[test]
fn what_is_wrong_out_there_is_said_word_for_word() {
    let left = Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden-online");
    fs::create_dir_all(&left).expect("a folder");
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    for (name, world, sure) in cases() {
        let (report, found) = found(name, &world);
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert_eq!(found[0].sure, sure, "{name}");
        let complaint = &found[0].complaint;
        assert_eq!(complaint.code.name(), name.split('_').next().expect("a code").to_uppercase());
        assert!(complaint.place.is_some() && complaint.label.is_some(), "{name}");
        assert!(complaint.help.is_some() || complaint.code == Code::N0804, "{name}");
        seen.insert(complaint.code);
        let told = report.human(false);
        let expected = Path::new(FOLDER).join(name).with_extension("txt");
        if fs::read_to_string(&expected).unwrap_or_default() != told {
            fs::write(left.join(format!("{name}.txt")), &told).expect("written");
            wrong.push(format!("── {name}\n{told}"));
        }
    }
    assert!(wrong.is_empty(), "{}\nthe new texts are in {}", wrong.join("\n"), left.display());
    let all: BTreeSet<Code> = Code::ALL.iter().copied().filter(|code| code.name().starts_with('N')).collect();
    assert_eq!(seen, all, "every code has a case");
}

#[test]
fn a_world_in_order_earns_nothing() {
    let (report, found) = found("n0801_none", &well());
    assert!(found.is_empty(), "{}", report.human(false));
    let mut silent = well();
    silent.authority = None;
    silent.names = vec![Seen::default(), Seen::default()];
    assert!(judge_all(&silent).is_empty(), "what was not asked for is not complained about");
}

#[test]
fn names_that_dns_proves_may_be_closed_to_the_world() {
    let home = tempfile::tempdir().expect("a folder");
    let path = home.path().join("gateway.toml");
    let text = fs::read_to_string(Path::new(FOLDER).join("n0801_private.toml")).expect("a case");
    let dns = "agree_tos = true\ndns = { provider = \"exec\", command = [\"/usr/local/bin/dns-hook\"] }";
    let mut world = well();
    world.names[0].addresses = Some(Ok(vec![ip("192.168.1.5")]));
    let only_by_dns = issue("letsencrypt.org; validationmethods=dns-01");
    world.names[1].caa = Some(Ok(Some(("example.com".to_owned(), vec![only_by_dns]))));
    let codes = |text: String| {
        fs::write(&path, text).expect("written");
        found_at(&path, &world).1.iter().map(|finding| finding.complaint.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(text.clone()), [Code::N0801, Code::N0802]);
    assert_eq!(codes(text.replace("agree_tos = true", dns)), []);
    let all = text.replace("agree_tos = true", &format!("{dns}\nchallenge = \"dns-01\""));
    assert_eq!(codes(all.replace("wiki.example.com", "*.wiki.example.com")), []);
    // And may have no address at all.
    world.names[0].addresses = Some(Ok(Vec::new()));
    let certain = |text: &str| {
        fs::write(&path, text).expect("written");
        found_at(&path, &world)
            .1
            .iter()
            .filter(|finding| finding.complaint.code == Code::N0801)
            .map(|finding| finding.sure)
            .collect::<Vec<_>>()
    };
    assert_eq!((certain(&text), certain(&all)), (vec![true], vec![false]));
}

#[test]
fn an_unknown_name_is_told_once() {
    let mut world = well();
    let silent = || "no answer within 7 seconds".to_owned();
    world.names[0] = Seen { addresses: Some(Err(silent())), caa: Some(Err(silent())), closed: Vec::new() };
    let found = judge_all(&world);
    assert!(found.len() == 1 && found[0].complaint.code == Code::N0801, "{found:?}");
    assert!(found[0].complaint.label.as_deref().is_some_and(|label| label.contains("CAA")), "{found:?}");
    // Of a port it is known all the same.
    world.names[1] =
        Seen { closed: vec![("198.51.100.4:80".parse().expect("an end"), "refused".to_owned())], ..world.names[0].clone() };
    let codes: Vec<Code> = judge_all(&world).iter().map(|finding| finding.complaint.code).collect();
    assert_eq!(codes, [Code::N0801, Code::N0803]);
}

#[test]
fn ports_that_a_gateway_has_not_are_told_before_any_is_tried() {
    let home = tempfile::tempdir().expect("a folder");
    let path = home.path().join("gateway.toml");
    let text = fs::read_to_string(Path::new(FOLDER).join("n0803_other_ports.toml")).expect("a case");
    let mut world = well();
    world.ports = false;
    let said = |text: String| {
        fs::write(&path, text).expect("written");
        found_at(&path, &world).1.into_iter().map(|finding| finding.complaint.message).collect::<Vec<_>>()
    };
    assert_eq!(said(text.clone()), ["authorities come to port 80 or 443, and the gateway listens on 8080 and 8443"]);
    assert_eq!(said(text.replace(":8080", ":80")), Vec::<String>::new());
    let only = |challenge: &str| text.replace("agree_tos = true", &format!("agree_tos = true\nchallenge = \"{challenge}\""));
    assert_eq!(said(only("tls-alpn-01")), ["authorities come to port 443, and the gateway listens on 8443"]);
    assert_eq!(said(only("http-01")), ["authorities come to port 80, and the gateway listens on 8080"]);
    let dns = only("dns-01") + "[acme.dns]\nprovider = \"exec\"\ncommand = [\"/usr/local/bin/dns-hook\"]\n";
    assert_eq!(said(dns), Vec::<String>::new());
}

fn judge_all(world: &World) -> Vec<Finding> {
    found("n0801_none", world).1
}
