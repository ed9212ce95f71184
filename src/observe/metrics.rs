//! Everything that is counted. Outlives every configuration, so that a reload loses no count; which apps there are comes from the
//! plan alone, never from a request.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::current::Current;
use crate::observe::histogram::{Histogram, Snapshot};
use crate::observe::names::NameCounts;
use crate::observe::tally::{Open, OpenWebSocket, Tally};

/// Apps that are served no more are remembered, in case they come back, but no more than this.
const MOST_RETIRED: usize = 1_000;

/// Declares a closed list of labels.
macro_rules! labels {
    ($(#[$about:meta])* $list:ident { $($(#[$meaning:meta])* $case:ident = $label:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $list { $($(#[$meaning])* $case,)* }

        impl $list {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$case,)*];
            const COUNT: usize = Self::ALL.len();

            /// The label.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$case => $label,)* }
            }
        }
    };
}

labels! {
    /// How somebody proves who they are.
    Method {
        /// With a password.
        Password = "password",
        /// With a code from an authenticator.
        Code = "code",
        /// With a recovery code.
        Recovery = "recovery",
    }
}

labels! {
    /// What became of a try to sign in.
    Attempt {
        /// It was right.
        Success = "success",
        /// It was wrong.
        BadCredentials = "bad_credentials",
        /// It was not looked at, because of too many before it.
        Throttled = "throttled",
        /// It came too late: the half-done sign-in was gone.
        Expired = "expired",
    }
}

labels! {
    /// Why sessions ended before their time.
    Ending {
        /// Their owner signed out.
        SignOut = "sign_out",
        /// The same browser signed in anew.
        Replaced = "replaced",
        /// A command ended them.
        Command = "command",
        /// Their owner ended them from another session.
        Holder = "holder",
    }
}

labels! {
    /// What became of a reload.
    Reload {
        /// Another configuration is in force.
        Applied = "success",
        /// The old one stayed.
        Refused = "refused",
        /// The one before it came back, because nobody confirmed.
        Back = "back",
    }
}

labels! {
    /// What became of a changed certificate file.
    Renewal {
        /// It is in use.
        Used = "success",
        /// It cannot be used.
        Refused = "failure",
    }
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    apps: Current<HashMap<Box<str>, Entry>>,
    serving: Mutex<()>,
    /// Requests that belong to no app.
    nobody: Arc<Tally>,
    refusals: NameCounts<128>,
    attempts: [[AtomicU64; Attempt::COUNT]; Method::COUNT],
    attempts_took: [Histogram; Method::COUNT],
    endings: [AtomicU64; Ending::COUNT],
    reloads: [AtomicU64; Reload::COUNT],
    renewals: [AtomicU64; Renewal::COUNT],
    reload_succeeded: AtomicBool,
    reloaded_at: AtomicI64,
    started_at: AtomicI64,
    turned_away: AtomicU64,
}

#[derive(Clone, Debug)]
struct Entry {
    tally: Arc<Tally>,
    served: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            apps: Current::new(HashMap::new()),
            serving: Mutex::default(),
            nobody: Arc::default(),
            refusals: NameCounts::default(),
            attempts: Default::default(),
            attempts_took: Default::default(),
            endings: Default::default(),
            reloads: Default::default(),
            renewals: Default::default(),
            reload_succeeded: AtomicBool::new(true),
            reloaded_at: AtomicI64::new(0),
            started_at: AtomicI64::new(0),
            turned_away: AtomicU64::new(0),
        }
    }
}

impl Metrics {
    /// Counts for the apps of these names from now on. Those that are known keep their counts.
    pub fn serve<'a>(&self, names: impl Iterator<Item = &'a str>) {
        let _one_at_a_time = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        let mut apps = HashMap::clone(&self.apps.get());
        apps.values_mut().for_each(|entry| entry.served = false);
        for name in names {
            apps.entry(name.into()).or_insert_with(|| Entry { tally: Arc::default(), served: true }).served = true;
        }
        if apps.values().filter(|entry| !entry.served).count() > MOST_RETIRED {
            apps.retain(|_, entry| entry.served);
        }
        self.apps.replace(apps);
    }

    /// Counts in a request for an app; `None` if it belongs to none.
    pub fn begin(&self, app: Option<&str>) -> Open {
        self.with(app, Tally::begin)
    }

    /// Counts in a WebSocket of an app.
    pub fn open_websocket(&self, app: &str) -> OpenWebSocket {
        self.with(Some(app), Tally::open_websocket)
    }

    /// Counts a refusal by its name.
    pub fn refused(&self, name: &'static str) {
        self.refusals.add(name);
    }

    /// Counts a request that was refused before it could be read.
    pub fn unread(&self, name: &'static str, status: u16) {
        self.refused(name);
        self.begin(None).finish("other", status, Duration::ZERO);
    }

    /// Counts a connection that was closed because there were too many.
    pub fn turned_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a try to sign in.
    pub fn attempt(&self, method: Method, attempt: Attempt) {
        self.attempts[method as usize][attempt as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts how long a password or code was looked at.
    pub fn attempt_took(&self, method: Method, took: Duration) {
        self.attempts_took[method as usize].observe(took);
    }

    /// Counts sessions that were ended.
    pub fn ended(&self, ending: Ending, sessions: u64) {
        self.endings[ending as usize].fetch_add(sessions, Ordering::Relaxed);
    }

    /// Counts a reload and remembers when it was.
    pub fn reloaded(&self, reload: Reload, at: Timestamp) {
        self.reloads[reload as usize].fetch_add(1, Ordering::Relaxed);
        self.reload_succeeded.store(reload == Reload::Applied, Ordering::Relaxed);
        self.reloaded_at.store(at.secs(), Ordering::Relaxed);
    }

    /// Notes when the gateway started, and with it the first configuration came into force.
    pub fn started(&self, at: Timestamp) {
        self.started_at.store(at.secs(), Ordering::Relaxed);
        self.reloaded_at.store(at.secs(), Ordering::Relaxed);
    }

    /// Counts a changed certificate file.
    pub fn renewed(&self, renewal: Renewal) {
        self.renewals[renewal as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The counts of every app, by name: those that are served, those that still have something open, and under the empty name
    /// what belongs to none.
    pub fn apps(&self) -> Vec<(Box<str>, Arc<Tally>)> {
        let apps = self.apps.get();
        let shown = apps.iter().filter(|(_, entry)| entry.served || has_open(&entry.tally));
        let mut shown: Vec<_> = shown.map(|(name, entry)| (name.clone(), Arc::clone(&entry.tally))).collect();
        shown.push((Box::default(), Arc::clone(&self.nobody)));
        shown.sort_by(|(a, _), (b, _)| a.cmp(b));
        shown
    }

    /// The counts of the app of that name.
    pub fn app(&self, name: &str) -> Option<Arc<Tally>> {
        self.apps.get().get(name).map(|entry| Arc::clone(&entry.tally))
    }

    /// Refusals by name.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.refusals.all()
    }

    /// Tries to sign in.
    pub fn attempts(&self) -> impl Iterator<Item = (Method, Attempt, u64)> {
        let of = |method: Method| Attempt::ALL.iter().map(move |attempt| (method, *attempt));
        let pairs = Method::ALL.iter().flat_map(move |method| of(*method));
        pairs.map(|(method, attempt)| (method, attempt, load(&self.attempts[method as usize][attempt as usize])))
    }

    /// How long passwords and codes were looked at.
    pub fn attempts_took(&self) -> impl Iterator<Item = (Method, Snapshot)> {
        Method::ALL.iter().map(|method| (*method, self.attempts_took[*method as usize].snapshot()))
    }

    /// Sessions that were ended.
    pub fn endings(&self) -> impl Iterator<Item = (Ending, u64)> {
        Ending::ALL.iter().map(|ending| (*ending, load(&self.endings[*ending as usize])))
    }

    /// Reloads.
    pub fn reloads(&self) -> impl Iterator<Item = (Reload, u64)> {
        Reload::ALL.iter().map(|reload| (*reload, load(&self.reloads[*reload as usize])))
    }

    /// Changed certificate files.
    pub fn renewals(&self) -> impl Iterator<Item = (Renewal, u64)> {
        Renewal::ALL.iter().map(|renewal| (*renewal, load(&self.renewals[*renewal as usize])))
    }

    /// Whether the last reload succeeded, and when it was, in seconds since 1970.
    pub fn last_reload(&self) -> (bool, i64) {
        (self.reload_succeeded.load(Ordering::Relaxed), self.reloaded_at.load(Ordering::Relaxed))
    }

    /// When the gateway started, in seconds since 1970.
    pub fn started_at(&self) -> i64 {
        self.started_at.load(Ordering::Relaxed)
    }

    /// Connections that were closed because there were too many.
    pub fn all_turned_away(&self) -> u64 {
        load(&self.turned_away)
    }

    fn with<T>(&self, app: Option<&str>, count: impl FnOnce(&Arc<Tally>) -> T) -> T {
        match app {
            None => count(&self.nobody),
            // A request that met the plan before may name an app that is gone.
            Some(name) => self.apps.read(|apps| count(apps.get(name).map_or(&self.nobody, |entry| &entry.tally))),
        }
    }
}

fn has_open(tally: &Tally) -> bool {
    let sum = tally.sum();
    sum.open > 0 || sum.websockets > 0
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(metrics: &Metrics) -> Vec<String> {
        metrics.apps().into_iter().map(|(name, _)| name.into()).collect()
    }

    #[test]
    fn a_reload_keeps_counts_also_of_apps_that_come_back() {
        let metrics = Metrics::default();
        metrics.serve(["a", "b"].into_iter());
        metrics.begin(Some("a")).finish("GET", 200, Duration::ZERO);
        let open = metrics.open_websocket("b");
        metrics.serve(["a", "c"].into_iter());
        assert_eq!(names(&metrics), ["", "a", "b", "c"], "b has a WebSocket left");
        drop(open);
        assert_eq!(names(&metrics), ["", "a", "c"]);
        metrics.serve([].into_iter());
        metrics.serve(["a"].into_iter());
        assert_eq!(metrics.app("a").expect("known").sum().requests[0][1], 1);
    }

    #[test]
    fn ever_new_names_of_apps_do_not_pile_up() {
        let metrics = Metrics::default();
        for number in 0..3 * MOST_RETIRED {
            metrics.serve([format!("app {number}").as_str()].into_iter());
        }
        assert!(metrics.apps.get().len() <= MOST_RETIRED + 1);
    }

    /// The attack: naming apps that do not exist.
    #[test]
    fn what_is_not_served_counts_for_nobody() {
        let metrics = Metrics::default();
        metrics.serve(["a"].into_iter());
        for number in 0..1_000 {
            metrics.begin(Some(&format!("x{number}"))).finish("GET", 421, Duration::ZERO);
        }
        assert_eq!(names(&metrics), ["", "a"]);
        assert_eq!(metrics.nobody.sum().requests[0][3], 1_000);
    }
}
