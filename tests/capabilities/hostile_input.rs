//! Hostile bytes: nothing is read in two ways, nothing panics, and those who behave are served meanwhile and afterwards.

use tokio::task::yield_now;

use crate::kit::app::App;
use crate::kit::corpus;
use crate::kit::gateway::{Gateway, within};
use crate::kit::line::BOTH;
use crate::kit::visitor::Visitor;
use crate::kit::wire::{Wire, statuses};

/// The host of the smuggling corpus.
const OPEN: &str = "a.example";

/// A gateway before an app that is open to everybody: nothing but the framing stands between the bytes and the app.
fn wide_open(app: &App) -> Gateway {
    let url = app.url();
    Gateway::start(&format!(
        "[[app]]\nhost = \"{OPEN}\"\nupstream = \"{url}\"\nbypass = [{{ path = \"/\", reason = \"test\" }}]\n"
    ))
}

async fn is_well(gateway: &Gateway, app: &App) {
    for protocol in BOTH {
        let mut visitor = Visitor::new(gateway.reach(), OPEN).over(protocol);
        assert_eq!(visitor.fetch("GET", "/well").await.status, 200);
        // What a client sent before it left may still be on its way.
        assert!(app.take().iter().any(|request| request.target == "/well"));
    }
}

/// The attack: a stream that we and the app cut into requests at different places (request smuggling).
#[tokio::test]
async fn no_stream_is_cut_into_other_requests_behind_us() {
    let app = App::start().await;
    // Each stream speaks to a host of its own, of the same length: so it is known whose the requests are that reach the app.
    let streams = corpus::streams();
    let host = |number: usize| format!("{number:03}.examp");
    let hosts = (0..streams.len()).map(|number| format!("\"{}\"", host(number))).collect::<Vec<_>>().join(", ");
    let open = "bypass = [{ path = \"/\", reason = \"test\" }]";
    let gateway = Gateway::start(&format!("[[app]]\nhost = [{hosts}]\nupstream = \"{}\"\n{open}\n", app.url()));
    for (number, stream) in streams.iter().enumerate() {
        let bytes = replaced(&stream.bytes, &host(number));
        let mut wire = Wire::over(Wire::shake(&gateway.reach(), &host(number), &[b"http/1.1"]).await.expect("a handshake"));
        wire.write(&bytes).await.expect("written");
        // A refused one is ended by the gateway itself: what follows is never read as a request.
        let statuses = match stream.verdict.strip_prefix("pass ") {
            Some(count) => wire.answers(count.parse().expect("a number")).await,
            None => statuses(&wire.rest().await),
        };
        if let Ok(expected) = stream.verdict[..3].parse::<u16>() {
            // In a body it may be noticed when the app has answered already.
            assert!(statuses.last() == Some(&expected) || statuses == [200], "{}: {statuses:?}", stream.name);
        }
    }
    gateway.ended().await;
    let seen = app.take();
    let (mut refused, mut passed) = (0, 0);
    for (number, stream) in streams.iter().enumerate() {
        let own: Vec<_> = seen.iter().filter(|request| request.header("host") == host(number)).collect();
        let most = match stream.verdict.strip_prefix("pass ") {
            Some(count) => count.parse().expect("a number"),
            // Begun before its body turned out to be refused.
            None => 1,
        };
        assert!(own.len() <= most, "{}: {own:#?}", stream.name);
        assert!(own.iter().all(|request| !request.target.to_lowercase().contains("smuggl")), "{}: {own:#?}", stream.name);
        passed += usize::from(most == own.len() && stream.verdict.starts_with("pass"));
        refused += usize::from(!stream.verdict.starts_with("pass"));
    }
    assert!(refused > 80 && passed > 9, "{refused} refused, {passed} passed whole");
}

fn replaced(bytes: &[u8], host: &str) -> Vec<u8> {
    assert_eq!(host.len(), OPEN.len(), "lengths in the stream stay true");
    let mut out = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        if rest.starts_with(OPEN.as_bytes()) {
            out.extend_from_slice(host.as_bytes());
            rest = &rest[OPEN.len()..];
        } else {
            out.push(rest[0]);
            rest = &rest[1..];
        }
    }
    out
}

/// The attack: the same in front of a second, honest request on the same connection, which somebody else's would be behind
/// another proxy.
#[tokio::test]
async fn nothing_is_served_behind_a_refused_stream() {
    let app = App::start().await;
    let gateway = wide_open(&app);
    let reach = gateway.reach();
    for stream in corpus::streams().into_iter().filter(|stream| !stream.verdict.starts_with("pass")) {
        let mut wire = Wire::over(Wire::shake(&reach, OPEN, &[b"http/1.1"]).await.expect("a handshake"));
        let honest = format!("\r\n\r\nGET /victim HTTP/1.1\r\nHost: {OPEN}\r\n\r\n");
        wire.write([&stream.bytes[..], honest.as_bytes()].concat()).await.expect("written");
        let statuses = statuses(&wire.rest().await);
        let seen = app.take();
        assert!(seen.iter().all(|request| request.target != "/victim"), "{}: {statuses:?} {seen:#?}", stream.name);
    }
}

/// The attack: bytes without sense, on every port and in every layer.
#[tokio::test]
async fn noise_disturbs_nobody() {
    let app = App::start().await;
    let gateway = wide_open(&app);
    let reach = gateway.reach();
    let mut dice = Dice(7);
    for round in 0..60 {
        let noise = dice.bytes(round * 37 + 1);
        for mut wire in [
            Wire::plain(reach.https).await,
            Wire::plain(gateway.http()).await,
            Wire::over(Wire::shake(&reach, OPEN, &[b"http/1.1"]).await.expect("a handshake")),
            Wire::over(Wire::shake(&reach, OPEN, &[b"h2"]).await.expect("a handshake")),
        ] {
            // It may have been refused in the middle.
            let _ = wire.write(&noise).await;
            wire.finish().await;
            wire.rest().await;
        }
    }
    assert_eq!(app.count(), 0);
    is_well(&gateway, &app).await;
}

/// The attack: good streams with a few bytes changed, where parsers are weakest.
#[tokio::test]
async fn almost_good_streams_disturb_nobody() {
    let app = App::start().await;
    let gateway = wide_open(&app);
    let reach = gateway.reach();
    let mut dice = Dice(11);
    let good: Vec<Vec<u8>> = corpus::streams().into_iter().map(|stream| stream.bytes).collect();
    for _ in 0..400 {
        let mut bytes = good[dice.below(good.len())].clone();
        for _ in 0..=dice.below(3) {
            let at = dice.below(bytes.len());
            match dice.below(3) {
                0 => bytes[at] = dice.bytes(1)[0],
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b"\r\n \t:,;\0\x80"[dice.below(9)]),
            }
        }
        let mut wire = Wire::over(Wire::shake(&reach, OPEN, &[b"http/1.1"]).await.expect("a handshake"));
        let _ = wire.write(&bytes).await;
        wire.finish().await;
        wire.rest().await;
    }
    is_well(&gateway, &app).await;
}

/// What is sent again and again, by its number.
type Piece<'a> = Box<dyn Fn(u32) -> Vec<u8> + 'a>;

/// The attack: frames that make an HTTP/2 server work for nothing (Rapid Reset, CONTINUATION, SETTINGS and PING floods).
#[tokio::test]
async fn floods_of_frames_end_the_connection_they_come_on_at_most() {
    let app = App::start().await;
    let gateway = wide_open(&app);
    let reach = gateway.reach();
    let head = b"\x82\x87\x84\x41\x09a.example";
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    };
    let floods: [(&str, Vec<u8>, Piece<'_>); 6] = [
        (
            "rapid reset",
            Vec::new(),
            Box::new(|number| [frame(1, 5, 2 * number + 1, head), frame(3, 0, 2 * number + 1, &[0, 0, 0, 8])].concat()),
        ),
        ("continuation", frame(1, 1, 1, head), Box::new(|_| frame(9, 0, 1, b"\x10\x01x\x01y"))),
        ("empty continuation", frame(1, 1, 1, head), Box::new(|_| frame(9, 0, 1, b""))),
        ("settings", Vec::new(), Box::new(|_| frame(4, 0, 0, &[0, 4, 0, 0, 0, 1]))),
        ("ping", Vec::new(), Box::new(|_| frame(6, 0, 0, &[0; 8]))),
        ("empty data", frame(1, 4, 1, b"\x83\x87\x84\x41\x09a.example"), Box::new(|_| frame(0, 0, 1, b""))),
    ];
    for (name, start, piece) in floods {
        let mut wire = Wire::over(Wire::shake(&reach, OPEN, &[b"h2"]).await.expect("a handshake"));
        let mut bytes = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(4, 0, 0, b"")[..], &start].concat();
        for number in 0..20_000 {
            bytes.extend(piece(number));
            if bytes.len() > 64 * 1024 {
                // Nobody reads the answers; the gateway may close, or stop reading.
                let sent =
                    tokio::time::timeout(std::time::Duration::from_millis(500), wire.write(std::mem::take(&mut bytes))).await;
                if !matches!(sent, Ok(Ok(()))) {
                    break;
                }
            }
        }
        within(name, is_well(&gateway, &app)).await;
        drop(wire);
        yield_now().await;
    }
}

/// SplitMix64: the same bytes in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % bound.max(1) as u64).expect("below a usize")
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.roll().to_le_bytes()[0]).collect()
    }
}
