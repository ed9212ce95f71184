//! The two proofs: a denied path is never served, and a bypass opens nothing but itself.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use doorward::plan::compile::compile_text;
use doorward::plan::whole::Plan;
use doorward::policy::host::{Authority, Host};
use doorward::policy::rule::Judgement;
use doorward::policy::target::{Own, Target};
use http::Method;

use crate::doorward::Doorward;
use crate::fleet::{self, OPEN, OUTSIDE, Part, RECIPES, Recipe, SECRET, Server};
use crate::grammar::Grammar;
use crate::line::{Line, Way};

/// The host before which every refused and denied spelling is sent once.
const WALL: &str = "wall.localhost";
const SEED: u64 = 20_260_211;
/// Connections to the gateway at a time while the wall is tried.
const SENDERS: usize = 4;

/// How much is done.
struct Size {
    targets: usize,
    /// Spellings that each server is asked directly.
    direct: usize,
    recipes: Vec<&'static Recipe>,
}

impl Size {
    #[expect(clippy::disallowed_methods, reason = "tests/run says by these how much to do")]
    fn chosen() -> Self {
        let full = std::env::var("DOORWARD_TESTS").is_ok_and(|size| size == "full");
        let only = std::env::var("DOORWARD_TEST_PATHS_ONLY").ok();
        let wanted = |recipe: &&Recipe| match &only {
            Some(names) => names.split(',').any(|name| name == recipe.name),
            None => full || recipe.part == Part::Fixed,
        };
        let recipes = RECIPES.iter().filter(wanted).collect();
        match full {
            true => Self { targets: 200_000, direct: 8_000, recipes },
            false => Self { targets: 30_000, direct: 3_000, recipes },
        }
    }
}

/// What one rule says of a spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// 400, 405 or 414.
    Refused,
    /// 404.
    Denied,
    /// A stranger is asked to sign in.
    Asked,
    /// Forwarded.
    Passed,
}

/// The spellings, sorted by what becomes of them.
#[derive(Default)]
struct Judged {
    refused: Vec<Vec<u8>>,
    denied: Vec<Vec<u8>>,
    /// Past `deny = ["/admin/"]` with everything else open.
    passed: Vec<Vec<u8>>,
    /// Past `bypass = ["/public/"]` with everything else protected.
    granted: Vec<Vec<u8>>,
}

/// The attack: every spelling of `/admin/` that two hundred thousand draws from the grammar of known tricks give, sent as raw
/// bytes to every server we could find, through the gateway.
#[test]
#[ignore = "needs python with web frameworks, node with packages, nginx; with --full also go, ruby, php, apache, lighttpd, tomcat"]
fn no_spelling_reaches_what_is_denied_or_leaves_what_is_open() {
    let began = Instant::now();
    let size = Size::chosen();
    let dir = tempfile::tempdir().expect("a folder");
    let servers = fleet::start(&size.recipes, &dir.path().join("fleet"));
    say(began, &format!("{} servers run", servers.len()));
    let witness = Witness::start();
    let toml = configuration(&servers, witness.address);
    let plan = compile_text(&toml).unwrap_or_else(|complaints| panic!("{complaints:?}")).plan;
    let spellings: Vec<Vec<u8>> = Grammar::seeded(SEED).take(size.targets).collect();
    let judged = judge_all(&plan, &spellings);
    let counts = [judged.refused.len(), judged.denied.len(), judged.passed.len(), judged.granted.len()];
    let [refused, denied, passed, granted] = counts;
    say(began, &format!("{} spellings: {refused} refused, {denied} denied, {passed} pass, {granted} granted", spellings.len()));
    let doorward = Doorward::start(dir.path(), &toml);
    try_the_wall(&doorward, &judged, &witness);
    say(began, "none of the refused and denied came through the gateway");
    // Only what might be a path: of anything else a prefix rule says nothing.
    let paths: Vec<&Vec<u8>> = spellings.iter().filter(|spelling| spelling.starts_with(b"/")).collect();
    let sample: Vec<&Vec<u8>> = paths.iter().copied().step_by((paths.len() / size.direct).max(1)).collect();
    let reports = ask_everybody(began, &servers, &doorward, &judged, &sample);
    conclude(&reports, &servers);
}

fn say(began: Instant, what: &str) {
    eprintln!("{:4} s  {what}", began.elapsed().as_secs());
}

/// An app for each server and proof, and one before a witness.
fn configuration(servers: &[Server], witness: SocketAddr) -> String {
    let mut toml = "[listen]\nhttps = [\"127.0.0.1:0\"]\nhttp = []\n[log]\naccess = \"off\"\n".to_owned();
    let mut app = |host: &str, to: SocketAddr, rules: &str| {
        write!(toml, "[[app]]\nhost = \"{host}\"\nupstream = \"http://{to}\"\n{rules}\n").expect("written");
    };
    app(WALL, witness, "deny = [\"/admin/\"]\nbypass = [\"/\"]");
    for (number, server) in servers.iter().enumerate() {
        app(&deny_host(number), server.address, "deny = [\"/admin/\"]\nbypass = [\"/\"]");
        app(&grant_host(number), server.address, "bypass = [\"/public/\"]");
    }
    toml
}

fn deny_host(number: usize) -> String {
    format!("deny{number}.localhost")
}

fn grant_host(number: usize) -> String {
    format!("grant{number}.localhost")
}

fn judge_all(plan: &Plan, spellings: &[Vec<u8>]) -> Judged {
    let mut judged = Judged::default();
    for spelling in spellings {
        match judge(plan, &deny_host(0), spelling) {
            Verdict::Refused => judged.refused.push(spelling.clone()),
            Verdict::Denied => judged.denied.push(spelling.clone()),
            Verdict::Passed => judged.passed.push(spelling.clone()),
            Verdict::Asked => unreachable!("everything else is open there"),
        }
        if judge(plan, &grant_host(0), spelling) == Verdict::Passed {
            judged.granted.push(spelling.clone());
        }
    }
    judged
}

/// What the rules of an app say, as the gateway asks them.
fn judge(plan: &Plan, host: &str, spelling: &[u8]) -> Verdict {
    let own = Authority::parse(host).expect("a host");
    let target = match std::str::from_utf8(spelling) {
        Ok(text) if !text.starts_with('/') => Target::parse_absolute(text, &own),
        _ => Target::parse_bytes(spelling),
    };
    let Ok(target) = target else { return Verdict::Refused };
    match target.own() {
        Own::Page(_) | Own::Disguised => return Verdict::Denied,
        Own::No => {}
    }
    let (app, target) = plan.app_for(&Host::parse(host).expect("a host"), &target).expect("configured");
    match app.rules.judge(&target, &Method::GET, Ipv4Addr::LOCALHOST.into()) {
        Judgement::Denied(_) => Verdict::Denied,
        Judgement::Redirected(_) | Judgement::Required(_) => Verdict::Asked,
        Judgement::Open => Verdict::Passed,
    }
}

/// Sends what is refused and denied once, and holds the answers against the verdicts. Nothing may reach the app.
fn try_the_wall(doorward: &Doorward, judged: &Judged, witness: &Witness) {
    let refused = judged.refused.iter().map(|spelling| (spelling, Verdict::Refused));
    let all: Vec<_> = refused.chain(judged.denied.iter().map(|spelling| (spelling, Verdict::Denied))).collect();
    let way = &doorward.way(WALL);
    thread::scope(|scope| {
        for part in all.chunks(all.len().div_ceil(SENDERS).max(1)) {
            scope.spawn(move || {
                let mut line = Line::to(way);
                for (spelling, verdict) in part {
                    let status = line.ask(spelling).status;
                    let fits = match verdict {
                        Verdict::Refused => matches!(status, 400 | 405 | 414 | 421),
                        // What reads a request before the rules takes a bare backtick in a path for an error.
                        Verdict::Denied => status == 404 || (status == 400 && spelling.contains(&b'`')),
                        Verdict::Asked | Verdict::Passed => false,
                    };
                    assert!(fits, "{} is {verdict:?} and was answered {status}", shown(spelling));
                }
            });
        }
    });
    assert_eq!(witness.asked.load(Ordering::Relaxed), 0, "something reached the app");
}

/// What became of one server.
struct Report {
    /// Direct requests that were answered with the secret.
    reached: usize,
    /// Of those, the ones that a plain prefix rule lets pass.
    evading: usize,
    /// Direct requests below `/public/` that were answered with something from outside.
    escaping: usize,
    /// Answered by the server through the gateway, with any of its words.
    answered: usize,
    leaks: Vec<String>,
}

fn ask_everybody(began: Instant, servers: &[Server], doorward: &Doorward, judged: &Judged, sample: &[&Vec<u8>]) -> Vec<Report> {
    let next = AtomicUsize::new(0);
    let reports: Vec<Mutex<Option<Report>>> = servers.iter().map(|_| Mutex::new(None)).collect();
    thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(server) = servers.get(number) else { break };
                    let ways = [doorward.way(&deny_host(number)), doorward.way(&grant_host(number))];
                    let report = ask_one(&server.way(), &ways, judged, sample);
                    let Report { reached, evading, escaping, answered, leaks } = &report;
                    let asked = sample.len();
                    let through = judged.passed.len() + judged.granted.len();
                    say(
                        began,
                        &format!(
                            "{:22} directly {reached} of {asked} reach /admin/, {evading} past a prefix rule, {escaping} leave /public/; through us {} of {through} leak, {answered} answered",
                            server.name,
                            leaks.len()
                        ),
                    );
                    *reports[number].lock().expect("whole") = Some(report);
                }
            });
        }
    });
    reports.into_iter().map(|report| report.into_inner().expect("whole").expect("asked")).collect()
}

fn ask_one(server: &Way, [deny, grant]: &[Way; 2], judged: &Judged, sample: &[&Vec<u8>]) -> Report {
    let mut report = Report { reached: 0, evading: 0, escaping: 0, answered: 0, leaks: Vec::new() };
    let mut line = Line::to(server);
    for spelling in sample {
        let answer = line.ask(spelling);
        let secret = answer.says(SECRET);
        report.reached += usize::from(secret);
        report.evading += usize::from(secret && !spelling.starts_with(b"/admin"));
        report.escaping += usize::from(spelling.starts_with(b"/public/") && (secret || answer.says(OUTSIDE)));
    }
    let mut through = |way: &Way, spellings: &[Vec<u8>], forbidden: &[&str]| {
        let mut line = Line::to(way);
        for spelling in spellings {
            let answer = line.ask(spelling);
            report.answered += usize::from([SECRET, OPEN, OUTSIDE].iter().any(|word| answer.says(word)));
            if forbidden.iter().any(|word| answer.says(word)) {
                report.leaks.push(format!("{} at {}", shown(spelling), way.host));
            }
        }
    };
    through(deny, &judged.passed, &[SECRET]);
    through(grant, &judged.granted, &[SECRET, OUTSIDE]);
    report
}

fn conclude(reports: &[Report], servers: &[Server]) {
    let mut faults = Vec::new();
    for (report, server) in reports.iter().zip(servers) {
        if !report.leaks.is_empty() {
            faults.push(format!("{}: {}", server.name, report.leaks.join("\n  ")));
        }
        if server.fooled && report.evading == 0 {
            faults.push(format!("{}: no spelling mattered, so nothing was shown", server.name));
        }
        if report.answered == 0 {
            faults.push(format!("{}: nothing came back through the gateway", server.name));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn shown(spelling: &[u8]) -> String {
    spelling.escape_ascii().to_string()
}

/// An app that counts who reaches it.
struct Witness {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Witness {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::Relaxed);
                let Ok(mut stream) = stream else { continue };
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        Self { address, asked }
    }
}
