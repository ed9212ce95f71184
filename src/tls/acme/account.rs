//! Our account at an authority: a key, from which the authority knows us. It is made and kept before it is used, and shown each
//! time, so an authority that has lost its memory gets to know us again by itself.

use std::sync::PoisonError;

use instant_acme::{Account, Error, Key};
use rcgen::KeyPair;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use crate::tls::acme::attempt::Ground;
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
pub async fn open(client: &Client, ground: &Ground, directory: &str, email: Option<&str>) -> Result<Account, Trouble> {
    let local = |fault: Fault| Trouble::local(&fault, directory);
    let (pem, known) = kept_or_made(ground, directory).map_err(local)?;
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
        ground.folder.write_account(directory, &text).map_err(local)?;
    }
    Ok(account)
}

/// The key and the address that the authority knows.
type Kept = (Zeroizing<String>, Option<String>);

fn kept_or_made(ground: &Ground, directory: &str) -> Result<Kept, Fault> {
    let _one_at_a_time = ground.accounts.lock().unwrap_or_else(PoisonError::into_inner);
    match read(&ground.folder, directory)? {
        Some(kept) => Ok(kept),
        None => Ok((create(&ground.folder, directory)?, None)),
    }
}

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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;
    use crate::base::clock::{Clock, Timestamp};
    use crate::tls::dns01::ledger::Ledger;
    use crate::tls::server;

    const DIRECTORY: &str = "https://ca.example/directory";

    fn ground() -> (tempfile::TempDir, Ground) {
        let dir = tempfile::tempdir().expect("a directory");
        let folder = Folder::within(dir.path());
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        let records = Arc::new(Ledger::open(folder.records()));
        (
            dir,
            Ground { folder, records, challenges: Arc::default(), provider: server::provider(), clock, accounts: Arc::default() },
        )
    }

    #[test]
    fn names_that_are_ordered_side_by_side_share_one_account() {
        let (_dir, ground) = ground();
        let keys: Vec<String> = thread::scope(|scope| {
            let made: Vec<_> =
                (0..8).map(|_| scope.spawn(|| kept_or_made(&ground, DIRECTORY).expect("a key").0.to_string())).collect();
            made.into_iter().map(|made| made.join().expect("no panic")).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn the_address_stands_above_the_key_and_a_damaged_key_is_not_replaced() {
        let (_dir, ground) = ground();
        let (pem, known) = kept_or_made(&ground, DIRECTORY).expect("made");
        assert_eq!(known, None);
        ground.folder.write_account(DIRECTORY, &format!("{CONTACT}ops@example.com\n{}", pem.as_str())).expect("written");
        let (again, known) = kept_or_made(&ground, DIRECTORY).expect("read");
        assert_eq!((again, known.as_deref()), (pem, Some("ops@example.com")));
        ground.folder.write_account(DIRECTORY, "-----BEGIN PRIVATE KEY-----\nMIIB").expect("written");
        assert!(matches!(kept_or_made(&ground, DIRECTORY), Err(Fault::BadKey { .. })));
    }
}
