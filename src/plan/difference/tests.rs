//! Every kind of difference, and the very words for it.

use super::*;
use crate::plan::changed_settings::needing_restart;
use crate::plan::compile::compile_text;

fn plan(text: &str) -> Plan {
    compile_text(text).unwrap_or_else(|complaints| panic!("{text}\n{complaints:#?}")).plan
}

fn app(name: &str, more: &str) -> String {
    format!("[[app]]\nname = \"{name}\"\nhost = \"{name}.example\"\nupstream = \"http://127.0.0.1:8000\"\n{more}\n")
}

/// What is said when an app gets these lines instead of those.
fn told(before: &str, after: &str) -> Vec<(Effect, String)> {
    let changes = difference(&plan(&app("a", before)), &plan(&app("a", after)));
    assert!(changes.iter().all(|change| change.app.as_deref() == Some("a")), "{changes:?}");
    changes.into_iter().map(|change| (change.effect, change.sentence)).collect()
}

fn general(before: &str, after: &str) -> Vec<(Effect, String)> {
    let changes = difference(&plan(&format!("{before}\n{}", app("a", ""))), &plan(&format!("{after}\n{}", app("a", ""))));
    assert!(changes.iter().all(|change| change.app.is_none()), "{changes:?}");
    changes.into_iter().map(|change| (change.effect, change.sentence)).collect()
}

#[test]
fn what_is_written_otherwise_but_means_the_same_is_no_difference() {
    assert_eq!(told("", "require = \"2fa\" # as by default"), []);
    assert_eq!(summary(&[]), "changes nothing");
}

/// Each setting of an app there and back: what is said, and that taking it back is told as the opposite.
#[test]
fn every_rule_is_told_when_it_comes_and_when_it_goes() {
    use Effect::{Alters, Closes, Opens, Publishes};
    let cases = [
        ("deny = [\"/admin/\"]", Closes, "/admin/ is denied to everybody", Opens, "/admin/ is no longer denied"),
        ("bypass = [\"/health\"]", Publishes, "/health is public", Closes, "no rule says any more that /health is public"),
        (
            "bypass = [{ path = [\"/hooks/*\", \"/feed\"], methods = [\"POST\"], networks = [\"10.0.0.0/8\"], reason = \"x\" }]",
            Publishes,
            "/hooks/*, /feed for POST from 10.0.0.0/8 is public",
            Closes,
            "no rule says any more that /hooks/*, /feed for POST from 10.0.0.0/8 is public",
        ),
        (
            "only = [\"/app/\", \"/static/\"]",
            Closes,
            "only /app/, /static/ can be reached, every other path is denied",
            Opens,
            "every path can be reached, no longer only /app/, /static/",
        ),
        (
            "redirect = [{ from = \"/admin/\", to = \"/\" }]",
            Closes,
            "/admin/ is sent to / with 302",
            Opens,
            "/admin/ is no longer sent to /",
        ),
        (
            "require = \"password\"",
            Opens,
            "stands behind one factor alone instead of behind two factors",
            Closes,
            "stands behind two factors instead of behind one factor alone",
        ),
        (
            "[[app.rule]]\npath = \"/x/\"\naction = \"deny\"",
            Closes,
            "/x/ is denied to everybody",
            Opens,
            "no rule says any more that /x/ is denied to everybody",
        ),
        (
            "allow = [\"group:family\", \"user:bob\"]",
            Closes,
            "only user:bob, group:family may open it, no longer everybody who is signed in",
            Opens,
            "everybody who is signed in may open it, no longer only user:bob, group:family",
        ),
        (
            "max_age = \"15m\"",
            Closes,
            "asks for a proof given within 15m, no longer for one of any age",
            Opens,
            "asks for no new proof any more, however old the last is",
        ),
        (
            "require = \"passkey\"",
            Closes,
            "stands behind a passkey instead of behind two factors",
            Opens,
            "stands behind two factors instead of behind a passkey",
        ),
        ("listed = false", Alters, "listed is another", Alters, "listed is another"),
        (
            "deny_status = 403",
            Alters,
            "denied paths are answered 403 instead of 404",
            Alters,
            "denied paths are answered 404 instead of 403",
        ),
        (
            "idle_timeout = \"0s\"",
            Alters,
            "idle_timeout is without end instead of 10m",
            Alters,
            "idle_timeout is 10m instead of without end",
        ),
        (
            "certificate = \"a.pem\"\nprivate_key = \"a.key\"",
            Alters,
            "the certificate comes from a.pem",
            Alters,
            "the certificate comes from where those without files of their own do",
        ),
    ];
    for (lines, effect, there, opposite, back) in cases {
        assert_eq!(told("", lines), [(effect, there.to_owned())]);
        assert_eq!(told(lines, ""), [(opposite, back.to_owned())]);
    }
}

#[test]
fn a_rule_that_changed_is_told_as_one() {
    let rule = |more: &str| format!("[[app.rule]]\npath = \"/api/\"\n{more}");
    let bypass = |limits: &str| rule(&format!("action = \"bypass\"\nreason = \"x\"\n{limits}"));
    let lan = "networks = [\"10.0.0.0/8\"]";
    let house = "networks = [\"10.1.0.0/16\"]";
    let cases = [
        (rule(""), bypass(""), Effect::Publishes, "/api/ is public, where so far it stands behind two factors"),
        (bypass(""), rule(""), Effect::Closes, "/api/ stands behind two factors, where so far it is public"),
        (
            bypass(house),
            bypass(lan),
            Effect::Publishes,
            "/api/ from 10.0.0.0/8 is public, where so far it, from 10.1.0.0/16, is public",
        ),
        (
            bypass(lan),
            bypass(house),
            Effect::Closes,
            "/api/ from 10.1.0.0/16 is public, where so far it, from 10.0.0.0/8, is public",
        ),
        (bypass(lan), bypass(""), Effect::Publishes, "/api/ is public, where so far it, from 10.0.0.0/8, is public"),
        (
            bypass("methods = [\"GET\"]"),
            bypass("methods = [\"POST\"]"),
            Effect::Publishes,
            "/api/ for POST is public, where so far it, for GET, is public",
        ),
        (
            rule(""),
            rule("require = \"password\""),
            Effect::Opens,
            "/api/ stands behind one factor alone, where so far it stands behind two factors",
        ),
        (
            rule("action = \"deny\""),
            rule(""),
            Effect::Opens,
            "/api/ stands behind two factors, where so far it is denied to everybody",
        ),
        (
            rule("action = \"deny\""),
            rule("action = \"deny\"\nmethods = [\"POST\"]"),
            Effect::Opens,
            "/api/ for POST is denied to everybody, where so far it is denied to everybody",
        ),
    ];
    for (before, after, effect, sentence) in cases {
        assert_eq!(told(&before, &after), [(effect, sentence.to_owned())], "{before}\n{after}");
    }
    // Looser in one respect and stricter in another is told as opening.
    let (family, fresh) = (rule("allow = [\"group:family\"]"), rule("max_age = \"5m\""));
    let sentence =
        "/api/ stands behind two factors, proven within 5m, where so far it stands behind two factors for group:family alone";
    assert_eq!(told(&family, &fresh), [(Effect::Opens, sentence.to_owned())]);
    let both = "allow = [\"group:family\", \"user:bob\"]";
    let told_of = told(both, "allow = [\"user:bob\", \"user:alice\"]");
    let expected = [(Effect::Opens, "user:alice may open it"), (Effect::Closes, "group:family may no longer open it")];
    assert_eq!(told_of, expected.map(|(effect, sentence)| (effect, sentence.to_owned())));
    assert_eq!(told(both, "allow = [\"user:BOB\", \"group:Family\", \"user:bob\"]"), [], "another spelling is no change");
    let one = "[[app.rule]]\npath = \"/a/*/x\"\n";
    let two = "[[app.rule]]\npath = \"/a/b/*\"\naction = \"bypass\"\nreason = \"x\"\n";
    let order = "the rules are in another order, and the first that matches speaks";
    assert_eq!(told(&format!("{one}{two}"), &format!("{two}{one}")), [(Effect::Alters, order.to_owned())]);
}

#[test]
fn apps_and_hosts_are_told_as_people_type_them() {
    let before = plan(&(app("a", "") + &app("b", "") + &app("c", "").replace("\"c.example\"", "[\"c.example\", \"d.example\"]")));
    let after = plan(
        &(app("a", "").replace(":8000", ":9000").replace("name = \"a\"", "name = \"A\"")
            + &app("c", "").replace("\"c.example\"", "[\"c.example\", \"b.example\"]")
            + &app("e", "bypass = [\"/x\"]\nrequire = \"password\"")),
    );
    let changes = difference(&before, &after);
    let told: Vec<_> =
        changes.iter().map(|change| (change.effect, change.app.as_deref().unwrap_or("-"), change.sentence.as_str())).collect();
    assert_eq!(
        told,
        [
            (Effect::Publishes, "e", "/x is public"),
            (Effect::Opens, "e", "a new app at https://e.example/, behind one factor alone"),
            (Effect::Closes, "c", "https://d.example/ no longer leads anywhere"),
            (Effect::Alters, "A", "is what was called a"),
            (Effect::Alters, "A", "requests go to http://127.0.0.1:9000 instead of http://127.0.0.1:8000"),
            (Effect::Alters, "c", "https://b.example/ leads here instead of to b"),
        ]
    );
    assert_eq!(summary(&changes), "makes 1 thing public, opens 1 thing, closes 1 thing, changes 3 things otherwise");
    let gone = difference(&before, &plan(&app("a", "")));
    assert_eq!(gone[1].sentence, "is gone, and with it https://c.example/, https://d.example/");
}

#[test]
fn settings_of_the_installation_are_told_by_their_keys() {
    use Effect::{Alters, Closes, Opens};
    let cases = [
        (
            "[session]\nidle_timeout = \"30m\"",
            Closes,
            "session.idle_timeout is 30m instead of 12h, for sessions that begin from then on",
        ),
        ("[session]\nremember = \"off\"", Closes, "session.remember is off instead of 30d, for sessions that begin from then on"),
        ("portal = \"https://auth.example\"", Alters, "people sign in at https://auth.example instead of https://a.example"),
        ("[tls]\nmin_version = \"1.3\"", Closes, "the oldest TLS spoken is 1.3 instead of 1.2"),
        ("[listen]\nhttp = [\"[::]:80\", \"[::]:81\"]", Opens, "plain HTTP is spoken at [::]:81"),
        ("[listen]\nhttp = []", Closes, "plain HTTP is no longer spoken at [::]:80"),
        ("[listen]\nmax_connections = 9", Alters, "listen.max_connections is 9 instead of 10000"),
        ("[auth]\npassword_min_length = 15", Alters, "auth.password_min_length is 15 instead of 12"),
        ("[auth]\nrecovery_codes = 0", Alters, "auth.recovery_codes is 0 instead of 10"),
        ("[auth.totp]\nissuer = \"Home\"", Alters, "auth.totp.issuer is Home instead of a.example"),
        ("[log]\nlevel = \"debug\"", Alters, "log.level is debug instead of info"),
        ("data_dir = \"elsewhere\"", Alters, "data_dir is another, from the next restart on"),
        ("[log]\nfile = \"x.log\"", Alters, "log.file is another, from the next restart on"),
    ];
    for (lines, effect, sentence) in cases {
        assert_eq!(general("", lines), [(effect, sentence.to_owned())], "{lines}");
    }
    let longer = general("[session]\nidle_timeout = \"30m\"", "");
    assert_eq!(longer[0].0, Opens);
    let restart = plan(&format!("data_dir = \"x\"\n{}\n[log]\nformat = \"json\"\naccess = \"off\"", app("a", "")));
    assert_eq!(needing_restart(&plan(&app("a", "")), &restart), ["data_dir", "log.format", "log.access"]);
}

#[test]
fn other_headers_and_websocket_limits_are_told() {
    let alters = |key: &str| (Effect::Alters, format!("{key} is another"));
    assert_eq!(told("", "request_headers = { remove = [\"X-Old\"] }"), [alters("request_headers")]);
    assert_eq!(told("", "response_headers = { remove = [\"X-Old\"] }"), [alters("response_headers")]);
    assert_eq!(told("", "websocket = { enabled = false }"), [alters("websocket")]);
}

#[test]
fn hosts_and_paths_that_change_hands_are_told_with_who_has_them() {
    use Effect::{Alters, Closes, Opens};
    let at = |name: &str, host: &str, path: &str| {
        format!("[[app]]\nname = \"{name}\"\nhost = \"{host}\"\npath = \"{path}\"\nupstream = \"http://127.0.0.1:8000\"\n")
    };
    let (root, wiki) = (at("root", "a.example", "/"), at("wiki", "a.example", "/wiki/"));
    let (any, own) = (at("any", "*.x.example", "/"), at("own", "b.x.example", "/"));
    let both = |one: &str, two: &str| format!("name = \"x\"\nportal = \"https://auth.example\"\n{one}{two}");
    for (before, after, expected) in [
        (both(&root, &wiki), both(&root, ""), vec![(Alters, "wiki", "https://a.example/wiki/ leads to root instead")]),
        (both(&any, &own), both(&any, ""), vec![(Alters, "own", "https://b.x.example/ leads to any instead")]),
        (both(&any, &own), both(&own, ""), vec![(Closes, "any", "is gone, and with it https://*.x.example/")]),
        (both(&wiki, ""), both(&wiki, &any), vec![(Opens, "any", "a new app at https://*.x.example/, behind two factors")]),
        (both(&wiki, &any), both(&any, ""), vec![(Closes, "wiki", "is gone, and with it https://a.example/wiki/")]),
        (
            both(&any, &wiki),
            both(&any, &wiki.replace("\"a.example\"", "[\"a.example\", \"c.x.example\"]").replace("/wiki/", "/wiki")),
            vec![(Alters, "wiki", "https://c.x.example/wiki/ leads here instead of to any")],
        ),
        (
            both(&wiki, ""),
            both(&(wiki.clone() + "strip_path = true\n"), ""),
            vec![(Alters, "wiki", "no longer sees that it is at /wiki/")],
        ),
    ] {
        let told = difference(&plan(&before), &plan(&after));
        let told: Vec<_> = told
            .iter()
            .map(|change| (change.effect, change.app.as_deref().unwrap_or_default(), change.sentence.as_str()))
            .collect();
        assert_eq!(told, expected, "{before}\n{after}");
    }
}

#[test]
fn where_requests_go_and_what_they_may_carry_is_told() {
    use Effect::{Alters, Closes, Opens};
    let says = |words: &str| vec![(Alters, words.to_owned())];
    assert_eq!(told("", "maintenance = \"Back at six.\""), says("is closed for maintenance: who may pass gets 503"));
    assert_eq!(told("maintenance = true", "maintenance = false"), says("is open again after maintenance"));
    assert_eq!(told("maintenance = true", "maintenance = \"x\""), says("maintenance is told in other words"));
    assert_eq!(told("", "preserve_host = false"), says("the app gets its own Host"));
    let rule = "[[app.rule]]\npath = \"/up/\"\naction = \"bypass\"\nreason = \"x\"\n";
    assert_eq!(
        told(rule, &format!("{rule}body_limit = \"none\"")),
        says("/up/ takes bodies of any size, where so far it took bodies of at most 1048576 bytes")
    );
    let to = |upstream: &str| plan(&app("a", "").replace("http://127.0.0.1:8000", upstream));
    let sentences =
        |before: &Plan, after: &Plan| difference(before, after).into_iter().map(|change| change.sentence).collect::<Vec<_>>();
    let tls = "https://nas:5001\"\nupstream_tls = { ca = \"nas.pem\" } # \"";
    assert_eq!(
        sentences(&to("unix:/run/a.sock"), &to(tls)),
        ["requests go to https://nas:5001 instead of unix:/run/a.sock", "upstream_tls is another"]
    );
    assert_eq!(
        general(
            "[listen]\ntrusted_proxies = [\"192.0.2.1\"]",
            "[listen]\ntrusted_proxies = [\"192.0.2.2\"]\nclient_ip_header = \"X-Real-IP\""
        ),
        [
            (Opens, "192.0.2.2/32 is believed where requests come from".to_owned()),
            (Closes, "192.0.2.1/32 is no longer believed where requests come from".to_owned()),
            (Alters, "proxies name their clients in x-real-ip instead of x-forwarded-for".to_owned()),
        ]
    );
}
