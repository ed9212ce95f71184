//! Telling this machine and its browsers to trust the local authority, or telling the person how.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::tls::durable;
use crate::tls::fault::Fault;
use crate::tls::local_ca::LocalCa;

/// Browsers' databases looked at, at most: one per Firefox profile.
const MAX_DATABASES: usize = 32;
/// Where systems keep authorities that the owner adds, and what makes them take notice.
const SYSTEMS: &[(&str, &str, &[&str])] = &[
    ("usr/local/share/ca-certificates", "update-ca-certificates", &[]),
    ("etc/pki/ca-trust/source/anchors", "update-ca-trust", &["extract"]),
    ("etc/ca-certificates/trust-source/anchors", "trust", &["extract-compat"]),
];

/// The machine as `doorward trust` finds it.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The root of the file system, `/` outside of tests.
    pub root: PathBuf,
    /// The home of the person whose browsers are meant; `None` leaves browsers alone.
    pub home: Option<PathBuf>,
    /// Whether it is a Mac.
    pub is_mac: bool,
}

/// A program and its arguments. `Display` writes it as a shell takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The program, looked up in `PATH`.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// Why a program did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such program here.
    #[error("{0} is not installed")]
    Missing(String),
    /// It ran and failed.
    #[error("{0}")]
    Failed(String),
}

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is about, as a heading: `the system's authorities`.
    pub what: String,
    /// How it went.
    pub outcome: Outcome,
    /// The command a person can run to do the same by hand.
    pub by_hand: String,
}

/// How a step went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Trusted from now on.
    Done,
    /// Not trusted, and why.
    Failed(String),
}

/// Makes this machine trust `ca`: its own store, and the databases of the browsers under the person's home. Every place
/// that was tried is in the answer, with the command to run by hand; programs are run through `run` ([`spawn`]).
pub fn install(ca: &LocalCa, machine: &Machine, run: &mut dyn FnMut(&Invocation) -> Result<(), Refusal>) -> Vec<Step> {
    let mut steps = vec![system(ca, machine, run)];
    if let Some(home) = machine.home.as_deref().filter(|_| !machine.is_mac) {
        steps.extend(databases(home).iter().map(|database| browser(ca, database, run)));
    }
    steps
}

/// Runs a program without a terminal and waits for it.
///
/// # Errors
/// [`Refusal`], with the last line the program complained with.
pub fn spawn(invocation: &Invocation) -> Result<(), Refusal> {
    let ran = Command::new(&invocation.program).args(&invocation.arguments).stdin(Stdio::null()).output();
    match ran {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let complaint = String::from_utf8_lossy(&output.stderr);
            let last = complaint.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("without a word").trim();
            Err(Refusal::Failed(format!("{} failed ({}): {last}", invocation.program, output.status)))
        }
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Err(Refusal::Missing(invocation.program.clone())),
        Err(fault) => Err(Refusal::Failed(format!("{} could not be started: {fault}", invocation.program))),
    }
}

fn system(ca: &LocalCa, machine: &Machine, run: &mut dyn FnMut(&Invocation) -> Result<(), Refusal>) -> Step {
    let what = "the system's authorities".to_owned();
    let source = ca.certificate_path();
    if machine.is_mac {
        let keychain = machine.root.join("Library/Keychains/System.keychain");
        let add = Invocation::new("security", &["add-trusted-cert", "-d", "-r", "trustRoot", "-k"]).with(&keychain).with(source);
        return Step { what, outcome: Outcome::of(run(&add)), by_hand: format!("sudo {add}") };
    }
    let Some((folder, program, arguments)) = SYSTEMS.iter().find(|(folder, ..)| machine.root.join(folder).is_dir()) else {
        let outcome = Outcome::Failed("this system keeps its authorities in a place we do not know".into());
        return Step { what, outcome, by_hand: format!("add {} to the authorities this system trusts", source.display()) };
    };
    let target = machine.root.join(folder).join("doorward-local-ca.crt");
    let copy = Invocation::new("cp", &[]).with(source).with(&target);
    let update = Invocation::new(program, arguments);
    let written = durable::write(&target, ca.certificate_pem().as_bytes(), 0o644);
    let outcome = match written {
        Ok(()) => Outcome::of(run(&update)),
        Err(Fault::Unwritable { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {
            Outcome::Failed("only root may change them".into())
        }
        Err(fault) => Outcome::Failed(fault.to_string()),
    };
    Step { what, outcome, by_hand: format!("sudo {copy} && sudo {update}") }
}

/// Chromium's database, whether it is there yet or not, and those of Firefox's profiles.
fn databases(home: &Path) -> Vec<PathBuf> {
    let firefox = [".mozilla/firefox", "snap/firefox/common/.mozilla/firefox"].map(|folder| home.join(folder));
    let profiles = firefox.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten().map(|entry| entry.path());
    let snap = home.join("snap/chromium/current/.pki/nssdb");
    let found = profiles.chain([snap]).filter(|folder| folder.join("cert9.db").is_file());
    [home.join(".pki/nssdb")].into_iter().chain(found).take(MAX_DATABASES).collect()
}

fn browser(ca: &LocalCa, database: &Path, run: &mut dyn FnMut(&Invocation) -> Result<(), Refusal>) -> Step {
    let named = format!("sql:{}", database.display());
    let create = Invocation::new("certutil", &["-N", "--empty-password", "-d", &named]);
    let add = Invocation::new("certutil", &["-A", "-d", &named, "-t", "C,,", "-n", ca.name(), "-i"]).with(ca.certificate_path());
    let is_there = database.join("cert9.db").is_file();
    let ready = if is_there { Ok(()) } else { durable::directory(database).map_err(|fault| Refusal::Failed(fault.to_string())) };
    let outcome = ready.and_then(|()| if is_there { Ok(()) } else { run(&create) }).and_then(|()| run(&add));
    let by_hand =
        if is_there { add.to_string() } else { format!("mkdir -p {} && {create} && {add}", quoted(&database.to_string_lossy())) };
    Step { what: format!("the browsers' database {}", database.display()), outcome: Outcome::of(outcome), by_hand }
}

impl Outcome {
    fn of(result: Result<(), Refusal>) -> Self {
        match result {
            Ok(()) => Self::Done,
            Err(Refusal::Missing(program)) if program == "certutil" => {
                Self::Failed("certutil is not installed (package libnss3-tools, nss-tools or nss)".into())
            }
            Err(refusal) => Self::Failed(refusal.to_string()),
        }
    }
}

impl Invocation {
    fn new(program: &str, arguments: &[&str]) -> Self {
        Self { program: program.into(), arguments: arguments.iter().map(|&argument| argument.into()).collect() }
    }

    fn with(mut self, path: &Path) -> Self {
        self.arguments.push(path.to_string_lossy().into_owned());
        self
    }
}

impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.program)?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {}", quoted(argument)))
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:,=+@%".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::base::clock::{Clock, Timestamp};
    use crate::base::entropy::Entropy;

    fn ground() -> (TempDir, LocalCa, Machine) {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        let ca = LocalCa::open_or_create(&dir.path().join("certs"), &clock, Entropy).expect("created");
        let machine = Machine { root: dir.path().join("root"), home: Some(dir.path().join("home")), is_mac: false };
        fs::create_dir_all(machine.root.join("usr/local/share/ca-certificates")).expect("made");
        fs::create_dir_all(dir.path().join("home/.mozilla/firefox/x.default")).expect("made");
        fs::write(dir.path().join("home/.mozilla/firefox/x.default/cert9.db"), "").expect("made");
        (dir, ca, machine)
    }

    #[test]
    fn the_system_and_every_browser_database_are_told() {
        let (dir, ca, machine) = ground();
        let mut ran = vec![];
        let steps = install(&ca, &machine, &mut |invocation| {
            ran.push(invocation.to_string());
            Ok(())
        });
        assert!(steps.len() == 3 && steps.iter().all(|step| step.outcome == Outcome::Done), "{steps:?}");
        let installed = machine.root.join("usr/local/share/ca-certificates/doorward-local-ca.crt");
        assert_eq!(fs::read_to_string(installed).expect("copied"), ca.certificate_pem());
        let home = dir.path().join("home");
        let (home, pem) = (home.display(), ca.certificate_path().display());
        let add = |database: &str| format!("certutil -A -d sql:{home}/{database} -t C,, -n '{}' -i {pem}", ca.name());
        let create = format!("certutil -N --empty-password -d sql:{home}/.pki/nssdb");
        assert_eq!(ran, ["update-ca-certificates".into(), create, add(".pki/nssdb"), add(".mozilla/firefox/x.default")]);
    }

    #[test]
    fn what_fails_is_told_with_the_command_to_run_instead() {
        let (_dir, ca, mut machine) = ground();
        let steps = install(&ca, &machine, &mut |invocation| Err(Refusal::Missing(invocation.program.clone())));
        assert!(matches!(&steps[0].outcome, Outcome::Failed(why) if why == "update-ca-certificates is not installed"));
        assert!(steps[0].by_hand.starts_with("sudo cp ") && steps[0].by_hand.ends_with(" && sudo update-ca-certificates"));
        assert!(matches!(&steps[1].outcome, Outcome::Failed(why) if why.contains("libnss3-tools")));
        assert!(steps[1].by_hand.contains("certutil -N --empty-password") && steps[1].by_hand.contains("certutil -A"));

        machine.root = "/nowhere".into();
        let steps = install(&ca, &machine, &mut |_| Ok(()));
        assert!(matches!(&steps[0].outcome, Outcome::Failed(_)), "{steps:?}");
        assert!(steps[0].by_hand.contains("local-ca.pem"));

        machine.is_mac = true;
        let steps = install(&ca, &machine, &mut |_| Err(Refusal::Failed("no".into())));
        assert_eq!((steps.len(), &steps[0].outcome), (1, &Outcome::Failed("no".into())));
        assert!(steps[0].by_hand.starts_with("sudo security add-trusted-cert -d -r trustRoot -k "));
    }

    #[test]
    fn programs_are_run_without_a_shell_and_their_complaints_are_kept() {
        assert_eq!(spawn(&Invocation::new("true", &[])), Ok(()));
        let fault = spawn(&Invocation::new("ls", &["/nowhere; echo"])).expect_err("fails").to_string();
        assert!(fault.contains("/nowhere; echo"), "{fault}");
        assert_eq!(spawn(&Invocation::new("no-such-program-here", &[])), Err(Refusal::Missing("no-such-program-here".into())));
        assert_eq!(Invocation::new("a", &["b c", "it's", ""]).to_string(), r"a 'b c' 'it'\''s' ''");
    }
}
