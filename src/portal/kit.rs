//! What the tests of this room share: a gateway without its sockets, and browsers that come to it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use tempfile::TempDir;

use crate::auth::passkey::{Attestation, Verification};
use crate::auth::password;
use crate::auth::recovery;
use crate::auth::throttle::Settings;
use crate::auth::token::Token;
use crate::auth::totp;
use crate::base::clock::{Clock, Timestamp};
use crate::base::entropy::Entropy;
use crate::base::id::Id;
use crate::base::seal::MasterKey;
use crate::base::secret::Secret;
use crate::model::credential::{Totp, TotpRecipe};
use crate::model::identity::Identity;
use crate::model::method::Methods;
use crate::model::mode::Mode;
use crate::model::session::Ended;
use crate::model::strength::Strength;
use crate::model::user::User;
use crate::plan::app::App;
use crate::plan::kit;
use crate::plan::listener::Listen;
use crate::plan::notify::Telling;
use crate::plan::policy::{AccessFormat, AuthPolicy, LogFormat, LogPolicy, PasskeyPolicy, SessionPolicy, TlsPolicy, TlsVersion};
use crate::plan::routes::Routes;
use crate::plan::upstream::Upstream;
use crate::plan::whole::Plan;
use crate::policy::decide::Challenge;
use crate::policy::host::Host;
use crate::policy::requirement::{Needs, Requirement};
use crate::policy::target::Target;
use crate::portal::call::Visit;
use crate::portal::challenge::{self, Wanted};
use crate::portal::route::serve;
use crate::portal::service::Portal;
use crate::store::open::Store;
use crate::wire::body::Body;
use crate::wire::cookie::{self, Found};

pub(super) const HOST: &str = "paperless.example.com";
pub(super) const PASSWORD: &str = "violet otter mends 7 kettles";
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// A gateway with one app, two hosts and a store in a folder of its own.
pub(super) struct Site {
    pub(super) clock: Clock,
    pub(super) portal: Portal,
    pub(super) plan: Plan,
    pub(super) _dir: TempDir,
}

/// Cookies, and an address.
pub(super) struct Browser {
    pub(super) host: &'static str,
    pub(super) cookies: BTreeMap<String, String>,
    pub(super) client: IpAddr,
    pub(super) headers: Vec<(&'static str, String)>,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: http::HeaderMap,
    pub(super) text: String,
}

impl Site {
    pub(super) fn new() -> Self {
        Self::with(Strength::TwoFactor)
    }

    pub(super) fn with(strength: Strength) -> Self {
        let dir = TempDir::new().expect("a folder");
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        let master = MasterKey::from_bytes(&[7; 32]).expect("32 bytes");
        let store = Store::open(dir.path(), &master, clock.clone(), Entropy).expect("a store");
        Self { portal: Portal::new(store, &master, &clock, Entropy), clock, plan: plan(strength), _dir: dir }
    }

    pub(super) async fn user(&self, name: &str) -> User {
        self.portal.store.add_user(&name.parse().expect("a name")).await.expect("added")
    }

    /// A user with a password and an authenticator.
    pub(super) async fn ready(&self, name: &str) -> Totp {
        let user = self.user(name).await;
        let totp = self.authenticator();
        let hash = password::hash(&Secret::new(PASSWORD.to_owned()), [9; 16]);
        assert!(self.portal.store.provision(user.id, Some(hash), Some(totp.clone())).await.expect("provisioned"));
        totp
    }

    pub(super) fn authenticator(&self) -> Totp {
        let recipe = TotpRecipe::default();
        let seed = totp::draw_seed(recipe.algorithm, Entropy);
        Totp { id: Id::draw(Entropy), recipe, seed, last_step: 0, created_at: self.clock.now() }
    }

    pub(super) async fn link(&self, user: &User) -> String {
        let token = Token::draw(Entropy);
        let ends = self.clock.now().plus(24 * HOUR);
        assert!(self.portal.store.issue_link(user.id, token.hash(), ends).await.expect("issued"));
        format!("/.doorward/setup/{}", token.to_text().expose())
    }

    /// Where the gate would send somebody who asks the portal's own host for `target`.
    pub(super) fn way_to(&self, target: &str) -> String {
        let answer = self.challenged(HOST, (&Method::GET, target), &[("sec-fetch-mode", "navigate")], None);
        answer.headers()[LOCATION].to_str().expect("ASCII").to_owned()
    }

    /// What the gate has us answer to somebody who may not pass.
    pub(super) fn challenged(
        &self,
        host: &str,
        (method, target): (&Method, &str),
        lines: &[(&'static str, &'static str)],
        ended: Option<Ended>,
    ) -> Response<Body> {
        let headers =
            lines.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect();
        let target = Target::parse(target).expect("a target");
        let challenge = Challenge { target, needs: Needs::of(self.plan.auth.require), stale: false, ended };
        let (host, client) = (&Host::parse(host).expect("a host"), "192.0.2.1".parse().expect("an address"));
        let wanted = Wanted { method, headers: &headers, host, client, challenge: &challenge, request_id: "r1" };
        challenge::answer(&self.portal, &self.plan, wanted, self.clock.now())
    }

    /// Recovery codes of a user, as they were shown.
    pub(super) async fn recovery_codes(&self, name: &str) -> Vec<String> {
        let user = self.portal.store.user(&name.parse().expect("a name")).await.expect("stored").expect("a user");
        let codes = recovery::draw(10, Entropy);
        let hashes = codes.iter().map(|code| password::hash(code.secret(), [3; 16])).collect();
        let set = Id::draw(Entropy);
        assert!(self.portal.store.stage_recovery(user.id, set, hashes).await.expect("stored"));
        self.portal.store.put_recovery_in_force(user.id, set).await.expect("stored");
        codes.iter().map(|code| code.shown().expose().clone()).collect()
    }

    /// As far as the second step, on the page for recovery codes.
    pub(super) async fn at_recovery(&self, browser: &mut Browser, name: &str, target: &str) -> Answer {
        let page = browser.get(self, &self.way_to(target)).await;
        let next = browser.post(self, "/.doorward/login", &page.filled(&[("name", name), ("password", PASSWORD)])).await;
        let next = next.location().replace("/login/code?", "/login/recovery?");
        let page = browser.get(self, &next).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        page
    }

    pub(super) async fn signed_in(&self, browser: &mut Browser, totp: &Totp) -> String {
        let page = browser.get(self, &self.way_to("/")).await;
        let next = browser.post(self, "/.doorward/login", &page.filled(&[("name", "alice"), ("password", PASSWORD)])).await;
        let page = browser.get(self, &next.location()).await;
        let code = totp::code_at(totp, self.clock.now());
        let next = browser.post(self, "/.doorward/login/code", &page.filled(&[("code", &code)])).await;
        assert_eq!(next.status, StatusCode::SEE_OTHER, "{}", next.text);
        browser.cookies[cookie::SESSION].clone()
    }
}

/// An app on these hosts, whose rules say nothing.
pub(super) fn app(name: &str, hosts: Vec<Host>) -> App {
    let app = kit::app(name, hosts, 8000);
    App { upstream: Upstream { connect_timeout: HOUR, ..app.upstream }, ..app }
}

pub(super) fn plan(strength: Strength) -> Plan {
    let hosts = [HOST, "other.example.com"].map(|host| Host::parse(host).expect("a host"));
    let mut app = app("Paperless", hosts.to_vec());
    app.rules.requirement = Requirement::of(strength);
    let app = Arc::new(app);
    Plan {
        version: 0,
        https_port: 443,
        name: "Example home".into(),
        portal: hosts[0].clone(),
        public_port: None,
        data_dir: None,
        consulted: Default::default(),
        listen: Listen { https: vec![], http: vec![], ..Listen::default() },
        tls: TlsPolicy { min_version: TlsVersion::V1_2, certificate: None },
        acme: None,
        support: None,
        session: SessionPolicy {
            idle_timeout: 12 * HOUR,
            absolute_timeout: 168 * HOUR,
            remember: Some(720 * HOUR),
            sudo_timeout: HOUR / 4,
        },
        auth: AuthPolicy {
            mode: Mode::People,
            require: strength,
            methods: Methods::ALL,
            self_service: true,
            enrol_deadline: Duration::ZERO,
            password_min_length: 12,
            totp_issuer: "Example home".into(),
            totp: TotpRecipe::default(),
            passkeys: PasskeyPolicy {
                site: None,
                name: None,
                verification: Verification::Preferred,
                attestation: Attestation::None,
            },
            totp_configurations: vec![],
            throttle: Settings::default(),
            exempt: Vec::new(),
            recovery_codes: 10,
        },
        log: LogPolicy {
            level: "info".into(),
            format: LogFormat::Text,
            access: AccessFormat::Off,
            file: None::<PathBuf>,
            redact_query: vec![],
            truncates_addresses: false,
        },
        telling: Telling::default(),
        hosts: Routes::of(&[Arc::clone(&app)], &hosts[0]),
        apps: vec![app],
    }
}

impl Browser {
    pub(super) fn new() -> Self {
        Self::at("192.0.2.1")
    }

    pub(super) fn at(client: &str) -> Self {
        let headers = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("sec-fetch-site", "same-origin")];
        Self {
            host: HOST,
            cookies: BTreeMap::new(),
            client: client.parse().expect("an address"),
            headers: headers.map(|(name, value)| (name, value.to_owned())).to_vec(),
        }
    }

    pub(super) fn set(&mut self, name: &'static str, value: Option<&str>) {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.extend(value.map(|value| (name, value.to_owned())));
    }

    pub(super) async fn get(&mut self, site: &Site, path: &str) -> Answer {
        self.send(site, Request::get(path), String::new()).await
    }

    pub(super) async fn post(&mut self, site: &Site, path: &str, fields: &[(String, String)]) -> Answer {
        let encode = |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let body: Vec<_> = fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        self.send(site, request, body.join("&")).await
    }

    /// Does what the gate does: parses the target, looks the session up, asks the portal.
    pub(super) async fn send(&mut self, site: &Site, mut request: http::request::Builder, body: String) -> Answer {
        for (name, value) in self.headers.iter().map(|(name, value)| (*name, value)).chain([("host", &self.host.to_owned())]) {
            request = request.header(name, value);
        }
        let jar: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request.header(COOKIE, jar.join("; ")).body(Body::from(body)).expect("a request");
        let session = match cookie::find(request.headers(), cookie::SESSION) {
            Found::One(text) => {
                Token::parse(text).and_then(|token| site.portal.store.session(&token.hash(), self.host).expect("in order"))
            }
            Found::Nothing | Found::Several => None,
        };
        let identity = session.map_or(Identity::Anonymous, Identity::User);
        let page = request.uri().path().strip_prefix("/.doorward/").expect("one of our pages").to_owned();
        let host = Host::parse(self.host).expect("a host");
        let (client, now) = (self.client, site.clock.now());
        let visit = Visit { request, page: &page, host, client, identity, request_id: "r1", now };
        let response = serve(&site.portal, &site.plan, visit).await;
        self.keep(&response);
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.expect("in memory").to_bytes();
        Answer { status: head.status, headers: head.headers, text: String::from_utf8_lossy(&bytes).into_owned() }
    }

    /// Says to have saved the recovery codes of a page.
    pub(super) async fn saved(&mut self, site: &Site, path: &str, page: &Answer) -> Answer {
        let answer = self.post(site, path, &page.filled(&[("saved", "1"), ("act", "done")])).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        answer
    }

    pub(super) fn keep(&mut self, response: &Response<Body>) {
        for line in response.headers().get_all(SET_COOKIE) {
            let line = line.to_str().expect("ASCII");
            let (name, rest) = line.split_once('=').expect("a cookie");
            assert!(line.ends_with("Path=/") || line.contains("Path=/;"), "{line}");
            assert!(line.contains("HttpOnly; SameSite=Lax; Secure") && !line.contains("Domain"), "{line}");
            if line.ends_with("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), rest.split(';').next().expect("a value").to_owned());
            }
        }
    }
}

impl Answer {
    pub(super) fn location(&self) -> String {
        assert!(self.status.is_redirection(), "{} {}", self.status, self.text);
        self.headers[LOCATION].to_str().expect("ASCII").to_owned()
    }

    /// The hidden fields of the page's first form, and `typed`.
    pub(super) fn filled(&self, typed: &[(&str, &str)]) -> Vec<(String, String)> {
        let hidden = regex::Regex::new(r#"<input type="hidden" name="(\w+)" value="([^"]*)">"#).expect("a pattern");
        let form = self.text.split("</form>").next().unwrap_or_default();
        let hidden = hidden.captures_iter(form).map(|found| (found[1].to_owned(), found[2].to_owned()));
        hidden.chain(typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).collect()
    }

    pub(super) fn alert(&self) -> String {
        let alert = regex::Regex::new(r##"role="alert"[^>]*><a href="#\w+">([^<]*)"##).expect("a pattern");
        alert.captures(&self.text).map_or_else(String::new, |found| found[1].replace("&#39;", "'"))
    }

    /// The recovery codes on the page.
    pub(super) fn codes(&self) -> Vec<String> {
        let code = regex::Regex::new("<li>([0-9]{2}-[0-9A-Z-]{19})</li>").expect("a pattern");
        code.captures_iter(&self.text).map(|found| found[1].to_owned()).collect()
    }

    /// Where the page that leads on leads.
    pub(super) fn leads_to(&self) -> String {
        let refresh = regex::Regex::new(r#"content="0;url=([^"]*)""#).expect("a pattern");
        refresh.captures(&self.text).expect("a page that leads on")[1].replace("&#38;", "&").replace("&amp;", "&")
    }
}
