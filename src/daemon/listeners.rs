//! The addresses we listen on, and how they become others without touching those that stay.

use std::net::SocketAddr;

use crate::base::lifeline::Lifeline;
use crate::daemon::bind::{Bound, bind, bind_beside};
use crate::daemon::fault::Fault;
use crate::daemon::worker::{Handed, Worker};
use crate::listen::accept::Kind;
use crate::plan::listener::Listen;

/// An address that is to be listened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// As written; port 0 lets the system choose.
    pub written: SocketAddr,
    /// As it is to be bound: as written, or what the system chose for it before.
    pub exact: SocketAddr,
    /// What is spoken there.
    pub kind: Kind,
}

/// An address that is listened on.
#[derive(Clone, Debug)]
struct Open {
    address: Wanted,
    given_up: Lifeline,
}

/// All addresses that are listened on, in the order of the configuration.
#[derive(Debug, Default)]
pub struct Listeners(Vec<Open>);

/// What it takes to listen elsewhere: bound already, so that nothing can fail any more.
#[derive(Debug)]
pub struct Move {
    next: Vec<Open>,
    fresh: Vec<(Open, Bound)>,
    surplus: Vec<Open>,
}

/// What a plan asks for.
pub fn wanted(listen: &Listen) -> Vec<Wanted> {
    let of = |list: &[SocketAddr], kind| {
        list.iter().map(move |address| Wanted { written: *address, exact: *address, kind }).collect::<Vec<_>>()
    };
    let metrics = of(listen.metrics.as_slice(), Kind::Metrics);
    [of(&listen.https, Kind::Https), of(&listen.http, Kind::Http), metrics].concat()
}

impl Listeners {
    /// Binds, for so many workers, what is wanted and not there yet. Nothing is given up yet. Faults are told beside what can be
    /// done: whoever goes back to a former configuration takes what can be had.
    pub fn prepare(&self, wanted: &[Wanted], workers: usize) -> (Move, Vec<Fault>) {
        let mut made = Move { next: Vec::new(), fresh: Vec::new(), surplus: self.0.clone() };
        let mut faults = Vec::new();
        for address in wanted {
            if let Some(at) = made.surplus.iter().position(|open| is_same(&open.address, address)) {
                made.next.push(made.surplus.remove(at));
                continue;
            }
            match self.bind(address.exact, workers) {
                Ok(bound) => {
                    let open = Open { address: Wanted { exact: bound.address, ..*address }, given_up: Lifeline::new() };
                    made.next.push(open.clone());
                    made.fresh.push((open, bound));
                }
                Err(fault) => faults.push(fault),
            }
        }
        (made, faults)
    }

    /// Hands what is new to the workers, and stops listening on what is wanted no more. Its open connections live on.
    pub fn adopt(&mut self, made: Move, workers: &[Worker]) {
        for (open, bound) in made.fresh {
            for (worker, socket) in workers.iter().zip(bound.sockets) {
                worker.hand(Handed { socket, kind: open.address.kind, given_up: open.given_up.clone() });
            }
        }
        self.0 = made.next;
        made.surplus.iter().for_each(|open| open.given_up.cut());
    }

    /// What is listened on, to come back to.
    pub fn all(&self) -> Vec<Wanted> {
        self.0.iter().map(|open| open.address).collect()
    }

    /// Addresses with their real ports.
    pub fn addresses(&self, kind: Kind) -> Vec<SocketAddr> {
        addresses(&self.0, kind)
    }

    /// A port that is ours under another address, or for another purpose, cannot be tried alone.
    fn bind(&self, address: SocketAddr, workers: usize) -> Result<Bound, Fault> {
        let ours = address.port() != 0 && self.0.iter().any(|open| open.address.exact.port() == address.port());
        if ours {
            bind_beside(address, workers).map_err(|source| Fault::Bind { address, source })
        } else {
            bind(address, workers)
        }
    }
}

impl Move {
    /// Where TLS will be spoken, with real ports.
    pub fn https(&self) -> Vec<SocketAddr> {
        addresses(&self.next, Kind::Https)
    }
}

fn addresses(open: &[Open], kind: Kind) -> Vec<SocketAddr> {
    open.iter().filter(|open| open.address.kind == kind).map(|open| open.address.exact).collect()
}

/// Whether an open address is the wanted one. What was written counts, or, for what comes back, what it then was.
fn is_same(open: &Wanted, wanted: &Wanted) -> bool {
    let exact = wanted.exact == wanted.written || wanted.exact == open.exact;
    open.kind == wanted.kind && open.written == wanted.written && exact
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(address: &str, kind: Kind) -> Wanted {
        let written = address.parse().expect("an address");
        Wanted { written, exact: written, kind }
    }

    fn ready(listeners: &Listeners, wanted: &[Wanted]) -> Move {
        let (made, faults) = listeners.prepare(wanted, 2);
        assert!(faults.is_empty(), "{faults:?}");
        made
    }

    #[test]
    fn an_address_that_stays_is_not_bound_again() {
        let any = want("127.0.0.1:0", Kind::Https);
        let mut listeners = Listeners::default();
        listeners.adopt(ready(&listeners, &[any, any]), &[]);
        let before = listeners.addresses(Kind::Https);
        let made = ready(&listeners, &[any, want("127.0.0.1:0", Kind::Http), any]);
        assert_eq!(made.fresh.len(), 1);
        assert_eq!(made.https(), before);
        assert!(made.surplus.is_empty());
        let gone = listeners.0[1].given_up.clone();
        listeners.adopt(ready(&listeners, &[any]), &[]);
        assert!(gone.is_cut());
        assert_eq!(listeners.addresses(Kind::Https), before[..1]);
        assert_eq!(listeners.addresses(Kind::Http), []);
    }

    #[test]
    fn a_port_that_another_program_has_is_told_and_changes_nothing() {
        let other = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
        let taken = other.local_addr().expect("bound").to_string();
        let mut listeners = Listeners::default();
        listeners.adopt(ready(&listeners, &[want("127.0.0.1:0", Kind::Https)]), &[]);
        let (_, faults) = listeners.prepare(&[want(&taken, Kind::Https)], 2);
        assert!(matches!(faults[..], [Fault::Bind { .. }]));
        assert!(!listeners.0[0].given_up.is_cut());
    }

    #[test]
    fn a_port_of_our_own_may_take_another_address_or_purpose() {
        let mut listeners = Listeners::default();
        let first = ready(&listeners, &[want("127.0.0.1:0", Kind::Https)]);
        let port = first.https()[0].port();
        // The sockets are held as a worker would hold them.
        let held: Vec<_> = first.fresh.iter().map(|(_, bound)| bound.address).collect();
        let sockets = bind_beside(held[0], 1).expect("beside");
        listeners.adopt(first, &[]);
        let text = format!("127.0.0.1:{port}");
        let made = ready(&listeners, &[want(&format!("0.0.0.0:{port}"), Kind::Https), want(&text, Kind::Http)]);
        assert_eq!((made.fresh.len(), made.surplus.len()), (2, 1));
        drop(sockets);
    }

    #[test]
    fn what_comes_back_comes_back_to_the_port_it_had() {
        let mut listeners = Listeners::default();
        listeners.adopt(ready(&listeners, &[want("127.0.0.1:0", Kind::Https)]), &[]);
        let before = listeners.all();
        listeners.adopt(ready(&listeners, &[want("127.0.0.1:0", Kind::Http)]), &[]);
        listeners.adopt(ready(&listeners, &before), &[]);
        assert_eq!(listeners.all(), before);
    }
}
