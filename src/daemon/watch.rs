//! Notices that the configuration file, or a file that it names, has changed. Looking instead of being told (inotify) also works
//! for editors that put a new file in its place, network shares and mounts in containers.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::config::include;
use crate::config::source::Consulted;
use crate::daemon::reload::{self, Reloader};

/// How often we look.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What tells that a file is another one, or written to: inode, size, time of its last change. `None` where there is none.
type Stamp = Option<(u64, u64, (i64, i64))>;
type Stamps = BTreeMap<PathBuf, Stamp>;

/// Remembers what was last taken up, and what was seen last.
#[derive(Debug)]
struct Watcher {
    taken: Stamps,
    seen: Stamps,
}

/// Reloads when files have changed and rest again. A change that is refused is reported once, and tried again when it changes.
/// Never ends by itself. What the files are now is noted at the call, not at the first poll: a change in between would never be
/// noticed.
pub fn watch(reloader: &Reloader) -> impl Future<Output = ()> {
    look(reloader, Watcher::new(stamps(reloader)))
}

async fn look(reloader: &Reloader, mut watcher: Watcher) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // While a configuration is on trial a change waits until that is over.
        if !watcher.is_due(stamps(reloader)) || reloader.is_on_trial() {
            continue;
        }
        reload::report(&reloader.reload(None));
        watcher.took(stamps(reloader));
    }
}

impl Watcher {
    fn new(stamps: Stamps) -> Self {
        Self { taken: stamps.clone(), seen: stamps }
    }

    /// Whether something differs from what was taken up and has stood still since the last look: half a file is no
    /// configuration.
    fn is_due(&mut self, now: Stamps) -> bool {
        let rests = now == self.seen;
        self.seen = now;
        rests && self.seen != self.taken
    }

    /// What was seen last is taken up. Files that were named for the first time are known from now on; those that changed while
    /// they were read will be noticed.
    fn took(&mut self, now: Stamps) {
        let seen = &self.seen;
        self.taken = now.into_iter().map(|(path, stamp)| (path.clone(), seen.get(&path).copied().unwrap_or(stamp))).collect();
    }
}

fn stamps(reloader: &Reloader) -> Stamps {
    let plan = reloader.plan();
    let pairs = plan.apps.iter().filter_map(|app| app.certificate.as_ref()).chain(plan.tls.certificate.as_ref());
    let named = pairs.flat_map(|files| [files.certificate.clone(), files.private_key.clone()]);
    let named = named.chain(plan.apps.iter().flat_map(|app| app.upstream.tls.files()));
    let last = reloader.consulted();
    let consulted = [&plan.consulted, &last].into_iter().flat_map(paths);
    named.chain(consulted).chain(reloader.file().map(PathBuf::from)).map(|path| (path.clone(), stamp(&path))).collect()
}

/// What was read, and what would be read now: a file that a pattern of `include` has come to stand for is noticed too.
fn paths(consulted: &Consulted) -> Vec<PathBuf> {
    // A folder that cannot be looked into is complained about when it is read.
    let now = consulted.patterns.iter().flat_map(|(folder, pattern)| include::expand(folder, pattern).unwrap_or_default());
    now.chain(consulted.files.iter().cloned()).collect()
}

fn stamp(path: &PathBuf) -> Stamp {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.size(), (metadata.mtime(), metadata.mtime_nsec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamps(files: &[(&str, u64)]) -> Stamps {
        files.iter().map(|(path, size)| (PathBuf::from(path), Some((1, *size, (0, 0))))).collect()
    }

    #[test]
    fn a_change_is_taken_up_once_it_rests() {
        let mut watcher = Watcher::new(stamps(&[("a", 1)]));
        assert!(!watcher.is_due(stamps(&[("a", 1)])));
        assert!(!watcher.is_due(stamps(&[("a", 2)])), "still being written, perhaps");
        assert!(!watcher.is_due(stamps(&[("a", 3)])));
        assert!(watcher.is_due(stamps(&[("a", 3)])));
        assert!(watcher.is_due(stamps(&[("a", 3)])), "until it is taken up");
        watcher.took(stamps(&[("a", 4), ("b", 1)]));
        assert!(!watcher.is_due(stamps(&[("a", 4), ("b", 1)])));
        assert!(watcher.is_due(stamps(&[("a", 4), ("b", 1)])), "changed while it was read");
        watcher.took(stamps(&[("a", 4), ("b", 1)]));
        assert!(!watcher.is_due(stamps(&[("a", 4), ("b", 1)])));
    }
}
