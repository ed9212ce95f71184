//! From one plan to the next: an app that stays as it is keeps its identity, and with it everything that is open through it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::lifeline::Lifeline;
use crate::plan::app::App;
use crate::plan::routes::Routes;
use crate::plan::whole::Plan;
use crate::policy::host::Host;
use crate::policy::wildcard::Wildcard;

/// The plan `next` as it comes after `current`. An app that is in both is the very same one in both, so that its connections,
/// streams and WebSockets go on. One that only changed its name or certificate keeps its lifeline, and so what is open.
pub fn succeed(next: &Plan, current: &Plan) -> Plan {
    let mut known: HashMap<_, Vec<&Arc<App>>> = HashMap::new();
    for app in &current.apps {
        known.entry(line(app)).or_default().push(app);
    }
    let succession = next.apps.iter().map(|app| {
        let candidates = known.get(&line(app)).map_or(&[][..], Vec::as_slice);
        (Arc::as_ptr(app).addr(), successor(app, candidates))
    });
    let succession: HashMap<usize, Arc<App>> = succession.collect();
    let apps: Vec<Arc<App>> = next.apps.iter().map(|app| Arc::clone(&succession[&Arc::as_ptr(app).addr()])).collect();
    Plan { hosts: Routes::of(&apps, &next.portal), apps, ..next.clone() }
}

/// What an app has in common with its successor and with no other app of the same plan: no two have one host and one path.
fn line(app: &App) -> (Option<&Host>, Option<&Wildcard>, String) {
    (app.hosts.first(), app.wildcards.first(), app.mount.prefix())
}

/// Apps that were served and are not any more, or not as they were: what is open through them has to end.
pub fn departed(before: &Plan, now: &Plan) -> Vec<Arc<App>> {
    before.apps.iter().filter(|app| !is_served(app, now)).cloned().collect()
}

/// Whether what is open through `app` may go on under `plan`.
pub fn is_served(app: &App, plan: &Plan) -> bool {
    now_served(app, plan).is_some_and(|served| served.lifeline == app.lifeline)
}

/// Whether `plan` serves this very app.
pub fn is_kept(app: &Arc<App>, plan: &Plan) -> bool {
    now_served(app, plan).is_some_and(|served| Arc::ptr_eq(served, app))
}

fn now_served<'a>(app: &App, plan: &'a Plan) -> Option<&'a Arc<App>> {
    // Apps on one line have the same hosts.
    let host = app.hosts.first().map(|host| plan.hosts.exactly(host));
    let under = || app.wildcards.first().map(|wildcard| plan.hosts.under(wildcard));
    host.or_else(under)??.apps().iter().find(|served| line(served) == line(app))
}

fn successor(app: &Arc<App>, known: &[&Arc<App>]) -> Arc<App> {
    match known.iter().find(|known| known.serves_like(app)) {
        Some(known) if known.is_like(app) => Arc::clone(known),
        Some(known) => Arc::new(App { lifeline: known.lifeline.clone(), ..App::clone(app) }),
        // A plan that comes back after its apps had ended begins anew.
        None if app.lifeline.is_cut() => Arc::new(App { lifeline: Lifeline::new(), ..App::clone(app) }),
        None => Arc::clone(app),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::compile::compile_text;

    fn plan(text: &str) -> Plan {
        compile_text(text).unwrap_or_else(|complaints| panic!("{complaints:#?}")).plan
    }

    fn app(name: &str, more: &str) -> String {
        format!("[[app]]\nhost = \"{name}.example\"\nupstream = \"http://127.0.0.1:1\"\n{more}\n")
    }

    #[test]
    fn an_app_that_stays_as_it_is_stays_the_same_one() {
        let before = plan(&(app("a", "deny = [\"/x/\"]") + &app("b", "")));
        let now = succeed(&plan(&(app("c", "") + &app("b", "") + "# b moved\n" + &app("a", "deny = [\"/x/\"]"))), &before);
        assert!(Arc::ptr_eq(&now.apps[2], &before.apps[0]) && Arc::ptr_eq(&now.apps[1], &before.apps[1]));
        assert!(now.apps.iter().all(|app| is_kept(app, &now)));
        assert!(departed(&before, &now).is_empty());
    }

    #[test]
    fn a_name_or_certificate_ends_nothing_that_is_open() {
        let before = plan(&app("a", ""));
        let pair = "certificate = \"a.pem\"\nprivate_key = \"a.key\"";
        for more in ["name = \"A\"", pair, "listed = false", "description = \"x\"", "allow = [\"*\"]"] {
            let now = succeed(&plan(&app("a", more)), &before);
            assert!(
                Arc::ptr_eq(&now.apps[0], &before.apps[0]) == more.starts_with("allow")
                    && now.apps[0].lifeline == before.apps[0].lifeline
            );
            assert!(departed(&before, &now).is_empty());
        }
    }

    /// The attack: a stream opened under the old rules lives on under the new ones.
    #[test]
    fn whatever_else_changes_ends_what_is_open() {
        let before = plan(&app("a", ""));
        let others = [
            "deny = [\"/x/\"]",
            "deny_status = 403",
            "only = [\"/x/\"]",
            "require = \"password\"",
            "allow = [\"user:alice\"]",
            "max_age = \"5m\"",
            "[[app.rule]]\npath = \"/x/\"\nallow = [\"group:family\"]",
            "[[app.rule]]\npath = \"/x/\"\nmax_age = \"5m\"",
            "bypass = [\"/x/\"]",
            "redirect = [{ from = \"/x/\", to = \"/\" }]",
            "idle_timeout = \"1s\"",
            "body_limit = \"1KiB\"",
            "preserve_host = false",
            "maintenance = true",
            "path_charset = \"bytes\"",
            "normalise = true",
            "[[app.rule]]\npath = \"/x/\"\nbody_limit = \"1KiB\"",
            "[[app.rule]]\npath = \"/x/\"\nmethods = [\"GET\"]",
        ];
        let mut texts: Vec<String> = others.iter().map(|more| app("a", more)).collect();
        texts.push(app("a", "").replace("\"a.example\"", "[\"a.example\", \"b.example\"]"));
        texts.push(app("a", "").replace(":1\"", ":2\""));
        texts.push(app("b", ""));
        texts.push(app("a", "").replace("http:", "https:"));
        for text in texts {
            let now = succeed(&plan(&text), &before);
            assert!(now.apps[0].lifeline != before.apps[0].lifeline, "{text}");
            assert_eq!(departed(&before, &now).len(), 1, "{text}");
        }
    }

    #[test]
    fn apps_of_one_host_and_of_wildcards_are_told_apart_by_path_and_name() {
        let at = |host: &str, path: &str, more: &str| {
            format!("[[app]]\nhost = \"{host}\"\npath = \"{path}\"\nupstream = \"http://127.0.0.1:1\"\n{more}\n")
        };
        let (root, wiki, any) = (at("a.example", "/", ""), at("a.example", "/wiki/", ""), at("*.x.example", "/", ""));
        let before = plan(&format!("{root}{wiki}{any}"));
        let now = succeed(&plan(&format!("{root}# moved\n{any}{wiki}")), &before);
        assert!(departed(&before, &now).is_empty());
        assert!(before.apps.iter().all(|app| is_kept(app, &now)), "the same ones");
        // The attack: what is open through an app lives on although the app sees another path, or is elsewhere.
        for (changed, text) in [
            (1, format!("{root}{}{any}", at("a.example", "/wiki/", "strip_path = true"))),
            (1, format!("{root}{}{any}", at("a.example", "/docs/", ""))),
            (1, format!("{root}{any}")),
            (1, format!("{root}{wiki}{}", at("*.y.example", "/", ""))),
            (2, format!("portal = \"https://b.example\"\n{}{wiki}{}", at("b.example", "/", ""), at("x.example", "/", ""))),
        ] {
            let now = succeed(&plan(&text), &before);
            assert_eq!(departed(&before, &now).len(), changed, "{text}");
        }
    }

    #[test]
    fn a_plan_that_comes_back_takes_up_what_has_not_ended() {
        let before = plan(&(app("a", "") + &app("b", "")));
        let other = succeed(&plan(&app("a", "deny = [\"/x/\"]")), &before);
        before.apps[0].lifeline.cut();
        let back = succeed(&before, &other);
        assert!(!back.apps[0].lifeline.is_cut() && Arc::ptr_eq(&back.apps[1], &before.apps[1]));
        assert_eq!(departed(&other, &back).len(), 1);
    }
}
