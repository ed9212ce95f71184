//! Answers to requests that were not read whole: over HTTP/2 the client hears the end of the answer, not the end of the stream.

use doorward::wire::body::Body;
use http::Response;

use crate::kit::app::App;
use crate::kit::frames::{Ending, Frames, Late};
use crate::kit::gateway::{Gateway, HOST, one_app};

const OPEN: &str = "bypass = [{ path = \"/open/\", reason = \"test\" }]\ndeny = [\"/denied\"]";

fn post(path: &str) -> Frames {
    Frames::request(b"POST", HOST.as_bytes(), path.as_bytes())
}

/// An app that answers without a look at the body.
async fn hasty() -> App {
    App::streaming(|_| async { Response::new(Body::from("enough")) }).await
}

/// curl before version 8 reports a failed transfer when RST_STREAM reaches it before its body is sent.
#[tokio::test]
async fn a_client_that_sends_its_body_late_is_not_cut_off() {
    let app = hasty().await;
    let gateway = Gateway::start(&one_app(&app.url(), OPEN));
    let reach = gateway.reach();
    let cases = [
        ("sign-in", post("/upload"), 401),
        ("denied", post("/denied"), 404),
        ("bad request", post("/a/..%2f.."), 400),
        ("a page of ours", post("/.doorward/nothing"), 404),
        ("a form", post("/.doorward/login").field(b"content-type", b"text/plain"), 400),
        ("another host", Frames::request(b"POST", b"other.example", b"/"), 421),
        ("an app that answers early", post("/open/"), 200),
    ];
    for (what, request, status) in cases {
        let whole = Ending { status, whole: true, reset: None };
        for bytes in [1, 100 * 1024] {
            assert_eq!(request.send_late(&reach, HOST, Late::Sends(bytes)).await, whole, "{what}, {bytes} bytes");
        }
    }
}

/// The attack: bodies that never end, to keep what belongs to an answered request.
#[tokio::test]
async fn the_courtesy_is_short() {
    let app = hasty().await;
    let gateway = Gateway::start(&one_app(&app.url(), OPEN));
    let reach = gateway.reach();
    let cases = [
        ("silent", post("/upload"), Late::Waits),
        ("silent, having asked to go on", post("/upload").field(b"expect", b"100-continue"), Late::Waits),
        ("endless", post("/upload"), Late::Floods),
        ("larger than the courtesy", post("/upload").field(b"content-length", b"1000000"), Late::Waits),
    ];
    for (what, request, late) in cases {
        // RFC 9113 section 8.1: NO_ERROR, after the whole answer.
        assert_eq!(request.send_late(&reach, HOST, late).await, Ending { status: 401, whole: true, reset: Some(0) }, "{what}");
    }
    let ending = post("/open/").send_late(&reach, HOST, Late::Waits).await;
    assert_eq!(ending, Ending { status: 200, whole: true, reset: Some(0) }, "an app that answers early");
}
