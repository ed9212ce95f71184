//! Listening sockets: one per worker and address, so that the kernel spreads connections without a lock between workers.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::daemon::fault::Fault;

/// Connections the kernel holds for us before we take them.
const BACKLOG: i32 = 1_024;

/// One address with a socket for every worker.
#[derive(Debug)]
pub struct Bound {
    /// The address with its real port.
    pub address: SocketAddr,
    /// As many sockets as there are workers.
    pub sockets: Vec<TcpListener>,
}

/// Binds `address` once for each of `workers`.
///
/// First without `SO_REUSEPORT`: with it a second gateway of the same user would bind happily and take half the connections.
///
/// # Errors
/// [`Fault::Bind`] with the reason.
pub fn bind(address: SocketAddr, workers: usize) -> Result<Bound, Fault> {
    let failed = |source| Fault::Bind { address, source };
    let exact = probe(address).map_err(failed)?;
    bind_beside(exact, workers).map_err(failed)
}

/// As [`bind`], where sockets of our own have that port already: under another address, or for another purpose.
///
/// # Errors
/// The system's.
pub fn bind_beside(address: SocketAddr, workers: usize) -> io::Result<Bound> {
    let sockets = (0..workers).map(|_| open(address, true)).collect::<io::Result<Vec<_>>>()?;
    Ok(Bound { address, sockets })
}

/// The exact address that could be had.
fn probe(address: SocketAddr) -> io::Result<SocketAddr> {
    let alone = open(address, false).or_else(|fault| without_ipv6(address, fault))?;
    let mut exact = alone.local_addr()?;
    if address.port() != 0 {
        exact.set_port(address.port());
    }
    Ok(exact)
}

/// Some machines have no IPv6 at all; "every address" then means every IPv4 address.
fn without_ipv6(address: SocketAddr, fault: io::Error) -> io::Result<TcpListener> {
    let no_ipv6 =
        fault.raw_os_error() == Some(nix::errno::Errno::EAFNOSUPPORT as i32) || fault.kind() == io::ErrorKind::AddrNotAvailable;
    if address.ip().is_unspecified() && address.is_ipv6() && no_ipv6 {
        open((Ipv4Addr::UNSPECIFIED, address.port()).into(), false)
    } else {
        Err(fault)
    }
}

fn open(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait until the kernel has forgotten the last connections of the one before.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    if address.is_ipv6() {
        // `[::]` means every address of the machine, IPv4 as well.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any() -> SocketAddr {
        "127.0.0.1:0".parse().expect("an address")
    }

    #[test]
    fn every_worker_gets_a_socket_on_the_same_port() {
        let bound = bind(any(), 3).expect("binds");
        assert_eq!(bound.sockets.len(), 3);
        for socket in &bound.sockets {
            assert_eq!(socket.local_addr().expect("bound"), bound.address);
        }
    }

    /// The attack (or accident): a second gateway on the same port takes half of the connections unnoticed.
    #[test]
    fn a_second_gateway_on_the_port_fails_loudly() {
        let first = bind(any(), 2).expect("binds");
        let second = bind(first.address, 2);
        assert!(matches!(second, Err(Fault::Bind { ref source, .. }) if source.kind() == io::ErrorKind::AddrInUse));
    }
}
