//! A whole gateway in this process, booted as the program boots it.

use std::net::SocketAddr;
use std::panic;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::thread;
use std::time::Duration;

use doorward::admin::wish::{Answer, Credentials, Details, Which, Wish};
use doorward::auth::{password, totp};
use doorward::base::clock::{Clock, Timestamp};
use doorward::base::entropy::Entropy;
use doorward::base::id::Id;
use doorward::base::secret::Secret;
use doorward::config::environment::Environment;
use doorward::daemon::boot::{Gateway as Booted, Start, boot};
use doorward::daemon::configuration;
use doorward::daemon::control;
use doorward::daemon::place::Place;
use doorward::model::credential::{Totp, TotpRecipe};
use doorward::plan::compile::compile_text;
use doorward::plan::whole::Plan;
use rustls::client::Resumption;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};
use tempfile::TempDir;

use crate::kit::visitor::Visitor;

/// Whatever takes longer than this has failed. Generous: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The host of the first app in every test.
pub const HOST: &str = "app.example";

/// A running gateway; it ends with the test.
pub struct Gateway {
    /// Moves the time of everything behind the door.
    pub clock: Clock,
    running: Option<Booted>,
    roots: Arc<RootCertStore>,
    dir: TempDir,
    people: Mutex<Vec<Person>>,
}

/// How to reach a gateway; all a client needs.
#[derive(Clone)]
pub struct Reach {
    pub https: SocketAddr,
    pub clock: Clock,
    roots: Arc<RootCertStore>,
}

/// Somebody with an account.
#[derive(Clone)]
pub struct Person {
    pub name: String,
    pub password: String,
    totp: Totp,
}

impl Gateway {
    /// Starts from the text of a configuration; addresses, files and time are the test's own.
    pub fn start(toml: &str) -> Self {
        Self::with(toml, |_| {})
    }

    /// As [`Gateway::start`], with a plan changed by hand where the text has no word for it.
    pub fn with(toml: &str, change: impl FnOnce(&mut Plan)) -> Self {
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        Self::within(tempfile::tempdir().expect("a folder"), clock, plan(toml, change))
    }

    fn within(dir: TempDir, clock: Clock, mut plan: Plan) -> Self {
        plan.log.file = Some(dir.path().join("access.log"));
        let place = Place::new(&dir.path().join("data"), None, None);
        Self::booted(dir, clock, plan, place)
    }

    /// Starts from a file, to be reloaded. Its addresses and the access log are the text's own.
    pub fn from_file(toml: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("gateway.toml");
        std::fs::write(&file, toml).expect("written");
        let loaded = configuration::load(&file, &Environment::default());
        let plan = loaded.unwrap_or_else(|report| panic!("{}", report.human(false))).plan;
        let place = Place::new(&dir.path().join("data"), Some(&file), None);
        Self::booted(dir, Clock::manual(Timestamp::from_secs(1_800_000_000)), plan, place)
    }

    fn booted(dir: TempDir, clock: Clock, plan: Plan, place: Place) -> Self {
        watch_for_panics();
        let start = Start { plan, place, clock: clock.clone(), entropy: Entropy, workers: 2 };
        let running = boot(start).expect("the gateway starts");
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(&running.ca_file).expect("the authority's certificate");
        roots.add(authority).expect("a certificate");
        Self { clock, running: Some(running), roots: Arc::new(roots), dir, people: Mutex::default() }
    }

    /// Ended and started again from the same folder, at the same moment.
    pub async fn restarted(mut self, toml: &str) -> Self {
        self.end().await;
        let dir = std::mem::replace(&mut self.dir, tempfile::tempdir().expect("a folder"));
        let again = Self::within(dir, self.clock.clone(), plan(toml, |_| {}));
        *again.people.lock().expect("not poisoned") = std::mem::take(&mut *self.people.lock().expect("not poisoned"));
        again
    }

    /// In front of one app at `upstream`, protected in full.
    pub fn before(upstream: &str) -> Self {
        Self::start(&one_app(upstream, ""))
    }

    /// The folder with the configuration file, the data and the access log.
    pub fn home(&self) -> &Path {
        self.dir.path()
    }

    /// Carries out a wish through the control socket, as a running gateway does.
    pub async fn ask(&self, wish: &Wish) -> Answer {
        let answer = within("an answer", control::ask(&self.home().join("data/control.sock"), wish)).await;
        answer.expect("asked").expect("a gateway runs")
    }

    pub fn running(&self) -> &Booted {
        self.running.as_ref().expect("not ended")
    }

    pub fn http(&self) -> SocketAddr {
        self.running().http[0]
    }

    pub fn reach(&self) -> Reach {
        Reach { https: self.running().https[0], clock: self.clock.clone(), roots: Arc::clone(&self.roots) }
    }

    /// Somebody who is not signed in, at the first app's host.
    pub fn stranger(&self) -> Visitor {
        Visitor::new(self.reach(), HOST)
    }

    /// Somebody with an account who has just signed in, page by page.
    pub async fn guest(&self, name: &str) -> Visitor {
        let person = self.provision(name).await;
        let mut visitor = self.stranger();
        visitor.sign_in(&person).await;
        visitor
    }

    /// An account with a password and an authenticator.
    pub async fn provision(&self, name: &str) -> Person {
        let recipe = TotpRecipe::default();
        let seed = totp::draw_seed(recipe.algorithm, Entropy);
        let words = format!("correct horse {name} staple");
        let credentials = Credentials {
            password_hash: Some(password::hash(&Secret::new(words.clone()), Entropy.bytes()).0.expose().clone()),
            totp_seed: Some(totp::key_in_groups(&seed).expose().clone()),
        };
        let answer = self
            .perform(Wish::UserAdd { name: name.to_owned(), credentials: Some(credentials), details: Details::default() })
            .await;
        assert!(matches!(answer, Answer::User(_)), "{answer:?}");
        let person = Person::new(name, &words, seed.expose().clone(), self.clock.now());
        self.people.lock().expect("not poisoned").push(person.clone());
        person
    }

    /// Somebody whose account was made before.
    pub fn person(&self, name: &str) -> Person {
        let people = self.people.lock().expect("not poisoned");
        people.iter().find(|person| person.name == name).expect("provisioned").clone()
    }

    /// Carries out a wish as the owner's command line would.
    pub async fn perform(&self, wish: Wish) -> Answer {
        self.running().desk.perform(wish).await
    }

    /// Ends every session of `name`; how many there were.
    pub async fn end_sessions_of(&self, name: &str) -> usize {
        match self.perform(Wish::SessionEnd { which: Which::User(name.to_owned()) }).await {
            Answer::Ended { ended } => ended,
            other => panic!("{other:?}"),
        }
    }

    /// Time in which authenticators show a new code.
    pub fn next_code(&self) {
        self.clock.advance(Duration::from_secs(30));
    }

    /// Ends the gateway as a stopping program does, and returns what it wrote into the access log.
    pub async fn ended(mut self) -> String {
        self.end().await;
        std::fs::read_to_string(self.dir.path().join("access.log")).unwrap_or_default()
    }

    async fn end(&mut self) {
        let running = self.running.take().expect("not ended before");
        running.drain();
        let joined = tokio::task::spawn_blocking(move || running.join());
        within("the end", joined).await.expect("ends without a panic");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
        if !thread::panicking() {
            assert_eq!(PANICS.load(Ordering::SeqCst), 0, "nothing panics behind the door, whatever comes");
        }
    }
}

/// Panics on threads of a gateway: Tokio catches them, and the test would not notice.
static PANICS: AtomicUsize = AtomicUsize::new(0);

fn watch_for_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if thread::current().name().is_some_and(|name| name.starts_with("worker-") || name == "keeper") {
                PANICS.fetch_add(1, Ordering::SeqCst);
            }
            before(info);
        }));
    });
}

/// A plan that listens on ports of its own.
fn plan(toml: &str, change: impl FnOnce(&mut Plan)) -> Plan {
    let mut plan = compile_text(toml).unwrap_or_else(|complaints| panic!("{complaints:#?}")).plan;
    let local: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    plan.listen.https = vec![local];
    plan.listen.http = vec![local];
    change(&mut plan);
    plan
}

impl Reach {
    /// TLS settings of a client that trusts the gateway's authority and reads the gateway's clock.
    pub fn tls(&self, alpn: &[&[u8]]) -> ClientConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_details(provider, Arc::new(Wrist(self.clock.clone())))
            .with_safe_default_protocol_versions()
            .expect("TLS 1.2 and 1.3")
            .with_root_certificates(Arc::clone(&self.roots))
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        config.resumption = Resumption::disabled();
        config
    }
}

#[derive(Debug)]
struct Wrist(Clock);

impl TimeProvider for Wrist {
    fn current_time(&self) -> Option<UnixTime> {
        let millis = u64::try_from(self.0.now().millis()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_millis(millis)))
    }
}

impl Person {
    pub fn new(name: &str, password: &str, seed: Vec<u8>, now: Timestamp) -> Self {
        let recipe = TotpRecipe::default();
        let totp = Totp { id: Id::draw(Entropy), recipe, seed: Secret::new(seed), last_step: 0, created_at: now };
        Self { name: name.to_owned(), password: password.to_owned(), totp }
    }

    /// What their authenticator shows at `now`.
    pub fn code(&self, now: Timestamp) -> String {
        totp::code_at(&self.totp, now)
    }
}

/// A configuration with one app; `more` is what its table says besides.
pub fn one_app(upstream: &str, more: &str) -> String {
    format!("[[app]]\nhost = \"{HOST}\"\nupstream = \"{upstream}\"\n{more}\n")
}

/// Waits, but not for ever.
pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(done) => done,
        Err(_) => panic!("waited too long: {what}"),
    }
}

/// Waits until `ready` says so.
pub async fn until(what: &str, mut ready: impl FnMut() -> bool) {
    within(what, async {
        while !ready() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
