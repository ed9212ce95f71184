//! Runs the sample app on a loopback port.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tracing::debug;

use crate::base::task;
use crate::sample::respond::respond;

/// Starts the sample app on a free loopback port of the current runtime and tells its address.
///
/// # Errors
/// When no loopback port can be had.
pub async fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    task::start("sample app", accept(listener));
    Ok(address)
}

async fn accept(listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                task::start("sample connection", async move {
                    let service = service_fn(|request| async { Ok::<_, Infallible>(respond(request).await) });
                    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
                    if let Err(fault) = connection.await {
                        debug!(%fault, "a connection to the sample app ended early");
                    }
                });
            }
            // Out of file descriptors, most likely: give the others time to close theirs.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
        }
    }
}
