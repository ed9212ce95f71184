//! How an authority is spoken to: over our own client, believing whom the owner says, and noting how long it wants its peace.

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{DATE, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::ClientConfig;
use serde::de::Error as _;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::base::clock::{Clock, Timestamp};
use crate::fetch::exchange;
use crate::fetch::fault::Fault as FetchFault;
use crate::fetch::roots;
use crate::tls::certificate;
use crate::tls::fault::Fault;

/// Speaks to one authority. Clones are the same.
#[derive(Clone, Debug)]
pub struct Client {
    tls: Arc<ClientConfig>,
    clock: Clock,
    /// How long the authority does not want to be asked, by its last answer that was a refusal.
    peace: Arc<Mutex<Option<Duration>>>,
}

impl Client {
    /// A client that believes the authorities in `ca_file`, else the system's. Reads files.
    ///
    /// # Errors
    /// [`Fault`] in that file.
    pub fn new(ca_file: Option<&Path>, clock: &Clock) -> Result<Self, Fault> {
        let tls = match ca_file {
            None => roots::usual(),
            Some(path) => roots::trusting(certificate::trusted(path)?.0),
        };
        Ok(Self { tls, clock: clock.clone(), peace: Arc::default() })
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
        let is_directory = parts.method == Method::GET;
        let mut answer = self.exchange(Request::from_parts(parts, body)).await?;
        if is_directory {
            addresses(answer.body())?;
        }
        // Read by us already; the library adds any number of seconds to a moment, and panics where that is too late.
        answer.headers_mut().remove(RETRY_AFTER);
        Ok(BytesResponse::from(answer.map(Full::new)))
    }

    /// Asks for something.
    ///
    /// # Errors
    /// The library's: [`FetchFault`] in it.
    pub async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        let tls = Arc::clone(&self.tls);
        let answer = exchange::exchange(request, tls).await.map_err(|fault: FetchFault| Error::Other(Box::new(fault)))?;
        if answer.status().is_client_error() || answer.status().is_server_error() {
            *self.peace.lock().unwrap_or_else(PoisonError::into_inner) = peace(&answer, self.clock.now());
        }
        if answer.status().is_server_error() && !is_problem(&answer) {
            // A page of a load balancer's is no problem document; the library would complain about its JSON.
            return Err(Error::Other(Box::new(FetchFault::Refused(answer.status()))));
        }
        Ok(answer)
    }
}

fn peace(answer: &Response<Bytes>, now: Timestamp) -> Option<Duration> {
    // The two moments are of one clock, if the authority tells what it is there.
    let theirs = answer.headers().get(DATE).and_then(moment).unwrap_or(now);
    pause(answer.headers().get(RETRY_AFTER), theirs)
}

/// `Retry-After`: so many seconds, or until a moment (RFC 9110 section 10.2.3).
pub fn pause(value: Option<&HeaderValue>, now: Timestamp) -> Option<Duration> {
    let seconds = value?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs);
    seconds.or_else(|| Some(moment(value?)?.since(now)))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`; the older forms are read by nobody any more.
fn moment(value: &HeaderValue) -> Option<Timestamp> {
    let at = OffsetDateTime::parse(value.to_str().ok()?.trim(), &Rfc2822).ok()?;
    Some(Timestamp::from_secs(at.unix_timestamp()))
}

/// Whether the library can ask there: it takes the addresses in a directory for well-formed, and panics where they are not. What is no
/// directory at all it says itself.
fn addresses(directory: &[u8]) -> Result<(), Error> {
    let Ok(Value::Object(directory)) = serde_json::from_slice(directory) else { return Ok(()) };
    let is_odd = |name: &&&str| {
        let address = directory.get(**name).and_then(Value::as_str);
        address.is_some_and(|address| !address.parse::<Uri>().is_ok_and(|uri| uri.host().is_some()))
    };
    match ["newNonce", "newAccount", "newOrder"].iter().find(is_odd) {
        Some(name) => Err(Error::Json(serde_json::Error::custom(format!("{name} is no address")))),
        None => Ok(()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(784_111_777);

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let read = |text: &str| pause(Some(&HeaderValue::from_str(text).expect("a value")), NOW);
        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        assert_eq!(read("Sun, 06 Nov 1994 08:50:37 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(read("Sun, 06 Nov 1994 07:50:37 GMT"), Some(Duration::ZERO));
        for odd in ["", "soon", "-1", "1.5", "99999999999999999999999"] {
            assert_eq!(read(odd), None, "{odd}");
        }
        assert_eq!(pause(None, NOW), None);
    }

    /// The attack: a directory with addresses that are none, at which the library panics.
    #[test]
    fn a_directory_without_addresses_is_none() {
        let directory = |nonce: &str| {
            format!(r#"{{"newNonce":"{nonce}","newAccount":"https://a.example/a","newOrder":"https://a.example/o"}}"#)
        };
        assert!(addresses(directory("https://a.example/n").as_bytes()).is_ok());
        for odd in ["", " ", "https://a.example/a b", "/nonce", "https://"] {
            assert!(matches!(addresses(directory(odd).as_bytes()), Err(Error::Json(_))), "{odd:?}");
        }
        assert!(addresses(b"<h1>").is_ok(), "which the library says itself");
    }

    #[test]
    fn a_moment_counts_from_what_the_authority_says_is_now() {
        let answer = Response::builder()
            .header(RETRY_AFTER, "Sun, 06 Nov 1994 08:50:37 GMT")
            .header(DATE, "Sun, 06 Nov 1994 08:50:07 GMT")
            .body(Bytes::new())
            .expect("an answer");
        assert_eq!(peace(&answer, Timestamp::from_secs(0)), Some(Duration::from_secs(30)));
    }
}
