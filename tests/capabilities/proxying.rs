//! Proxying: what goes in comes out, both ways, byte for byte.

use http::StatusCode;

use crate::kit::app::App;
use crate::kit::gateway::Gateway;
use crate::kit::line::BOTH;

#[tokio::test]
async fn a_request_and_its_answer_pass_unchanged() {
    let app = App::start().await;
    let gateway = Gateway::before(&app.url());
    let mut guest = gateway.guest("alice").await;
    for protocol in BOTH {
        guest.protocol = protocol;
        let answer = guest.fetch("GET", "/a/b%20c?x=1&y=%2F").await;
        assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, "hello from the app\n"));
        let seen = app.take().remove(0);
        assert_eq!(seen.target, "/a/b%20c?x=1&y=%2F");
        assert_eq!(seen.header("host"), guest.authority());
    }
}
