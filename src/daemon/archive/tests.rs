//! Tests of the format: what is written is read back, and what is not whole, not itself or not ours is refused.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::base::clock::Timestamp;
use crate::base::entropy::Entropy;

const LIGHT: Cost = Cost { memory_kib: 19_456, passes: 2, lanes: 1 };

/// What a backup is made of, and one made of it.
struct Kit {
    dir: TempDir,
    keys: Keys,
    sources: Vec<Source>,
}

impl Kit {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let source = |name: &str, text: &[u8]| {
            let path = dir.path().join(name.replace('/', "-"));
            fs::write(&path, text).expect("written");
            Source { name: name.to_owned(), path }
        };
        let store: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let sources = vec![source(STORE, &store), source("certs/local-ca.pem", b"public")];
        let ring = KeyRing::of(MasterKey::draw(Entropy), Some(Timestamp::from_secs(1_800_000_000)));
        let files = BTreeMap::from([("certs/local-ca.key".to_owned(), Secret::new("private".to_owned()))]);
        Self { keys: Keys { ring, files }, sources, dir }
    }

    fn written(&self, passphrase: Option<&str>) -> Vec<u8> {
        let passphrase = passphrase.map(secret);
        let sealed =
            passphrase.as_ref().map(|passphrase| Sealed { keys: &self.keys, passphrase, salt: Entropy.bytes(), cost: LIGHT });
        let needs = vec![self.keys.ring.active().id];
        let contents = Contents { files: &self.sources, ring: &self.keys.ring, needs, made_at: 1_800_000_000 };
        let mut bytes = Vec::new();
        write(&mut bytes, &contents, sealed.as_ref(), |_, _| ()).expect("written");
        bytes
    }

    fn unpacked(&self, bytes: &[u8], passphrase: Option<&str>) -> Result<Unpacked, Fault> {
        let into = self.dir.path().join("stage");
        drop(fs::remove_dir_all(&into));
        fs::create_dir(&into).expect("a folder");
        unpack(bytes, &into, passphrase.map(secret).as_ref(), |_, _| ())
    }
}

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

#[test]
fn what_is_written_is_read_back_with_its_keys_and_without() {
    let kit = Kit::new();
    let bytes = kit.written(Some("purple tractor"));
    let unpacked = kit.unpacked(&bytes, Some("purple tractor")).expect("whole");
    let keys = unpacked.keys.as_ref().expect("keys");
    assert_eq!(keys.ring.active().id, kit.keys.ring.active().id);
    assert_eq!(keys.files["certs/local-ca.key"].expose(), "private");
    unpacked.prove(&keys.ring).expect("as it was written");
    assert_eq!(fs::read(kit.dir.path().join("stage/store.db")).expect("there"), fs::read(&kit.sources[0].path).expect("there"));
    assert_eq!(fs::read(kit.dir.path().join("stage/certs/local-ca.pem")).expect("there"), b"public");
    let unpacked = kit.unpacked(&bytes, None).expect("whole, but for the keys");
    assert!(unpacked.keys.is_none() && unpacked.manifest.sealed.is_some());
    let without = kit.written(None);
    assert!(kit.unpacked(&without, None).expect("whole").manifest.sealed.is_none());
}

/// The attack: whoever has the backup reads keys out of it.
#[test]
fn keys_and_private_keys_are_not_readable() {
    let kit = Kit::new();
    for passphrase in [None, Some("purple tractor")] {
        let bytes = kit.written(passphrase);
        let held = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        assert!(!held(b"private") && !held(kit.keys.ring.active().key.expose()));
        assert!(!held(&kit.keys.ring.to_text().expose().as_bytes()[30..60]));
    }
}

/// The attack: a backup is cut off, at any place.
#[test]
fn a_truncated_backup_is_refused() {
    let kit = Kit::new();
    for passphrase in [None, Some("purple tractor")] {
        let bytes = kit.written(passphrase);
        // The last blocks are empty: the end of the archive.
        let whole = bytes.len() - 1024;
        for end in (0..whole).step_by(509).chain([whole - 513]) {
            assert!(kit.unpacked(&bytes[..end], passphrase).is_err(), "{end} of {}", bytes.len());
        }
    }
}

/// The attack: a backup is changed, at any place that means something.
#[test]
fn a_changed_backup_is_refused() {
    let kit = Kit::new();
    let bytes = kit.written(Some("purple tractor"));
    let accepted =
        |bytes: &[u8]| kit.unpacked(bytes, Some("purple tractor")).is_ok_and(|unpacked| unpacked.prove(&kit.keys.ring).is_ok());
    assert!(accepted(&bytes));
    let find = |part: &[u8]| bytes.windows(part.len()).position(|window| window == part).expect("there");
    let (sums, made) = (find(b"\"sha256\": \"") + 12, find(b"\"made_at\": ") + 12);
    for at in [sums, made, find(b"\"cost\"") + 30, 300_000.min(bytes.len() / 2), bytes.len() - 1536] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(!accepted(&changed), "byte {at}");
    }
}

/// The attack: the store of another, older or forged backup is put in, and the manifest made to fit.
#[test]
fn a_manifest_of_somebody_else_s_making_bears_no_mark() {
    let kit = Kit::new();
    let mut other = Kit::new();
    let theirs = other.written(None);
    assert!(matches!(kit.unpacked(&theirs, None).expect("whole").prove(&kit.keys.ring), Err(Fault::Forged)));
    // The id of our key does not help.
    let bytes = String::from_utf8_lossy(&theirs)
        .replace(&other.keys.ring.active().id.to_string(), &kit.keys.ring.active().id.to_string());
    if let Ok(unpacked) = kit.unpacked(bytes.as_bytes(), None) {
        assert!(unpacked.prove(&kit.keys.ring).is_err());
    }
    other.sources.truncate(1);
    // Keys of one backup with the store of another.
    let (ours, theirs) = (kit.written(Some("purple tractor")), other.written(Some("purple tractor")));
    let sealed = |bytes: &[u8]| bytes.windows(KEYS.len()).rposition(|window| window == KEYS.as_bytes()).expect("there");
    let mixed = [&theirs[..sealed(&theirs)], &ours[sealed(&ours)..]].concat();
    assert!(matches!(kit.unpacked(&mixed, Some("purple tractor")), Err(Fault::Passphrase)));
}

#[test]
fn another_passphrase_opens_nothing() {
    let kit = Kit::new();
    let bytes = kit.written(Some("purple tractor"));
    assert!(matches!(kit.unpacked(&bytes, Some("purple tractors")), Err(Fault::Passphrase)));
}

/// The attack: entries that lead out of the folder, links, entries that nobody asked for, and a version to come.
#[test]
fn what_does_not_belong_into_a_backup_is_refused() {
    for name in ["certs/../../evil", "certs//etc/passwd", "/etc/passwd", "certs/", "certs/a/", "other", "certs/./a"] {
        let sound = is_certificate(name);
        assert!(!sound || name == "certs/./a", "{name}");
    }
    assert!(is_certificate("certs/acme/a.example.pem"));
    let mut kit = Kit::new();
    for name in ["certs/../evil", "store.db", "certs/local-ca.pem", "evil"] {
        let path = kit.sources[1].path.clone();
        kit.sources.push(Source { name: name.to_owned(), path });
        // The library refuses to write some of them, and we refuse to read the others.
        let needs = vec![];
        let contents = Contents { files: &kit.sources, ring: &kit.keys.ring, needs, made_at: 0 };
        let mut bytes = Vec::new();
        if write(&mut bytes, &contents, None, |_, _| ()).is_ok() {
            assert!(kit.unpacked(&bytes, None).is_err(), "{name}");
        }
        kit.sources.pop();
    }
    let bytes = kit.written(None);
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("\"version\": 1"));
    let later: Vec<u8> = replaced(&bytes, b"\"version\": 1", b"\"version\": 2");
    assert!(matches!(kit.unpacked(&later, None), Err(Fault::Version(2))));
    let mut linked = bytes.clone();
    linked[156] = b'2';
    assert!(kit.unpacked(&linked, None).is_err(), "a link");
    assert!(!kit.dir.path().join("evil").exists());
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).expect("there");
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}
