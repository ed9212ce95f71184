//! Which apps answer for a host: two look-ups at most, however many hosts there are.

use std::collections::HashMap;
use std::sync::Arc;

use crate::plan::app::App;
use crate::policy::charset::Charset;
use crate::policy::host::Host;
use crate::policy::mount::{self, Choice, Mount};
use crate::policy::refusal::Unreadable;
use crate::policy::resolve::{self, Dots};
use crate::policy::target::{Own, Target};
use crate::policy::wildcard::Wildcard;

/// The hosts and what stands on each.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    exact: HashMap<Host, Arc<Site>>,
    /// By the name behind the star.
    under: HashMap<Host, Arc<Site>>,
}

/// The apps of one host, or of all hosts under a wildcard. None where people only sign in.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// The deepest mount point first.
    apps: Vec<Arc<App>>,
    /// What the paths of any of them are written in, at the widest.
    charset: Charset,
}

/// Which app a request is for.
#[derive(Debug)]
pub enum Entry<'a> {
    /// This one, and the target as it is there.
    App(&'a Arc<App>, Target),
    /// None.
    Nobody(Target),
    /// It could be more than one.
    Several,
    /// This one, but what is left of the target for it cannot be judged.
    Unreadable(&'a Arc<App>, Unreadable),
}

impl Routes {
    /// The hosts of these apps, and the portal. The portal is written out, so a wildcard around it does not take it.
    pub fn of(apps: &[Arc<App>], portal: &Host) -> Self {
        let (mut exact, mut under): (HashMap<&Host, Vec<_>>, HashMap<&Host, Vec<_>>) = Default::default();
        exact.insert(portal, Vec::new());
        for app in apps {
            app.hosts.iter().for_each(|host| exact.entry(host).or_default().push(app));
            app.wildcards.iter().for_each(|wildcard| under.entry(wildcard.parent()).or_default().push(app));
        }
        let sites = |found: HashMap<&Host, Vec<&Arc<App>>>| {
            found.into_iter().map(|(host, apps)| (host.clone(), Arc::new(Site::of(apps)))).collect()
        };
        Self { exact: sites(exact), under: sites(under) }
    }

    /// What stands on `host`: as it is written, else under the wildcard it falls under.
    pub fn site(&self, host: &Host) -> Option<&Arc<Site>> {
        self.look_up(host, |map, key| map.get(key))
    }

    /// What stands on a host that is written out.
    pub fn exactly(&self, host: &Host) -> Option<&Arc<Site>> {
        self.exact.get(host)
    }

    /// What stands on the hosts under a wildcard.
    pub fn under(&self, wildcard: &Wildcard) -> Option<&Arc<Site>> {
        self.under.get(wildcard.parent())
    }

    /// How many hosts and wildcards of apps there are.
    pub fn count(&self) -> usize {
        self.exact.values().chain(self.under.values()).filter(|site| !site.apps.is_empty()).count()
    }

    fn look_up<'a>(
        &'a self,
        host: &Host,
        mut ask: impl FnMut(&'a HashMap<Host, Arc<Site>>, &str) -> Option<&'a Arc<Site>>,
    ) -> Option<&'a Arc<Site>> {
        if let Some(site) = ask(&self.exact, host.as_str()) {
            return Some(site);
        }
        host.behind_first_label().and_then(|parent| ask(&self.under, parent))
    }
}

impl Site {
    fn of(apps: Vec<&Arc<App>>) -> Self {
        let mut apps: Vec<Arc<App>> = apps.into_iter().cloned().collect();
        apps.sort_by_key(|app| std::cmp::Reverse(app.mount.depth()));
        let bytes = apps.iter().any(|app| app.rules.charset == Charset::Bytes);
        Self { apps, charset: if bytes { Charset::Bytes } else { Charset::Utf8 } }
    }

    /// What targets have to be read in to find the app that they are for.
    pub fn charset(&self) -> Charset {
        self.charset
    }

    /// Its apps.
    pub fn apps(&self) -> &[Arc<App>] {
        &self.apps
    }

    /// Whether exactly the same apps stand on both, and at least one.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let (one, two) = (&self.apps, &other.apps);
        !one.is_empty() && one.len() == two.len() && one.iter().all(|app| two.iter().any(|other| Arc::ptr_eq(app, other)))
    }

    /// The app a target is for, and the target as that app's paths are read.
    pub fn enter(&self, target: Target) -> Entry<'_> {
        if let [only] = self.apps.as_slice()
            && only.mount.is_root()
        {
            return Self::arrive(only, target);
        }
        let Some(first) = self.apps.first() else { return Entry::Nobody(target) };
        let target = match target.read_as(self.charset) {
            Ok(target) => target,
            Err(reason) => return Entry::Unreadable(first, reason),
        };
        let mounts: Vec<&Mount> = self.apps.iter().map(|app| &app.mount).collect();
        match mount::choose(&mounts, &target) {
            Choice::Nobody => Entry::Nobody(target),
            Choice::Several => Entry::Several,
            Choice::One(at) => Self::arrive(&self.apps[at], target),
        }
    }

    /// Whoever reads in one charset only has no more readings than whoever reads in any, so these agree on the app as those did.
    fn arrive(app: &Arc<App>, target: Target) -> Entry<'_> {
        match target.read_as(app.rules.charset).and_then(|target| app.mount.enter(target)) {
            Ok(target) => Entry::App(app, target),
            Err(reason) => Entry::Unreadable(app, reason),
        }
    }

    /// Where a client is sent that asks for a path with `.` and `..`: the app, and what the path comes to. `None` where such a
    /// request is refused; nothing else is judged here, as the client has to come back anyway.
    pub fn resolve(&self, origin_form: &str) -> Option<(&Arc<App>, Target)> {
        if self.apps.iter().all(|app| app.rules.dots == Dots::Refuse) {
            return None;
        }
        let target = resolve::resolve(origin_form, self.charset)?;
        match self.enter(target.clone()) {
            Entry::App(app, entered) if app.rules.dots == Dots::Resolve && entered.own() == Own::No => Some((app, target)),
            Entry::App(..) | Entry::Nobody(_) | Entry::Several | Entry::Unreadable(..) => None,
        }
    }

    /// The app at the root, else the first: whose name stands for the host where no path is known.
    pub fn chief(&self) -> Option<&Arc<App>> {
        self.apps.iter().find(|app| app.mount.is_root()).or(self.apps.first())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::compile::compile_text;
    use crate::plan::whole::Plan;

    fn plan(text: &str) -> Plan {
        compile_text(text).unwrap_or_else(|complaints| panic!("{complaints:#?}")).plan
    }

    fn app(name: &str, host: &str, path: &str) -> String {
        format!("[[app]]\nname = \"{name}\"\nhost = \"{host}\"\nupstream = \"http://127.0.0.1:1\"\npath = \"{path}\"\n")
    }

    fn name(plan: &Plan, host: &str, target: &str) -> String {
        let host = Host::parse(host).expect(host);
        let Some(site) = plan.site(&host) else { return "unknown".to_owned() };
        match site.enter(Target::parse(target).expect(target)) {
            Entry::App(app, _) => app.name.clone(),
            Entry::Nobody(_) => "nobody".to_owned(),
            Entry::Several => "several".to_owned(),
            Entry::Unreadable(_, reason) => reason.name().to_owned(),
        }
    }

    #[test]
    fn a_host_written_out_wins_and_a_wildcard_takes_one_label() {
        let text = app("own", "a.apps.example", "/")
            + &app("any", "*.apps.example", "/")
            + &app("deep", "*.x.apps.example", "/")
            + &app("bare", "apps.example", "/");
        let plan = plan(&format!("portal = \"https://auth.apps.example\"\n{text}"));
        for (host, expected) in [
            ("a.apps.example", "own"),
            ("b.apps.example", "any"),
            ("x.apps.example", "any"),
            ("a.x.apps.example", "deep"),
            ("apps.example", "bare"),
            ("a.b.apps.example", "unknown"),
            ("auth.apps.example", "nobody"),
            ("example", "unknown"),
            ("127.0.0.1", "unknown"),
        ] {
            assert_eq!(name(&plan, host, "/"), expected, "{host}");
        }
    }

    #[test]
    fn a_host_written_out_takes_all_of_its_paths() {
        let plan = plan(&(app("own", "a.apps.example", "/x") + &app("any", "*.apps.example", "/")));
        assert_eq!(name(&plan, "a.apps.example", "/x/y"), "own");
        assert_eq!(name(&plan, "a.apps.example", "/y"), "nobody");
        assert_eq!(name(&plan, "b.apps.example", "/x/y"), "any");
    }

    /// Counted instead of timed: with ten thousand hosts a request asks as often as with one.
    #[test]
    fn ten_thousand_hosts_take_as_many_look_ups_as_one() {
        let hosts = |count: usize| (0..count).map(|at| format!("\"h{at}.example\"")).collect::<Vec<_>>().join(", ");
        for count in [1, 10_000] {
            let text = format!("[[app]]\nhost = [{}, \"*.w.example\"]\nupstream = \"http://127.0.0.1:1\"\n", hosts(count));
            let plan = plan(&text);
            assert_eq!(plan.hosts.count(), count + 1);
            for (host, expected) in [("h0.example", 1), ("x.w.example", 2), ("x.unknown.example", 2), ("localhost", 1)] {
                let mut asked = 0;
                plan.hosts.look_up(&Host::parse(host).expect(host), |map, key| {
                    asked += 1;
                    map.get(key)
                });
                assert_eq!(asked, expected, "{host} of {count}");
            }
        }
    }

    #[test]
    fn the_deepest_mount_point_wins_wherever_it_was_written() {
        let text = app("root", "a.example", "/") + &app("x", "a.example", "/x") + &app("xy", "a.example", "/x/y/");
        let plan = plan(&text);
        for (target, expected) in [
            ("/", "root"),
            ("/xx", "root"),
            ("/y", "root"),
            ("/x", "x"),
            ("/x/", "x"),
            ("/x/z", "x"),
            ("/x/y", "xy"),
            ("/x/y/z?q", "xy"),
        ] {
            assert_eq!(name(&plan, "a.example", target), expected, "{target}");
        }
    }
}
