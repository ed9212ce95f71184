//! Finds what other programs keep of certificates: certbot's layout, lego's, and plain PEM files. Reads only, and never more than a
//! folder of certificates can have.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::admin::takeover::{Fate, Offer, OfferedAccount, OfferedCertificate, Outcome};
use crate::command::exit::Failure;
use crate::tls::durable;

/// Entries of one folder that are looked at.
const MOST: usize = 2_000;
/// Folders between `accounts` and the key of an account.
const DEEPEST: usize = 6;
/// What certificates in plain files end in.
const ENDINGS: [&str; 3] = ["pem", "crt", "cer"];

/// What was found, and what is said of files that cannot be used.
#[derive(Debug, Default)]
pub struct Found {
    /// What can be offered.
    pub offer: Offer,
    /// What cannot.
    pub said: Vec<Outcome>,
}

/// Looks into `from`. `directories` are authorities whose accounts lego may have, which keeps the names of their machines only.
///
/// # Errors
/// [`Failure`] if `from` cannot be looked into, or there is nothing like a certificate.
pub fn find(from: &Path, directories: &[String]) -> Result<Found, Failure> {
    let mut found = Found::default();
    let metadata = fs::metadata(from).map_err(|fault| failure(from, &fault))?;
    if !metadata.is_dir() {
        found.file(from);
    } else if from.join("live").is_dir() {
        for lineage in list(&from.join("live"))?.into_iter().filter(|path| path.is_dir()) {
            found.lineage(&lineage);
        }
        found.certbot_accounts(&from.join("accounts"));
    } else if from.join("fullchain.pem").exists() {
        found.lineage(from);
    } else if from.join("certificates").is_dir() {
        found.folder(&from.join("certificates"))?;
        found.lego_accounts(&from.join("accounts"), directories);
    } else {
        found.folder(from)?;
    }
    if found.offer.certificates.is_empty() && found.said.is_empty() {
        return Err(Failure::NotFound(format!(
            "no certificate in {}: name certbot's folder (/etc/letsencrypt), lego's (.lego), or PEM files",
            from.display()
        )));
    }
    Ok(found)
}

impl Found {
    /// One name of certbot's: `live/NAME`, whose files are links into `archive`.
    fn lineage(&mut self, folder: &Path) {
        self.pair(&folder.join("fullchain.pem"), &folder.join("privkey.pem"));
    }

    /// A folder of PEM files, lego's among them.
    fn folder(&mut self, folder: &Path) -> Result<(), Failure> {
        for path in list(folder)? {
            let is_certificate = path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known));
            // lego keeps the chain once more, without the certificate.
            let is_issuer = path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(".issuer.crt"));
            if is_certificate && !is_issuer && path.is_file() && holds_certificate(&path) {
                self.file(&path);
            }
        }
        Ok(())
    }

    /// A file with a chain, whose key is in it or beside it.
    fn file(&mut self, path: &Path) {
        let Some(text) = self.read(path) else { return };
        if text.contains("PRIVATE KEY-----") {
            self.offer.certificates.push(OfferedCertificate {
                certificate: path.to_owned(),
                private_key: path.to_owned(),
                chain: text.clone(),
                key: text,
            });
            return;
        }
        match beside(path) {
            Some(key) => self.pair(path, &key),
            None => self.refuse(path, "there is no key in it, and none beside it (NAME.key, NAME-key.pem or privkey.pem)"),
        }
    }

    fn pair(&mut self, certificate: &Path, private_key: &Path) {
        let (Some(chain), Some(key)) = (self.read(certificate), self.read(private_key)) else { return };
        let (certificate, private_key) = (certificate.to_owned(), private_key.to_owned());
        self.offer.certificates.push(OfferedCertificate { certificate, private_key, chain, key });
    }

    /// certbot: `accounts/HOST/PATH/ID/private_key.json`, where HOST and PATH are the directory's URL.
    fn certbot_accounts(&mut self, accounts: &Path) {
        for file in keys_below(accounts, "private_key.json", DEEPEST) {
            let between = file.parent().and_then(Path::parent).and_then(|folder| folder.strip_prefix(accounts).ok());
            let parts = between.map(Path::components).into_iter().flatten().filter_map(|part| match part {
                Component::Normal(part) => part.to_str(),
                _ => None,
            });
            let parts: Vec<&str> = parts.collect();
            if !parts.is_empty() {
                self.account(&file, format!("https://{}", parts.join("/")));
            }
        }
    }

    /// lego: `accounts/HOST_PORT/ADDRESS/keys/ADDRESS.key`.
    fn lego_accounts(&mut self, accounts: &Path, directories: &[String]) {
        for folder in list(accounts).unwrap_or_default() {
            let machine = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let of_it = |directory: &&String| {
                let uri = directory.parse::<http::Uri>().ok();
                uri.and_then(|uri| uri.authority().map(|authority| authority.as_str().replace(':', "_"))) == Some(machine.clone())
            };
            let keys =
                list(&folder).unwrap_or_default().into_iter().flat_map(|address| list(&address.join("keys")).unwrap_or_default());
            let Some(file) = keys.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "key")) else {
                continue;
            };
            match directories.iter().find(of_it) {
                Some(directory) => self.account(&file, directory.clone()),
                None => {
                    let sentence = format!("the account is at {machine}, which is no authority of this configuration");
                    self.said.push(Outcome::of(file, Fate::Kept, sentence));
                }
            }
        }
    }

    fn account(&mut self, file: &Path, directory: String) {
        if let Some(key) = self.read(file) {
            self.offer.accounts.push(OfferedAccount { file: file.to_owned(), directory, key });
        }
    }

    fn read(&mut self, path: &Path) -> Option<String> {
        match durable::read(path) {
            Ok(Some(bytes)) => match std::str::from_utf8(&bytes) {
                Ok(text) => return Some(text.to_owned()),
                Err(_) => self.refuse(path, "it is not PEM"),
            },
            Ok(None) => self.refuse(path, "there is no such file"),
            Err(fault) => self.refuse(path, &fault.to_string()),
        }
        None
    }

    fn refuse(&mut self, path: &Path, sentence: &str) {
        self.said.push(Outcome::of(path.to_owned(), Fate::Refused, sentence));
    }
}

/// Where the key of a certificate in a plain file is, by the names that are usual.
fn beside(path: &Path) -> Option<PathBuf> {
    let stem = path.file_stem()?.to_string_lossy().into_owned();
    let usual = [format!("{stem}.key"), format!("{stem}-key.pem"), format!("{stem}.key.pem")];
    let certbots = ["fullchain", "cert"].iter().any(|known| stem == *known).then(|| "privkey.pem".to_owned());
    usual.into_iter().chain(certbots).map(|name| path.with_file_name(name)).find(|path| path.is_file())
}

/// What cannot be read is taken for one, so that it is said.
fn holds_certificate(path: &Path) -> bool {
    durable::read(path)
        .map_or(true, |bytes| bytes.is_some_and(|bytes| bytes.windows(16).any(|window| window == b"BEGIN CERTIFICAT")))
}

/// What is in a folder, by name.
fn list(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(folder).map_err(|fault| failure(folder, &fault))?;
    let mut paths: Vec<PathBuf> = entries.take(MOST).filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    Ok(paths)
}

fn keys_below(folder: &Path, name: &str, deep: usize) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in list(folder).unwrap_or_default() {
        // certbot links one authority's folder to another's: each is looked into once.
        let is_link = path.is_symlink();
        if path.file_name().is_some_and(|file| file == name) {
            found.push(path);
        } else if deep > 0 && !is_link && path.is_dir() {
            found.extend(keys_below(&path, name, deep - 1));
        }
    }
    found
}

fn failure(path: &Path, fault: &io::Error) -> Failure {
    let told = format!("cannot look into {}: {fault}", path.display());
    match fault.kind() {
        io::ErrorKind::PermissionDenied => Failure::Permission(told),
        io::ErrorKind::NotFound => Failure::NotFound(told),
        _ => Failure::Failed(told),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ground(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, text).expect("written");
        }
        dir
    }

    const CHAIN: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

    fn offered(found: &Found, root: &Path) -> Vec<String> {
        let name = |path: &Path| path.strip_prefix(root).expect("below").display().to_string();
        found.offer.certificates.iter().map(|one| format!("{} {}", name(&one.certificate), name(&one.private_key))).collect()
    }

    #[test]
    fn certbots_links_are_followed_and_its_accounts_found() {
        let dir = ground(&[
            ("archive/a.example/fullchain2.pem", CHAIN),
            ("archive/a.example/privkey2.pem", KEY),
            ("live/README", "words"),
            ("live/b.example/fullchain.pem", CHAIN),
            ("accounts/ca.example/acme/directory/0f3a/private_key.json", "{}"),
            ("accounts/ca.example/acme/directory/0f3a/meta.json", "{}"),
        ]);
        let live = dir.path().join("live/a.example");
        fs::create_dir(&live).expect("made");
        for name in ["fullchain", "privkey"] {
            let target = format!("../../archive/a.example/{name}2.pem");
            std::os::unix::fs::symlink(target, live.join(format!("{name}.pem"))).expect("linked");
        }
        let found = find(dir.path(), &[]).expect("found");
        assert_eq!(offered(&found, dir.path()), ["live/a.example/fullchain.pem live/a.example/privkey.pem"]);
        assert!(found.said.len() == 1 && found.said[0].sentence.contains("no such file"), "{:?}", found.said);
        assert_eq!(found.offer.accounts[0].directory, "https://ca.example/acme/directory");
        let one = find(&live, &[]).expect("found");
        assert_eq!(one.offer.certificates.len(), 1);
    }

    #[test]
    fn legos_layout_and_plain_files_are_found() {
        let dir = ground(&[
            ("certificates/a.example.crt", CHAIN),
            ("certificates/a.example.issuer.crt", CHAIN),
            ("certificates/a.example.key", KEY),
            ("certificates/a.example.json", "{}"),
            ("accounts/localhost_14000/ops@example.com/keys/ops@example.com.key", KEY),
            ("accounts/other.example/ops@example.com/keys/ops@example.com.key", KEY),
        ]);
        let found = find(dir.path(), &["https://localhost:14000/dir".to_owned()]).expect("found");
        assert_eq!(offered(&found, dir.path()), ["certificates/a.example.crt certificates/a.example.key"]);
        assert_eq!(found.offer.accounts.len(), 1);
        assert!(found.said.len() == 1 && found.said[0].result == Fate::Kept);
        let plain = ground(&[
            ("both.pem", &format!("{KEY}{CHAIN}")),
            ("b-key.pem", KEY),
            ("b.pem", CHAIN),
            ("lonely.crt", CHAIN),
            ("words.txt", CHAIN),
        ]);
        let found = find(plain.path(), &[]).expect("found");
        assert_eq!(offered(&found, plain.path()), ["b.pem b-key.pem", "both.pem both.pem"]);
        assert!(found.said.len() == 1 && found.said[0].sentence.contains("none beside it"));
        assert!(matches!(find(&plain.path().join("none"), &[]), Err(Failure::NotFound(_))));
        assert!(matches!(find(ground(&[("x", "y")]).path(), &[]), Err(Failure::NotFound(_))));
    }
}
