//! The words of what is kept: keys, audit trail, backups.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Verbs of `key`.
#[derive(Debug, Subcommand)]
pub enum KeyVerb {
    /// Show the master keys and how much is sealed with each
    #[command(after_help = "Examples:\n  doorward key list\n  doorward key list --json")]
    List,
    /// Make a new master key and seal everything with it; the gateway may run, and who stops half-way loses nothing
    #[command(after_help = "Examples:\n  doorward key rotate\n  doorward key rotate --resume   # go on where it was stopped")]
    Rotate {
        /// Make no new key; go on sealing anew what older keys sealed
        #[arg(long)]
        resume: bool,
    },
    /// Forget an old master key; refused while anything is sealed with it
    #[command(after_help = "Examples:\n  doorward key list\n  doorward key drop 1f2e3d4c")]
    Drop {
        /// The key's id, from `key list`
        id: String,
    },
    /// Print a fresh master key, for owners who keep the keys in a systemd credential or a variable
    #[command(after_help = "Examples:\n  doorward key new\n  doorward key new --json")]
    New,
}

/// Verbs of `audit`.
#[derive(Debug, Subcommand)]
pub enum AuditVerb {
    /// Show what happened, oldest first
    #[command(
        after_help = "Examples:\n  doorward audit list --user alice --since 7d\n  doorward audit list --event sign_in.failed --json"
    )]
    List(AuditList),
    /// Make sure that nobody has changed, removed or cut off records
    #[command(
        after_help = "Examples:\n  doorward audit verify\n  doorward audit verify --head 42:1f2e3d4c5b6a79880f1e2d3c4b5a6978"
    )]
    Verify {
        /// A head that `audit verify` printed earlier: the trail must go on from there
        #[arg(long, value_name = "NO:TAG")]
        head: Option<String>,
    },
}

/// Words of `audit list`.
#[derive(Debug, Args)]
pub struct AuditList {
    /// What concerns this account
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// What happened since then: 24h, 7d, 2026-11-22
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only this event, such as sign_in.failed, or all that begin so, such as sign_in
    #[arg(long, value_name = "EVENT")]
    pub event: Option<String>,
    /// At most so many, the newest
    #[arg(long, value_name = "COUNT", default_value_t = 200)]
    pub limit: u32,
}

/// Words of `backup`.
#[derive(Debug, Args)]
pub struct BackupWords {
    /// The file to write; it must not exist
    #[arg(required_unless_present = "to", conflicts_with = "to")]
    pub file: Option<PathBuf>,
    /// The same; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Put the keys in as well, sealed with the passphrase in this file
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// Words of `restore`.
#[derive(Debug, Args)]
pub struct RestoreWords {
    /// The backup; `-` is standard input
    pub file: PathBuf,
    /// Open the keys in it with the passphrase in this file
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Move what is there aside first
    #[arg(long)]
    pub replace: bool,
}
