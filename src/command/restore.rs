//! `doorward restore`: what a backup holds, put in place of nothing, or of what is moved aside first.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::base::clock::{Clock, Timestamp};
use crate::base::durable;
use crate::base::key_ring::{KeyId, KeyRing};
use crate::command::account::secret_file;
use crate::command::exit::Failure;
use crate::command::keeping::RestoreWords;
use crate::command::moment::{second, stamp};
use crate::command::output::Output;
use crate::command::place::Named;
use crate::command::progress::{Progress, Unit};
use crate::command::wish::Installation;
use crate::daemon::archive::{self, CERTS, STORE, Unpacked};
use crate::daemon::place::Place;
use crate::store::key_file::{self, Given, KEY};
use crate::store::lock::Lock;
use crate::store::open::DATABASE;
use crate::store::snapshot;

/// Below the data folder, while a backup is unpacked.
const STAGE: &str = ".restore";
/// What makes an installation: what is moved aside together.
const OURS: [&str; 5] = [DATABASE, "doorward.db-wal", "doorward.db-shm", "keys", "certs"];

/// Carries out `restore`.
///
/// # Errors
/// [`Failure`]; what was there before is untouched then.
pub fn restore(named: &Named, words: &RestoreWords, output: Output) -> Result<(), Failure> {
    let passphrase = words.passphrase_file.as_deref().map(secret_file).transpose()?;
    let Installation { place, .. } = Installation::find(named)?;
    place.prepare().map_err(|fault| Failure::because(&fault))?;
    let _lock = Lock::take(&place.data).map_err(|fault| Failure::because(&fault))?;
    let there = place.data.join(DATABASE).metadata().is_ok_and(|file| file.len() > 0);
    if there && !words.replace {
        return Err(Failure::Usage(format!(
            "{} holds an installation already; `--replace` moves it aside, into a folder beside the new data",
            place.data.display()
        )));
    }
    let now = Clock::system().now();
    let stage = Stage::new(&place.data)?;
    let mut progress = Progress::new(output, Unit::Bytes);
    let unpacked = archive::unpack(open(&words.file)?, &stage.0, passphrase.as_ref(), |name, bytes| {
        progress.add_to(name, bytes);
    });
    let unpacked = unpacked.map_err(|fault| Failure::because(&fault))?;
    progress.end();
    let ring = prove(&place, &unpacked, &stage, words.replace)?;
    progress.begin("checking the store", 0);
    snapshot::make_fit(&stage.0.join(STORE), now).map_err(|fault| Failure::because(&fault))?;
    progress.end();
    drop(progress);
    if !words.replace {
        check_certificates(&place, &unpacked, &stage)?;
    }
    let aside = if there || words.replace { move_aside(&place, now)? } else { None };
    put_in_place(&place, &stage, &unpacked, &ring)?;
    tell(&unpacked, &place, aside.as_deref(), output);
    Ok(())
}

fn open(file: &Path) -> Result<Box<dyn Read>, Failure> {
    if file.as_os_str() == "-" {
        return Ok(Box::new(io::stdin()));
    }
    File::open(file).map(|file| Box::new(file) as Box<dyn Read>).map_err(|fault| cannot("read", file, &fault))
}

/// Where a backup is unpacked; goes away with what is left in it.
struct Stage(PathBuf);

impl Stage {
    fn new(data: &Path) -> Result<Self, Failure> {
        let path = data.join(STAGE);
        match fs::remove_dir_all(&path) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(cannot("empty", &path, &fault)),
            Ok(()) | Err(_) => {}
        }
        DirBuilder::new().mode(0o700).create(&path).map_err(|fault| cannot("make", &path, &fault))?;
        Ok(Self(path))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// The keys that will open the store: those in the backup, or those that are there already. With them it is proven that the
/// manifest is as it was written.
fn prove(place: &Place, unpacked: &Unpacked, stage: &Stage, replace: bool) -> Result<KeyRing, Failure> {
    let failed = |fault: crate::store::fault::Fault| Failure::because(&fault);
    let kept = kept_keys(place)?;
    let needed: Vec<KeyId> = snapshot::keys_needed(&stage.0.join(STORE)).map_err(failed)?.into_iter().collect();
    let opens = |ring: &&KeyRing| needed.iter().all(|id| ring.find(*id).is_some());
    let sealed = unpacked.keys.as_ref().map(|keys| &keys.ring);
    let found = sealed.filter(opens).or_else(|| kept.as_ref().filter(opens));
    let Some(ring) = found else { return Err(wanting(place, unpacked, &needed)) };
    if let Some(kept) = kept.as_ref().filter(|kept| !opens(kept) && !replace) {
        return Err(Failure::Usage(format!(
            "there is a master key {} already, and it is not the one of this backup; `--replace` moves it aside",
            kept.active().id
        )));
    }
    unpacked.prove(ring).map_err(|fault| Failure::because(&fault))?;
    Ok(ring.clone())
}

fn kept_keys(place: &Place) -> Result<Option<KeyRing>, Failure> {
    let failed = |fault: crate::store::fault::Fault| Failure::because(&fault);
    match &place.keys {
        None => key_file::look(&place.data.join(KEY)).map_err(failed),
        Some(Given::File(path)) => key_file::look(path).map_err(failed),
        Some(Given::Credential(_) | Given::Variable(_)) => {
            let nothing = crate::base::entropy::Entropy;
            let keys = key_file::KeyHolder::open(&place.data, place.keys.as_ref(), nothing, Clock::system().now());
            keys.map(|keys| Some(keys.ring().clone())).map_err(failed)
        }
    }
}

fn wanting(place: &Place, unpacked: &Unpacked, needed: &[KeyId]) -> Failure {
    let ids: Vec<String> = needed.iter().map(ToString::to_string).collect();
    let (ids, key) = (ids.join(", "), place.data.join(KEY));
    let way = match unpacked.manifest.sealed {
        Some(_) => "they are in it, sealed: name the file with its passphrase with `--passphrase-file`".to_owned(),
        None => format!("they are not in it: put the master keys of that time to {} first (mode 0600)", key.display()),
    };
    Failure::Failed(format!("this backup needs the master keys {ids}, and {way}; nothing was changed"))
}

fn move_aside(place: &Place, now: Timestamp) -> Result<Option<PathBuf>, Failure> {
    let mut there: Vec<PathBuf> = OURS.into_iter().map(|name| place.data.join(name)).filter(|path| path.exists()).collect();
    // Beside the configuration, if a folder is there.
    if place.certs.exists() && !there.contains(&place.certs) {
        there.push(place.certs.clone());
    }
    if there.is_empty() {
        return Ok(None);
    }
    let aside = place.data.join(format!("before-restore-{}", stamp(now)));
    DirBuilder::new().mode(0o700).create(&aside).map_err(|fault| cannot("make", &aside, &fault))?;
    // The database first: whatever a crash leaves behind is no installation that lacks its keys.
    for path in there {
        let target = aside.join(path.file_name().unwrap_or_default());
        if path == place.certs {
            // The folder itself stays: where it is decides where certificates are looked for.
            fs::create_dir(&target).map_err(|fault| cannot("make", &target, &fault))?;
            for entry in fs::read_dir(&path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|fault| cannot("move", &path, &fault))?
            {
                move_file(&entry.path(), &target.join(entry.file_name()))?;
            }
        } else {
            move_file(&path, &target)?;
        }
    }
    Ok(Some(aside))
}

/// The folder of certificates may be on another file system than the data.
fn move_file(from: &Path, to: &Path) -> Result<(), Failure> {
    let moved = match fs::rename(from, to) {
        Err(fault) if fault.kind() == io::ErrorKind::CrossesDevices && from.is_file() => {
            fs::copy(from, to).and_then(|_| fs::remove_file(from))
        }
        other => other,
    };
    moved.map_err(|fault| cannot("move", from, &fault))
}

/// Keys first, the database last: until that is there, this is no installation, and restoring can be begun again.
fn put_in_place(place: &Place, stage: &Stage, unpacked: &Unpacked, ring: &KeyRing) -> Result<(), Failure> {
    let file = match &place.keys {
        None => Some(place.data.join(KEY)),
        Some(Given::File(path)) => Some(path.clone()),
        Some(Given::Credential(_) | Given::Variable(_)) => None,
    };
    if let Some(file) = file.filter(|file| !file.exists()) {
        key_file::restore(&file, ring).map_err(|fault| Failure::because(&fault))?;
    }
    if let Some(keys) = &unpacked.keys {
        for listed in unpacked.manifest.files.iter().filter(|listed| listed.path != STORE) {
            let bytes = fs::read(stage.0.join(&listed.path)).map_err(|fault| cannot("read", &stage.0, &fault))?;
            put_certificate(place, &listed.path, &bytes, 0o644)?;
        }
        for (name, text) in &keys.files {
            put_certificate(place, name, text.expose().as_bytes(), 0o600)?;
        }
    }
    let (from, to) = (stage.0.join(STORE), place.data.join(DATABASE));
    fs::set_permissions(&from, fs::Permissions::from_mode(0o600))
        .and_then(|()| fs::rename(&from, &to))
        .and_then(|()| durable::sync(&place.data))
        .map_err(|fault| cannot("write", &to, &fault))
}

/// A certificate or key that is there already, and is another, is not overwritten: said before anything is put in place.
fn check_certificates(place: &Place, unpacked: &Unpacked, stage: &Stage) -> Result<(), Failure> {
    let Some(keys) = &unpacked.keys else { return Ok(()) };
    let listed = unpacked.manifest.files.iter().filter(|listed| listed.path != STORE);
    let public = listed.map(|listed| (listed.path.as_str(), fs::read(stage.0.join(&listed.path)).unwrap_or_default()));
    let private = keys.files.iter().map(|(name, text)| (name.as_str(), text.expose().clone().into_bytes()));
    for (name, bytes) in public.chain(private) {
        let path = place.certs.join(name.strip_prefix(CERTS).unwrap_or(name));
        if fs::read(&path).is_ok_and(|there| there != bytes) {
            let told = format!("{} is there already, and is another; `--replace` moves it aside", path.display());
            return Err(Failure::Usage(told));
        }
    }
    Ok(())
}

fn put_certificate(place: &Place, name: &str, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let Some(rest) = name.strip_prefix(CERTS) else { return Ok(()) };
    let path = place.certs.join(rest);
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|fault| cannot("make", folder, &fault))?;
    }
    crate::tls::durable::write(&path, bytes, mode).map_err(|fault| Failure::because(&fault))
}

fn tell(unpacked: &Unpacked, place: &Place, aside: Option<&Path>, output: Output) {
    let made = Timestamp::from_secs(unpacked.manifest.made_at);
    let value = json!({
        "data_dir": place.data, "made_at": unpacked.manifest.made_at, "keys": unpacked.keys.is_some(), "moved_to": aside
    });
    output.result(&value, || format!("the backup of {} UTC is in place in {}", second(made), place.data.display()));
    if let Some(aside) = aside {
        output.remark(&format!("What was there before is in {}.", aside.display()));
    }
    output.remark("Accounts, passwords and authenticators are as they were then: disable again whom you have disabled since. Everybody signs in anew.");
    if unpacked.keys.is_none() {
        output.remark(
            "Private keys were not in it, so certificates were left out: copy your folder of certificates back, or new ones are made \
             at the next start, and devices have to trust the new authority (`doorward trust`).",
        );
    }
}

fn cannot(what: &str, path: &Path, fault: &io::Error) -> Failure {
    let told = format!("cannot {what} {}: {fault}", path.display());
    if fault.kind() == io::ErrorKind::PermissionDenied { Failure::Permission(told) } else { Failure::Failed(told) }
}
