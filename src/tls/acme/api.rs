//! What of an authority's interface (RFC 8555, RFC 9773) the library does not speak as we need it: a binding for a key that we keep
//! already, another key for an account, a revocation by the certificate's own key, and when to renew without an account.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use instant_acme::{Error, Problem};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::base::clock::Timestamp;
use crate::plan::eab::Eab;
use crate::tls::acme::advice::Heard;
use crate::tls::acme::client::{self, Client};
use crate::tls::acme::jws::{self, Aim, SigningKey, Who};
use crate::tls::acme::order::Patience;

const REPLAY_NONCE: &str = "replay-nonce";
const URN: &str = "urn:ietf:params:acme:error:";

/// Where an authority takes what (RFC 8555 section 7.1.1).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Directory {
    new_nonce: String,
    new_account: String,
    revoke_cert: Option<String>,
    key_change: Option<String>,
    renewal_info: Option<String>,
}

/// Who signs a request: with which key, and known how.
#[derive(Clone, Copy, Debug)]
pub struct Signer<'a> {
    /// The key.
    pub key: &'a SigningKey,
    /// How the authority knows it.
    pub who: Who<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RenewalInfo {
    suggested_window: Window,
}

#[derive(Deserialize)]
struct Window {
    start: String,
    end: String,
}

impl Directory {
    /// Asks for it.
    ///
    /// # Errors
    /// The library's, so that both become the same sentences.
    pub async fn of(client: &Client, url: &str) -> Result<Self, Error> {
        let answer = client.exchange(request(Method::GET, url, Bytes::new())?).await?;
        read(&answer)
    }

    /// Opens an account for a key of ours, as the customer that `eab` says.
    ///
    /// # Errors
    /// As [`Directory::of`].
    pub async fn new_account(&self, client: &Client, key: &SigningKey, eab: &Eab) -> Result<(), Error> {
        let bound = jws::bind(eab, key, &self.new_account);
        let payload = json!({ "termsOfServiceAgreed": true, "externalAccountBinding": bound });
        self.post(client, Signer { key, who: Who::Key }, (&self.new_account, &payload)).await.map(drop)
    }

    /// The address of the account of a key; `None` if there is none.
    ///
    /// # Errors
    /// As [`Directory::of`].
    pub async fn account(&self, client: &Client, key: &SigningKey) -> Result<Option<String>, Error> {
        let payload = json!({ "onlyReturnExisting": true });
        match self.post(client, Signer { key, who: Who::Key }, (&self.new_account, &payload)).await {
            Ok(answer) => match text(answer.headers(), LOCATION.as_str()) {
                Some(address) => Ok(Some(address)),
                None => Err(Error::Str("the address of our account")),
            },
            Err(Error::Api(problem)) if is(&problem, "accountDoesNotExist") => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Has another key speak for an account from now on (RFC 8555 section 7.3.5).
    ///
    /// # Errors
    /// As [`Directory::of`].
    pub async fn change_key(&self, client: &Client, (account, key): (&str, &SigningKey), next: &SigningKey) -> Result<(), Error> {
        let url = self.key_change.as_deref().ok_or(Error::Unsupported("another key for an account"))?;
        let within = json!({ "account": account, "oldKey": key.public() });
        let payload = next.sign(Who::Key, Aim { url, nonce: None }, &within);
        self.post(client, Signer { key, who: Who::Account(account) }, (url, &payload)).await.map(drop)
    }

    /// Revokes a certificate (RFC 8555 section 7.6).
    ///
    /// # Errors
    /// As [`Directory::of`].
    pub async fn revoke(&self, client: &Client, signer: Signer<'_>, certificate: &[u8], reason: u8) -> Result<(), Error> {
        let url = self.revoke_cert.as_deref().ok_or(Error::Unsupported("revocation"))?;
        let payload = json!({ "certificate": data_encoding::BASE64URL_NOPAD.encode(certificate), "reason": reason });
        match self.post(client, signer, (url, &payload)).await {
            Err(Error::Api(problem)) if is(&problem, "alreadyRevoked") => Ok(()),
            done => done.map(drop),
        }
    }

    /// When it wants a certificate renewed (RFC 9773 section 4.1).
    ///
    /// # Errors
    /// As [`Directory::of`].
    pub async fn renewal(&self, client: &Client, certificate: &str, now: Timestamp) -> Result<Heard, Error> {
        let Some(base) = &self.renewal_info else { return Ok(Heard::default()) };
        let url = format!("{}/{certificate}", base.trim_end_matches('/'));
        let answer = client.exchange(request(Method::GET, &url, Bytes::new())?).await?;
        let retry_after = client::pause(answer.headers().get(RETRY_AFTER), now);
        let window = read::<RenewalInfo>(&answer)?.suggested_window;
        Ok(Heard { window: moment(&window.start).zip(moment(&window.end)), retry_after })
    }

    /// Sends what is signed, again where the nonce alone was not taken.
    async fn post(&self, client: &Client, signer: Signer<'_>, (url, payload): (&str, &Value)) -> Result<Response<Bytes>, Error> {
        let mut patience = Patience::default();
        loop {
            let nonce = self.nonce(client).await?;
            let body = signer.key.sign(signer.who, Aim { url, nonce: Some(&nonce) }, payload).to_string();
            let answer = client.exchange(request(Method::POST, url, Bytes::from(body))?).await?;
            let outcome = if answer.status().is_success() { Ok(answer) } else { Err(refusal(&answer)) };
            if let Some(outcome) = patience.with(outcome) {
                return outcome;
            }
        }
    }

    async fn nonce(&self, client: &Client) -> Result<String, Error> {
        let answer = client.exchange(request(Method::HEAD, &self.new_nonce, Bytes::new())?).await?;
        text(answer.headers(), REPLAY_NONCE).ok_or(Error::Str("a nonce"))
    }
}

/// Whether a problem is of this kind (RFC 8555 section 6.7).
pub fn is(problem: &Problem, kind: &str) -> bool {
    problem.r#type.as_deref().and_then(|name| name.strip_prefix(URN)) == Some(kind)
}

/// Whether it is the authority itself that says no, and has changed nothing: any gateway before it answers in JSON too.
pub fn is_refusal(error: &Error) -> bool {
    match error {
        Error::Api(problem) => {
            let is_theirs = problem.r#type.as_deref().is_some_and(|kind| kind.starts_with(URN));
            is_theirs && problem.status.is_some_and(|status| (400..500).contains(&status))
        }
        Error::Unsupported(_) => true,
        _ => false,
    }
}

fn request(method: Method, url: &str, body: Bytes) -> Result<Request<Bytes>, Error> {
    let agent = concat!("doorward/", env!("CARGO_PKG_VERSION"));
    let builder = Request::builder().method(method.clone()).uri(url).header(USER_AGENT, agent);
    let builder = if method == Method::POST { builder.header(CONTENT_TYPE, "application/jose+json") } else { builder };
    Ok(builder.body(body)?)
}

fn read<T: DeserializeOwned>(answer: &Response<Bytes>) -> Result<T, Error> {
    if answer.status() == StatusCode::OK { Ok(serde_json::from_slice(answer.body())?) } else { Err(refusal(answer)) }
}

fn refusal(answer: &Response<Bytes>) -> Error {
    let problem = serde_json::from_slice::<Problem>(answer.body());
    problem.map_or_else(Error::Json, |problem| Error::Api(Problem { status: Some(answer.status().as_u16()), ..problem }))
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

fn moment(text: &str) -> Option<Timestamp> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok().map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, body: &'static str) -> Error {
        refusal(&Response::builder().status(status).body(Bytes::from_static(body.as_bytes())).expect("an answer"))
    }

    /// The attack, or a mishap: a gateway before the authority says that it waited too long, in JSON. Whether the authority has taken
    /// the key is unknown then, and who forgets the key has lost the account.
    #[test]
    fn only_the_authority_itself_says_no() {
        for (status, body) in [
            (504, r#"{"message":"timeout"}"#),
            (403, r#"{"message":"blocked"}"#),
            (500, r#"{"type":"urn:ietf:params:acme:error:malformed","status":400}"#),
            (503, r#"{"type":"urn:ietf:params:acme:error:rateLimited"}"#),
            (400, r#"{"type":"about:blank","status":400}"#),
            (502, "<h1>"),
        ] {
            assert!(!is_refusal(&said(status, body)), "{status} {body}");
        }
        assert!(is_refusal(&said(409, r#"{"type":"urn:ietf:params:acme:error:malformed"}"#)));
        assert!(is_refusal(&Error::Unsupported("it")));
    }
}
