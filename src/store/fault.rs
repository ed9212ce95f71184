//! What can go wrong with the store. Whoever gets one of these answers "unavailable", never "no".

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::base::key_ring::{BadRing, KeyId, MOST};
use crate::base::seal::DoesNotOpen;

/// Why the store cannot do or say what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The name belongs to another account.
    #[error("there is already a user of that name")]
    Taken,
    /// The installation is somebody's alone.
    #[error("there is an account already, and this installation is its owner's alone")]
    Owned,
    /// Another instance works on the same data.
    #[error("{} is in use by another doorward{}", .dir.display(), .pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Locked {
        /// The data directory.
        dir: PathBuf,
        /// The process that holds it, if it said so.
        pid: Option<u32>,
    },
    /// A newer version has changed the database; this one would misread it.
    #[error("the database is at version {found}, and this doorward knows it up to version {known}: install the newer doorward")]
    Newer {
        /// The version of the database.
        found: i64,
        /// The last version this program knows.
        known: i64,
    },
    /// The database was brought to its version by other statements than ours.
    #[error("version {version} of the database was made by another build of doorward")]
    Altered {
        /// The version in question.
        version: i64,
    },
    /// There is data, but not the key that seals it.
    #[error("{} is missing, but {} needs it: put the key file back from where it was moved, or restore it from a backup", .key.display(), .database.display())]
    KeyMissing {
        /// Where the key should be.
        key: PathBuf,
        /// The database sealed with it.
        database: PathBuf,
    },
    /// What should hold keys holds something else.
    #[error("{} does not hold the master keys: {source}", .path.display())]
    KeyUnreadable {
        /// The file, or the name of the variable.
        path: PathBuf,
        /// In which way.
        source: BadRing,
    },
    /// Keys are kept in two places.
    #[error("the master keys come from {place}, and {} is there too: keep the one that this data was made with and move the other away", .path.display())]
    KeyTwice {
        /// Where the owner gives them.
        place: String,
        /// The file below the data directory.
        path: PathBuf,
    },
    /// The keys are the owner's to change.
    #[error(
        "the master keys come from {place}, which only you can change: put a new line of `doorward key new` below its heading, above the others, and restart; the rest then happens by itself"
    )]
    KeysElsewhere {
        /// Where they are kept.
        place: &'static str,
    },
    /// There are as many keys as a ring holds.
    #[error("there are {MOST} master keys already: `doorward key list` shows which of them can be dropped")]
    KeysFull,
    /// There is no such key.
    #[error("there is no master key {id}; `doorward key list` shows which there are")]
    KeyUnknown {
        /// The key.
        id: KeyId,
    },
    /// The key seals what is new.
    #[error("the key {id} is in use; `doorward key rotate` makes another, and then this one can be dropped")]
    KeyActive {
        /// The key.
        id: KeyId,
    },
    /// Something is sealed with the key.
    #[error("{sealed} values are still sealed with the key {id}; `doorward key rotate --resume` seals them anew")]
    KeyNeeded {
        /// The key.
        id: KeyId,
        /// How many values.
        sealed: u64,
    },
    /// Something is sealed with a key that is not there.
    #[error(
        "{sealed} values in `{table}` are sealed with the key {id}, which is not among the master keys: put it back; nothing was changed"
    )]
    KeyGone {
        /// The key.
        id: KeyId,
        /// How many values.
        sealed: u64,
        /// Where.
        table: &'static str,
    },
    /// Others may read the key file.
    #[error("{0} can be read by other users: run `chmod 600 {0}`", .path.display())]
    KeyExposed {
        /// The file.
        path: PathBuf,
    },
    /// The key is not the one that sealed this database.
    #[error("the master keys do not belong to this database: put the right ones back; nothing was changed")]
    KeyWrong,
    /// The store has failed before, or was closed; it answers nothing any more.
    #[error("the store is out of order")]
    Broken,
    /// The change was not kept; nothing of it was.
    #[error("the change could not be written")]
    NotKept,
    /// A stored value is not what its column holds.
    #[error("the database holds an unreadable value in {column}")]
    Unreadable {
        /// Where.
        column: &'static str,
    },
    /// A sealed value was altered, or moved from elsewhere.
    #[error("the database holds a sealed value that does not open")]
    Sealed(#[from] DoesNotOpen),
    /// The database says no.
    #[error("the database refuses")]
    Sqlite(#[from] rusqlite::Error),
    /// A file or folder says no.
    #[error("cannot use {}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Fault {
    /// For `map_err`: a failure at `path`.
    pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// Whether nothing this database says can be relied on any more. A full disk or a held lock may pass; a failed fsync
    /// may not be tried again, because the kernel forgets what it could not write.
    pub(super) fn is_lasting(&self) -> bool {
        let Self::Sqlite(rusqlite::Error::SqliteFailure(failure, _)) = self else { return false };
        matches!(
            failure.code,
            ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
        )
    }
}
