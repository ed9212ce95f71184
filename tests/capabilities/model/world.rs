//! The gateway without its sockets: the spine from a request's head to its answer, the portal, the store. No app listens
//! behind it, so 502 is what a request gets that was let through, and cannot be taken for anything else.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use bytes::Bytes;
use doorward::auth::totp;
use doorward::base::clock::{Clock, Timestamp};
use doorward::base::current::Current;
use doorward::base::entropy::Entropy;
use doorward::base::id::Id;
use doorward::base::seal::MasterKey;
use doorward::base::secret::Secret;
use doorward::gate::handle::handle;
use doorward::gate::services::Services;
use doorward::model::credential::{PasswordHash, Totp, TotpRecipe};
use doorward::observe::access::AccessLog;
use doorward::plan::compile::compile_text;
use doorward::plan::whole::Plan;
use doorward::portal::service::Portal;
use doorward::proxy::pool::{Pool, Tunnels};
use doorward::store::open::Store;
use doorward::wire::body::Body;
use doorward::wire::connection::{Connection, Protocol};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use tempfile::TempDir;

use crate::model::reference::{DOCS, DOOR, MAIL, Variant, WIKI};

/// Everybody's password. Hashed at the least cost there is: how dear a guess is, others measure.
pub const PASSWORD: &str = "violet otter mends 7 kettles";

/// Who there is; the second has no authenticator.
pub const PEOPLE: [&str; 3] = ["alice", "bob", "carol"];

/// The gateway, its owner and its time.
pub struct World {
    pub clock: Clock,
    pub variant: Variant,
    pub authenticators: [Option<Totp>; 3],
    services: Option<Services>,
    pool: Pool,
    dir: TempDir,
}

/// An answer with its whole body.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl World {
    pub async fn new() -> Self {
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        // In memory where there is such a place: thousands of sign-ins wait for the disk otherwise.
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a folder");
        let pool = Pool::new(clock.clone(), Entropy, Tunnels::default());
        let mut world = Self { clock, variant: Variant::Usual, authenticators: [None, None, None], services: None, pool, dir };
        world.open();
        for (number, name) in PEOPLE.into_iter().enumerate() {
            world.authenticators[number] = world.enrol(name, name != "bob").await;
        }
        world
    }

    fn open(&mut self) {
        let master = MasterKey::from_bytes(&[7; 32]).expect("32 bytes");
        let store = Store::open(self.dir.path(), &master, self.clock.clone(), Entropy).expect("a store");
        let portal = Portal::new(store.clone(), &master, &self.clock, Entropy);
        let (access, clock, local_ca) = (AccessLog::off(), self.clock.clone(), Bytes::new());
        let plan = Current::new(plan(self.variant));
        self.services = Some(Services {
            plan,
            store,
            metrics: Arc::clone(&portal.metrics),
            portal,
            access,
            clock,
            entropy: Entropy,
            local_ca,
            challenges: Arc::default(),
        });
    }

    async fn enrol(&self, name: &str, with_authenticator: bool) -> Option<Totp> {
        let user = self.store().add_user(&name.parse().expect("a name")).await.expect("added");
        let recipe = TotpRecipe::default();
        let seed = totp::draw_seed(recipe.algorithm, Entropy);
        let totp = Totp { id: Id::draw(Entropy), recipe, seed, last_step: 0, created_at: self.clock.now() };
        let totp = with_authenticator.then_some(totp);
        assert!(self.store().provision(user.id, Some(cheap_hash()), totp.clone()).await.expect("provisioned"));
        totp
    }

    pub fn store(&self) -> &Store {
        &self.services.as_ref().expect("open").store
    }

    /// The same folder, opened anew: what was in memory only is gone.
    pub async fn restart(&mut self) {
        let services = self.services.take().expect("open");
        services.store.close().await.expect("closed");
        drop(services);
        self.open();
    }

    /// Another configuration comes into force.
    pub fn reload(&mut self, variant: Variant) {
        self.variant = variant;
        self.services.as_ref().expect("open").plan.replace(plan(variant));
    }

    /// Sends one request from `client`, over a connection of its own, as a browser does over HTTP/1.
    pub async fn send(&self, client: IpAddr, host: &str, request: Request<Body>) -> Answer {
        let connection = Arc::new(Connection::new((client, 1).into(), Some(host.into()), Protocol::Http1));
        let response = handle(self.services.as_ref().expect("open"), &self.pool, &connection, request).await;
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.expect("a whole page").to_bytes();
        Answer { status: head.status, headers: head.headers, text: String::from_utf8_lossy(&bytes).into_owned() }
    }
}

fn cheap_hash() -> PasswordHash {
    let params = Params::new(8, 1, 1, Some(32)).expect("the least cost");
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = hasher.hash_password_with_salt(PASSWORD.as_bytes(), &[9; 16]).expect("hashed");
    PasswordHash(Secret::new(hash.to_string()))
}

/// What [`reference`](crate::model::reference) judges by, as an owner writes it. Nothing listens on port 9 of this machine.
fn plan(variant: Variant) -> Plan {
    let portal = if variant == Variant::PortalMoved { WIKI } else { DOOR };
    let mail = if variant == Variant::MailStricter { "2fa" } else { "password" };
    let app = |host: &str, more: &str| format!("[[app]]\nhost = \"{host}\"\nupstream = \"http://127.0.0.1:9\"\n{more}\n");
    let mut text = format!("portal = \"{portal}\"\n");
    text += &app(WIKI, "");
    text += &app(MAIL, &format!("require = \"{mail}\""));
    if variant != Variant::DocsGone {
        text += &app(
            DOCS,
            "deny = [\"/admin/\"]\nbypass = [\"/public/\"]\n[[app.rule]]\npath = \"/album/\"\nallow = [\"group:family\"]",
        );
    }
    let mut plan = compile_text(&text).unwrap_or_else(|complaints| panic!("{complaints:#?}")).plan;
    plan.https_port = 443;
    plan
}
