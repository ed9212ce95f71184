//! Has a wish carried out: by the running gateway if there is one, else by ourselves on the store.

use std::fs;
use std::future::Future;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;

use tokio::runtime::Builder;

use crate::admin::perform::{Desk, Enrolment};
use crate::admin::wish::{Answer, RefusedKind, Wish};
use crate::base::clock::Clock;
use crate::base::current::Current;
use crate::base::entropy::Entropy;
use crate::command::exit::Failure;
use crate::command::place::{Named, load};
use crate::daemon::control;
use crate::daemon::place::Place;
use crate::model::credential::TotpRecipe;
use crate::plan::whole::Plan;
use crate::store::key_file;
use crate::store::lock::Lock;
use crate::store::open::Store;

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
        let plan = file.as_deref().map(load).transpose()?.map(|(plan, _warnings)| plan);
        let place = named.place(plan.as_ref(), file.as_deref());
        Ok(Self { plan, place })
    }

    /// Has a wish carried out. `make` allows an installation to begin with this wish.
    ///
    /// # Errors
    /// [`Failure`] with the reason; nothing was changed then.
    pub fn ask(&self, wish: Wish, make: bool) -> Result<Answer, Failure> {
        let answer = match block_on(control::ask(&self.place.control, &wish))? {
            Ok(Some(answer)) => answer,
            Ok(None) => self.perform(wish, make)?,
            Err(fault) if fault.kind() == ErrorKind::PermissionDenied => {
                let socket = self.place.control.display();
                return Err(Failure::Permission(format!("{socket} belongs to another user; run this as that user or as root")));
            }
            Err(fault) => return Err(Failure::Unreachable(format!("the running gateway did not answer: {fault}"))),
        };
        granted(answer)
    }

    /// Without a gateway: takes its lock and does it on the store.
    fn perform(&self, wish: Wish, make: bool) -> Result<Answer, Failure> {
        self.check_owner(make)?;
        let failed = |fault: &dyn std::fmt::Display| Failure::Failed(fault.to_string());
        self.place.prepare().map_err(|fault| failed(&fault))?;
        let _lock = Lock::take(&self.place.data).map_err(|fault| failed(&fault))?;
        let (clock, entropy) = (Clock::system(), Entropy);
        let master = key_file::read_or_create(&self.place.data, entropy).map_err(|fault| failed(&fault))?;
        let store = Store::open(&self.place.data, &master, clock.clone(), entropy).map_err(|fault| failed(&fault))?;
        let desk = self.desk(store, clock, entropy);
        let answer = block_on(desk.perform(wish))?;
        block_on(desk.store.close())?.map_err(|fault| failed(&fault))?;
        Ok(answer)
    }

    fn desk(&self, store: Store, clock: Clock, entropy: Entropy) -> Desk {
        let enrolment = self.plan.as_ref().map_or_else(
            || Enrolment { origin: "https://YOUR-HOST".to_owned(), issuer: "Doorward".to_owned(), recipe: TotpRecipe::default() },
            Enrolment::by,
        );
        Desk { store, clock, entropy, enrolment: Current::new(enrolment) }
    }

    /// Another user's files, root's included, would be left behind unreadable for the gateway.
    fn check_owner(&self, make: bool) -> Result<(), Failure> {
        let data = self.place.data.display();
        match fs::metadata(&self.place.data) {
            Ok(found) if found.uid() == nix::unistd::geteuid().as_raw() => Ok(()),
            Ok(_) => Err(Failure::Permission(format!(
                "no gateway runs, and {data} belongs to another user; start the gateway, or run this as that user"
            ))),
            Err(fault) if fault.kind() == ErrorKind::NotFound && make => Ok(()),
            Err(fault) if fault.kind() == ErrorKind::NotFound => Err(Failure::Unreachable(format!(
                "there is no installation in {data}; start a gateway, or name another with `--data-dir` or `--config`"
            ))),
            Err(fault) => Err(Failure::Permission(format!("cannot look into {data}: {fault}"))),
        }
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
