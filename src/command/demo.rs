//! `doorward demo`: the whole product with nothing to configure, in front of a sample app of its own.

use std::fs;
use std::io;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use tokio::runtime::Builder;

use crate::command::exit::Failure;
use crate::command::output::Output;
use crate::command::place::{Named, demo_data};
use crate::command::serve::{HangUp, Manner, serve};
use crate::command::starting::DemoWords;
use crate::command::up::{compile_text, keep_terminal_clear};
use crate::daemon::place::Place;
use crate::sample::serve as sample;
use crate::store::lock::Lock;
use crate::store::open::DATABASE;

/// Carries out `demo`.
///
/// # Errors
/// [`Failure`] when the gateway does not start.
pub fn demo(named: &Named, words: &DemoWords, output: Output) -> Result<(), Failure> {
    let named = Named { config: None, data_dir: Some(named.data_dir.clone().unwrap_or_else(demo_data)) };
    let place = named.place(None, None);
    if words.fresh {
        wipe(&place.data)?;
    }
    mark(&place)?;
    let app = start_sample()?;
    let loopback = |port| vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))];
    let or = |asked: &Vec<SocketAddr>, port| if asked.is_empty() { loopback(port) } else { asked.clone() };
    let text = configuration(app, &or(&words.listen.https, 8443), &or(&words.listen.http, 8080));
    let mut plan = compile_text(text)?.plan;
    keep_terminal_clear(&mut plan, &place.data);
    let heading = format!("doorward {} demo: a sample app behind the door", env!("CARGO_PKG_VERSION"));
    serve(plan, &place, Manner { heading: &heading, hang_up: HangUp::Stop, looks_at_apps: false, warnings: None, output })
}

/// The gateway.toml that the demo stands for.
fn configuration(app: SocketAddr, https: &[SocketAddr], http: &[SocketAddr]) -> String {
    format!(
        "name = \"Doorward demo\"\n[listen]\nhttps = {}\nhttp = {}\n\n[[app]]\nname = \"Sample app\"\nhost = \"localhost\"\nupstream = \"http://{app}\"\ndeny = [\"/admin/\"]\n",
        list(https),
        list(http)
    )
}

fn list(addresses: &[SocketAddr]) -> String {
    let quoted: Vec<String> = addresses.iter().map(|address| format!("\"{address}\"")).collect();
    format!("[{}]", quoted.join(", "))
}

/// The sample app has a thread of its own, as an app has a process of its own.
fn start_sample() -> Result<SocketAddr, Failure> {
    let failed = |what: &dyn std::fmt::Display| Failure::Failed(format!("the sample app does not start: {what}"));
    let (tell, told) = mpsc::channel();
    let run = move || {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(fault) => return drop(tell.send(Err(fault))),
        };
        runtime.block_on(async {
            drop(tell.send(sample::start().await));
            std::future::pending::<()>().await;
        });
    };
    thread::Builder::new().name("sample-app".to_owned()).spawn(run).map_err(|fault| failed(&fault))?;
    told.recv().map_err(|fault| failed(&fault))?.map_err(|fault| failed(&fault))
}

/// What tells a demo's folder from an installation's, which has files of the same names.
const MARK: &str = "demo";

/// Marks a folder that holds no accounts yet as the demo's: only such a folder is ever wiped.
fn mark(place: &Place) -> Result<(), Failure> {
    let failed = |fault: &dyn std::fmt::Display| Failure::Failed(format!("cannot use {}: {fault}", place.data.display()));
    place.prepare().map_err(|fault| failed(&fault))?;
    if place.data.join(DATABASE).exists() {
        return Ok(());
    }
    fs::write(place.data.join(MARK), "`doorward demo --fresh` deletes this folder.\n").map_err(|fault| failed(&fault))
}

/// Begins anew: accounts, certificates, everything the last demo kept. Only where a demo, or nothing, was kept before.
fn wipe(data: &Path) -> Result<(), Failure> {
    let known = [
        "doorward.db",
        "doorward.db-wal",
        "doorward.db-shm",
        "access.log",
        "control.sock",
        "keys",
        "certs",
        "lock",
        "origin",
        MARK,
    ];
    let unreadable = |fault: io::Error| Failure::Failed(format!("cannot look into {}: {fault}", data.display()));
    let entries = match fs::read_dir(data) {
        Ok(entries) => entries,
        Err(fault) if fault.kind() == ErrorKind::NotFound => return Ok(()),
        Err(fault) => return Err(unreadable(fault)),
    };
    let names: Vec<_> =
        entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>().map_err(unreadable)?;
    if let Some(stranger) = names.iter().find(|name| !known.iter().any(|known| name.as_os_str() == *known)) {
        let stranger = stranger.display();
        return Err(Failure::Failed(format!("{} holds `{stranger}`, which is not ours; nothing was deleted", data.display())));
    }
    if !names.is_empty() && !data.join(MARK).is_file() {
        let folder = data.display();
        return Err(Failure::Failed(format!("{folder} holds what no demo has put there; nothing was deleted")));
    }
    // A demo that still runs keeps its lock, and its data.
    let _lock = Lock::take(data).map_err(|fault| Failure::because(&fault))?;
    fs::remove_dir_all(data).map_err(|fault| Failure::Failed(format!("cannot empty {}: {fault}", data.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(data: &Path) -> Place {
        Place::new(data, None, None)
    }

    /// The attack, by accident: `demo --fresh --data-dir` with the folder of a real installation, or with somebody's own folder
    /// of `certs` and `keys`. All names in it look like ours, and everything was deleted.
    #[test]
    fn only_a_demos_folder_is_wiped() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        for (dir, file) in [("keys", "keys/site.key"), ("certs", "certs/site.pem")] {
            fs::create_dir_all(data.join(dir)).expect("a folder");
            fs::write(data.join(file), "mine").expect("a file");
        }
        assert!(wipe(&data).is_err());
        fs::write(data.join(DATABASE), "accounts").expect("a file");
        mark(&place(&data)).expect("a demo may look at it");
        assert!(wipe(&data).is_err());
        assert!(data.join("keys/site.key").exists() && data.join(DATABASE).exists());
    }

    #[test]
    fn a_demos_folder_is_wiped_and_marked_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        wipe(&data).expect("nothing to wipe");
        mark(&place(&data)).expect("marked");
        fs::write(data.join(DATABASE), "accounts").expect("a file");
        wipe(&data).expect("wiped");
        assert!(!data.exists());
    }
}
