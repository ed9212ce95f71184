//! The words of the command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use serde_json::json;

use crate::base::units;
use crate::command::account;
use crate::command::backup;
use crate::command::ban::{self, BanVerb};
use crate::command::cert::{self, CertVerb};
use crate::command::check;
use crate::command::complete;
use crate::command::demo;
use crate::command::diff;
use crate::command::dns_change;
use crate::command::doctor::{self, DoctorWords};
use crate::command::exit::Failure;
use crate::command::explain::{self, ExplainWords};
use crate::command::health;
use crate::command::help;
use crate::command::keeping::{AuditVerb, BackupWords, KeyVerb, RestoreWords};
use crate::command::key;
use crate::command::output::Output;
use crate::command::place::Named;
use crate::command::reload;
use crate::command::restore;
use crate::command::run as run_verb;
use crate::command::starting::{DemoWords, UpWords};
use crate::command::status;
use crate::command::trail;
use crate::command::trust::{self, Way};
use crate::command::up;
use crate::tls::dns01::interface;

/// Heads what goes with every verb, so that a verb's own options come first.
const EVERYWHERE: &str = "Options of every command";

/// The front door for self-hosted apps: TLS, reverse proxy, path rules and sign-in in one program.
///
/// Try it:      doorward demo
/// A real app:  doorward up jupyter.localhost=127.0.0.1:8888
#[derive(Debug, Parser)]
#[command(name = "doorward", version, propagate_version = true, disable_help_subcommand = true, verbatim_doc_comment)]
pub struct Line {
    /// The configuration file [default: ./gateway.toml, then /etc/doorward/gateway.toml]
    #[arg(short, long, global = true, value_name = "FILE", help_heading = EVERYWHERE)]
    config: Option<PathBuf>,
    /// Where store, keys and certificates are kept [default: the configuration's data_dir, else the system's place for it]
    #[arg(long, global = true, value_name = "DIR", help_heading = EVERYWHERE)]
    data_dir: Option<PathBuf>,
    /// Answer programs: one JSON document on standard output
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the whole product in front of a sample app, with nothing to configure
    #[command(after_help = "Examples:\n  doorward demo\n  doorward demo --fresh")]
    Demo(DemoWords),
    /// Run in front of real apps, without a file
    #[command(
        after_help = "Examples:\n  doorward up jupyter.localhost=127.0.0.1:8888\n  doorward up docs.home.arpa=8000 --print-config > gateway.toml\n  doorward up paperless.example.com=8000 --agree-tos"
    )]
    Up(UpWords),
    /// Run from a configuration file
    #[command(after_help = "Examples:\n  doorward run -c /etc/doorward/gateway.toml\n  doorward run --watch")]
    Run {
        /// Reload whenever the file, or another that it includes or names, has changed
        #[arg(long)]
        watch: bool,
    },
    /// Have the running gateway read its file again; nobody notices, and on any error it keeps what it has
    #[command(
        after_help = "Examples:\n  doorward reload\n  doorward reload --confirm 5m   # then, if all is well: doorward reload --keep"
    )]
    Reload(ReloadWords),
    /// Say what a changed file would open or close, compared with what the gateway runs; applies nothing
    #[command(after_help = "Examples:\n  doorward diff\n  doorward diff -c new.toml --json")]
    Diff,
    /// Check a configuration file; opens no store, binds and writes nothing, and asks the network only with --online
    #[command(
        after_help = "Examples:\n  doorward check\n  doorward check -c gateway.toml --json\n  doorward check --format github --deny-warnings\n  doorward check --online"
    )]
    Check(CheckWords),
    /// Say what would happen to a request and which rule decides; needs no running gateway
    #[command(
        after_help = "Examples:\n  doorward explain https://paperless.example.com/Admin%2flogin/\n  doorward explain https://paperless.example.com/ --user alice --method POST --ip 198.51.100.7"
    )]
    Explain(ExplainWords),
    /// Ask an app for its denied paths in other spellings, and say whether any that it serves would pass
    #[command(
        after_help = "Examples:\n  doorward doctor paperless.example.com --probe\n  doorward doctor Paperless --probe --json"
    )]
    Doctor(DoctorWords),
    /// Make this machine or a phone trust the installation's own certificate authority
    #[command(after_help = "Examples:\n  doorward trust\n  doorward trust --print > local-ca.pem")]
    Trust {
        /// Print the certificate instead
        #[arg(long, conflicts_with = "qr")]
        print: bool,
        /// Show a QR code from which a phone gets it
        #[arg(long)]
        qr: bool,
    },
    /// See certificates and have them renewed
    #[command(subcommand)]
    Cert(CertVerb),
    /// Make and manage accounts
    #[command(subcommand)]
    User(UserVerb),
    /// See and end sessions
    #[command(subcommand)]
    Session(SessionVerb),
    /// See, make and lift bans on networks
    #[command(subcommand)]
    Ban(BanVerb),
    /// See, renew and forget the keys that everything secret is sealed with
    #[command(subcommand)]
    Key(KeyVerb),
    /// Read and verify the audit trail
    #[command(subcommand)]
    Audit(AuditVerb),
    /// Write a consistent copy of store and certificates to a file; the gateway may run
    #[command(
        after_help = "Examples:\n  doorward backup doorward.tar --passphrase-file passphrase.txt\n  doorward backup --to - > doorward.tar"
    )]
    Backup(BackupWords),
    /// Put a backup in place; no gateway may run
    #[command(
        after_help = "Examples:\n  doorward restore doorward.tar --passphrase-file passphrase.txt\n  doorward restore doorward.tar --replace"
    )]
    Restore(RestoreWords),
    /// Show the running gateway: configuration, listeners, apps, certificates, sessions, warnings
    #[command(
        after_help = "Examples:\n  doorward status\n  doorward status --watch\n  doorward status --watch --json | jq .connections"
    )]
    Status {
        /// Look once a second, until stopped; with --json one line each
        #[arg(long)]
        watch: bool,
    },
    /// Exit with 0 if the gateway is well, with 1 if not
    #[command(after_help = "Examples:\n  doorward healthcheck\n  doorward healthcheck --json")]
    Healthcheck,
    /// Explain a code such as E0203, or a command
    #[command(after_help = "Examples:\n  doorward help E0203\n  doorward help user add")]
    Help {
        /// A code of a complaint, or the words of a command
        #[arg(value_name = "TOPIC")]
        topic: Vec<String>,
    },
    /// Show the version
    #[command(after_help = "Examples:\n  doorward version\n  doorward version --json")]
    Version,
    /// Change a record at a DNS provider, as the gateway says on standard input
    #[command(hide = true, name = interface::VERB)]
    DnsChange,
    /// Print a completion script for a shell
    #[command(
        after_help = "Examples:\n  doorward completions bash > /etc/bash_completion.d/doorward\n  doorward completions fish | source"
    )]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Words of `check`.
#[derive(Clone, Copy, Debug, Args)]
pub struct CheckWords {
    /// How to say what is wrong; `--json` is json [default: human]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Exit with 4 if there are warnings
    #[arg(long)]
    pub deny_warnings: bool,
    /// Also ask the network: DNS, CAA, ports, apps, the authority, the clock; exit with 1 if something is wrong there
    #[arg(long)]
    pub online: bool,
}

/// How complaints are said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// With the lines concerned, for people
    Human,
    /// One document, for programs
    Json,
    /// Workflow commands, which GitHub Actions shows beside the lines
    Github,
}

/// Words of `reload`.
#[derive(Debug, Args)]
pub struct ReloadWords {
    /// Go back to the configuration before unless `reload --keep` follows within this time, such as 5m
    #[arg(long, value_name = "TIME", value_parser = trial, conflicts_with = "keep")]
    pub confirm: Option<Duration>,
    /// Keep the configuration that is on trial
    #[arg(long)]
    pub keep: bool,
}

/// Verbs of `user`.
#[derive(Debug, Subcommand)]
pub enum UserVerb {
    /// Make an account and a set-up link for it
    #[command(
        after_help = "Examples:\n  doorward user add alice\n  doorward user add alice --password-file - --totp --json < password.txt"
    )]
    Add(UserAdd),
    /// Make a new set-up link; with it a person sets password and authenticator anew
    #[command(after_help = "Examples:\n  doorward user link alice\n  doorward user link alice --json")]
    Link {
        /// Whose
        name: String,
    },
    /// Change how somebody is called, where they get mail, and in which ways they sign in
    #[command(
        after_help = "Examples:\n  doorward user set alice --display-name 'Alice A.' --email alice@example.com\n  doorward user set alice --email ''   # take it away\n  doorward user set alice --methods passkey,password+totp --require 2fa\n  doorward user set alice --methods inherit --self-service off"
    )]
    Set(UserSet),
    /// Show one account with its groups
    #[command(after_help = "Examples:\n  doorward user show alice\n  doorward user show alice --json")]
    Show {
        /// Whom
        name: String,
    },
    /// Put people into groups; what they may open changes with their next request
    #[command(subcommand)]
    Group(GroupVerb),
    /// Take authenticator apps away from somebody who lost their phone
    #[command(subcommand)]
    Totp(TotpVerb),
    /// Take passkeys and security keys away from somebody who lost them
    #[command(subcommand)]
    Passkey(PasskeyVerb),
    /// Take recovery codes away from somebody whose list was seen
    #[command(subcommand)]
    Recovery(RecoveryVerb),
    /// Show all accounts
    #[command(after_help = "Examples:\n  doorward user list\n  doorward user list --json")]
    List,
    /// Bar sign-in and end all sessions; can be undone
    #[command(after_help = "Examples:\n  doorward user disable alice\n  doorward user disable alice --json")]
    Disable {
        /// Whom
        name: String,
    },
    /// Allow sign-in again
    #[command(after_help = "Examples:\n  doorward user enable alice\n  doorward user enable alice --json")]
    Enable {
        /// Whom
        name: String,
    },
    /// Take an account away for good
    #[command(after_help = "Examples:\n  doorward user delete alice --yes\n  doorward user disable alice   # can be undone")]
    Delete {
        /// Whose
        name: String,
        /// Really
        #[arg(long)]
        yes: bool,
    },
}

/// Words of `user add`.
#[derive(Debug, Args)]
pub struct UserAdd {
    /// The user name
    pub name: String,
    /// Read the password from this file (`-` is standard input) instead of making a set-up link
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Enrol an authenticator and print its otpauth:// URI once
    #[arg(long)]
    pub totp: bool,
    /// Take the authenticator's key (base32) from this file
    #[arg(long, value_name = "FILE")]
    pub totp_secret_file: Option<PathBuf>,
    /// How they are called
    #[arg(long, value_name = "NAME")]
    pub display_name: Option<String>,
    /// Where they get mail
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,
}

/// Words of `user set`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("details").required(true).multiple(true).args(["display_name", "email", "methods", "require", "self_service"]))]
pub struct UserSet {
    /// The user name
    pub name: String,
    /// How they are called; '' takes it away
    #[arg(long, value_name = "NAME")]
    pub display_name: Option<String>,
    /// Where they get mail; '' takes it away
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,
    /// The only ways to sign in that count for them, with commas: password, password+totp, password+passkey, passkey; or inherit
    #[arg(long, value_name = "LIST")]
    pub methods: Option<String>,
    /// What they have to prove everywhere: 2fa or passkey, never less than an app asks for; or inherit
    #[arg(long, value_name = "STRENGTH")]
    pub require: Option<String>,
    /// Whether they may change their factors themselves: on, off or inherit
    #[arg(long, value_name = "SWITCH")]
    pub self_service: Option<String>,
}

/// Verbs of `user group`.
#[derive(Debug, Subcommand)]
pub enum GroupVerb {
    /// Put somebody into a group; their open connections close within 2 seconds
    #[command(after_help = "Examples:\n  doorward user group add alice family\n  doorward user group add alice family --json")]
    Add(GroupWords),
    /// Take somebody out of a group; their open connections close within 2 seconds
    #[command(
        after_help = "Examples:\n  doorward user group remove alice family\n  doorward user group remove alice family --json"
    )]
    Remove(GroupWords),
}

/// Words of `user group add` and `user group remove`.
#[derive(Debug, Args)]
pub struct GroupWords {
    /// The user name
    pub name: String,
    /// The group; it exists as long as somebody is in it
    pub group: String,
}

/// Verbs of `user totp`.
#[derive(Debug, Subcommand)]
pub enum TotpVerb {
    /// Take all authenticators of an account away, end its sessions and make a set-up link
    #[command(
        after_help = "Examples:\n  doorward user totp reset alice\n  doorward user totp reset alice --keep-sessions --json"
    )]
    Reset(ResetWords),
}

/// Verbs of `user passkey`.
#[derive(Debug, Subcommand)]
pub enum PasskeyVerb {
    /// Take all passkeys of an account away and end its sessions
    #[command(
        after_help = "Examples:\n  doorward user passkey reset alice\n  doorward user passkey reset alice --keep-sessions --json"
    )]
    Reset(ResetWords),
}

/// Verbs of `user recovery`.
#[derive(Debug, Subcommand)]
pub enum RecoveryVerb {
    /// Take all recovery codes of an account away and end its sessions; its holder makes new ones on the security page
    #[command(
        after_help = "Examples:\n  doorward user recovery reset alice\n  doorward user recovery reset alice --keep-sessions --json"
    )]
    Reset(ResetWords),
}

/// Words of the three resets.
#[derive(Debug, Args)]
pub struct ResetWords {
    /// Whose
    pub name: String,
    /// Leave the account's sessions open
    #[arg(long)]
    pub keep_sessions: bool,
}

/// Verbs of `session`.
#[derive(Debug, Subcommand)]
pub enum SessionVerb {
    /// Show who is signed in, where
    #[command(after_help = "Examples:\n  doorward session list\n  doorward session list --json")]
    List,
    /// End sessions; their open connections close within 2 seconds
    #[command(after_help = "Examples:\n  doorward session end --user alice\n  doorward session end --all")]
    #[group(required = true, multiple = false)]
    End {
        /// The session's id, from `session list`
        id: Option<String>,
        /// All sessions of this user
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// All sessions
        #[arg(long)]
        all: bool,
    },
}

/// The time of a trial: long enough to look, short enough that a locked-out owner waits for it.
fn trial(text: &str) -> Result<Duration, String> {
    let time = units::duration(text).map_err(|fault| format!("it {fault}; write 90s, 5m or 1h"))?;
    let bounds = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
    if bounds.contains(&time) { Ok(time) } else { Err("from 1s to 24h".to_owned()) }
}

/// Reads the command line and carries it out.
pub fn run() -> ExitCode {
    let line = match Line::try_parse() {
        Ok(line) => line,
        Err(misread) => return misunderstood(&misread),
    };
    let output = match output(&line) {
        Ok(output) => output,
        Err(failure) => return Output { json: line.json, github: false }.failure(&failure),
    };
    let named = Named { config: line.config, data_dir: line.data_dir };
    match carry_out(line.verb, &named, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output.failure(&failure),
    }
}

/// How the command is to speak.
fn output(line: &Line) -> Result<Output, Failure> {
    let format = if let Verb::Check(words) = &line.verb { words.format } else { None };
    match (line.json, format) {
        (true, Some(Format::Human | Format::Github)) => Err(Failure::Usage("--json is --format json; leave one away".to_owned())),
        (json, None | Some(Format::Human)) => Ok(Output { json, github: false }),
        (_, Some(Format::Json)) => Ok(Output { json: true, github: false }),
        (false, Some(Format::Github)) => Ok(Output { json: false, github: true }),
    }
}

/// Help and version are no failures; wrong words are, in the form that was asked for as far as that can be told.
fn misunderstood(misread: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|word| word == "--json");
    if json && misread.use_stderr() {
        let text = misread.to_string();
        let reason = text.split("\n\nUsage:").next().unwrap_or_default().trim();
        return Output { json, github: false }.failure(&Failure::Usage(reason.trim_start_matches("error: ").to_owned()));
    }
    // A reader that has gone away is no failure of ours.
    drop(misread.print());
    ExitCode::from(if misread.use_stderr() { 2 } else { 0 })
}

fn carry_out(verb: Verb, named: &Named, output: Output) -> Result<(), Failure> {
    match verb {
        Verb::Demo(words) => demo::demo(named, &words, output),
        Verb::Up(words) => up::up(named, &words, output),
        Verb::Run { watch } => run_verb::run(named, watch, output),
        Verb::Reload(words) => reload::reload(named, &words, output),
        Verb::Diff => diff::diff(named, output),
        Verb::Check(words) => check::check(named, words, output),
        Verb::Explain(words) => explain::explain(named, &words, output),
        Verb::Doctor(words) => doctor::doctor(named, &words, output),
        Verb::Trust { print: true, .. } => trust::trust(named, Way::Print, output),
        Verb::Trust { qr: true, .. } => trust::trust(named, Way::Qr, output),
        Verb::Trust { .. } => trust::trust(named, Way::Install, output),
        Verb::Cert(verb) => cert::cert(named, verb, output),
        Verb::User(verb) => account::user(named, verb, output),
        Verb::Session(verb) => account::session(named, verb, output),
        Verb::Ban(verb) => ban::ban(named, verb, output),
        Verb::Key(verb) => key::key(named, verb, output),
        Verb::Audit(verb) => trail::audit(named, verb, output),
        Verb::Backup(words) => backup::backup(named, &words, output),
        Verb::Restore(words) => restore::restore(named, &words, output),
        Verb::Status { watch } => status::status(named, watch, output),
        Verb::Healthcheck => health::check(named, output),
        Verb::Help { topic } => help::help(&topic, output),
        Verb::Version => {
            let version = env!("CARGO_PKG_VERSION");
            output.result(&json!({ "version": version }), || format!("doorward {version}"));
            Ok(())
        }
        Verb::DnsChange => dns_change::change(),
        Verb::Completions { shell } => {
            complete::completions(shell);
            Ok(())
        }
    }
}
