//! What a request costs: the rules alone, the decision with the session it needs, and the whole journey to an app and back.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use divan::Bencher;
use doorward::auth::token::Token;
use doorward::base::clock::Clock;
use doorward::base::entropy::Entropy;
use doorward::daemon::boot::{Gateway, Start, boot};
use doorward::daemon::place::Place;
use doorward::gate::handle::handle;
use doorward::gate::identify::identify;
use doorward::model::session::Proofs;
use doorward::model::strength::Strength;
use doorward::plan::app::App;
use doorward::plan::compile::compile_text;
use doorward::policy::decide::{Verdict, decide};
use doorward::policy::host::Host;
use doorward::policy::target::Target;
use doorward::proxy::pool::{Pool, Tunnels};
use doorward::sample::serve;
use doorward::store::sessions::NewSession;
use doorward::wire::body::Body;
use doorward::wire::connection::{Connection, Protocol};
use http::header::{ACCEPT, COOKIE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::BodyExt;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const NAME: &str = "app.example";
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// An ordinary path, one that takes the slow way, and one that is denied.
const TARGETS: [&str; 3] = ["/documents/1?page=2", "/a%2Fb;v=1//c", "/Admin/login"];

fn main() {
    divan::main();
}

/// A gateway before the sample app, with somebody signed in.
struct House {
    runtime: Runtime,
    gateway: Gateway,
    pool: Pool,
    connection: Arc<Connection>,
    headers: HeaderMap,
    _dir: TempDir,
}

impl House {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let app = runtime.block_on(serve::start()).expect("the sample app");
        let rules = "deny = [\"/admin/\", \"/internal*/\"]\nbypass = [\"/static/\", \"/health\"]\n";
        let text = format!(
            "[listen]\nhttps = [\"127.0.0.1:0\"]\nhttp = []\n[log]\naccess = \"off\"\n[[app]]\nhost = \"{NAME}\"\nupstream = \"http://{app}\"\n{rules}"
        );
        let plan = compile_text(&text).expect("compiles").plan;
        let dir = tempfile::tempdir().expect("a folder");
        let place = Place::new(dir.path(), None, None);
        let clock = Clock::system();
        let start = Start { plan, place, clock: clock.clone(), entropy: Entropy, workers: 1 };
        let gateway = boot(start).expect("starts");
        let token = Token::draw(Entropy);
        runtime.block_on(sign_in(&gateway, &token, &clock));
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static(NAME));
        headers.insert(ACCEPT, HeaderValue::from_static("text/html,application/xhtml+xml,*/*;q=0.8"));
        headers.insert(USER_AGENT, HeaderValue::from_static("Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0"));
        let cookie = format!("theme=dark; __Host-doorward={}; sid=0123456789", token.to_text().expose());
        headers.insert(COOKIE, cookie.parse().expect("a value"));
        let here = SocketAddr::new(CLIENT, 1);
        let connection = Arc::new(Connection::new(here, Some(NAME.into()), Protocol::Http1));
        let pool = Pool::new(clock, Entropy, Tunnels::default());
        Self { runtime, gateway, pool, connection, headers, _dir: dir }
    }

    fn app(&self) -> Arc<App> {
        let plan = self.gateway.services().plan.get();
        Arc::clone(plan.site(&Host::parse(NAME).expect("a host")).and_then(|site| site.chief()).expect("the app"))
    }

    fn request(&self, path: &str) -> Request<Body> {
        let mut request = Request::new(Body::Empty);
        *request.uri_mut() = path.parse().expect("a target");
        *request.headers_mut() = self.headers.clone();
        request
    }

    fn answer(&self, path: &str) -> u16 {
        self.runtime.block_on(async {
            let response = handle(self.gateway.services(), &self.pool, &self.connection, self.request(path)).await;
            let status = response.status().as_u16();
            response.into_body().collect().await.expect("a whole answer");
            status
        })
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.gateway.stop();
    }
}

async fn sign_in(gateway: &Gateway, token: &Token, clock: &Clock) {
    let store = &gateway.services().store;
    let user = store.add_user(&"alice".parse().expect("a name")).await.expect("stored");
    let session = NewSession {
        token: token.hash(),
        user: user.id,
        host: NAME.into(),
        strength: Strength::TwoFactor,
        proofs: Proofs::default(),
        expires_at: clock.now().plus(Duration::from_secs(86_400)),
        idle_timeout: None,
        network: "127.0.0.1".into(),
        agent: "bench".into(),
    };
    store.open_session(session).await.expect("stored").expect("opened");
}

/// From the text of a target to what the rules say of it.
#[divan::bench(args = TARGETS)]
fn judge(bencher: Bencher<'_, '_>, text: &str) {
    let house = House::new();
    let app = house.app();
    bencher.bench_local(|| {
        let target = Target::parse(black_box(text)).expect("readable");
        black_box(app.rules.judge(&target, &Method::GET, CLIENT))
    });
}

/// The same, with the cookie recognised and the verdict made.
#[divan::bench(args = TARGETS)]
fn judge_identify_decide(bencher: Bencher<'_, '_>, text: &str) {
    let house = House::new();
    let (app, host, services) = (house.app(), Host::parse(NAME).expect("a host"), house.gateway.services());
    bencher.bench_local(|| {
        let target = Target::parse(black_box(text)).expect("readable");
        let identity = identify(&services.store, &house.headers, &host).expect("the store answers");
        let judgement = app.rules.judge(&target, &Method::GET, CLIENT);
        let verdict = decide(judgement, target, identity, services.clock.now());
        matches!(verdict, Verdict::Grant(_))
    });
}

/// A refused request, from its head to our answer.
#[divan::bench]
fn denied(bencher: Bencher<'_, '_>) {
    let house = House::new();
    assert_eq!(house.answer("/admin/"), 404);
    bencher.bench_local(|| house.answer(black_box("/admin/")));
}

/// A whole journey: to the app over a kept connection, and the answer back.
#[divan::bench]
fn granted(bencher: Bencher<'_, '_>) {
    let house = House::new();
    assert_eq!(house.answer("/app.css"), 200);
    bencher.bench_local(|| house.answer(black_box("/app.css")));
}
