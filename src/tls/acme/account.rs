//! Our account at an authority: a key, from which the authority knows us. It is made and kept before it is used, and shown each
//! time, so an authority that has lost its memory gets to know us again by itself. The same holds for a key that takes its place:
//! whichever of the two the authority knows after a crash is the one.

use std::sync::PoisonError;
use std::time::Duration;

use instant_acme::{Account, Error, Key};
use rcgen::KeyPair;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use crate::plan::eab::Eab;
use crate::tls::acme::api::Directory;
use crate::tls::acme::attempt::Ground;
use crate::tls::acme::client::Client;
use crate::tls::acme::folder::Folder;
use crate::tls::acme::jws::SigningKey;
use crate::tls::acme::order::Patience;
use crate::tls::acme::trouble::Trouble;
use crate::tls::fault::Fault;

/// Begins the line above the key that says which address the authority knows.
const CONTACT: &str = "contact: ";

/// After so long an authority that still knows the old key has not taken the new one.
const SLOWEST: Duration = Duration::from_secs(86_400);

/// Whose account it is, and where.
#[derive(Clone, Copy, Debug)]
pub struct Customer<'a> {
    /// The authority.
    pub directory: &'a str,
    /// Whom it may write to.
    pub email: Option<&'a str>,
    /// As whom it knows us already.
    pub eab: Option<&'a Eab>,
}

/// Opens our account, or makes one.
///
/// # Errors
/// [`Trouble`].
pub async fn open(client: &Client, ground: &Ground, customer: Customer<'_>) -> Result<Account, Trouble> {
    let Customer { directory, email, eab } = customer;
    let local = |fault: Fault| Trouble::local(&fault, directory);
    settle(client, ground, directory).await?;
    let (pem, known) = kept_or_made(ground, directory).map_err(local)?;
    let told = |error: Error| Trouble::of(&error, directory).after(client.peace());
    if let Some(eab) = eab {
        bind(client, &pem, (directory, eab)).await.map_err(|error| told(error).binding())?;
    }
    let account = show(client, &pem, directory).await.map_err(told)?;
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

/// The account of a key, made if the authority does not know it.
async fn show(client: &Client, pem: &str, directory: &str) -> Result<Account, Error> {
    let mut patience = Patience::default();
    loop {
        let builder = Account::builder_with_http(Box::new(client.clone()));
        let opened = builder.create_from_key(key(pem)?, directory.to_owned()).await;
        if let Some(opened) = patience.with(opened) {
            return opened.map(|(account, _)| account);
        }
    }
}

/// Makes an account for known customers only, unless there is one. By ourselves: the library binds no key that is kept already.
async fn bind(client: &Client, pem: &str, (directory, eab): (&str, &Eab)) -> Result<(), Error> {
    let (directory, key) =
        (Directory::of(client, directory).await?, SigningKey::from_pem(pem.as_bytes()).ok_or(Error::KeyRejected)?);
    match directory.account(client, &key).await? {
        Some(_) => Ok(()),
        None => directory.new_account(client, &key, eab).await,
    }
}

/// Finds out which key the account has, where a crash came between that a new one was kept and that the authority had taken it.
///
/// # Errors
/// [`Trouble`] when the authority cannot be asked.
pub async fn settle(client: &Client, ground: &Ground, directory: &str) -> Result<(), Trouble> {
    let local = |fault: Fault| Trouble::local(&fault, directory);
    let told = |error: Error| Trouble::of(&error, directory).after(client.peace());
    let Some((next, since)) = ground.folder.next_key(directory).map_err(local)? else { return Ok(()) };
    let Some(key) = SigningKey::from_pem(&next) else {
        ground.folder.forget_next_key(directory);
        return Ok(());
    };
    let interface = Directory::of(client, directory).await.map_err(told)?;
    if interface.account(client, &key).await.map_err(told)?.is_some() {
        return promote(ground, directory, &next).map_err(local);
    }
    // One that is slow may take it still; and if it knows neither, the new one is not what is wrong.
    let is_old = since.is_some_and(|since| ground.clock.now().since(since) > SLOWEST);
    if let (Some((pem, _)), true) = (read(&ground.folder, directory).map_err(local)?, is_old) {
        let key = SigningKey::from_pem(pem.as_bytes()).ok_or_else(|| told(Error::KeyRejected))?;
        if interface.account(client, &key).await.map_err(told)?.is_some() {
            ground.folder.forget_next_key(directory);
        }
    }
    Ok(())
}

/// The new key is the account's from now on.
///
/// # Errors
/// [`Fault`] where it cannot be kept as such; it is kept beside the old one then.
pub fn promote(ground: &Ground, directory: &str, next: &[u8]) -> Result<(), Fault> {
    let bad = || Fault::BadKey { path: ground.folder.account_file(directory), reason: "it is not PEM".to_owned() };
    let known = read(&ground.folder, directory)?.and_then(|(_, known)| known);
    let line = known.map(|email| format!("{CONTACT}{email}\n")).unwrap_or_default();
    let text = Zeroizing::new(format!("{line}{}", std::str::from_utf8(next).map_err(|_| bad())?));
    ground.folder.write_account(directory, &text)?;
    ground.folder.forget_next_key(directory);
    Ok(())
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

/// The key of our account and the address that the authority knows, if there is one.
///
/// # Errors
/// [`Fault`] when it is there and cannot be read.
pub fn read(folder: &Folder, directory: &str) -> Result<Option<Kept>, Fault> {
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
    use std::thread;

    use super::*;
    use crate::base::clock::{Clock, Timestamp};
    use crate::tls::server;

    const DIRECTORY: &str = "https://ca.example/directory";

    fn ground() -> (tempfile::TempDir, Ground) {
        let dir = tempfile::tempdir().expect("a directory");
        let folder = Folder::within(dir.path());
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        (dir, Ground::new(folder, server::provider(), clock))
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

    #[test]
    fn a_new_key_takes_the_place_of_the_old_one_and_the_address_stays() {
        let (_dir, ground) = ground();
        let (old, _) = kept_or_made(&ground, DIRECTORY).expect("made");
        ground.folder.write_account(DIRECTORY, &format!("{CONTACT}ops@example.com\n{}", old.as_str())).expect("written");
        let next = KeyPair::generate().expect("a key").serialize_pem();
        ground.folder.write_next_key(DIRECTORY, &next).expect("written");
        assert_eq!(read(&ground.folder, DIRECTORY).expect("read").expect("kept").0, old, "not before the authority has it");
        promote(&ground, DIRECTORY, next.as_bytes()).expect("kept");
        let (key, known) = read(&ground.folder, DIRECTORY).expect("read").expect("kept");
        assert_eq!((key.as_str(), known.as_deref()), (next.as_str(), Some("ops@example.com")));
        assert!(ground.folder.next_key(DIRECTORY).expect("looked").is_none());
    }
}
