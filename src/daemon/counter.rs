//! Where wishes are carried out: those about the configuration here, all others on the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;

use crate::admin::certificates::{CertificateAnswer, CertificateWish};
use crate::admin::perform::Desk;
use crate::admin::wish::{Answer, RefusedKind, Reloaded, Told, Wish};
use crate::config::read;
use crate::config::report::Report;
use crate::daemon::certificates::{Look, Register};
use crate::daemon::reload::{self, Done, Refused, Reloader};
use crate::daemon::withdrawal::Refusal;

/// The longest trial of a configuration.
const LONGEST_TRIAL: Duration = Duration::from_secs(24 * 3600);

/// Takes the wishes that come through the control socket.
#[derive(Clone, Debug)]
pub struct Counter {
    desk: Arc<Desk>,
    reloader: Arc<Reloader>,
    register: Register,
}

impl Counter {
    /// For a running gateway.
    pub fn new(desk: Arc<Desk>, reloader: Arc<Reloader>, register: Register) -> Self {
        Self { desk, reloader, register }
    }

    /// Carries out one wish. Everything that can go wrong is an answer too.
    pub async fn perform(&self, wish: Wish) -> Answer {
        let reloader = Arc::clone(&self.reloader);
        let work: Box<dyn FnOnce() -> Answer + Send> = match wish {
            Wish::Reload { file, confirm_secs, colour } => {
                let confirm = confirm_secs.map(|secs| Duration::from_secs(secs).min(LONGEST_TRIAL));
                Box::new(move || reload(&reloader, file.as_deref(), confirm, colour))
            }
            Wish::Keep => Box::new(move || keep(&reloader)),
            Wish::Diff { file, text, colour } => Box::new(move || diff(&reloader, &file, text, colour)),
            Wish::Certificates { ask } => {
                let (register, look) = (
                    self.register.clone(),
                    match ask {
                        CertificateWish::List => Look::List,
                        CertificateWish::Renew { host, force } => Look::Renew { host, force },
                        CertificateWish::Revoke { host, reason } => return said(self.register.revoke(&host, reason).await),
                        CertificateWish::RollOver => return said(self.register.roll_over().await),
                    },
                );
                Box::new(move || said(register.answer(&look).map_err(|message| (RefusedKind::NotFound, message))))
            }
            Wish::Import { offer } => return self.register.take_over(*offer).await,
            Wish::Status => return self.status().await,
            other => return self.desk.perform(other).await,
        };
        // Files are read and sockets bound: other wishes must not wait for that.
        spawn_blocking(work).await.unwrap_or_else(|_| {
            let message = "the gateway met a fault of its own; its log says where".to_owned();
            Answer::Refused { kind: RefusedKind::Failed, message }
        })
    }
}

impl Counter {
    /// A store that is out of order must not keep its owner from seeing that.
    async fn status(&self) -> Answer {
        let reloader = Arc::clone(&self.reloader);
        let Ok(mut status) = spawn_blocking(move || reloader.status()).await else {
            let message = "the state could not be put together; the log says where".to_owned();
            return Answer::Refused { kind: RefusedKind::Failed, message };
        };
        status.users = self.desk.store.users().await.ok().map(|users| users.len());
        let now = self.desk.clock.now();
        status.sessions = status.store_ok.then(|| {
            let (active, idle) = self.desk.store.count_sessions(now, Duration::ZERO);
            active + idle
        });
        Answer::Status(Box::new(status))
    }
}

fn said(outcome: Result<CertificateAnswer, Refusal>) -> Answer {
    match outcome {
        Ok(said) => Answer::Certificates { said },
        Err((kind, message)) => Answer::Refused { kind, message },
    }
}

fn reload(reloader: &Reloader, file: Option<&Path>, confirm: Option<Duration>, colour: bool) -> Answer {
    if let (Some(named), Some(own)) = (file, reloader.file())
        && !is_same(named, own)
    {
        return refuse(Refused::OtherFile(own.to_owned()), colour);
    }
    let outcome = reloader.reload(confirm);
    reload::report(&outcome);
    match outcome {
        Ok(done) => Answer::Reloaded(Box::new(reloaded(done, confirm, colour))),
        Err(refused) => refuse(refused, colour),
    }
}

fn reloaded(done: Done, confirm: Option<Duration>, colour: bool) -> Reloaded {
    Reloaded {
        version: done.version,
        file: done.file,
        changes: done.changes,
        warnings: warnings(&done.report, colour),
        needs_restart: done.needs_restart.into_iter().map(str::to_owned).collect(),
        confirm_within: confirm.map(|time| time.as_secs()),
        https: done.https,
        http: done.http,
    }
}

fn keep(reloader: &Reloader) -> Answer {
    match reloader.keep() {
        Ok(version) => Answer::Kept { version },
        Err(refused) => refuse(refused, false),
    }
}

fn diff(reloader: &Reloader, file: &Path, text: String, colour: bool) -> Answer {
    match reloader.compare(read::in_place_of(file, text)) {
        Ok((changes, report)) => {
            Answer::Different { version: reloader.plan().version, changes, warnings: warnings(&report, colour) }
        }
        Err(refused) => refuse(refused, colour),
    }
}

fn refuse(refused: Refused, colour: bool) -> Answer {
    let message = refused.to_string();
    match refused {
        Refused::Complaints(report) => Answer::Complaints(told(&report, colour)),
        Refused::Faults(_) => {
            let message = format!("{message}\nThe configuration in force stays as it is.");
            Answer::Refused { kind: RefusedKind::NotApplied, message }
        }
        Refused::NoFile | Refused::OtherFile(_) | Refused::OnTrial(_) | Refused::NoTrial => {
            Answer::Refused { kind: RefusedKind::Unfit, message }
        }
    }
}

fn warnings(report: &Report, colour: bool) -> Option<Box<Told>> {
    (!report.complaints.is_empty()).then(|| Box::new(told(report, colour)))
}

fn told(report: &Report, colour: bool) -> Told {
    Told { text: report.human(colour), json: report.json() }
}

/// Whether two paths lead to one file, by whatever links.
fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| PathBuf::from(path));
    real(one) == real(other)
}
