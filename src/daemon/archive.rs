//! The format of a backup: a tar file that any tool lists, whose first entry says what has to follow.
//!
//! ```text
//! manifest.json   what is in here, with sizes and SHA-256; which master keys it needs
//! manifest.tag    HMAC-SHA-256 of the manifest under the active master key: shows a change to whoever has that key
//! store.db        the database, as it was at one moment
//! certs/…         certificates, without private keys
//! keys.sealed     only with a passphrase: master keys and private keys, sealed to this very manifest
//! ```
//!
//! The order is fixed, everything in the manifest has to be there, and nothing else may be.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use tar::{Archive, Builder, EntryType, Header};

use crate::auth::passphrase::{self, Cost};
use crate::base::key_ring::{BadRing, KeyId, KeyRing};
use crate::base::seal::{MasterKey, Sealer, Sha256, sha256};
use crate::base::secret::Secret;

/// The version of the format. A reader refuses what it does not know.
const VERSION: u32 = 1;
const FORMAT: &str = "doorward backup";
/// The database's entry.
pub const STORE: &str = "store.db";
/// Begins the entries of certificates.
pub const CERTS: &str = "certs/";
const MANIFEST: &str = "manifest.json";
const TAG: &str = "manifest.tag";
const KEYS: &str = "keys.sealed";
const LARGEST_MANIFEST: u64 = 1 << 20;
const LARGEST_KEYS: u64 = 16 << 20;
const MOST_FILES: usize = 4096;

/// What is in a backup.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: String,
    version: u32,
    /// The doorward that wrote it.
    pub made_by: String,
    /// When, in seconds since the Unix epoch.
    pub made_at: i64,
    /// The master keys without which the store does not open.
    pub needs_keys: Vec<String>,
    /// How the keys in it are sealed; `None` if there are none.
    pub sealed: Option<Sealing>,
    /// The other entries, in order.
    pub files: Vec<Listed>,
}

/// How keys are sealed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealing {
    /// argon2id.
    cost: Cost,
    /// Hexadecimal.
    salt: String,
}

/// One entry.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Its name.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Hexadecimal.
    sha256: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tag {
    key: String,
    tag: String,
}

/// What a passphrase opens.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Opened {
    /// As in the key file.
    ring: String,
    /// Private keys by the names of their entries, PEM.
    files: BTreeMap<String, String>,
}

/// The keys of an installation.
#[derive(Debug)]
pub struct Keys {
    /// Master keys.
    pub ring: KeyRing,
    /// Private keys, PEM, by names such as `certs/local-ca.key`.
    pub files: BTreeMap<String, Secret<String>>,
}

/// Why a backup is not taken or not written. Nothing was put in place then.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is not one, or not whole.
    #[error("this is not a whole backup of doorward: {0}")]
    Damaged(&'static str),
    /// A file in it is not the one the manifest names.
    #[error("this backup is damaged: `{0}` is not what its manifest says")]
    Differs(String),
    /// The manifest was changed.
    #[error("this backup was changed after it was made: its manifest does not bear the mark of the master key")]
    Forged,
    /// It is from another time.
    #[error(
        "this backup has format {0}, and this doorward knows {VERSION}: restore it with the doorward that made it, or a newer one"
    )]
    Version(u32),
    /// The passphrase opens nothing.
    #[error("the passphrase does not open the keys in this backup, or the backup was changed after it was made")]
    Passphrase,
    /// The keys in it are none.
    #[error("the keys in this backup cannot be read: {0}")]
    Keys(#[from] BadRing),
}

/// A file to put into a backup.
#[derive(Debug)]
pub struct Source {
    /// The name of its entry.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

/// What a backup is made of.
#[derive(Debug)]
pub struct Contents<'a> {
    /// The database first, then certificates.
    pub files: &'a [Source],
    /// What marks the manifest.
    pub ring: &'a KeyRing,
    /// The keys without which the store does not open.
    pub needs: Vec<KeyId>,
    /// When it is made, in seconds.
    pub made_at: i64,
}

/// Keys to seal into a backup, and with what.
pub struct Sealed<'a> {
    /// The keys.
    pub keys: &'a Keys,
    /// The passphrase.
    pub passphrase: &'a Secret<String>,
    /// Drawn for this backup.
    pub salt: [u8; 16],
    /// How hard guessing is made.
    pub cost: Cost,
}

/// Writes a backup. `progress` is told the name of the entry and the bytes written since.
///
/// # Errors
/// [`Fault`].
pub fn write(
    to: impl Write,
    contents: &Contents<'_>,
    sealed: Option<&Sealed<'_>>,
    mut progress: impl FnMut(&str, u64),
) -> Result<(), Fault> {
    let mut files = Vec::new();
    for Source { name, path } in contents.files {
        let (size, sha256) = digest(&mut File::open(path)?, |_| ())?;
        files.push(Listed { path: name.clone(), size, sha256 });
    }
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        version: VERSION,
        made_by: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: contents.made_at,
        needs_keys: contents.needs.iter().map(ToString::to_string).collect(),
        sealed: sealed.map(|sealed| Sealing { cost: sealed.cost, salt: hex(&sealed.salt) }),
        files,
    };
    let text = serde_json::to_vec_pretty(&manifest).map_err(io::Error::from)?;
    let key = contents.ring.active();
    let tag = Tag { key: key.id.to_string(), tag: hex(&key.key.authenticator("backup manifest v1").tag(&text)) };
    let mut tar = Builder::new(to);
    let mut put = |name: &str, size: u64, from: &mut dyn Read| -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_size(size);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(contents.made_at).unwrap_or(0));
        header.set_entry_type(EntryType::Regular);
        tar.append_data(&mut header, name, Watched { from, told: |bytes| progress(name, bytes) })
    };
    put(MANIFEST, text.len() as u64, &mut text.as_slice())?;
    let tag = serde_json::to_vec(&tag).map_err(io::Error::from)?;
    put(TAG, tag.len() as u64, &mut tag.as_slice())?;
    for (source, listed) in contents.files.iter().zip(&manifest.files) {
        put(&listed.path, listed.size, &mut File::open(&source.path)?.take(listed.size))?;
    }
    if let Some(sealed) = sealed {
        let bytes = seal(sealed, &text)?;
        put(KEYS, bytes.len() as u64, &mut bytes.as_slice())?;
    }
    tar.into_inner()?.flush()?;
    Ok(())
}

/// A backup as it was unpacked, beside the place it is to be put in.
#[derive(Debug)]
pub struct Unpacked {
    /// What is in it.
    pub manifest: Manifest,
    /// Its keys, if it has any and the passphrase was given.
    pub keys: Option<Keys>,
    text: Vec<u8>,
    tag: Tag,
}

impl std::fmt::Debug for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tag({})", self.key)
    }
}

/// Reads a backup and unpacks its files below `into`, an empty folder of ours. All of it was there and as the manifest says.
///
/// # Errors
/// [`Fault`]; what was unpacked so far is of no use.
pub fn unpack(
    from: impl Read,
    into: &Path,
    passphrase: Option<&Secret<String>>,
    mut progress: impl FnMut(&str, u64),
) -> Result<Unpacked, Fault> {
    let mut archive = Archive::new(from);
    let mut entries = archive.entries()?;
    let mut next = |name: &str| -> Result<Option<tar::Entry<'_, _>>, Fault> {
        let Some(entry) = entries.next().transpose()? else { return Ok(None) };
        let fits = entry.header().entry_type() == EntryType::Regular && *entry.path_bytes() == *name.as_bytes();
        if fits { Ok(Some(entry)) } else { Err(Fault::Damaged("an entry is not where it should be")) }
    };
    let mut small = |name: &'static str, most: u64| -> Result<Vec<u8>, Fault> {
        let entry = next(name)?.ok_or(Fault::Damaged("it ends too early"))?;
        let size = entry.size();
        let mut bytes = Vec::new();
        entry.take(most).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == size { Ok(bytes) } else { Err(Fault::Damaged("an entry is cut off or far too long")) }
    };
    let text = small(MANIFEST, LARGEST_MANIFEST)?;
    let manifest = read_manifest(&text)?;
    let tag: Tag =
        serde_json::from_slice(&small(TAG, LARGEST_MANIFEST)?).map_err(|_| Fault::Damaged("the mark of its manifest"))?;
    for listed in &manifest.files {
        let mut entry = next(&listed.path)?.ok_or(Fault::Damaged("it ends too early"))?;
        let target = into.join(&listed.path);
        if let Some(folder) = target.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&target)?;
        let mut told = |bytes| progress(&listed.path, bytes);
        let (size, sha256) = copy(&mut entry, &mut file, &mut told)?;
        file.sync_all()?;
        if size != listed.size || sha256 != listed.sha256 {
            return Err(Fault::Differs(listed.path.clone()));
        }
    }
    let keys = match &manifest.sealed {
        Some(sealing) => {
            let entry = next(KEYS)?.ok_or(Fault::Damaged("it ends too early"))?;
            let mut bytes = Vec::new();
            entry.take(LARGEST_KEYS).read_to_end(&mut bytes)?;
            passphrase.map(|passphrase| open(sealing, passphrase, &text, &bytes)).transpose()?
        }
        None => None,
    };
    if entries.next().is_some() {
        return Err(Fault::Damaged("there is more in it than its manifest says"));
    }
    Ok(Unpacked { manifest, keys, text, tag })
}

impl Unpacked {
    /// Makes sure that the manifest is as it was written, with the master keys of the installation.
    ///
    /// # Errors
    /// [`Fault::Forged`].
    pub fn prove(&self, ring: &KeyRing) -> Result<(), Fault> {
        let key = self.tag.key.parse().ok().and_then(|id| ring.find(id)).ok_or(Fault::Forged)?;
        let tag = HEXLOWER.decode(self.tag.tag.as_bytes()).map_err(|_| Fault::Forged)?;
        let proven = key.key.authenticator("backup manifest v1").verify(&self.text, &tag);
        if proven { Ok(()) } else { Err(Fault::Forged) }
    }
}

fn read_manifest(text: &[u8]) -> Result<Manifest, Fault> {
    #[derive(Deserialize)]
    struct Head {
        format: String,
        version: u32,
    }
    let head: Head = serde_json::from_slice(text).map_err(|_| Fault::Damaged("it does not begin with a manifest"))?;
    if head.format != FORMAT {
        return Err(Fault::Damaged("it does not begin with a manifest"));
    }
    if head.version != VERSION {
        return Err(Fault::Version(head.version));
    }
    let manifest: Manifest = serde_json::from_slice(text).map_err(|_| Fault::Damaged("its manifest cannot be read"))?;
    let paths: Vec<&str> = manifest.files.iter().map(|file| file.path.as_str()).collect();
    let sound = paths.first() == Some(&STORE)
        && paths.len() <= MOST_FILES
        && paths.iter().skip(1).all(|path| is_certificate(path))
        && paths.iter().enumerate().all(|(at, path)| !paths[..at].contains(path));
    if sound { Ok(manifest) } else { Err(Fault::Damaged("its manifest names what does not belong into a backup")) }
}

/// Whether a name is one of a file below the folder of certificates, and leads nowhere else.
pub fn is_certificate(name: &str) -> bool {
    let plain = |component: Component<'_>| matches!(component, Component::Normal(_));
    name.strip_prefix(CERTS)
        .is_some_and(|rest| !rest.is_empty() && !rest.ends_with('/') && Path::new(rest).components().all(plain))
}

fn seal(sealed: &Sealed<'_>, manifest: &[u8]) -> Result<Vec<u8>, Fault> {
    let files = sealed.keys.files.iter().map(|(name, text)| (name.clone(), text.expose().clone())).collect();
    let opened = Opened { ring: sealed.keys.ring.to_text().expose().clone(), files };
    let plain = Secret::new(serde_json::to_vec(&opened).map_err(io::Error::from)?);
    let key = passphrase::key(sealed.passphrase, &sealed.salt, sealed.cost).ok_or(Fault::Passphrase)?;
    Ok(sealer(&key)?.seal(&place(manifest), plain.expose()))
}

fn open(sealing: &Sealing, passphrase: &Secret<String>, manifest: &[u8], bytes: &[u8]) -> Result<Keys, Fault> {
    let salt = HEXLOWER.decode(sealing.salt.as_bytes()).ok().and_then(|salt| salt.try_into().ok());
    let salt: [u8; 16] = salt.ok_or(Fault::Damaged("its salt"))?;
    let key = passphrase::key(passphrase, &salt, sealing.cost).ok_or(Fault::Damaged("its work factor is out of bounds"))?;
    let plain = sealer(&key)?.open(&place(manifest), bytes).map_err(|_| Fault::Passphrase)?;
    let opened: Opened = serde_json::from_slice(plain.expose()).map_err(|_| Fault::Damaged("its keys cannot be read"))?;
    let ring = KeyRing::parse(Secret::new(opened.ring).expose().as_bytes())?;
    if !opened.files.keys().all(|name| is_certificate(name)) {
        return Err(Fault::Damaged("its keys name what does not belong into a backup"));
    }
    Ok(Keys { ring, files: opened.files.into_iter().map(|(name, text)| (name, Secret::new(text))).collect() })
}

fn sealer(key: &Secret<[u8; 32]>) -> Result<Sealer, Fault> {
    Ok(MasterKey::from_bytes(key.expose()).ok_or(Fault::Passphrase)?.sealer("backup keys v1"))
}

/// Binds the keys to one manifest, and by its hashes to everything else in the backup.
fn place(manifest: &[u8]) -> String {
    format!("backup|keys|{}", hex(&sha256(manifest)))
}

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn digest(from: &mut dyn Read, mut told: impl FnMut(u64)) -> io::Result<(u64, String)> {
    copy(from, &mut io::sink(), &mut told)
}

fn copy(from: &mut dyn Read, to: &mut dyn Write, told: &mut dyn FnMut(u64)) -> io::Result<(u64, String)> {
    let (mut digest, mut size, mut buffer) = (Sha256::default(), 0, vec![0; 64 * 1024]);
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Ok((size, hex(&digest.finish())));
        }
        digest.update(&buffer[..count]);
        to.write_all(&buffer[..count])?;
        size += count as u64;
        told(count as u64);
    }
}

/// Tells how much was read.
struct Watched<'a, T> {
    from: &'a mut dyn Read,
    told: T,
}

impl<T: FnMut(u64)> Read for Watched<'_, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        (self.told)(count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
