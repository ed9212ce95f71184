//! The control socket: one wish a line in, one answer a line out. Only for the user who runs the gateway, and root.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::UCred;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Instant, timeout};
use tracing::{debug, warn};

use crate::admin::wish::{Answer, RefusedKind, Wish};
use crate::base::lifeline::Lifeline;
use crate::base::task;
use crate::daemon::counter::Counter;
use crate::listen::accept::Trouble;
use crate::model::event::Event;

/// A wish in bytes at most: a whole configuration, escaped.
const LONGEST_WISH: u64 = 8 * 1024 * 1024;
/// An answer in bytes at most: tens of thousands of sessions.
const LONGEST_ANSWER: u64 = 64 * 1024 * 1024;
/// How long a client may take to state its wish.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long we wait for a gateway to answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);

/// Opens the socket at `path`, closed to other users.
///
/// A socket file that nobody answers was left behind by a gateway that was killed, and is replaced. One that is answered
/// belongs to a gateway with other data that was given the same folder for its socket.
///
/// # Errors
/// When it cannot be made: [`ErrorKind::AddrInUse`] if another gateway answers there, [`ErrorKind::InvalidInput`] if the path
/// is longer than the system allows for sockets.
pub fn listen(path: &Path) -> io::Result<StdListener> {
    if StdStream::connect(path).is_ok() {
        return Err(ErrorKind::AddrInUse.into());
    }
    match fs::remove_file(path) {
        Err(fault) if fault.kind() != ErrorKind::NotFound => return Err(fault),
        _ => {}
    }
    let listener = StdListener::bind(path)?;
    listener.set_nonblocking(true)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Carries out wishes until `stop` is cut.
pub async fn serve(listener: StdListener, counter: Counter, stop: Lifeline) {
    let listener = match UnixListener::from_std(listener) {
        Ok(listener) => listener,
        Err(fault) => {
            return warn!(event = Event::ControlFailing.name(), %fault, "the control socket cannot be used; commands will not reach this gateway");
        }
    };
    let mut trouble = Trouble::default();
    loop {
        let taken = tokio::select! {
            () = stop.severed() => return,
            taken = listener.accept() => taken,
        };
        match taken {
            Ok((stream, _)) if may_ask(&stream) => {
                let counter = counter.clone();
                task::start("control", async move {
                    if let Err(fault) = converse(stream, &counter).await {
                        debug!(%fault, "a wish was not finished");
                    }
                });
            }
            Ok(_) => warn!(event = Event::ControlStranger.name(), "another user tried the control socket"),
            Err(fault) => {
                if let Some(times) = trouble.tell(Instant::now()) {
                    warn!(event = Event::ControlFailing.name(), %fault, times, "the control socket cannot take a connection just now");
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// The file's mode keeps others out already; the kernel's word on who is there does so where modes are not honoured.
fn may_ask(stream: &UnixStream) -> bool {
    stream.peer_cred().as_ref().map(UCred::uid).is_ok_and(|uid| uid == 0 || uid == nix::unistd::geteuid().as_raw())
}

async fn converse(mut stream: UnixStream, counter: &Counter) -> io::Result<()> {
    let (reading, mut writing) = stream.split();
    let mut line = String::new();
    timeout(PATIENCE, BufReader::new(reading.take(LONGEST_WISH)).read_line(&mut line)).await??;
    let answer = match serde_json::from_str::<Wish>(&line) {
        Ok(wish) => counter.perform(wish).await,
        Err(fault) => {
            Answer::Refused { kind: RefusedKind::Unfit, message: format!("this gateway does not know the wish: {fault}") }
        }
    };
    let mut text = serde_json::to_vec(&answer)?;
    text.push(b'\n');
    writing.write_all(&text).await
}

/// Asks the gateway behind the socket at `path`; `None` if no gateway runs there.
///
/// # Errors
/// When one runs but cannot be asked: no permission, no answer in time, an answer we do not understand.
pub async fn ask(path: &Path, wish: &Wish) -> io::Result<Option<Answer>> {
    let mut stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(fault) if is_nobody(fault.kind()) => return Ok(None),
        Err(fault) => return Err(fault),
    };
    let mut text = serde_json::to_vec(wish)?;
    text.push(b'\n');
    stream.write_all(&text).await?;
    let mut answer = Vec::new();
    timeout(ANSWER_PATIENCE, stream.take(LONGEST_ANSWER).read_to_end(&mut answer)).await??;
    if answer.is_empty() {
        return Err(io::Error::new(ErrorKind::UnexpectedEof, "it ended before it answered"));
    }
    serde_json::from_slice(&answer).map(Some).map_err(io::Error::from)
}

/// Whether a failed connection says that no gateway listens there; none can where the path is too long for a socket.
fn is_nobody(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::NotADirectory | ErrorKind::InvalidInput)
}
