//! `doorward backup`: one consistent copy of everything, while the gateway runs.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::admin::trail::TrailWish;
use crate::auth::passphrase::Cost;
use crate::auth::password;
use crate::base::clock::Clock;
use crate::base::durable;
use crate::base::entropy::Entropy;
use crate::base::key_ring::KeyRing;
use crate::base::secret::Secret;
use crate::command::account::secret_file;
use crate::command::exit::Failure;
use crate::command::keeping::BackupWords;
use crate::command::output::Output;
use crate::command::place::Named;
use crate::command::progress::{Progress, Unit};
use crate::command::trail;
use crate::command::wish::Installation;
use crate::daemon::archive::{self, CERTS, Contents, Keys, STORE, Sealed, Source};
use crate::daemon::place::Place;
use crate::store::key_file::KeyHolder;
use crate::store::snapshot;

/// Shortest passphrase, in characters: whoever has the file may guess for years.
const PASSPHRASE_MIN_LENGTH: usize = 12;
/// Larger files in `certs/` are no certificates.
const LARGEST: u64 = 1 << 20;
const DEEPEST: usize = 4;

/// Carries out `backup`.
///
/// # Errors
/// [`Failure`]; nothing is left at the place of the backup then.
pub fn backup(named: &Named, words: &BackupWords, output: Output) -> Result<(), Failure> {
    let to = target(words)?;
    let passphrase = words.passphrase_file.as_deref().map(passphrase).transpose()?;
    let installation = Installation::find(named)?;
    // First, so that the backup knows of itself; and nobody but the owner gets further.
    trail::ask(&installation, TrailWish::Backup { keys: passphrase.is_some() })?;
    let mut progress = Progress::new(output, Unit::Bytes);
    let gathered = gather(&installation.place, &mut progress)?;
    let made_at = Clock::system().now().secs();
    let contents = Contents { files: &gathered.files, ring: &gathered.keys.ring, needs: gathered.needs.clone(), made_at };
    let sealed = passphrase.as_ref().map(|passphrase| Sealed {
        keys: &gathered.keys,
        passphrase,
        salt: Entropy.bytes(),
        cost: Cost::default(),
    });
    let size = match &to {
        Some(path) => write_file(path, &contents, sealed.as_ref(), &mut progress)?,
        None => write_to(io::stdout().lock(), &contents, sealed.as_ref(), &mut progress)?,
    };
    drop(progress);
    tell(to.as_deref(), size, passphrase.is_some(), output);
    Ok(())
}

fn target(words: &BackupWords) -> Result<Option<PathBuf>, Failure> {
    let path = words.to.as_ref().or(words.file.as_ref());
    let path = path.ok_or_else(|| Failure::Usage("name the file to write, or `--to -` for standard output".to_owned()))?;
    if path.as_os_str() == "-" {
        return Ok(None);
    }
    match path.symlink_metadata() {
        Ok(_) => Err(Failure::Usage(format!("{} is there already; name another file, nothing is overwritten", path.display()))),
        Err(_) => Ok(Some(path.clone())),
    }
}

fn passphrase(file: &Path) -> Result<Secret<String>, Failure> {
    let passphrase = secret_file(file)?;
    password::judge(passphrase.expose(), PASSPHRASE_MIN_LENGTH, &[])
        .map_err(|weak| Failure::Failed(format!("this passphrase {weak}")))?;
    Ok(passphrase)
}

/// What goes into a backup. The copy of the database goes away with it.
struct Gathered {
    files: Vec<Source>,
    keys: Keys,
    needs: Vec<crate::base::key_ring::KeyId>,
    copy: PathBuf,
    /// Locked as long as the copy is being used, so that the next backup can tell it from one that a crash left behind.
    _held: File,
}

impl Drop for Gathered {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.copy));
    }
}

fn gather(place: &Place, progress: &mut Progress) -> Result<Gathered, Failure> {
    let failed = |fault: crate::store::fault::Fault| Failure::because(&fault);
    // Looked at before and after: a key may come or go meanwhile, and the copy may need either.
    let before = ring(place)?;
    let copy = place.data.join(format!(".backup-{}.db", std::process::id()));
    sweep(&place.data);
    let held = hold(&copy).map_err(|fault| cannot("write", &copy, &fault))?;
    let keys = Keys { ring: before, files: BTreeMap::new() };
    let mut gathered = Gathered { files: Vec::new(), keys, needs: Vec::new(), copy, _held: held };
    let size = fs::metadata(place.data.join(crate::store::open::DATABASE)).map_or(0, |file| file.len());
    progress.begin("copying the store", size);
    snapshot::take(&place.data, &gathered.copy, |done, of| progress.reach(size.saturating_mul(done) / of.max(1)))
        .map_err(failed)?;
    progress.end();
    gathered.needs = snapshot::keys_needed(&gathered.copy).map_err(failed)?.into_iter().collect();
    gathered.keys.ring = ring(place)?.joined(&gathered.keys.ring);
    gathered.files.push(Source { name: STORE.to_owned(), path: gathered.copy.clone() });
    certificates(&place.certs, CERTS, DEEPEST, &mut gathered)?;
    Ok(gathered)
}

/// Takes away copies of the database that were left behind by backups that were killed. Best effort: what stays is in nobody's
/// way but the disk's.
fn sweep(data: &Path) {
    for entry in fs::read_dir(data).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(".backup-") && name.ends_with(".db") {
            let Ok(file) = File::options().write(true).open(entry.path()) else { continue };
            if file.try_lock().is_ok() {
                // Under the lock, so that whoever just made it notices.
                drop(fs::remove_file(entry.path()));
            }
        }
    }
}

/// Makes the file for the copy, for the owner alone, and locks it. On file systems without locks nothing is swept either.
fn hold(copy: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(copy)?;
    drop(file.lock());
    // Swept between the two.
    fs::metadata(copy).map(|_| file)
}

fn ring(place: &Place) -> Result<KeyRing, Failure> {
    let keys = KeyHolder::open(&place.data, place.keys.as_ref(), Entropy, Clock::system().now());
    keys.map(|keys| keys.ring().clone()).map_err(|fault| Failure::because(&fault))
}

/// Private keys go where the passphrase guards them, or nowhere.
fn certificates(folder: &Path, name: &str, deep: usize, gathered: &mut Gathered) -> Result<(), Failure> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(fault) => return Err(cannot("look into", folder, &fault)),
    };
    let mut entries: Vec<_> = entries.collect::<Result<_, _>>().map_err(|fault| cannot("look into", folder, &fault))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let (Ok(kind), Ok(file)) = (entry.file_type(), entry.file_name().into_string()) else { continue };
        // Drafts of files that are just being written begin with a full stop.
        if file.starts_with('.') {
            continue;
        }
        let name = format!("{name}{file}");
        if kind.is_dir() && deep > 0 {
            certificates(&path, &format!("{name}/"), deep - 1, gathered)?;
        } else if kind.is_file() && entry.metadata().is_ok_and(|file| file.len() <= LARGEST) {
            let text = fs::read_to_string(&path).map(Secret::new).map_err(|fault| cannot("read", &path, &fault))?;
            if is_private(&entry, text.expose()) {
                gathered.keys.files.insert(name, text);
            } else {
                gathered.files.push(Source { name, path });
            }
        }
    }
    Ok(())
}

fn is_private(entry: &fs::DirEntry, text: &str) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let closed = entry.metadata().is_ok_and(|file| file.permissions().mode() & 0o077 == 0);
    closed || text.contains("PRIVATE KEY")
}

/// Under another name first: whoever finds the file finds a whole one.
fn write_file(
    path: &Path,
    contents: &Contents<'_>,
    sealed: Option<&Sealed<'_>>,
    progress: &mut Progress,
) -> Result<u64, Failure> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
    let file = file.map_err(|fault| cannot("write", &part, &fault))?;
    let written = write_to(&file, contents, sealed, progress).and_then(|size| {
        let kept = file.sync_all().and_then(|()| fs::hard_link(&part, path)).map_err(|fault| cannot("write", path, &fault));
        kept.map(|()| size)
    });
    drop(fs::remove_file(&part));
    drop(durable::sync(durable::folder(path)));
    written
}

fn write_to(
    to: impl Write,
    contents: &Contents<'_>,
    sealed: Option<&Sealed<'_>>,
    progress: &mut Progress,
) -> Result<u64, Failure> {
    let sizes = contents.files.iter().map(|source| fs::metadata(&source.path).map_or(0, |file| file.len()));
    progress.begin("writing the backup", sizes.sum());
    let mut size = 0;
    let written = archive::write(to, contents, sealed, |_, bytes| {
        size += bytes;
        progress.add(bytes);
    });
    written.map_err(|fault| Failure::because(&fault))?;
    progress.end();
    Ok(size)
}

fn tell(to: Option<&Path>, size: u64, keys: bool, output: Output) {
    let advice = match keys {
        true => "The keys are in it, sealed with the passphrase: without that nobody signs in after a restore.",
        false => {
            "The keys are not in it (`--passphrase-file` puts them in, sealed): keep the master keys and the folder of certificates \
             elsewhere, without them nobody signs in after a restore."
        }
    };
    match to {
        Some(path) => {
            let value = json!({ "file": path, "bytes": size, "keys": keys });
            output.result(&value, || format!("backup written to {}", path.display()));
            output.remark(advice);
        }
        // Standard output holds the backup itself.
        None => output.remark(advice),
    }
}

fn cannot(what: &str, path: &Path, fault: &io::Error) -> Failure {
    let told = format!("cannot {what} {}: {fault}", path.display());
    if fault.kind() == io::ErrorKind::PermissionDenied { Failure::Permission(told) } else { Failure::Failed(told) }
}
