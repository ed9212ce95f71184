//! `doorward dns-change`: one change of one record over a provider's interface. Nobody types it: the gateway starts it, because what
//! speaks to providers is better off in a process of its own (`tls/dns01/interface.rs`).

use std::fs;
use std::io;
use std::io::{BufRead, Read};
use std::panic;
use std::process;
use std::thread;

use nix::sys::prctl::set_dumpable;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::command::exit::Failure;
use crate::command::wish::block_on;
use crate::fetch::roots;
use crate::tls::dns01::interface::Job;
use crate::tls::dns01::updater;
use crate::tls::dns01::updater::Fault;

/// Most that is read of a job.
const LONGEST: u64 = 1024 * 1024;
/// Memory in bytes that it may come to need. A provider whose answer does not fit has its process ended, not the gateway.
const MEMORY: u64 = 96 * 1024 * 1024;

/// Reads a job from standard input and does it.
///
/// # Errors
/// [`Failure`], by whose exit code the gateway knows what to tell the owner: 7 refused, 6 no such zone, 5 nobody there, 1 else.
pub fn change() -> Result<(), Failure> {
    limit().map_err(|fault| Failure::Failed(format!("memory cannot be limited: {fault}")))?;
    let mut text = String::new();
    let read = io::stdin().lock().take(LONGEST).read_line(&mut text);
    read.map_err(|fault| Failure::Failed(format!("the job cannot be read: {fault}")))?;
    let job: Job<String> = serde_json::from_str(&text)
        .map_err(|_| Failure::Usage("this is for the gateway itself, which gives it a job to do".to_owned()))?;
    // The library's client ends the process where it finds none.
    if roots::has_none() {
        return Err(Failure::Failed(match &job.ca_file {
            Some(file) => format!("there is no certificate authority in {file} (`acme.dns.ca_file`) that can be read"),
            None => {
                "this machine has no certificate authorities: install its package `ca-certificates`, or name a file of them in \
                     `acme.dns.ca_file`"
                    .to_owned()
            }
        }));
    }
    end_with_the_gateway();
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

/// A change that a gateway before has begun must not be made when the next one has already looked for what is to be removed.
fn end_with_the_gateway() {
    thread::spawn(|| {
        // It says nothing more, and closes the pipe by its end.
        drop(io::stdin().lock().read_line(&mut String::new()));
        process::exit(1);
    });
}

/// Limits the memory, and has no picture of it, credentials among it, left on a disk.
fn limit() -> io::Result<()> {
    // What the allocator has set aside counts, though nothing is in it yet.
    let status = fs::read_to_string("/proc/self/status")?;
    let data = status.lines().find_map(|line| line.strip_prefix("VmData:")?.split_whitespace().next()?.parse::<u64>().ok());
    let most = data.ok_or(io::ErrorKind::InvalidData)? * 1_024 + MEMORY;
    let (_, hard) = getrlimit(Resource::RLIMIT_DATA)?;
    setrlimit(Resource::RLIMIT_DATA, most.min(hard), most.min(hard))?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    set_dumpable(false)?;
    // Should memory end for all, this process is the one to go. Where that may not be said, nothing is lost.
    drop(fs::write("/proc/self/oom_score_adj", "1000"));
    Ok(())
}
