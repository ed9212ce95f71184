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
    let gateway = wide_open(&app);
    let reach = gateway.reach();
    let mut refused = 0;
    for stream in corpus::streams() {
        let (name, verdict) = (stream.name, stream.verdict);
        let mut wire = Wire::over(Wire::shake(&reach, OPEN, &[b"http/1.1"]).await.expect("a handshake"));
        wire.write(&stream.bytes).await.expect("written");
        if let Some(count) = verdict.strip_prefix("pass ") {
            let count: usize = count.parse().expect("a number");
            wire.finish().await;
            let statuses = statuses(&wire.rest().await);
            let seen = app.take();
            assert!(seen.len() <= count, "{name}: {seen:#?}");
            assert!(statuses.len() <= count, "{name}: {statuses:?}");
        } else {
            // The gateway ends the connection by itself: what follows is never read as a request.
            let statuses = statuses(&wire.rest().await);
            let seen = app.take();
            let expected: u16 = verdict[..3].parse().expect("a status");
            assert!(seen.len() <= 1, "{name}: {seen:#?}");
            // In a body it may be noticed when the app has answered already.
            assert!(statuses.last() == Some(&expected) || seen.len() == 1, "{name}: {statuses:?}");
            assert!(seen.iter().all(|request| !request.target.to_lowercase().contains("smuggl")), "{name}: {seen:#?}");
            refused += 1;
        }
    }
    assert!(refused > 80, "{refused}");
    is_well(&gateway, &app).await;
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
        let seen = app.take();
        assert!(seen.len() <= 2, "{}: {seen:#?}", bytes.escape_ascii());
    }
    is_well(&gateway, &app).await;
}

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
    let floods: [(&str, Vec<u8>, Box<dyn Fn(u32) -> Vec<u8>>); 6] = [
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
        println!("{name}");
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
