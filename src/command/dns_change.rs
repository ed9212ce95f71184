//! `doorward dns-change`: one change of one record over a provider's interface. Nobody types it: the gateway starts it, because what
//! speaks to providers is better off in a process of its own (`tls/dns01/interface.rs`).

use std::fs;
use std::io;
use std::io::Read;
use std::panic;

use nix::sys::resource::{Resource, setrlimit};

use crate::command::exit::Failure;
use crate::command::wish::block_on;
use crate::fetch::roots;
use crate::tls::dns01::interface::Job;
use crate::tls::dns01::updater;
use crate::tls::dns01::updater::Fault;

/// Most that is read of a job.
const LONGEST: u64 = 1024 * 1024;
/// Memory in bytes that it may come to need. A provider whose answer does not fit has its process ended, not the gateway.
const MEMORY: u64 = 256 * 1024 * 1024;

/// Reads a job from standard input and does it.
///
/// # Errors
/// [`Failure`], by whose exit code the gateway knows what to tell the owner: 7 refused, 6 no such zone, 5 nobody there, 1 else.
pub fn change() -> Result<(), Failure> {
    limit().map_err(|fault| Failure::Failed(format!("memory cannot be limited: {fault}")))?;
    let mut text = Vec::new();
    let read = io::stdin().take(LONGEST).read_to_end(&mut text);
    read.map_err(|fault| Failure::Failed(format!("the job cannot be read: {fault}")))?;
    let job: Job<String> = serde_json::from_slice(&text)
        .map_err(|_| Failure::Usage("this is for the gateway itself, which gives it a job to do".to_owned()))?;
    // The library's client ends the process where it finds none.
    if roots::system().1.is_empty() {
        let advice = "this machine has no certificate authorities: install its package `ca-certificates`, or name a file of them in \
                      `acme.dns.ca_file`";
        return Err(Failure::Failed(advice.to_owned()));
    }
    // Of its faults the gateway tells; where in which library they were is nobody's concern.
    panic::set_hook(Box::new(|_| {}));
    block_on(updater::perform(job))?.map_err(|fault| {
        let told = fault.to_string();
        match fault {
            Fault::Refused => Failure::Permission(told),
            Fault::Unknown => Failure::NotFound(told),
            Fault::Unreachable(_) => Failure::Unreachable(told),
            Fault::Odd(_) | Fault::Said(_) => Failure::Failed(told),
        }
    })
}

/// Limits the memory, and has no picture of it, credentials among it, left on a disk.
fn limit() -> io::Result<()> {
    // What the allocator has set aside counts, though nothing is in it yet.
    let status = fs::read_to_string("/proc/self/status")?;
    let data = status.lines().find_map(|line| line.strip_prefix("VmData:")?.split_whitespace().next()?.parse::<u64>().ok());
    let most = data.ok_or(io::ErrorKind::InvalidData)? * 1_024 + MEMORY;
    setrlimit(Resource::RLIMIT_DATA, most, most)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    Ok(())
}
