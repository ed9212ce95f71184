//! Every request is judged anew: whatever its method, however it is spoken, wherever it stands on its connection.

use http::{Method, Request, Version};

use doorward::wire::body::Body;

use crate::kit::app::App;
use crate::kit::gateway::{Gateway, HOST, one_app};
use crate::kit::line::{Line, Protocol};
use crate::kit::wire::{Wire, statuses};

const METHODS: &[&str] = &["GET", "HEAD", "POST", "OPTIONS", "TRACE", "PROPFIND", "X-UNHEARD-OF", "post", "DELETE"];

/// A rule of every kind, and what a stranger gets there.
const KINDS: &[(&str, Kind)] = &[
    ("/open/x", Kind::Open),
    ("/admin/x", Kind::Denied),
    ("/ADMIN%2fx", Kind::Denied),
    ("/old/x", Kind::Sent),
    ("/private/x", Kind::Asked),
    ("/hook", Kind::OpenFor("POST")),
    ("/network", Kind::Asked),
    ("/unwritten", Kind::DeniedFor("GET")),
    ("/.Doorward/login", Kind::Denied),
    ("/open/../private/x", Kind::Refused),
    ("/open/%zz", Kind::Refused),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Open,
    Denied,
    Sent,
    Asked,
    OpenFor(&'static str),
    DeniedFor(&'static str),
    Refused,
}

impl Kind {
    /// Whether a request with `method` reaches the app, and what is answered.
    fn expects(self, method: &str) -> (bool, &'static [u16]) {
        if method == "TRACE" {
            return (false, &[405]);
        }
        match self {
            Self::Open => (true, &[200]),
            Self::OpenFor(open) if open == method => (true, &[200]),
            Self::Denied => (false, &[404]),
            Self::Sent => (false, &[302, 303]),
            Self::DeniedFor(denied) if denied == method || method == "HEAD" => (false, &[404]),
            Self::Asked | Self::OpenFor(_) | Self::DeniedFor(_) => (false, &[302, 303, 401, 403]),
            Self::Refused => (false, &[400]),
        }
    }
}

fn house(app: &App) -> Gateway {
    let lists = "deny = [\"/admin/\"]\nredirect = [{ from = \"/old/\", to = \"/new/\" }]\n";
    let hook = "{ path = \"/hook\", methods = [\"POST\"], reason = \"test\" }";
    let network = "{ path = \"/network\", networks = [\"10.0.0.0/8\"], reason = \"test\" }";
    let rule = "[[app.rule]]\npath = \"/unwritten\"\nmethods = [\"GET\"]\naction = \"deny\"\n";
    Gateway::start(&one_app(&app.url(), &format!("{lists}bypass = [\"/open/\", {hook}, {network}]\n{rule}")))
}

/// The attack: a first request that is open, and behind it on the same connection one that is not.
#[tokio::test]
async fn each_request_of_a_pipeline_is_judged_anew() {
    let app = App::start().await;
    let gateway = house(&app);
    for (version, close) in [("1.1", ""), ("1.0", "Connection: keep-alive\r\n")] {
        for method in METHODS {
            for (target, kind) in KINDS {
                for before in [0, 1, 3] {
                    let honest = format!("GET /open/first HTTP/{version}\r\nHost: {HOST}\r\n{close}\r\n").repeat(before);
                    let tried = format!("{method} {target} HTTP/{version}\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
                    let mut wire = Wire::over(Wire::shake(&gateway.reach(), HOST, &[b"http/1.1"]).await.expect("a handshake"));
                    wire.write(format!("{honest}{tried}")).await.expect("written");
                    let statuses = statuses(&wire.rest().await);
                    let seen: Vec<_> = app.take().into_iter().filter(|request| request.target != "/open/first").collect();
                    let (reaches, answers) = kind.expects(method);
                    let case = format!("HTTP/{version} {method} {target} behind {before}: {statuses:?}");
                    assert_eq!(seen.len(), usize::from(reaches), "{case}");
                    assert!(
                        seen.iter().all(|request| request.target == *target && request.method == *method),
                        "{case}: {seen:?}"
                    );
                    assert_eq!(statuses.len(), before + 1, "{case}");
                    assert!(statuses.last().is_some_and(|status| answers.contains(status)), "{case}");
                }
            }
        }
    }
}

/// The attack: the same as one of many streams of one HTTP/2 connection, all under way at once.
#[tokio::test]
async fn each_stream_is_judged_anew() {
    let app = App::start().await;
    let gateway = house(&app);
    let mut line = Line::open(&gateway.reach(), HOST, Protocol::Http2).await;
    let request = |method: &str, target: &str| {
        let mut request = Request::new(Body::Empty);
        *request.method_mut() = Method::from_bytes(method.as_bytes()).expect("a token");
        *request.uri_mut() = format!("https://{HOST}{target}").parse().expect("a target");
        *request.version_mut() = Version::HTTP_2;
        request
    };
    for method in METHODS {
        let mut under_way = Vec::new();
        for (target, kind) in KINDS {
            drop(line.begin(request("GET", "/open/first")));
            under_way.push((target, kind, line.begin(request(method, target))));
        }
        for (target, kind, answer) in under_way {
            let status = answer.await.expect("an answer").status().as_u16();
            assert!(kind.expects(method).1.contains(&status), "{method} {target}: {status}");
        }
        let seen: Vec<_> = app.take().into_iter().filter(|request| request.target != "/open/first").collect();
        let expected = KINDS.iter().filter(|(_, kind)| kind.expects(method).0).count();
        assert_eq!(seen.len(), expected, "{method}: {seen:#?}");
    }
}

/// The attack: a WebSocket's handshake, for a path that nobody may have.
#[tokio::test]
async fn an_upgrade_is_judged_as_the_request_it_is() {
    let app = App::start().await;
    let gateway = house(&app);
    for (target, kind) in KINDS.iter().filter(|(_, kind)| !kind.expects("GET").0) {
        let fields = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let mut wire = Wire::over(Wire::shake(&gateway.reach(), HOST, &[b"http/1.1"]).await.expect("a handshake"));
        wire.write(format!("GET {target} HTTP/1.1\r\nHost: {HOST}\r\n{fields}{key}\r\n")).await.expect("written");
        let statuses = wire.answers(1).await;
        assert!(kind.expects("GET").1.contains(&statuses[0]), "{target}: {statuses:?}");
        assert_eq!(app.count(), 0, "{target}");
    }
}
