//! The corpora of smuggled requests against a whole gateway, with a witness behind it: never two requests from one, never a path
//! that was not judged, never a header from the client that is ours to say.

use crate::kit::app::{App, Seen};
use crate::kit::corpus;
use crate::kit::frames::{Frames, Outcome};
use crate::kit::gateway::Gateway;
use crate::kit::wire::Wire;

const OPEN: &str = "a.example";

/// An app that is open to everybody: nothing but the framing and the path stand between the bytes and the app.
fn open(app: &App) -> Gateway {
    let open = "bypass = [{ path = \"/honest\", reason = \"test\" }]\ndeny = [\"/smuggled/\"]";
    Gateway::start(&format!("[[app]]\nhost = \"{OPEN}\"\nupstream = \"{}\"\n{open}\n", app.url()))
}

/// What the app must not have seen, whatever was sent.
fn blemish(seen: &Seen) -> Option<String> {
    let fold = |name: &str| name.to_lowercase().replace(['_', '.'], "-");
    let odd = |name: &str| name.contains(['_', '.']);
    let ours = ["remote-user", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded", "x-forwarded-user"];
    let framing = ["content-length", "transfer-encoding", "host", "connection", "upgrade", "http2-settings", "te", "trailer"];
    if seen.headers.get_all("content-length").iter().count() > 1 || seen.headers.get_all("host").iter().count() != 1 {
        return Some(format!("{:?}", seen.headers));
    }
    for (name, value) in &seen.headers {
        let (name, value) = (name.as_str(), String::from_utf8_lossy(value.as_bytes()));
        if odd(name) && (ours.contains(&&*fold(name)) || framing.contains(&&*fold(name))) {
            return Some(format!("{name}: {value}"));
        }
        if ["root", "10.0.0.1", "b.example", "h2c", "DELETE"].iter().any(|word| value.contains(word)) || value.contains("smuggl")
        {
            return Some(format!("{name}: {value}"));
        }
        if ["http2-settings", "upgrade", "x-original-url", "x-rewrite-url", "x-http-method-override"].contains(&&*fold(name)) {
            return Some(format!("{name}: {value}"));
        }
    }
    let trailers = seen.trailers.iter().flat_map(http::HeaderMap::keys).map(|name| fold(name.as_str()));
    if let Some(name) = trailers.into_iter().find(|name| ours.contains(&&**name) || framing.contains(&&**name)) {
        return Some(format!("trailer {name}"));
    }
    (seen.target != "/honest").then(|| seen.target.clone())
}

/// The attack: an HTTP/1 stream out of which the app gets another request, or other facts about it, than was judged.
#[tokio::test]
async fn http_1_streams_reach_the_app_as_judged_or_not_at_all() {
    let app = App::start().await;
    let gateway = open(&app);
    let mut reached = 0;
    for stream in corpus::streams().into_iter().filter(|stream| String::from_utf8_lossy(&stream.bytes).contains(" /honest ")) {
        let mut wire = Wire::over(Wire::shake(&gateway.reach(), OPEN, &[b"http/1.1"]).await.expect("a handshake"));
        wire.write(&stream.bytes).await.expect("written");
        match stream.verdict.strip_prefix("pass ") {
            // The answer itself may stand behind a `100 Continue`.
            Some(_) => while wire.answers(1).await == [100] {},
            None => drop(wire.rest().await),
        }
        let seen = app.take();
        assert!(seen.len() <= 1, "{}: {seen:#?}", stream.name);
        for request in seen {
            assert_eq!(blemish(&request), None, "{}: {request:#?}", stream.name);
            reached += 1;
        }
    }
    assert!(reached > 12, "{reached}");
}

/// The attack: an HTTP/2 request that becomes two, or another one, where it is written down as HTTP/1 for the app.
#[tokio::test]
async fn http_2_requests_reach_the_app_as_judged_or_not_at_all() {
    let app = App::start().await;
    let gateway = open(&app);
    let cases = corpus::framed();
    assert!(cases.len() > 100, "{}", cases.len());
    let mut faults = Vec::new();
    for case in cases {
        let mut frames = Frames::new();
        for (name, value) in &case.fields {
            frames = frames.field(name, value);
        }
        if let Some(body) = &case.body {
            frames = frames.body(body);
        }
        for (name, value) in &case.trailers {
            frames = frames.trailer(name, value);
        }
        let outcome = frames.send(&gateway.reach(), OPEN).await;
        let seen = app.take();
        let fine = match case.verdict {
            "pass 1" => outcome == Outcome::Answered(200) && seen.len() == 1,
            "any" => seen.len() <= 1,
            "refused" => seen.is_empty() && !matches!(outcome, Outcome::Answered(200..=299)),
            "refused-late" => seen.len() <= 1 && !matches!(outcome, Outcome::Answered(200..=299)),
            other => panic!("{other}"),
        };
        let blemish = seen.iter().find_map(blemish);
        if !fine || blemish.is_some() {
            faults.push(format!("{} ({}): {outcome:?}, {} reached the app, {blemish:?}", case.name, case.verdict, seen.len()));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
