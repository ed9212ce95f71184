//! Keys that change how the paths of an app are read: `path_charset`, `normalise`, and rules for apps without segment boundaries.

use http::HeaderValue;

use crate::kit::app::App;
use crate::kit::gateway::{Gateway, HOST, one_app};
use crate::kit::line::BOTH;
use crate::kit::wire::{Wire, statuses};

fn app(path: &str, upstream: &App, more: &str) -> String {
    format!("[[app]]\nname = \"{path}\"\nhost = \"{HOST}\"\npath = \"{path}\"\nupstream = \"{}\"\n{more}\n", upstream.url())
}

/// The attack: a byte that is no UTF-8 in or beside a denied name, so that the rule sees another name than the app.
#[tokio::test]
async fn bytes_reach_the_app_that_wants_them_and_open_no_denied_path() {
    let site = App::start().await;
    let more = "path_charset = \"bytes\"\ndeny = [\"/admin/\"]\nbypass = [\"/\"]";
    let gateway = Gateway::start(&one_app(&site.url(), more));
    for protocol in BOTH {
        let mut visitor = gateway.stranger().over(protocol);
        for path in ["/caf%E9", "/%CF%F0%E8%E2%E5%F2.html?q=%E9", "/%93a%94/", "/a%25E9", "/caf%C3%A9", "/plain", "/%C0%20propos"]
        {
            assert_eq!(visitor.fetch("GET", path).await.status, 200, "{protocol:?} {path}");
            assert_eq!(site.only().target, path, "{protocol:?}");
            site.take();
        }
        for (path, status) in [
            ("/admin/%E9", 404),
            ("/adm%EDn/", 404),
            ("/adm%E9in/", 404),
            ("/%E1dmin", 404),
            ("/admin%E9", 404),
            ("/admin%AFx", 404),
            ("/admin%C0/x", 404),
            ("/admin%80", 404),
            ("/x%25AF/admin/%25E9", 200),
            ("/%AFadmin/", 404),
            ("/;%E9/%61dmin", 404),
            ("/%AE%AE/admin/", 400),
            ("/%E9/%AE%AE/admin/", 400),
            ("/.%E9./admin/", 400),
            ("/x/%85/", 400),
            ("/%c0%afadmin/", 400),
            ("/%25c0%25ae%25c0%25ae/", 400),
            ("/%e0%80%af", 400),
            ("/%f0%80%80%ae", 400),
            ("/%ed%a0%80", 400),
            ("/%E9%00", 400),
            ("/%E9/../x", 400),
            ("/%E9%", 400),
            ("/%E9%u002f", 400),
            ("/.doorw%E1rd/", 404),
            ("/.doorw%E9ard/login", 404),
        ] {
            let answer = visitor.fetch("GET", path).await;
            assert_eq!(answer.status.as_u16(), status, "{protocol:?} {path}");
            assert_eq!(site.take().len(), usize::from(status == 200), "{protocol:?} {path}");
        }
    }
    // As they are, without an escape, they stay refused.
    let mut wire = Wire::open(&gateway.reach()).await;
    wire.write([&b"GET /caf\xe9 HTTP/1.1\r\nHost: "[..], HOST.as_bytes(), b"\r\n\r\n"].concat()).await.expect("written");
    assert_eq!(statuses(&wire.rest().await), [400]);
    assert_eq!(site.count(), 0);
}

/// The attack: bytes that the app at the root refuses, sent by way of its neighbour, or the other way round.
#[tokio::test]
async fn each_app_of_a_host_is_read_in_its_own_charset() {
    let (root, old) = (App::start().await, App::start().await);
    let text = app("/", &root, "bypass = [\"/\"]")
        + &app("/old/", &old, "strip_path = true\npath_charset = \"bytes\"\ndeny = [\"/old/admin/\"]\nbypass = [\"/old/\"]");
    let gateway = Gateway::start(&text);
    for protocol in BOTH {
        let mut visitor = gateway.stranger().over(protocol);
        for (path, status, seen) in [
            ("/old/caf%E9", 200, Some((&old, "/caf%E9"))),
            ("/caf%E9", 400, None),
            ("/caf%C3%A9", 200, Some((&root, "/caf%C3%A9"))),
            ("/ol%E4/x", 400, None),
            ("/o%E9ld/admin/", 400, None),
            ("/old/adm%EDn/", 404, None),
            ("/old/.doorw%E1rd/", 404, None),
            ("/old%AFadmin/", 400, None),
        ] {
            assert_eq!(visitor.fetch("GET", path).await.status.as_u16(), status, "{protocol:?} {path}");
            let reached: Vec<String> = [&root, &old].iter().flat_map(|app| app.take()).map(|seen| seen.target).collect();
            assert_eq!(reached, seen.map(|(_, seen)| seen.to_owned()).into_iter().collect::<Vec<_>>(), "{protocol:?} {path}");
        }
    }
}

#[tokio::test]
async fn dots_are_resolved_by_the_client_and_the_result_is_judged_like_any_other() {
    let site = App::start().await;
    let gateway = Gateway::start(&one_app(&site.url(), "normalise = true\ndeny = [\"/admin/\"]\nbypass = [\"/open/\"]"));
    for protocol in BOTH {
        let mut visitor = gateway.stranger().over(protocol);
        for method in ["GET", "HEAD", "POST", "OPTIONS", "PROPFIND"] {
            for (path, to) in [
                ("/a/../open/x?to=../%zz&b", "/open/x?to=../%zz&b"),
                ("/open/./x", "/open/x"),
                ("/open/%2e%2E/b", "/b"),
                ("/x/..;y/open//b%2Fc", "/open//b%2Fc"),
                ("/../../open/", "/open/"),
                ("/open/..", "/"),
                ("/open/../admin/", "/admin/"),
            ] {
                let answer = visitor.fetch(method, path).await;
                assert_eq!((answer.status.as_u16(), answer.location()), (308, to), "{protocol:?} {method} {path}");
                assert_eq!(answer.header("cache-control"), "no-store");
            }
        }
        assert_eq!(site.count(), 0, "nothing is forwarded on the way");
        assert_eq!(visitor.fetch("GET", "/open/x?to=../%zz&b").await.status, 200);
        assert_eq!(site.take().len(), 1);
        assert_eq!(visitor.fetch("GET", "/admin/").await.status, 404);
        assert_eq!(visitor.fetch("GET", "/b").await.status, 401);
    }
    // A WebSocket's request is one like any other.
    let mut wire = Wire::open(&gateway.reach()).await;
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13";
    let head =
        format!("GET /a/../open/ws HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{key}\r\n\r\n");
    wire.write(head).await.expect("written");
    assert_eq!(wire.answers(1).await, [308]);
}

/// The attack: a redirect of ours to another host, into our own pages, in a circle, or to what would be refused.
#[tokio::test]
async fn dots_that_lead_nowhere_good_stay_refused() {
    let (site, strict) = (App::start().await, App::start().await);
    let text = app("/", &site, "normalise = true\nbypass = [\"/\"]")
        + &app("/strict/", &strict, "strip_path = true\nbypass = [\"/strict/\"]");
    let gateway = Gateway::start(&text);
    for protocol in BOTH {
        let mut visitor = gateway.stranger().over(protocol);
        for path in [
            "/..//evil.example/",
            "/a/..//evil.example/%2f..",
            "/.;//evil.example",
            "/x/../.doorward/login",
            "/x/../.Doorward/login",
            "/.doorward/../.doorward/login",
            "/a/..%2fb",
            "/a/%252e%252e/b",
            "/a/../%E9",
            "/a/../b%00",
            "/static../x/../y",
            "/a/../.%20./b",
            // The owner of the app that it comes to has not said so.
            "/a/../strict/x",
            "/strict/../strict/x",
            // Nobody knows which app it comes to.
            "/a/../Strict/x",
        ] {
            let answer = visitor.fetch("GET", path).await;
            assert_eq!((answer.status.as_u16(), answer.location()), (400, ""), "{protocol:?} {path}");
        }
        assert_eq!(visitor.fetch("GET", "/strict/../x").await.location(), "/x");
    }
    let mut wire = Wire::open(&gateway.reach()).await;
    wire.write(format!("GET /a/../\\evil.example HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await.expect("written");
    assert_eq!(wire.answers(1).await, [400]);
    let unresolved = Gateway::start(&one_app(&site.url(), "bypass = [\"/\"]"));
    assert_eq!(unresolved.stranger().fetch("GET", "/a/../b").await.status, 400);
    assert_eq!((site.count(), strict.count()), (0, 0));
}

/// The attack: a router without segment boundaries, to which `/administrator` and `/admin.json/x` are its admin page.
#[tokio::test]
async fn a_string_prefix_covers_whatever_begins_with_it() {
    let site = App::start().await;
    let gateway = Gateway::start(&one_app(&site.url(), "deny = [\"/admin*/\"]\nbypass = [\"/\"]"));
    for protocol in BOTH {
        let mut visitor = gateway.stranger().over(protocol);
        for path in [
            "/admin",
            "/admin/",
            "/administrator",
            "/Admin.json",
            "/ADMIN%2fx",
            "/adminx/y",
            "/admin-guide",
            "/admin_x/y/z",
            "/%61dminx",
            "//x/adminx",
            "/;a/adminx",
            "/index.php/adminx",
            "/admin%E2%88%95x",
            "/~adminx",
            "/admin%C3%A9",
        ] {
            assert_eq!(visitor.fetch("GET", path).await.status, 404, "{protocol:?} {path}");
        }
        assert_eq!(site.count(), 0);
        for path in ["/adm", "/x-admin", "/x/administrator", "/admi/n"] {
            assert_eq!(visitor.fetch("GET", path).await.status, 200, "{protocol:?} {path}");
        }
        site.take();
    }
    let open = Gateway::start(&one_app(&site.url(), "bypass = [\"/pub*/\"]"));
    let mut visitor = open.stranger();
    for (path, status) in [("/public/x", 200), ("/pub", 200), ("/Public/x", 401), ("/pu%62lic", 401), ("/x/public", 401)] {
        let mut request = visitor.call("GET", path);
        request.headers_mut().insert("accept", HeaderValue::from_static("*/*"));
        assert_eq!(visitor.send(request).await.status.as_u16(), status, "{path}");
    }
}
