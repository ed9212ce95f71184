//! One HTTP/1.1 connection to an upstream.

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use tracing::debug;

use crate::base::task;
use crate::plan::app::App;
use crate::plan::upstream::Origin;
use crate::proxy::fault::Fault;
use crate::proxy::peer::Peer;
use crate::proxy::socket::{Heard, Socket};
use crate::wire::body::Body;
use crate::wire::trust::Proof;

/// Most bytes hyper buffers of one connection, and so the largest head of an answer.
const BUFFER: usize = 64 * 1024;

/// One HTTP/1.1 connection to an upstream. Dropping it closes the connection, whatever is under way on it.
#[derive(Debug)]
pub struct Link {
    sender: SendRequest<Body>,
    driver: JoinHandle<()>,
    heard: Arc<Heard>,
    /// What the upstream proved, where it had to.
    proof: Option<Arc<Proof>>,
    upgraded: bool,
}

impl Link {
    /// Connects to an app's upstream.
    ///
    /// # Errors
    /// Those of [`Peer::connect`].
    pub async fn connect(app: &App) -> Result<Self, Fault> {
        let proof = asked_of(app);
        let stream = Peer::connect(app, proof.as_deref()).await?;
        let heard = Arc::new(Heard::default());
        let socket = TokioIo::new(Socket::new(stream, Arc::clone(&heard)));
        let (sender, connection) = Builder::new().max_buf_size(BUFFER).handshake(socket).await.map_err(Fault::closed)?;
        let driver = task::start("upstream connection", async {
            if let Err(error) = connection.with_upgrades().await {
                debug!(%error, "an upstream connection failed");
            }
        });
        Ok(Self { sender, driver, heard, proof, upgraded: false })
    }

    /// Sends a request. Dropping the future gives up on it and on the connection.
    ///
    /// # Errors
    /// hyper's, together with the request if none of it was sent.
    pub async fn send(&mut self, request: Request<Body>) -> Result<Response<Incoming>, TrySendError<Request<Body>>> {
        self.heard.listen();
        let response = self.sender.try_send_request(request).await?;
        self.heard.understood();
        Ok(response)
    }

    /// Whether the upstream said nothing at all since the last request was sent.
    pub fn heard_nothing(&self) -> bool {
        self.heard.is_nothing()
    }

    /// Whether another request can be sent right now.
    pub fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Whether it is of no use any more.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether the upstream has proven what the app asks of it now.
    pub fn proves_enough(&self, app: &App) -> bool {
        match (&self.proof, asked_of(app)) {
            (None, None) => true,
            (Some(proven), Some(asked)) => Arc::ptr_eq(proven, &asked),
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// Leaves the connection to the tunnel that took it over.
    pub fn hand_over(mut self) {
        self.upgraded = true;
    }
}

/// What an app's upstream has to prove.
fn asked_of(app: &App) -> Option<Arc<Proof>> {
    match &app.upstream.origin {
        Origin::Https(_) => app.trust.proof(),
        Origin::Http(_) | Origin::Unix(_) => None,
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if !self.upgraded {
            self.driver.abort();
        }
    }
}
