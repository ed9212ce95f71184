//! Several apps on one host, told apart by paths: each with its own rules, and none behind another's back.

use doorward::wire::body::Body;
use http::{HeaderValue, Response, StatusCode};

use crate::kit::app::App;
use crate::kit::corpus;
use crate::kit::flood::flood;
use crate::kit::frames::Frames;
use crate::kit::gateway::{Gateway, HOST};
use crate::kit::line::{BOTH, Line};
use crate::kit::visitor::Visitor;
use crate::kit::wire::{Wire, statuses};
use crate::no_way_around::has_admin_reading;

fn app(name: &str, path: &str, upstream: &App, more: &str) -> String {
    let upstream = upstream.url();
    format!("[[app]]\nname = \"{name}\"\nhost = \"{HOST}\"\npath = \"{path}\"\nupstream = \"{upstream}\"\n{more}\n")
}

#[tokio::test]
async fn each_app_of_a_host_has_its_paths_and_its_rules() {
    let (root, wiki, deep) = (App::start().await, App::start().await, App::start().await);
    let text = app("root", "/", &root, "bypass = [\"/open/\"]\ndeny = [\"/no/\"]")
        + &app("wiki", "/wiki", &wiki, "strip_path = true\nrequire = \"password\"\ndeny = [\"/wiki/no/\"]")
        + &app("deep", "/wiki/deep/", &deep, "redirect = [{ from = \"/wiki/deep/old/\", to = \"/wiki/deep/\" }]");
    let gateway = Gateway::start(&text);
    let guest = gateway.guest("alice").await;
    for protocol in BOTH {
        let mut guest = guest.clone().over(protocol);
        for (path, status, app, seen) in [
            ("/", 200, Some(&root), "/"),
            ("/x?q=/wiki/", 200, Some(&root), "/x?q=/wiki/"),
            ("/wikis/", 200, Some(&root), "/wikis/"),
            ("/wiki", 200, Some(&wiki), "/"),
            ("/wiki?a", 200, Some(&wiki), "/?a"),
            ("/wiki/a%2Fb;c//d?e", 200, Some(&wiki), "/a%2Fb;c//d?e"),
            ("/wiki/deeper", 200, Some(&wiki), "/deeper"),
            ("/wiki/deep/x", 200, Some(&deep), "/wiki/deep/x"),
            ("/wiki/deep/old/x", 302, None, ""),
            ("/wiki/no/x", 404, None, ""),
            ("/no/x", 404, None, ""),
            ("/wiki/open/", 200, Some(&wiki), "/open/"),
            ("/Wiki/", 400, None, ""),
            ("/wiki%2Fx", 400, None, ""),
            ("//wiki/x", 400, None, ""),
            ("/index.php/wiki/x", 400, None, ""),
            ("/wiki//deep/x", 400, None, ""),
            ("/wiki/.doorward/login", 404, None, ""),
        ] {
            assert_eq!(guest.fetch("GET", path).await.status.as_u16(), status, "{path}");
            let reached: Vec<String> =
                [&root, &wiki, &deep].iter().flat_map(|app| app.requests()).map(|seen| seen.target).collect();
            assert_eq!(reached, app.map(|_| seen.to_owned()).into_iter().collect::<Vec<_>>(), "{path}");
            if let Some(app) = app {
                assert_eq!(app.take().len(), 1, "{path}");
            }
        }
    }
    let mut stranger = gateway.stranger();
    assert_eq!(stranger.fetch("GET", "/open/x").await.status, StatusCode::OK);
    assert_eq!(stranger.fetch("GET", "/wiki/open/x").await.status, StatusCode::UNAUTHORIZED);
    let page = guest.clone().get("/.doorward/").await.text();
    for link in ["href=\"/\"", "href=\"/wiki/\"", "href=\"/wiki/deep/\""] {
        assert!(page.contains(link), "{link} in {page}");
    }
}

#[tokio::test]
async fn a_stripped_app_is_told_its_prefix_by_us_alone_and_its_answers_pass_as_they_are() {
    let wiki = App::answering(|_| {
        let response = Response::builder().status(302).header("location", "/login").header("set-cookie", "a=b; Path=/x");
        response.body(Body::Empty).expect("an answer")
    })
    .await;
    let plain = App::start().await;
    let text = app("wiki", "/a/wiki/", &wiki, "strip_path = true\nbypass = [\"/a/wiki/\"]")
        + &app("plain", "/b", &plain, "bypass = [\"/b/\"]");
    let gateway = Gateway::start(&text);
    let mut stranger = gateway.stranger();
    for path in ["/a/wiki/x", "/b/x"] {
        let mut request = stranger.call("GET", path);
        for name in ["x-forwarded-prefix", "x-forwarded_prefix", "x-script-name"] {
            request.headers_mut().insert(name, HeaderValue::from_static("/evil"));
        }
        let answer = stranger.send(request).await;
        if path == "/a/wiki/x" {
            assert_eq!((answer.location(), answer.header("set-cookie")), ("/login", "a=b; Path=/x"));
        }
    }
    let (wiki, plain) = (wiki.only(), plain.only());
    assert_eq!((wiki.header("x-forwarded-prefix"), plain.header("x-forwarded-prefix")), ("/a/wiki", ""));
    for seen in [wiki, plain] {
        assert!(!seen.headers.values().any(|value| value == "/evil"), "{seen:?}");
    }
}

#[tokio::test]
async fn a_stranger_comes_back_to_the_path_they_asked_for() {
    let wiki = App::start().await;
    let gateway = Gateway::start(&app("wiki", "/wiki", &wiki, "strip_path = true"));
    let alice = gateway.provision("alice").await;
    let mut stranger = gateway.stranger();
    let login = stranger.get("/wiki/page?x=1").await.location().to_owned();
    let code = stranger.pass_password(&alice, &login).await;
    let onward = stranger.pass_code(&alice, &code).await.location().to_owned();
    assert!(stranger.get(&onward).await.text().contains("\"/wiki/page?x=1\""));
    assert_eq!(stranger.get("/wiki/page?x=1").await.status, StatusCode::OK);
    assert_eq!(wiki.only().target, "/page?x=1");
    // There is no app at the root, and nothing of ours but the way to the portal's home page.
    assert_eq!(stranger.get("/").await.location(), "/.doorward/");
    assert_eq!(stranger.get("/else").await.status, StatusCode::NOT_FOUND);
}

/// The attack: what a stripped app has open to everybody is flooded by anybody, as its rules would know nothing of the path that
/// the app sees.
#[tokio::test]
async fn bodies_for_a_stripped_app_are_limited_by_the_rules_for_the_path_that_visitors_see() {
    const MIB: u64 = 1024 * 1024;
    let files = App::start().await;
    let rules = "strip_path = true\nsuffixes = false\nbypass = [{ path = \"/files/open/\", reason = \"test\" }]\n\
                 [[app.rule]]\npath = \"/files/small/\"\naction = \"bypass\"\nbody_limit = \"1KiB\"\nreason = \"test\"\n\
                 [[app.rule]]\npath = \"/files/public/\"\naction = \"bypass\"\nreason = \"test\"\n\
                 [[app.rule]]\npath = \"/**/upload/\"\nrequire = \"password\"\n\
                 [[app.rule]]\npath = \"/files/hook\"\nrequire = \"password\"\n\
                 [[app.rule]]\npath = \"/files/hook.json\"\naction = \"bypass\"\nreason = \"test\"\n";
    let gateway = Gateway::start(&app("files", "/files/", &files, rules));
    let (stranger, guest) = (gateway.stranger(), gateway.guest("alice").await);
    for protocol in BOTH {
        for (visitor, path, limit) in [
            (&stranger, "/files/small/x", Some(1024)),
            (&stranger, "/files/open/x", Some(MIB)),
            (&stranger, "/files/public/x", Some(MIB)),
            (&stranger, "/files/public/upload/x", Some(MIB)),
            (&stranger, "/files/hook.json", Some(MIB)),
            (&guest, "/files/small/x", Some(1024)),
            (&guest, "/files/upload/x", None),
            (&guest, "/files/hook", None),
            (&guest, "/files/x", None),
        ] {
            let visitor = visitor.clone().over(protocol);
            let post = async |mark: &str, bytes: u64| {
                let mut request = visitor.call("POST", &format!("{path}?{mark}"));
                *request.body_mut() = flood(bytes).0;
                let mut line = visitor.line().await;
                line.send(visitor.dressed(request)).await
            };
            let whole = post("whole", limit.unwrap_or(3 * MIB)).await.expect("an answer");
            assert_eq!(whole.status(), StatusCode::OK, "{protocol:?} {path}");
            // The app may still be at the body that was cut off before.
            let seen = files.take().into_iter().find(|seen| seen.target.ends_with("?whole")).expect("it came");
            assert_eq!(seen.length, limit.unwrap_or(3 * MIB), "{protocol:?} {path}");
            if limit.is_some() {
                // Unannounced, so it is counted on its way; over HTTP/1 the answer may be lost with the connection.
                if let Ok(answer) = post("more", 3 * MIB).await {
                    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE, "{protocol:?} {path}");
                }
            }
        }
    }
}

/// What a mount point and a denied path are wrapped in, so that they meet only in some server's reading.
const AROUND: [&str; 8] =
    ["/wiki", "/wiki/", "/wiki//evil.example", "/wiki/index.php", "/wiki/(S(x))", "/wiki/;x", "/wiki/%2f", "/wiki//a@b:1"];

/// The attack: every measured spelling of `/admin/`, behind the mount point of an app that gets to see only what is behind it.
/// Denied both as the app sees it and, in a second gateway, as visitors do.
#[tokio::test]
async fn no_spelling_of_a_denied_path_reaches_an_app_by_losing_its_mount_point() {
    for deny in ["/admin/", "/wiki/admin/"] {
        let (root, wiki) = (App::start().await, App::start().await);
        let text =
            app("root", "/", &root, "") + &app("wiki", "/wiki/", &wiki, &format!("strip_path = true\ndeny = [\"{deny}\"]"));
        let gateway = Gateway::start(&text);
        let guest = gateway.guest("alice").await;
        let reach = gateway.reach();
        let cookie = format!("__Host-doorward={}", guest.session_cookie().expect("signed in"));
        let mut tried = 0;
        for line in corpus::bypasses().iter().filter(|line| line.target.starts_with(b"/")) {
            for around in AROUND {
                let target = [around.as_bytes(), &line.target[..]].concat();
                let shown = String::from_utf8_lossy(&target).into_owned();
                if tried % 2 == 0 {
                    let mut wire = Wire::open(&reach).await;
                    let head = format!(" HTTP/1.1\r\nHost: {HOST}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
                    wire.write([b"GET ", &target[..], head.as_bytes()].concat()).await.expect("written");
                    assert_eq!(statuses(&wire.rest().await).len(), 1, "{shown}");
                } else {
                    Frames::request(b"GET", HOST.as_bytes(), &target)
                        .field(b"cookie", cookie.as_bytes())
                        .send(&reach, HOST)
                        .await;
                }
                for seen in wiki.take() {
                    assert!(!has_admin_reading(&seen.target), "{deny}: {shown} reached the app as {}", seen.target);
                    // What was judged is what is sent: the bytes behind the mount point, and no others.
                    let rest = &target["/wiki".len()..];
                    let same = rest.starts_with(seen.target.as_bytes()) || rest.is_empty() && seen.target == "/";
                    assert!(same, "{shown} was changed to {}", seen.target);
                }
                assert_eq!(root.count(), 0, "{shown} is for no other app");
                tried += 1;
            }
        }
        assert!(tried > 1_000, "{tried}");
    }
}

/// The attack: every measured spelling of the mount point itself, so that its path is judged by the lenient app at the root.
#[tokio::test]
async fn no_spelling_of_a_mount_point_is_another_apps() {
    let (root, admin) = (App::start().await, App::start().await);
    let gateway = Gateway::start(&(app("root", "/", &root, "bypass = [\"/\"]") + &app("admin", "/admin/", &admin, "")));
    let reach = gateway.reach();
    let mut tried = 0;
    for line in corpus::bypasses() {
        let shown = String::from_utf8_lossy(&line.target).into_owned();
        let mut wire = Wire::open(&reach).await;
        let head = format!(" HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
        wire.write([b"GET ", &line.target[..], head.as_bytes()].concat()).await.expect("written");
        let statuses = statuses(&wire.rest().await);
        assert!(line.verdict == "pass" || statuses != [200], "{shown}: {statuses:?}");
        Frames::request(b"GET", HOST.as_bytes(), &line.target).send(&reach, HOST).await;
        for seen in root.take() {
            assert!(!has_admin_reading(&seen.target), "{shown} reached the app at the root as {}", seen.target);
        }
        assert_eq!(admin.count(), 0, "{shown}");
        tried += 1;
    }
    assert!(tried > 200, "{tried}");
}

/// The attack: a connection greeted for a host with some of these apps, and a request for a host with others.
#[tokio::test]
async fn hosts_are_the_same_only_if_all_of_their_apps_are() {
    let (root, wiki) = (App::start().await, App::start().await);
    let both = format!(
        "[[app]]\nhost = [\"{HOST}\", \"twin.example\", \"less.example\"]\nupstream = \"{}\"\nbypass = [\"/open\"]\n\
         [[app]]\nhost = [\"{HOST}\", \"twin.example\"]\npath = \"/wiki\"\nupstream = \"{}\"\nbypass = [\"/wiki/open\"]\n",
        root.url(),
        wiki.url()
    );
    let gateway = Gateway::start(&both);
    for protocol in BOTH {
        for (shaken, asked, expected) in
            [(HOST, "twin.example", 200), ("twin.example", HOST, 200), (HOST, "less.example", 421), ("less.example", HOST, 421)]
        {
            let mut line = Line::open(&gateway.reach(), shaken, protocol).await;
            let mut stranger = Visitor::new(gateway.reach(), asked).over(protocol);
            let request = stranger.call("GET", "/open");
            assert_eq!(stranger.send_on(&mut line, request).await.status.as_u16(), expected, "{shaken} {asked}");
        }
    }
}
