//! Has a wish carried out: by the running gateway if there is one, else by ourselves on the store.

use std::fs;
use std::future::Future;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::{Instant, sleep};

use crate::admin::perform::{Desk, Enrolment};
use crate::admin::wish::{Answer, RefusedKind, Wish};
use crate::base::clock::Clock;
use crate::base::current::Current;
use crate::base::entropy::Entropy;
use crate::command::exit::Failure;
use crate::command::place::{Named, demo_data, load_to_look};
use crate::daemon::control;
use crate::daemon::place::Place;
use crate::daemon::takeover;
use crate::model::credential::TotpRecipe;
use crate::model::method::Methods;
use crate::model::mode::Mode;
use crate::plan::networks;
use crate::plan::whole::Plan;
use crate::store::fault::Fault;
use crate::store::key_file::KeyHolder;
use crate::store::lock::Lock;
use crate::store::open::{DATABASE, Store};

/// Begins links while nothing tells where browsers come in.
pub const UNKNOWN_ORIGIN: &str = "https://HOST";
/// How long other commands, or a gateway that starts or ends, may hold the lock.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

/// What a command knows of the installation it speaks to.
#[derive(Debug)]
pub struct Installation {
    /// Its plan, if a configuration file was found.
    pub plan: Option<Plan>,
    /// Where it keeps things.
    pub place: Place,
}

impl Installation {
    /// The installation that the command line means.
    ///
    /// # Errors
    /// [`Failure::Config`] if its configuration does not compile.
    pub fn find(named: &Named) -> Result<Self, Failure> {
        // A data folder named by hand stands for itself: no file lying about in the current folder is read then.
        let file = if named.data_dir.is_some() && named.config.is_none() { None } else { named.config_file() };
        let plan = file.as_deref().map(load_to_look).transpose()?.map(|loaded| loaded.plan);
        let place = named.place(plan.as_ref(), file.as_deref());
        Ok(Self { plan, place })
    }

    /// Has a wish carried out. `make` allows an installation to begin with this wish.
    ///
    /// # Errors
    /// [`Failure`] with the reason; nothing was changed then.
    pub fn ask(&self, wish: Wish, make: bool) -> Result<Answer, Failure> {
        granted(block_on(self.answer(wish, make))??)
    }

    /// Asks the running gateway and nobody else; `None` if none runs.
    ///
    /// # Errors
    /// [`Failure`] with the reason.
    pub fn ask_running(&self, wish: &Wish) -> Result<Option<Answer>, Failure> {
        block_on(self.ask_gateway(wish))??.map(granted).transpose()
    }

    /// By the gateway if one runs, else by ourselves. Whoever holds the lock without answering is about to go, or about to
    /// answer, and is waited for: scripts add people side by side, and start a gateway meanwhile.
    async fn answer(&self, wish: Wish, make: bool) -> Result<Answer, Failure> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = self.ask_gateway(&wish).await? {
                return Ok(answer);
            }
            self.check_place(make)?;
            self.place.prepare().map_err(|fault| Failure::because(&fault))?;
            match Lock::take(&self.place.data) {
                Ok(lock) => return self.perform(wish, lock).await,
                Err(Fault::Locked { .. }) if Instant::now() < until => sleep(PAUSE).await,
                Err(fault) => return Err(Failure::because(&fault)),
            }
        }
    }

    async fn ask_gateway(&self, wish: &Wish) -> Result<Option<Answer>, Failure> {
        control::ask(&self.place.control, wish).await.map_err(|fault| match fault.kind() {
            ErrorKind::PermissionDenied => {
                let socket = self.place.control.display();
                Failure::Permission(format!("{socket} belongs to another user; run this as that user or as root"))
            }
            _ => Failure::Unreachable(format!("the running gateway did not answer: {fault}; look into its log, then try again")),
        })
    }

    /// Without a gateway, and with its lock: on the store.
    async fn perform(&self, wish: Wish, _lock: Lock) -> Result<Answer, Failure> {
        let failed = |fault: Fault| Failure::because(&fault);
        let (clock, entropy) = (Clock::system(), Entropy);
        let keys = KeyHolder::open(&self.place.data, self.place.keys.as_ref(), entropy, clock.now()).map_err(failed)?;
        let store = Store::open(&self.place.data, keys, clock.clone(), entropy).map_err(failed)?;
        let desk = self.desk(store, clock, entropy);
        let answer = match wish {
            Wish::Import { offer } => takeover::without_gateway(&desk.store, &self.place, self.plan.as_ref(), *offer).await,
            other => desk.perform(other).await,
        };
        desk.store.close().await.map_err(failed)?;
        Ok(answer)
    }

    fn desk(&self, store: Store, clock: Clock, entropy: Entropy) -> Desk {
        let plan = self.plan.as_ref();
        // Port 0 is drawn anew at every start: the one it was last is the best there is.
        let planned = plan.filter(|plan| plan.https_port != 0).map(Plan::origin);
        let enrolment = Enrolment {
            origin: planned.or_else(|| self.place.origin()).unwrap_or_else(|| UNKNOWN_ORIGIN.to_owned()),
            issuer: plan.map_or_else(|| "Doorward".to_owned(), |plan| plan.auth.totp_issuer.clone()),
            recipe: plan.map_or_else(TotpRecipe::default, |plan| plan.auth.totp),
            mode: plan.map_or_else(Mode::default, |plan| plan.auth.mode),
            methods: plan.map_or(Methods::ALL, |plan| plan.auth.methods),
            spared: plan.map_or_else(|| networks::loopback().to_vec(), Plan::spared),
        };
        Desk { store, clock, entropy, enrolment: Current::new(enrolment), metrics: Arc::default() }
    }

    /// Whether there is an installation for us to work on, or to `make` one. Another user's files, root's included, would be
    /// left behind unreadable for the gateway.
    fn check_place(&self, make: bool) -> Result<(), Failure> {
        let data = self.place.data.display();
        match fs::metadata(&self.place.data) {
            Ok(found) if !found.is_dir() => Err(Failure::Failed(format!("{data} is not a directory"))),
            Ok(_) if !make && !self.place.data.join(DATABASE).exists() => Err(self.no_installation()),
            Ok(found) if found.uid() == nix::unistd::geteuid().as_raw() => Ok(()),
            Ok(_) => Err(Failure::Permission(format!(
                "no gateway runs, and {data} belongs to another user; start the gateway, or run this as that user"
            ))),
            Err(fault) if fault.kind() == ErrorKind::NotFound && make => Ok(()),
            Err(fault) if fault.kind() == ErrorKind::NotFound => Err(self.no_installation()),
            Err(fault) if fault.kind() == ErrorKind::PermissionDenied => {
                Err(Failure::Permission(format!("cannot look into {data}: {fault}")))
            }
            Err(fault) => Err(Failure::Failed(format!("cannot look into {data}: {fault}"))),
        }
    }

    fn no_installation(&self) -> Failure {
        let (data, demo) = (self.place.data.display(), demo_data());
        let other = match demo != self.place.data && demo.join(DATABASE).exists() {
            true => format!("; the demo's is named by `--data-dir {}`", demo.display()),
            false => String::new(),
        };
        let advice = "start a gateway, or name another with `--data-dir` or `--config`";
        Failure::Unreachable(format!("there is no installation in {data}; {advice}{other}"))
    }
}

/// An answer, or why the wish was not carried out.
///
/// # Errors
/// [`Failure`] for refusals and complaints.
pub fn granted(answer: Answer) -> Result<Answer, Failure> {
    match answer {
        Answer::Refused { kind: RefusedKind::NotFound, message } => Err(Failure::NotFound(message)),
        Answer::Refused { kind: RefusedKind::Unfit | RefusedKind::Failed, message } => Err(Failure::Failed(message)),
        Answer::Refused { kind: RefusedKind::NotApplied, message } => Err(Failure::NotApplied(message)),
        Answer::Complaints(told) => Err(Failure::Complaints(told)),
        done => Ok(done),
    }
}

/// Runs one piece of asynchronous work to its end.
///
/// # Errors
/// [`Failure::Failed`] when the system gives us no event queue.
pub fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map(|runtime| runtime.block_on(work)).map_err(|fault| Failure::Failed(format!("cannot start: {fault}")))
}
