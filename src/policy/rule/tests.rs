//! Rules against the measured spellings, against honest URLs, and against targets nobody has thought of yet.

use proptest::prelude::*;

use super::*;
use crate::model::strength::Strength;
use crate::policy::host::Authority;
use crate::policy::layer;
use crate::policy::reading;
use crate::policy::refusal::Unreadable;

const BYPASSES: &str = include_str!("../../../tests/data/path-bypass.tsv");
const HONEST: &str = include_str!("../../../tests/data/honest-urls.tsv");
const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

const PASSWORD: Action = Action::Require(Requirement::of(Strength::Password));
const TWO_FACTOR: Action = Action::Require(Requirement::of(Strength::TwoFactor));

fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::parse(text).expect(text)).collect()
}

fn rule(paths: &[&str], action: Action) -> Rule {
    Rule { paths: patterns(paths), methods: Vec::new(), networks: Vec::new(), action, body_limit: None }
}

fn denying(texts: &[&str]) -> RuleSet {
    RuleSet { deny: patterns(texts).into(), ..RuleSet::default() }
}

fn bypassing(texts: &[&str]) -> RuleSet {
    RuleSet { bypass: vec![rule(texts, Action::Bypass)].into(), ..RuleSet::default() }
}

fn redirect(to: &str) -> Redirect {
    Redirect { to: to.to_owned(), status: 302 }
}

fn judge(rules: &RuleSet, target: &str) -> Judgement {
    rules.judge(&Target::parse(target).expect(target), &Method::GET, CLIENT)
}

fn required(strength: Strength) -> Judgement {
    Judgement::Required(Requirement::of(strength))
}

/// The bytes of a target as the data files write them: `\xNN` for a byte, `\\` for a backslash.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(hex) = rest.strip_prefix("\\x").and_then(|behind| behind.get(..2)) {
            bytes.push(u8::from_str_radix(hex, 16).expect("two digits"));
            rest = &rest[4..];
        } else {
            let escaped = rest.strip_prefix('\\').unwrap_or(rest);
            bytes.push(u8::try_from(c).expect("the files are ASCII"));
            rest = if escaped.len() < rest.len() { &escaped[1..] } else { &rest[1..] };
        }
    }
    bytes
}

/// What the gateway does with a request target before it asks the rules.
fn take_in(raw: &[u8]) -> Result<Target, Unreadable> {
    let own = Authority::parse("gateway.example").expect("a host");
    match std::str::from_utf8(raw) {
        Ok(text) if !text.starts_with('/') => Target::parse_absolute(text, &own),
        _ => Target::parse_bytes(raw),
    }
}

fn verdict(rules: &RuleSet, raw: &[u8]) -> &'static str {
    match take_in(raw) {
        Err(_) => "refuse",
        Ok(target) => match rules.judge(&target, &Method::GET, CLIENT) {
            Judgement::Denied(_) => "deny",
            Judgement::Redirected(_) | Judgement::Required(_) | Judgement::Open => "pass",
        },
    }
}

/// Lines about headers, rewriting and HTTP/2 framing; other rooms answer for those.
fn is_elsewhere(target: &str) -> bool {
    target.starts_with("HTTP/2 ") || target.contains(" [X-") || target.contains(" with ")
}

/// The attack: every spelling that reached a blocked handler on one of 91 measured servers.
#[test]
fn every_measured_bypass_is_denied_or_refused() {
    let rules = denying(&["/admin/"]);
    let mut count = 0;
    for line in BYPASSES.lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.split('\t');
        let (expected, target) = (fields.next().expect("a verdict"), fields.next().expect("a target"));
        if !is_elsewhere(target) {
            assert_eq!(verdict(&rules, &unescape(target)), expected, "{target}");
            count += 1;
        }
    }
    assert_eq!(count, 233);
}

#[test]
fn every_honest_url_gets_its_verdict_and_is_kept_byte_for_byte() {
    let rules = denying(&["/admin/"]);
    let mut count = 0;
    for line in HONEST.lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.split('\t');
        let (expected, _app, target) = (fields.next().expect("a verdict"), fields.next(), fields.next().expect("a target"));
        assert_eq!(verdict(&rules, target.as_bytes()), expected, "{target}");
        if expected == "pass" {
            assert_eq!(Target::parse(target).expect(target).as_str(), target);
        }
        count += 1;
    }
    assert_eq!(count, 87);
}

/// The attack: a suffix, an accent or a lead that the upstream ignores.
#[test]
fn denied_names_are_denied_with_their_disguises_and_neighbours_are_not() {
    let rules = denying(&["/admin/", "/metrics", "/api/*/keys", "/.git/**"]);
    for target in [
        "/admin",
        "/admin/",
        "/admin/x/y",
        "/Admin",
        "/admin.json",
        "/admin::$DATA",
        "/~admin/",
        "/.admin/x",
        "/+admin",
        "/%C3%A0dmin/",
        "/admin%E2%80%A6",
        "/index.php/admin/",
        "/INDEX.PHP/x.cgi/admin",
        "/(S(abc))/admin",
        "/a.php/(x)/admin",
        "/x.php;a/admin",
        "/metrics",
        "/metrics/",
        "//metrics",
        "/METRICS.json",
        "/metrics%20",
        "/metrics;x",
        "/metrics%3fx",
        "/api/v1/keys",
        "/api/v1/Keys.json",
        "/api/%2Fkeys",
        "/api/v1%2Fkeys",
        "/api/v1%252Fkeys",
        "/api//v1/keys",
        "/.git",
        "/.git/config",
        "/.Git/",
        "/.git%2Fconfig",
        "/%EF%BC%852fadmin",
        "/a%EF%BC%852fx.php/../admin/",
    ] {
        let denied =
            Target::parse(target).is_ok_and(|target| matches!(rules.judge(&target, &Method::GET, CLIENT), Judgement::Denied(_)));
        assert!(denied || target.contains(".."), "{target}");
    }
    for target in [
        "/administrator",
        "/admin-guide",
        "/admin_x/",
        "/x/admin/",
        "/metrics2",
        "/metrics/x",
        "/api/keys",
        "/api/a/b/keys",
        "/gitx",
        "/api/v1/keys/x",
        "/?admin/",
        "/",
        "/b%C3%A9/admin",
    ] {
        assert_eq!(judge(&rules, target), required(Strength::TwoFactor), "{target}");
    }
}

/// The attack: a path that a bypass opens in our reading and that is another place in the upstream's.
#[test]
fn a_bypass_opens_only_what_every_reading_puts_under_it() {
    let rules = bypassing(&["/public/", "/health", "/hooks/*", "/files/**", "/remote.php/", "/café"]);
    for target in [
        "/public",
        "/public/",
        "/public/a/b",
        "/public//x",
        "/public/a;b",
        "/public/a%2Fb",
        "/public/%41",
        "/public/x.php",
        "/public/?a=/../",
        "/health",
        "/health?x",
        "/hooks/a",
        "/files/a",
        "/files/a/b",
        "/remote.php/dav/x",
        "/remote.php",
        "/caf%C3%A9",
    ] {
        assert_eq!(judge(&rules, target), Judgement::Open, "{target}");
    }
    for target in [
        "/Public/",
        "/%70ublic/",
        "//public/",
        "//x/public/",
        "/publi%63",
        "/public;x/",
        "/public;/x",
        "/public%2Fa",
        "/publi%D0%81",
        "/publicx",
        "/public%20/",
        "/public./x",
        "/public.json",
        "/x.php/public/",
        "/;/public/",
        "/public%3F/",
        "/%2Fpublic/",
        "/public%5Ca",
        "/health/",
        "/health.json",
        "/Health",
        "/health;x",
        "/healthy",
        "/hooks/a/b",
        "/hooks/a%2Fb",
        "/hooks/a%5Cb",
        "/hooks/",
        "/hooks",
        "/hooks/a%EF%BC%8Fb",
        "/files",
        "/files/",
        "/Remote.php/",
        "/a%2F..b/public/",
    ] {
        assert_eq!(judge(&rules, target), required(Strength::TwoFactor), "{target}");
    }
}

#[test]
fn a_deny_wins_over_everything_and_anywhere() {
    let mut rules = bypassing(&["/"]);
    rules.deny = patterns(&["/a/"]).into();
    rules.redirects = vec![(Pattern::parse("/a/").expect("a pattern"), redirect("/z"))].into();
    rules.rules = vec![rule(&["/b/"], Action::Bypass), rule(&["/b/x/"], Action::Deny)].into();
    rules.deny_status = DenyStatus::Forbidden;
    for target in ["/a", "/b/x/", "/B/X"] {
        assert_eq!(judge(&rules, target), Judgement::Denied(DenyStatus::Forbidden), "{target}");
    }
    assert_eq!(judge(&rules, "/b/"), Judgement::Open);
    assert_eq!(judge(&rules, "/c"), Judgement::Open);
}

#[test]
fn then_redirects_then_rules_in_order_then_bypass_then_the_app() {
    let rules = RuleSet {
        redirects: vec![(Pattern::parse("/old/").expect("a pattern"), redirect("/new"))].into(),
        rules: vec![
            rule(&["/old/", "/b/x"], TWO_FACTOR),
            rule(&["/a/", "/b/"], PASSWORD),
            rule(&["/r"], Action::Redirect(redirect("/s"))),
        ]
        .into(),
        bypass: vec![rule(&["/a/", "/old/", "/c/"], Action::Bypass)].into(),
        ..RuleSet::default()
    };
    for (target, expected) in [
        ("/old/x", Judgement::Redirected(redirect("/new"))),
        ("/OLD.html", Judgement::Redirected(redirect("/new"))),
        ("/a/", required(Strength::Password)),
        ("/b/", required(Strength::Password)),
        ("/b/x", required(Strength::TwoFactor)),
        ("/r", Judgement::Redirected(redirect("/s"))),
        ("/c/", Judgement::Open),
        ("/d/", required(Strength::TwoFactor)),
    ] {
        assert_eq!(judge(&rules, target), expected, "{target}");
    }
}

/// The attack: a spelling that falls under a weaker rule, or none, in our reading and under a stricter one in the upstream's.
#[test]
fn requirements_of_different_readings_must_all_be_met() {
    let weaker = RuleSet { rules: vec![rule(&["/a/"], PASSWORD)].into(), ..RuleSet::default() };
    for target in ["/a/", "/a", "/a/x%2Fy", "/a//b"] {
        assert_eq!(judge(&weaker, target), required(Strength::Password), "{target}");
    }
    for target in ["/A/", "/a%2Fx", "//a/", "/a.json", "/index.php/a/", "/;/a/", "/%61/"] {
        assert_eq!(judge(&weaker, target), required(Strength::TwoFactor), "{target}");
    }
    let stricter = RuleSet {
        rules: vec![rule(&["/a/"], PASSWORD), rule(&["/a.v2/", "/b/"], TWO_FACTOR)].into(),
        requirement: Requirement::of(Strength::Password),
        bypass: vec![rule(&["/index.php/"], Action::Bypass)].into(),
        ..RuleSet::default()
    };
    for target in ["/b/", "/B/", "/b%2Fx", "/A.V2/", "//a/b/", "/index.php/b/", "/b.json", "/x.php/b/"] {
        assert_eq!(judge(&stricter, target), required(Strength::TwoFactor), "{target}");
    }
    for target in ["/a/", "/A/", "/c", "/index.php/a/"] {
        assert_eq!(judge(&stricter, target), required(Strength::Password), "{target}");
    }
    assert_eq!(judge(&stricter, "/index.php/x"), Judgement::Open);
}

#[test]
fn only_denies_all_that_is_not_wholly_inside() {
    let rules = RuleSet { only: Some(patterns(&["/app/", "/", "/index.php/"]).into()), ..RuleSet::default() };
    for target in ["/", "/?x", "/app", "/app/x", "/app/x%2Fy", "/index.php/admin"] {
        assert_eq!(judge(&rules, target), required(Strength::TwoFactor), "{target}");
    }
    for target in ["/x", "/App/", "/app;x/", "//app/x", "/app%2Fx", "/app.json", "//", "/;x", "/%20", "/x.php/app/"] {
        assert_eq!(judge(&rules, target), Judgement::Denied(DenyStatus::NotFound), "{target}");
    }
    assert_eq!(
        judge(&RuleSet { only: Some(Vec::new().into()), ..RuleSet::default() }, "/"),
        Judgement::Denied(DenyStatus::NotFound)
    );
}

#[test]
fn a_redirect_from_one_place_arrives() {
    let redirects =
        [("/", "/index.php"), ("/lab", "/lab/"), ("/login", "/login.html"), ("/in", "/index.php/in"), ("/admin/", "/")];
    let rules = RuleSet {
        redirects: redirects.map(|(from, to)| (Pattern::parse(from).expect(from), redirect(to))).into_iter().collect(),
        ..RuleSet::default()
    };
    for (from, to) in redirects {
        assert_eq!(judge(&rules, from), Judgement::Redirected(redirect(to)), "{from}");
        if to != "/" {
            assert_eq!(judge(&rules, to), required(Strength::TwoFactor), "{to}");
        }
    }
    for target in ["/Admin", "//admin/", "/index.php/admin/x", "/admin.json", "/a%64min"] {
        assert_eq!(judge(&rules, target), Judgement::Redirected(redirect("/")), "{target}");
    }
}

#[test]
fn methods_limit_a_rule_and_head_is_a_get_where_that_is_stricter() {
    let limited = |action: Action| Rule { methods: vec![Method::GET], ..rule(&["/x"], action) };
    let target = Target::parse("/x").expect("a target");
    let asked = |rules: &RuleSet, method: Method| rules.judge(&target, &method, CLIENT);
    let deny = RuleSet { rules: vec![limited(Action::Deny)].into(), ..RuleSet::default() };
    assert_eq!(asked(&deny, Method::GET), Judgement::Denied(DenyStatus::NotFound));
    assert_eq!(asked(&deny, Method::HEAD), Judgement::Denied(DenyStatus::NotFound));
    assert_eq!(asked(&deny, Method::POST), required(Strength::TwoFactor));
    let open = RuleSet { bypass: vec![limited(Action::Bypass)].into(), ..RuleSet::default() };
    assert_eq!(asked(&open, Method::GET), Judgement::Open);
    assert_eq!(asked(&open, Method::HEAD), required(Strength::TwoFactor));
}

/// The attack: `post` instead of `POST` passes a rule about POST, and an app that puts methods into upper case (Django,
/// Werkzeug, Symfony) runs the protected handler.
#[test]
fn a_method_in_other_letter_case_escapes_no_rule() {
    let limited = |method: Method, action| Rule { methods: vec![method], ..rule(&["/form"], action) };
    let asked = |rules: &RuleSet, method: &str| {
        let method = Method::from_bytes(method.as_bytes()).expect("a token");
        rules.judge(&Target::parse("/form").expect("readable"), &method, IpAddr::from([192, 0, 2, 1]))
    };
    let shut = RuleSet {
        rules: vec![limited(Method::POST, Action::Deny), rule(&["/form"], Action::Bypass)].into(),
        ..RuleSet::default()
    };
    assert_eq!(asked(&shut, "PUT"), Judgement::Open);
    for method in ["POST", "post", "Post", "poSt"] {
        assert_eq!(asked(&shut, method), Judgement::Denied(DenyStatus::NotFound), "{method}");
    }
    let no_reading = RuleSet { rules: vec![limited(Method::GET, Action::Deny)].into(), ..shut };
    for method in ["get", "head", "Head"] {
        assert_eq!(asked(&no_reading, method), Judgement::Denied(DenyStatus::NotFound), "{method}");
    }
    let open = RuleSet { bypass: vec![limited(Method::GET, Action::Bypass)].into(), ..RuleSet::default() };
    assert_eq!(asked(&open, "GET"), Judgement::Open);
    assert_eq!(asked(&open, "get"), required(Strength::TwoFactor), "what gives matches exactly");
}

/// The attack: an IPv4 client that arrives on an IPv6 socket, so that a rule for its network overlooks it.
#[test]
fn networks_limit_a_rule_and_mapped_addresses_are_ipv4() {
    let target = Target::parse("/x").expect("a target");
    for (network, inside, outside) in [
        ("192.0.2.0/24", "::ffff:192.0.2.7", "::ffff:192.0.3.7"),
        ("192.0.2.0/24", "192.0.2.7", "2001:db8::1"),
        ("::ffff:192.0.2.0/120", "192.0.2.7", "192.0.3.7"),
        ("2001:db8::/32", "2001:db8::1", "192.0.2.7"),
        ("::/0", "2001:db8::1", "192.0.2.7"),
    ] {
        let limited = Rule { networks: vec![network.parse().expect(network)], ..rule(&["/x"], Action::Deny) };
        let rules = RuleSet { rules: vec![limited].into(), ..RuleSet::default() };
        let asked = |client: &str| rules.judge(&target, &Method::GET, client.parse().expect(client));
        assert_eq!(asked(inside), Judgement::Denied(DenyStatus::NotFound), "{inside}");
        assert_eq!(asked(outside), required(Strength::TwoFactor), "{outside}");
    }
}

/// The attack: an encoded separator within what a `*` stands for, with the name behind it disguised in another way.
#[test]
fn a_star_covers_names_with_separators_in_them() {
    let rules = denying(&["/u/*/keys"]);
    for target in
        ["/u/a%2Fb/keys", "/u/a%2Fb/%6Beys", "/u/a%5Cb/KEYS", "/u/a%2Fb/KEYS.json", "/u/a%EF%BC%8Fb/Keys", "/U/a%252Fb/%256Beys"]
    {
        assert_eq!(judge(&rules, target), Judgement::Denied(DenyStatus::NotFound), "{target}");
    }
}

/// The attack: a folder named in capitals by its owner, asked for in small letters, behind a weaker rule that matches loosely.
#[test]
fn a_loose_match_does_not_hide_a_close_one() {
    let rules = RuleSet {
        rules: vec![rule(&["/a/"], PASSWORD), rule(&["/A.v2/"], TWO_FACTOR)].into(),
        requirement: Requirement::of(Strength::Password),
        ..RuleSet::default()
    };
    assert_eq!(judge(&rules, "/a.v2/"), required(Strength::TwoFactor));
}

/// The attack: a path built to have as many readings as possible, in order to keep us busy.
#[test]
fn the_readings_of_one_path_are_bounded() {
    let mut worst = 0;
    for target in [
        "//x.php/(a)/;b%253fc%3bd%252523/y%5Cz//a.php/%EF%BC%852f%EF%BC%9Bq",
        "//;%2f;%252f;%25252f;%3f;%253f;%23;%2523/x.php;/(y);/",
        "///a%3b%253b%25253b%2525253b/%3f%253f%25253f%2525253f/",
    ] {
        let target = Target::parse(target).expect(target);
        let mut count = 0;
        let _all = target.each_reading(&mut |_| {
            count += 1;
            ControlFlow::Continue(())
        });
        worst = worst.max(count);
    }
    assert!((100..2500).contains(&worst), "{worst}");
}

/// Percent-encodes the bytes of `text` that `chosen` picks, over and over as deep as it says.
fn disguise(text: &str, chosen: &[u8]) -> String {
    let mut disguised = String::new();
    for (at, c) in text.chars().enumerate() {
        match chosen.get(at % chosen.len().max(1)).map(|choice| choice % 8) {
            _ if c == '/' => disguised.push(c),
            Some(1) => disguised += &format!("%{:02x}", u32::from(c)),
            Some(2) => disguised += &format!("%25{:02X}", u32::from(c)),
            Some(3) => disguised.extend(c.to_uppercase()),
            Some(4) => disguised += &format!("%{:02X}", u32::from(c.to_ascii_uppercase())),
            Some(5) => disguised += &format!("%E2%80%8B{c}"),
            Some(6) if c.is_ascii_lowercase() => {
                let wide = char::from_u32(u32::from(c) + 0xfee0).expect("the fullwidth letter");
                disguised.extend(wide.to_string().bytes().map(|byte| format!("%{byte:02X}")));
            }
            _ => disguised.push(c),
        }
    }
    disguised
}

fn is_shut(rules: &RuleSet, target: &str) -> bool {
    Target::parse(target).map_or(true, |target| matches!(rules.judge(&target, &Method::GET, CLIENT), Judgement::Denied(_)))
}

/// Texts in which the bytes that matter are frequent.
fn tricky() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "/",
        "//",
        "admin",
        "Admin",
        "public",
        "x",
        ".",
        "..",
        ";",
        ";a=b",
        "%2f",
        "%5c",
        "%252f",
        "%25",
        "%3b",
        "%3f",
        "%23",
        "%2e",
        "?",
        "+",
        "%20",
        "%c2%a0",
        "%e2%80%8b",
        "%ef%bc%8f",
        "%ef%bc%85",
        "a.php",
        "(s)",
        ":",
        "~",
        ".doorward",
        "*",
        "%61",
        "%2561",
        "|",
        "#",
        "\\",
    ]);
    prop::collection::vec(parts, 0..12).prop_map(|parts| format!("/{}", parts.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_spelling_of_a_denied_path_passes(
        lead in prop::sample::select(vec!["", "/", "//x", "/;", "/;a=b", "/index.php", "/(S(x))", "/%2f", "/%5c", "/%252f", "//u@h:80"]),
        junk in prop::sample::select(vec!["", ".", "~", "+", "%20"]),
        name_choices in prop::collection::vec(any::<u8>(), 1..8),
        tail in prop::sample::select(vec!["", "/", "/x", "%2f", "%5cx", ";", ";a/b", ".", ".json", "::$DATA", "%3f", "%23x", "%20", "+", "//", "?x"]),
    ) {
        let rules = RuleSet { bypass: vec![rule(&["/"], Action::Bypass)].into(), ..denying(&["/admin/"]) };
        let target = format!("{lead}/{junk}{}{tail}", disguise("admin", &name_choices));
        prop_assert!(is_shut(&rules, &target), "{target}");
    }

    #[test]
    fn every_reading_of_a_denied_path_is_denied(target in tricky()) {
        let rules = denying(&["/admin/"]);
        let Ok(target) = Target::parse(&target) else { return Ok(()) };
        let denied = rules.judge(&target, &Method::GET, CLIENT) == Judgement::Denied(DenyStatus::NotFound);
        for reading in target.readings() {
            let first = reading.split('/').find(|segment| !segment.is_empty());
            prop_assert!(denied || first != Some("admin"), "{reading} of {}", target.as_str());
        }
    }

    #[test]
    fn another_deny_never_opens_anything(target in tricky(), method_is_head in any::<bool>()) {
        let method = if method_is_head { Method::HEAD } else { Method::GET };
        let Ok(target) = Target::parse(&target) else { return Ok(()) };
        let rules = RuleSet { deny: patterns(&["/x"]).into(), ..bypassing(&["/public/"]) };
        let before = rules.judge(&target, &method, CLIENT);
        let rules = RuleSet { deny: patterns(&["/x", "/admin/"]).into(), ..rules };
        let after = rules.judge(&target, &method, CLIENT);
        prop_assert!(after == before || matches!(after, Judgement::Denied(_)));
        let rules = RuleSet { bypass: Vec::new().into(), ..rules };
        let closed = rules.judge(&target, &method, CLIENT);
        prop_assert!(closed != Judgement::Open);
    }

    #[test]
    fn a_bypass_needs_its_very_letters(target in tricky()) {
        let Ok(target) = Target::parse(&target) else { return Ok(()) };
        if bypassing(&["/public/"]).judge(&target, &Method::GET, CLIENT) == Judgement::Open {
            let rest = target.path().strip_prefix("/public");
            prop_assert!(rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')), "{}", target.as_str());
        }
    }

    #[test]
    fn escaping_letters_of_a_denied_path_never_makes_it_pass(target in tricky(), choices in prop::collection::vec(0u8..3, 1..9)) {
        let rules = denying(&["/admin/", "/*/public"]);
        let Ok(parsed) = Target::parse(&target) else { return Ok(()) };
        if !matches!(rules.judge(&parsed, &Method::GET, CLIENT), Judgement::Denied(_)) {
            return Ok(());
        }
        let mut escaped = String::new();
        let mut digits = 0;
        for (at, c) in target.char_indices() {
            digits = if c == '%' { 3 } else { usize::saturating_sub(digits, 1) };
            let choose = digits == 0 && c.is_ascii_alphanumeric() && choices[at % choices.len()] == 1;
            if choose { escaped += &format!("%{:02x}", u32::from(c)) } else { escaped.push(c) }
        }
        prop_assert!(is_shut(&rules, &escaped), "{target} as {escaped}");
    }

    /// The attack: a target that takes the quick way and would have been judged differently on the slow one.
    #[test]
    fn the_quick_way_and_the_slow_way_agree(target in "(/[a-zA-Z0-9._~:@!$&'()*,=|+-]{0,6}){1,5}/?") {
        let Ok(target) = Target::parse(&target) else { return Ok(()) };
        let requirement = Requirement::of(Strength::Password);
        let rules = RuleSet { requirement, rules: vec![rule(&["/a*/", "/b"], TWO_FACTOR)].into(), ..denying(&["/c/", "/?/d", "/**/e"]) };
        let call = Call { method: &Method::GET, client: CLIENT };
        let hear = |plain: bool| {
            let mut heard = Vec::new();
            let texts = if plain { vec![] } else { layer::texts(target.path(), Charset::Utf8).expect("readable") };
            let _all = reading::each(target.path(), &texts, &mut |reading| {
                heard.push(match rules.opinion(reading, call) {
                    Some(Opinion::Deny) => 3,
                    Some(Opinion::Require(asked)) if asked.strength == Strength::TwoFactor => 2,
                    Some(_) => 1,
                    None => 0,
                });
                ControlFlow::Continue(())
            });
            heard.into_iter().max()
        };
        if layer::is_plain(target.path()) {
            prop_assert_eq!(hear(true), hear(false));
            prop_assert_eq!(target.readings(), vec![target.path().to_owned()]);
        }
    }

    #[test]
    fn nothing_makes_it_panic(text in any::<String>(), bytes in any::<Vec<u8>>(), target in tricky()) {
        let own = Authority::parse("h").expect("a host");
        let rules = RuleSet { only: Some(patterns(&["/", "/x*/"]).into()), ..denying(&["/**/admin/", "/?/a"]) };
        let parsed = [Target::parse(&text), Target::parse_bytes(&bytes), Target::parse_absolute(&text, &own), Target::parse(&target)];
        for target in parsed.into_iter().flatten() {
            let _judged = rules.judge(&target, &Method::GET, CLIENT);
            let _shown = (target.path(), target.query(), target.own(), target.readings());
        }
        if let Ok(pattern) = Pattern::parse(&text) {
            prop_assert_eq!(pattern.to_string(), text.clone());
        }
        let _host = (Authority::parse(&text), Pattern::regex(&text));
    }
}

/// The attack: a redirect that passes on what a visitor wrote, used to send people to another host.
#[test]
fn a_redirect_passes_on_the_rest_and_stays_where_it_leads() {
    let redirects = |from: &str, to: &str| RuleSet {
        redirects: vec![(Pattern::parse(from).expect(from), redirect(to))].into(),
        ..RuleSet::default()
    };
    let sent = |rules: &RuleSet, target: &str| match judge(rules, target) {
        Judgement::Redirected(redirect) => redirect.to,
        other => panic!("{target}: {other:?}"),
    };
    let moved = redirects("/old/", "/new/{rest}");
    for (target, to) in [
        ("/old/a/b?c=d", "/new/a/b?c=d"),
        ("/old/", "/new/"),
        ("/old", "/new/"),
        ("/old/a%2Fb;c", "/new/a%2Fb;c"),
        ("/OLD/a", "/new/"),
        ("//x/old/a", "/new/"),
        ("/old//evil.example/", "/new/evil.example/"),
    ] {
        assert_eq!(sent(&moved, target), to, "{target}");
    }
    let to_root = redirects("/old/", "/{rest}");
    assert_eq!(sent(&to_root, "/old//evil.example/"), "/evil.example/");
    assert_eq!(sent(&to_root, "/old///evil.example/"), "/evil.example/");
    let by_rule = RuleSet {
        rules: vec![rule(&["/a/", "/b/"], Action::Redirect(redirect("https://docs.example/{rest}")))].into(),
        ..RuleSet::default()
    };
    assert_eq!(sent(&by_rule, "/b/x?y"), "https://docs.example/x?y");
}

#[test]
fn suffixes_count_as_names_of_their_own_where_the_owner_says_so() {
    let rules = RuleSet { suffixes: Suffixes::Apart, ..denying(&["/admin/"]) };
    for target in ["/admin.css", "/admin@2x.png", "/~admin"] {
        assert_eq!(judge(&rules, target), required(Strength::TwoFactor), "{target}");
    }
    for target in ["/admin", "/ADMIN/", "/admin;x", "/admin%20/", "/admin./x", "//x/admin/", "/index.php/admin"] {
        assert_eq!(judge(&rules, target), Judgement::Denied(DenyStatus::NotFound), "{target}");
    }
}

/// The attack: a separator that only the app sees.
#[test]
fn encoded_slashes_are_denied_where_the_owner_says_so() {
    let rules = RuleSet { encoded_slash: EncodedSlash::Refuse, ..bypassing(&["/"]) };
    for target in ["/a%2Fb", "/a%2fb", "/a%252fb", "/a%5Cb", "/a%EF%BC%8Fb", "/a;%2fb", "/%2F"] {
        assert_eq!(judge(&rules, target), Judgement::Denied(DenyStatus::NotFound), "{target}");
    }
    for target in ["/a/b", "/a%20b", "/a//b", "/caf%C3%A9/x;y", "/a?b=%2F"] {
        assert_eq!(judge(&rules, target), Judgement::Open, "{target}");
    }
}
