//! How an authority is spoken to: over our own client, believing whom the owner says, and noting how long it wants its peace.

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::{ClientConfig, RootCertStore};

use crate::fetch::exchange;
use crate::fetch::fault::Fault as FetchFault;
use crate::fetch::roots;
use crate::tls::certificate;
use crate::tls::durable;
use crate::tls::fault::Fault;

/// Speaks to one authority. Clones are the same.
#[derive(Clone, Debug)]
pub struct Client {
    tls: Arc<ClientConfig>,
    /// How long the authority does not want to be asked, by its last answer that was a refusal.
    peace: Arc<Mutex<Option<Duration>>>,
}

impl Client {
    /// A client that believes the authorities in `ca_file`, else the system's. Reads files.
    ///
    /// # Errors
    /// [`Fault`] in that file.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, Fault> {
        let tls = match ca_file {
            None => roots::usual(),
            Some(path) => {
                let missing = || Fault::Unreadable { path: path.into(), source: std::io::ErrorKind::NotFound.into() };
                let text = durable::read(path)?.ok_or_else(missing)?;
                let mut store = RootCertStore::empty();
                for authority in certificate::authorities(path, &text)? {
                    let bad = |fault: rustls::Error| Fault::BadCertificate { path: path.into(), reason: fault.to_string() };
                    store.add(authority).map_err(bad)?;
                }
                roots::trusting(store)
            }
        };
        Ok(Self { tls, peace: Arc::default() })
    }

    /// Whom it believes, for those who ask the authority something else than ACME.
    pub fn tls(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.tls)
    }

    /// How long the authority asked for peace, if its last refusal did.
    pub fn peace(&self) -> Option<Duration> {
        *self.peace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_or_else(|never| match never {}, |body| body.to_bytes());
        let request = Request::from_parts(parts, body);
        let answer = exchange::exchange(request, self.tls).await.map_err(|fault: FetchFault| Error::Other(Box::new(fault)))?;
        if answer.status().is_client_error() || answer.status().is_server_error() {
            *self.peace.lock().unwrap_or_else(PoisonError::into_inner) = peace(&answer);
        }
        if answer.status().is_server_error() && !is_problem(&answer) {
            // A page of a load balancer's is no problem document; the library would complain about its JSON.
            return Err(Error::Other(Box::new(FetchFault::Refused(answer.status()))));
        }
        Ok(BytesResponse::from(answer.map(Full::new)))
    }
}

/// `Retry-After` in seconds. Where it is a date, the usual pauses hold.
fn peace(answer: &Response<Bytes>) -> Option<Duration> {
    let seconds: u64 = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn is_problem(answer: &Response<Bytes>) -> bool {
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(answer.body()).is_ok()
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        Box::pin(self.clone().send(request))
    }
}
