//! Our account at an authority: a key, from which the authority knows us. It is made and kept before it is used, and shown each
//! time, so an authority that has lost its memory gets to know us again by itself.

use instant_acme::{Account, Error, Key};
use rcgen::KeyPair;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use crate::tls::acme::client::Client;
use crate::tls::acme::folder::Folder;
use crate::tls::acme::order::Patience;
use crate::tls::acme::trouble::Trouble;
use crate::tls::fault::Fault;

/// Begins the line above the key that says which address the authority knows.
const CONTACT: &str = "contact: ";

/// Opens our account at `directory`, or makes one.
///
/// # Errors
/// [`Trouble`].
pub async fn open(client: &Client, folder: &Folder, directory: &str, email: Option<&str>) -> Result<Account, Trouble> {
    let local = |fault: Fault| Trouble::local(&fault, directory);
    let kept = read(folder, directory).map_err(local)?;
    let (pem, known) = match kept {
        Some(kept) => kept,
        None => (create(folder, directory).map_err(local)?, None),
    };
    let told = |error: Error| Trouble::of(&error, directory).after(client.peace());
    let mut patience = Patience::default();
    let account = loop {
        let builder = Account::builder_with_http(Box::new(client.clone()));
        let shown = key(&pem).map_err(told)?;
        let opened = builder.create_from_key(shown, directory.to_owned()).await;
        if let Some(opened) = patience.with(opened) {
            break opened.map_err(told)?.0;
        }
    };
    if known.as_deref() != email {
        let contact: Vec<String> = email.iter().map(|email| format!("mailto:{email}")).collect();
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let mut patience = Patience::default();
        while patience.with(account.update_contacts(&contact).await).transpose().map_err(told)?.is_none() {}
        let line = email.map(|email| format!("{CONTACT}{email}\n")).unwrap_or_default();
        let text = Zeroizing::new(format!("{line}{}", pem.as_str()));
        folder.write_account(directory, &text).map_err(local)?;
    }
    Ok(account)
}

/// The key and the address that the authority knows.
type Kept = (Zeroizing<String>, Option<String>);

fn read(folder: &Folder, directory: &str) -> Result<Option<Kept>, Fault> {
    let Some(bytes) = folder.account(directory)? else { return Ok(None) };
    let bad = || Fault::BadKey { path: folder.account_file(directory), reason: "it is not PEM".to_owned() };
    let text = std::str::from_utf8(&bytes).map_err(|_| bad())?;
    let begin = text.find("-----BEGIN").ok_or_else(bad)?;
    let known = text[..begin].lines().find_map(|line| line.strip_prefix(CONTACT)).map(str::to_owned);
    let pem = Zeroizing::new(text[begin..].to_owned());
    key(&pem).map_err(|_| bad())?;
    Ok(Some((pem, known)))
}

fn create(folder: &Folder, directory: &str) -> Result<Zeroizing<String>, Fault> {
    let making = |fault: rcgen::Error| Fault::Making { subject: "our account".into(), reason: fault.to_string() };
    let pem = Zeroizing::new(KeyPair::generate().map_err(making)?.serialize_pem());
    folder.write_account(directory, &pem)?;
    Ok(pem)
}

fn key(pem: &str) -> Result<(Key, PrivateKeyDer<'static>), Error> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| Error::KeyRejected)?;
    Ok((Key::from_pkcs8_der(der.clone_key())?, PrivateKeyDer::Pkcs8(der)))
}
