//! Whether a record is seen where an authority will look: at every server of its zone, or at the resolvers that the owner names.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, sleep, timeout};
use tracing::info;

use crate::base::task;
use crate::dns::ask::{Asker, Found, Kind};
use crate::dns::fault::{Fault as DnsFault, Refusal, shown};
use crate::dns::zone;
use crate::model::event::Event;
use crate::tls::dns01::fault::Fault;

/// Between two questions to one server, at first.
const SOON: Duration = Duration::from_millis(200);
const SELDOM: Duration = Duration::from_secs(5);
/// How often it is said that the wait goes on.
const SAY_EVERY: Duration = Duration::from_secs(30);
/// Questions in a row without an answer, after which a server is taken for dead. An authority asks others then, too.
const DEAD: usize = 3;

/// What came of asking one server.
enum Seen {
    /// It shows the record.
    Shown,
    /// It shows something else, to the end.
    Hidden { server: String, shows: Vec<String> },
    /// It cannot be asked.
    Unasked(DnsFault),
}

/// Waits until `name` says `value` wherever an authority may look, `limit` at most. `resolvers` are asked instead where there are
/// some.
///
/// # Errors
/// [`Fault::Servers`], [`Fault::Hidden`], [`Fault::Unasked`].
pub async fn wait(system: &Asker, resolvers: &[SocketAddr], (name, value): (&str, &str), limit: Duration) -> Result<(), Fault> {
    let recursive = !resolvers.is_empty();
    let servers = match recursive {
        true => resolvers.iter().map(|server| (shown(server), *server)).collect(),
        false => {
            let found = timeout(limit, servers(system, name)).await.unwrap_or(Err(DnsFault::Silent));
            found.map_err(|fault| Fault::Servers { name: name.to_owned(), fault })?
        }
    };
    // Not before: no server is to be blamed for what it took to find it.
    let began = Instant::now();
    let (all, seen) = (servers.len(), Arc::new(AtomicUsize::new(0)));
    let asked: Vec<Task> = servers
        .into_iter()
        .map(|(label, server)| {
            let asker = Asker { servers: vec![server], recursive };
            let (name, value, seen) = (name.to_owned(), value.to_owned(), Arc::clone(&seen));
            Task(task::start("look for a record", async move {
                let outcome = one(&asker, label, (&name, &value), began + limit).await;
                if matches!(outcome, Seen::Shown) {
                    seen.fetch_add(1, Ordering::Relaxed);
                }
                outcome
            }))
        })
        .collect();
    let mut say = interval(SAY_EVERY);
    say.tick().await;
    let mut unasked = None;
    for mut task in asked {
        let outcome = loop {
            tokio::select! {
                outcome = &mut task.0 => break outcome,
                _ = say.tick() => {
                    let (shown, seconds) = (seen.load(Ordering::Relaxed), began.elapsed().as_secs());
                    info!(event = Event::CertificateProgress.name(), name, "{shown} of {all} name servers show a new record after {seconds} s");
                }
            }
        };
        match outcome {
            Ok(Seen::Shown) => {}
            Ok(Seen::Hidden { server, shows }) => {
                return Err(Fault::Hidden { server, name: name.to_owned(), shows, waited: began.elapsed() });
            }
            Ok(Seen::Unasked(fault)) => unasked = Some(fault),
            Err(_) => unasked = Some(DnsFault::Silent),
        }
    }
    match unasked {
        Some(fault) if seen.load(Ordering::Relaxed) == 0 => Err(Fault::Unasked { name: name.to_owned(), fault }),
        Some(_) | None => Ok(()),
    }
}

/// A question that ends with whoever waits for it.
struct Task(JoinHandle<Seen>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn servers(system: &Asker, name: &str) -> Result<Vec<(String, SocketAddr)>, DnsFault> {
    let zone = zone::of(system, name).await?;
    let servers = zone::servers(system, &zone).await?;
    Ok(servers.into_iter().map(|(label, server)| (format!("{label} ({})", shown(&server)), server)).collect())
}

async fn one(asker: &Asker, server: String, (name, value): (&str, &str), until: Instant) -> Seen {
    let (mut pause, mut failures) = (SOON, 0);
    loop {
        let is_over = Instant::now() >= until;
        match asker.ask(name, Kind::Txt).await {
            Ok(answer) => {
                // One that was made a server of the zone and knows nothing of it (RFC 8499: lame) is none for an authority either.
                let is_lame = !asker.recursive && !answer.speaks_for_it;
                let shows: Vec<String> = answer.found.into_iter().filter_map(words).collect();
                if shows.iter().any(|shown| shown == value) {
                    return Seen::Shown;
                }
                failures = if is_lame { failures + 1 } else { 0 };
                if failures >= DEAD || is_lame && is_over {
                    return Seen::Unasked(DnsFault::Said(Refusal::NotAuthoritative));
                }
                if is_over {
                    return Seen::Hidden { server, shows: shows.into_iter().take(3).collect() };
                }
            }
            Err(fault) => {
                failures += 1;
                if fault.has_no_way() || failures >= DEAD || is_over {
                    return Seen::Unasked(fault);
                }
            }
        }
        sleep(pause.min(until.saturating_duration_since(Instant::now()))).await;
        pause = (pause * 2).min(SELDOM);
    }
}

/// Words of a stranger's that may be shown.
fn words(found: Found) -> Option<String> {
    match found {
        Found::Words(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            Some(text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(64).collect())
        }
        Found::Address(_) | Found::Caa(_) | Found::Name(_) | Found::Zone => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::kit::Server;

    const NAME: &str = "_acme-challenge.a.example";

    fn nobody() -> Asker {
        Asker { servers: vec![], recursive: true }
    }

    async fn tried(servers: &[SocketAddr], limit: u64) -> Result<(), Fault> {
        wait(&nobody(), servers, (NAME, "new"), Duration::from_millis(limit)).await
    }

    #[tokio::test]
    async fn every_server_has_to_show_it_and_the_one_that_does_not_is_named() {
        let good = Server::start(&["_acme-challenge.a.example TXT old", "_acme-challenge.a.example TXT new"]).await;
        let stale = Server::start(&["_acme-challenge.a.example TXT old", "example SOA"]).await;
        tried(&[good.address], 10_000).await.expect("shown");
        match tried(&[good.address, stale.address], 300).await.expect_err("one hides it") {
            Fault::Hidden { server, shows, .. } => {
                assert_eq!((server, shows), (stale.address.to_string(), vec!["old".to_owned()]))
            }
            other => panic!("{other}"),
        }
    }

    /// One of them was made a server of the zone and knows nothing of it: that is not "it does not show the record".
    #[tokio::test]
    async fn a_lame_server_fails_no_order() {
        let zone = ["example SOA", "_acme-challenge.a.example TXT new"];
        let (good, lame) = (Server::start(&zone).await, Server::lame().await);
        let seen = async |server: &Server| {
            let asker = Asker { servers: vec![server.address], recursive: false };
            one(&asker, String::new(), (NAME, "new"), Instant::now() + Duration::from_secs(20)).await
        };
        assert!(matches!(seen(&good).await, Seen::Shown));
        assert!(matches!(seen(&lame).await, Seen::Unasked(DnsFault::Said(Refusal::NotAuthoritative))));
    }

    #[tokio::test]
    async fn a_dead_server_beside_a_living_one_keeps_nobody_up() {
        let good = Server::start(&["_acme-challenge.a.example TXT new"]).await;
        let dead = "127.0.0.1:1".parse().expect("an address");
        tried(&[dead, good.address], 10_000).await.expect("an authority asks the other");
        let fault = tried(&[dead], 10_000).await.expect_err("nobody to ask");
        assert!(fault.to_string().contains("none of the name servers of _acme-challenge.a.example could be asked"), "{fault}");
        assert!(matches!(wait(&nobody(), &[], (NAME, "new"), Duration::ZERO).await, Err(Fault::Servers { .. })));
    }
}
