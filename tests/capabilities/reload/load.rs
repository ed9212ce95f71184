//! Hundreds of reloads under requests in both protocols: none fails, none sees two configurations, no socket is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use doorward::base::task;
use http::StatusCode;
use tokio::task::JoinHandle;

use crate::kit::gateway::{Gateway, HOST};
use crate::kit::line::BOTH;
use crate::kit::socket::echo_app;
use crate::kit::visitor::{Visitor, read};
use crate::reload::sockets::{Socket, guest_at_both};
use crate::reload::{app, listening, reload};

const OTHER: &str = "other.example";

/// How many reloads, and WebSockets open all the while.
#[expect(clippy::disallowed_methods, reason = "the test runner says how much by a variable")]
fn size() -> (usize, usize) {
    if std::env::var("DOORWARD_TESTS").is_ok_and(|size| size == "full") { (1_000, 500) } else { (200, 60) }
}

/// Asks for a page again and again over one connection; how often, and what went wrong.
fn client(
    visitor: Visitor,
    path: &'static str,
    fine: &'static [StatusCode],
    stop: Arc<AtomicBool>,
) -> JoinHandle<(usize, Vec<String>)> {
    task::start("client", async move {
        let (mut asked, mut wrong) = (0, Vec::new());
        let mut line = visitor.line().await;
        while !stop.load(Ordering::Relaxed) {
            asked += 1;
            let request = visitor.dressed(visitor.call("GET", path));
            let outcome = match line.send(request).await {
                Ok(response) => read(response).await,
                Err(fault) => Err(fault),
            };
            match outcome {
                Ok(answer) if fine.contains(&answer.status) => {}
                other => wrong.push(format!("{path}: {other:?}")),
            }
            // Every now and then a fresh connection, so that handshakes meet reloads as well.
            if asked % 50 == 0 {
                line = visitor.line().await;
            }
        }
        (asked, wrong)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices() {
    let (mine, theirs) = (echo_app().await, echo_app().await);
    let (reloads, sockets) = size();
    // One app stays, the other changes every time; so do an address and the limits.
    let text = |round: usize| {
        let rule = if round % 2 == 1 { "deny = [\"/odd\"]" } else { "idle_timeout = \"5m\"" };
        let https = if round % 3 == 1 { "\"127.0.0.1:0\", \"127.0.0.1:0\"" } else { "\"127.0.0.1:0\"" };
        let limits = format!("max_connections = {}\nmax_connections_per_network = 5000", 6_000 + round);
        let apps = app(HOST, &mine.url(), "") + &app(OTHER, &theirs.url(), rule);
        listening(https, &apps).replace("drain_timeout = \"0s\"", &format!("drain_timeout = \"5s\"\n{limits}"))
    };
    let gateway = Gateway::from_file(&text(1));
    let (here, there) = guest_at_both(&gateway, OTHER).await;
    let mut open = Vec::new();
    for number in 0..sockets {
        open.push(Socket::open(&mut here.clone().over(BOTH[number % 2])).await);
    }
    let mut passing = Socket::open(&mut there.clone()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients = BOTH.map(|protocol| {
        [
            client(here.clone().over(protocol), "/", &[StatusCode::OK], Arc::clone(&stop)),
            client(there.clone().over(protocol), "/", &[StatusCode::OK], Arc::clone(&stop)),
            client(there.clone().over(protocol), "/odd", &[StatusCode::OK, StatusCode::NOT_FOUND], Arc::clone(&stop)),
        ]
    });
    let started = tokio::time::Instant::now();
    for round in 2..=reloads + 1 {
        assert_eq!(reload(&gateway, &text(round)).await.version, round as u64);
        tokio::task::yield_now().await;
    }
    let took = started.elapsed();
    stop.store(true, Ordering::Relaxed);
    let (mut asked, mut wrong) = (0, Vec::new());
    for client in clients.into_iter().flatten() {
        let (more, faults) = client.await.expect("no panic");
        asked += more;
        wrong.extend(faults);
    }
    assert!(wrong.is_empty(), "{} of {asked} failed: {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
    // Once this one has ended, what left with the first reload has had its time.
    passing.ended().await;
    let alive = AtomicUsize::new(0);
    for socket in &mut open {
        alive.fetch_add(usize::from(socket.is_alive().await), Ordering::Relaxed);
    }
    assert_eq!(alive.into_inner(), sockets);
    drop(open);
    let log = gateway.ended().await;
    let judged = one_configuration_each(&log);
    println!(
        "{reloads} reloads in {took:?}: {asked} requests, 0 failed, {sockets} sockets alive; {judged} requests judged by the plan in the log"
    );
    assert!(asked > reloads && judged > 0, "{asked} requests, {judged} of them telling");
}

/// Each request to the path that every other configuration denies was judged by the one whose version its line names.
fn one_configuration_each(log: &str) -> usize {
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let odd = lines.filter(|line| line["request"]["uri"] == "/odd");
    odd.map(|line| {
        let denies = line["plan"].as_u64().expect("a version") % 2 == 1;
        assert_eq!(line["status"] == 404, denies, "{line}");
    })
    .count()
}
