//! `doorward demo`: the whole product with nothing to configure, in front of a sample app of its own.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use tokio::runtime::Builder;

use crate::command::exit::Failure;
use crate::command::line::DemoWords;
use crate::command::output::Output;
use crate::command::place::{Named, demo_data};
use crate::command::serve::{HangUp, Manner, serve};
use crate::command::up::{compile_text, keep_terminal_clear};
use crate::sample::serve as sample;
use crate::store::lock::Lock;

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
    let app = start_sample()?;
    let loopback = |port| vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))];
    let or = |asked: &Vec<SocketAddr>, port| if asked.is_empty() { loopback(port) } else { asked.clone() };
    let text = configuration(app, &or(&words.listen.https, 8443), &or(&words.listen.http, 8080));
    let mut plan = compile_text(text)?;
    keep_terminal_clear(&mut plan, &place.data);
    let heading = format!("doorward {} demo: a sample app behind the door", env!("CARGO_PKG_VERSION"));
    serve(plan, &place, Manner { heading: &heading, hang_up: HangUp::Stop, looks_at_apps: false, output })
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

/// Begins anew: accounts, certificates, everything the last demo kept. Only where a demo, or nothing, was kept before.
fn wipe(data: &Path) -> Result<(), Failure> {
    let known =
        ["doorward.db", "doorward.db-wal", "doorward.db-shm", "access.log", "control.sock", "keys", "certs", "lock", "origin"];
    let entries = match fs::read_dir(data) {
        Ok(entries) => entries,
        Err(fault) if fault.kind() == ErrorKind::NotFound => return Ok(()),
        Err(fault) => return Err(Failure::Failed(format!("cannot look into {}: {fault}", data.display()))),
    };
    let names: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    if let Some(stranger) = names.iter().find(|name| !known.iter().any(|known| name.as_os_str() == *known)) {
        let stranger = stranger.display();
        return Err(Failure::Failed(format!("{} holds `{stranger}`, which is not ours; nothing was deleted", data.display())));
    }
    // A demo that still runs keeps its lock, and its data.
    let _lock = Lock::take(data).map_err(|fault| Failure::because(&fault))?;
    fs::remove_dir_all(data).map_err(|fault| Failure::Failed(format!("cannot empty {}: {fault}", data.display())))
}
