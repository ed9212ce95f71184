//! Trusted proxies: whose word on where a request comes from counts, and for what.

use http::{HeaderName, HeaderValue, StatusCode};

use crate::kit::app::App;
use crate::kit::form::Form;
use crate::kit::gateway::{Gateway, HOST, one_app};
use crate::kit::line::{BOTH, Line, Protocol};
use crate::kit::visitor::{Answer, Visitor};
use crate::kit::wire::{Wire, statuses};

/// `/lan/` is open to 10.0.0.0/8, everything else asks for a session; `trusted` are believed.
fn configuration(app: &App, trusted: &str, more: &str) -> String {
    let bypass = "bypass = [{ path = \"/\", reason = \"test\" }]\n[[app.rule]]\npath = \"/lan/\"\nnetworks = [\"10.0.0.0/8\"]\n\
                  action = \"bypass\"\nreason = \"test\"\n[[app.rule]]\npath = \"/lan/\"\n";
    format!("[listen]\ntrusted_proxies = [{trusted}]\n{more}\n{}", one_app(&app.url(), bypass))
}

async fn asked(visitor: &mut Visitor, path: &str, fields: &[(&str, &str)]) -> Answer {
    let mut request = visitor.call("GET", path);
    for (name, value) in fields {
        let name: HeaderName = name.parse().expect("a name");
        request.headers_mut().append(name, HeaderValue::from_str(value).expect("a value"));
    }
    visitor.send(request).await
}

/// Every field in which a proxy may say where a request comes from.
const CLAIMS: [(&str, &str); 12] = [
    ("x-forwarded-for", "10.0.0.1"),
    ("x-forwarded-for", "10.0.0.1, 10.0.0.2"),
    ("x-forwarded-for", "nonsense"),
    ("x-real-ip", "10.0.0.1"),
    ("forwarded", "for=10.0.0.1"),
    ("cf-connecting-ip", "10.0.0.1"),
    ("true-client-ip", "10.0.0.1"),
    ("client-ip", "10.0.0.1"),
    ("x-client-ip", "10.0.0.1"),
    ("x-cluster-client-ip", "10.0.0.1"),
    ("x-original-forwarded-for", "10.0.0.1"),
    ("x_forwarded_for", "10.0.0.1"),
];

/// The attack: a client says it is on the LAN.
#[tokio::test]
async fn a_client_that_is_no_proxy_is_not_believed() {
    let app = App::start().await;
    for trusted in ["", "\"192.0.2.0/24\", \"::ffff:192.0.2.0/120\", \"2001:db8::/32\""] {
        let gateway = Gateway::start(&configuration(&app, trusted, ""));
        for protocol in BOTH {
            let mut stranger = gateway.stranger().over(protocol);
            for claim in CLAIMS {
                assert_eq!(asked(&mut stranger, "/lan/x", &[claim]).await.status, StatusCode::UNAUTHORIZED, "{claim:?}");
                assert_eq!(asked(&mut stranger, "/", &[claim]).await.status, StatusCode::OK);
                let seen = app.take().remove(0);
                assert_eq!(seen.header("x-forwarded-for"), "127.0.0.1", "{claim:?}");
                assert_eq!(seen.header("x-real-ip"), "127.0.0.1");
                assert!(!format!("{:?}", seen.headers).contains("10.0.0."), "{claim:?}: {:?}", seen.headers);
            }
        }
        let log = gateway.ended().await;
        assert!(log.lines().all(|line| line.contains("\"client_ip\":\"127.0.0.1\"")), "{log}");
    }
}

/// The attack: a client behind the proxy writes addresses of its own before the one that the proxy adds.
#[tokio::test]
async fn the_last_address_before_the_proxies_is_the_client_everywhere() {
    let app = App::start().await;
    let gateway = Gateway::start(&configuration(&app, "\"127.0.0.0/8\", \"172.16.0.0/12\"", ""));
    let matrix: [(&[&str], &str, bool); 9] = [
        (&["203.0.113.5"], "203.0.113.5", false),
        (&["10.0.0.1, 203.0.113.5"], "203.0.113.5", false),
        (&["10.0.0.1", "203.0.113.5"], "203.0.113.5", false),
        (&["10.0.0.1, 203.0.113.5, 172.16.0.9"], "203.0.113.5", false),
        (&["nonsense, 203.0.113.5:1234"], "203.0.113.5", false),
        (&["203.0.113.5, 10.9.8.7"], "10.9.8.7", true),
        (&["203.0.113.5, ::ffff:10.9.8.7, 172.16.0.9"], "10.9.8.7", true),
        (&["10.0.0.1, 2001:db8::7"], "2001:db8::7", false),
        (&[], "127.0.0.1", false),
    ];
    for protocol in BOTH {
        let mut proxy = gateway.stranger().over(protocol);
        for (lines, client, on_lan) in matrix {
            let fields: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
            let status = if on_lan { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
            assert_eq!(asked(&mut proxy, "/lan/x", &fields).await.status, status, "{lines:?}");
            app.take();
            // What else a proxy might say is nobody's word.
            let more = [("x-forwarded-proto", "http"), ("x-forwarded-host", "evil.example"), ("forwarded", "for=10.0.0.1")];
            let fields = [fields, more.to_vec()].concat();
            assert_eq!(asked(&mut proxy, "/", &fields).await.status, StatusCode::OK);
            let seen = app.take().remove(0);
            assert_eq!((seen.header("x-forwarded-for"), seen.header("x-real-ip")), (client, client), "{lines:?}");
            assert_eq!(
                (seen.header("x-forwarded-proto"), seen.header("x-forwarded-host")),
                ("https", proxy.authority().as_str())
            );
            assert!(!seen.headers.contains_key("forwarded"));
            assert_eq!(seen.headers.get_all("x-forwarded-for").iter().count(), 1);
        }
    }
    let log = gateway.ended().await;
    for line in log.lines() {
        assert!(line.contains("\"remote_ip\":\"127.0.0.1\""), "{line}");
    }
    assert!(log.contains("\"client_ip\":\"203.0.113.5\"") && log.contains("\"client_ip\":\"2001:db8::7\""));
}

/// The attack: a word that is no address, to be taken for the proxy, which is on the LAN.
#[tokio::test]
async fn what_a_proxy_says_has_to_be_addresses() {
    let app = App::start().await;
    let gateway = Gateway::start(&configuration(&app, "\"127.0.0.1\", \"10.0.0.0/8\"", ""));
    for protocol in BOTH {
        let mut proxy = gateway.stranger().over(protocol);
        for said in ["unknown", "", "10.0.0.1;", "\"10.0.0.1\"", "10.0.0.256", "nonsense, 10.0.0.1", "203.0.113.5,"] {
            for path in ["/lan/x", "/", "/.doorward/login"] {
                let answer = asked(&mut proxy, path, &[("x-forwarded-for", said)]).await;
                assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{said:?} {path}");
            }
        }
    }
    let mut plain = Wire::plain(gateway.http()).await;
    let request = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nX-Forwarded-For: unknown\r\nConnection: close\r\n\r\n");
    plain.write(request).await.expect("written");
    assert_eq!(statuses(&plain.rest().await), [400]);
    assert_eq!(app.count(), 0);
    assert!(gateway.ended().await.lines().all(|line| line.contains("\"refusal\":\"bad-forwarded\"")));
}

#[tokio::test]
async fn the_header_is_the_owners_choice_and_no_other_counts() {
    let app = App::start().await;
    let gateway = Gateway::start(&configuration(&app, "\"127.0.0.1\"", "client_ip_header = \"X-Edge-Client\""));
    for protocol in BOTH {
        let mut proxy = gateway.stranger().over(protocol);
        assert_eq!(asked(&mut proxy, "/lan/x", &[("x-edge-client", "10.0.0.1")]).await.status, StatusCode::OK);
        let seen = app.take().remove(0);
        assert_eq!(seen.header("x-forwarded-for"), "10.0.0.1");
        assert!(!seen.headers.contains_key("x-edge-client"), "it has been read");
        let fields = [("x-edge-client", "203.0.113.5"), ("x-forwarded-for", "10.0.0.1")];
        assert_eq!(asked(&mut proxy, "/lan/x", &fields).await.status, StatusCode::UNAUTHORIZED);
    }
}

/// The attack: guessing from one address, each time as somebody else; and one guesser who shuts out all who share the proxy.
#[tokio::test]
async fn guesses_count_for_the_client_and_not_for_the_proxy() {
    let app = App::start().await;
    let gateway = Gateway::start(&configuration(&app, "\"127.0.0.1\"", ""));
    let mut proxy = gateway.stranger();
    let form = Form::of(&proxy.get("/.doorward/login").await.text());
    let mut guess = async |from: &str, name: &str| {
        let mut request = proxy.navigation("POST", "/.doorward/login");
        request.headers_mut().insert("x-forwarded-for", HeaderValue::from_str(from).expect("a value"));
        let form = form.clone().with("name", name).with("password", "wrong wrong wrong");
        request.headers_mut().insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
        request.headers_mut().insert("origin", format!("https://{}", proxy.authority()).parse().expect("a value"));
        *request.body_mut() = form.encoded().into();
        proxy.send(request).await.status
    };
    let mut tries = 0;
    while guess(&format!("10.0.0.{tries}, 203.0.113.5"), &format!("nobody{tries}")).await != StatusCode::TOO_MANY_REQUESTS {
        tries += 1;
        assert!(tries < 200, "the network's budget is never used up");
    }
    assert_ne!(guess("203.0.113.6", "somebody").await, StatusCode::TOO_MANY_REQUESTS, "somebody else behind the same proxy");
}

#[tokio::test]
async fn connections_of_a_proxy_are_not_counted_as_one_clients() {
    let app = App::start().await;
    let limit = "max_connections_per_network = 2";
    let gateway = Gateway::start(&configuration(&app, "\"127.0.0.1\"", limit));
    let mut lines = Vec::new();
    for _ in 0..5 {
        lines.push(Line::open(&gateway.reach(), HOST, Protocol::Http1).await);
    }
    drop(lines);
    let other = Gateway::start(&configuration(&app, "\"127.0.0.2\"", limit));
    let _two = [Line::open(&other.reach(), HOST, Protocol::Http1).await, Line::open(&other.reach(), HOST, Protocol::Http1).await];
    let third = Wire::shake(&other.reach(), HOST, &[b"h2"]).await;
    assert!(third.is_err());
}
