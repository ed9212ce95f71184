//! Why a gateway does not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::store::fault::Fault as StoreFault;
use crate::tls::fault::Fault as TlsFault;

/// Why a gateway does not start. Nothing was changed then, except that missing folders and keys may have been made.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {}", bind_advice(.source, .address))]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// A folder or file cannot be made or read.
    #[error("cannot use {}: {source}", .path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The control socket cannot be made.
    #[error("cannot make the control socket {}: {}", .path.display(), control_advice(.source))]
    Control {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The store does not open.
    #[error("{0}")]
    Store(#[from] StoreFault),
    /// A certificate cannot be made or read.
    #[error("{}", list(.0))]
    Tls(Vec<TlsFault>),
    /// A thread cannot be made.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
    /// Passkeys that exist would open nothing.
    #[error("E0503: {0}")]
    Orphaned(String),
    /// There are several accounts where there may be one.
    #[error("E0513: {0}")]
    SeveralAccounts(String),
    /// Configured to listen nowhere.
    #[error("no address to listen on: `listen.https` is empty")]
    Nowhere,
}

fn control_advice(source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::InvalidInput => "the system allows sockets no path that long; choose a data folder nearer to the root, \
                                        or name a folder for the socket in $RUNTIME_DIRECTORY"
            .to_owned(),
        io::ErrorKind::AddrInUse => "another gateway answers there; give each a $RUNTIME_DIRECTORY of its own".to_owned(),
        _ => source.to_string(),
    }
}

fn bind_advice(source: &io::Error, address: &SocketAddr) -> String {
    match source.kind() {
        io::ErrorKind::AddrInUse => format!(
            "another program uses this port; `ss -ltnp 'sport = :{}'` shows which, or choose another with `--listen` and `--listen-http`, in a file with [listen]",
            address.port()
        ),
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a permission: give the unit `AmbientCapabilities=CAP_NET_BIND_SERVICE`, or run once \
             `sudo setcap cap_net_bind_service=+ep` on the binary, or choose ports above 1023 in [listen]"
                .to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        _ => source.to_string(),
    }
}

fn list(faults: &[TlsFault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
