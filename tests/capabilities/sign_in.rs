//! Signing in and out: by the pages, in one browser and several, over months.

use std::time::Duration;

use doorward::admin::wish::{Answer as Wished, Details, Wish};
use doorward::wire::body::Body;
use http::header::{CONTENT_TYPE, RETRY_AFTER, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use http_body_util::BodyExt;

use crate::kit::app::App;
use crate::kit::flood::flood;
use crate::kit::form::{Form, attribute, encode};
use crate::kit::gateway::{Gateway, HOST, Person, one_app, within};
use crate::kit::line::BOTH;
use crate::kit::visitor::{Answer, Visitor, minutes};

const LOGIN: &str = "/.doorward/login";

fn hours(count: u64) -> Duration {
    minutes(60 * count)
}

async fn house(more: &str) -> (App, Gateway) {
    let app = App::start().await;
    let gateway = Gateway::start(&format!("{more}\n{}", one_app(&app.url(), "")));
    (app, gateway)
}

/// A name and a password typed into the form.
async fn try_password(visitor: &mut Visitor, name: &str, password: &str) -> Answer {
    let form = Form::of(&visitor.get(LOGIN).await.text());
    visitor.submit(LOGIN, &form.with("name", name).with("password", password)).await
}

/// A code typed into the form of a second step.
async fn try_code(visitor: &mut Visitor, step: &str, code: &str) -> Answer {
    let form = Form::of(&visitor.get(step).await.text());
    visitor.submit(step, &form.with("code", code)).await
}

/// Where an answer leads to, by way of our own page after a form.
async fn leads_to(visitor: &mut Visitor, answer: &Answer) -> String {
    if !answer.location().starts_with("/.doorward/continue?") {
        return answer.location().to_owned();
    }
    let page = visitor.get(answer.location()).await.text();
    let refresh = page.split("<meta http-equiv=\"refresh\"").nth(1).unwrap_or_else(|| panic!("{page}"));
    attribute(refresh.split('>').next().expect("a tag"), "content").expect("content").trim_start_matches("0;url=").to_owned()
}

#[tokio::test]
async fn a_set_up_link_leads_to_an_account_that_can_sign_in() {
    let (app, gateway) = house("").await;
    let Wished::User(made) =
        gateway.perform(Wish::UserAdd { name: "alice".to_owned(), credentials: None, details: Details::default() }).await
    else {
        panic!("made")
    };
    let link = made.setup_link.expect("a link");
    let path = link.strip_prefix(&format!("https://{HOST}:{}", gateway.reach().https.port())).expect("on our host").to_owned();
    let mut browser = gateway.stranger();
    // Previews and scanners look first; that uses nothing up.
    assert_eq!(gateway.stranger().get(&path).await.status, StatusCode::OK);
    let form = Form::of(&browser.get(&path).await.text());
    let answer = browser.submit(&path, &form.with("password", "four words nobody guesses")).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    let page = browser.get(answer.location()).await.text();
    let key = page.split("<p class=\"key\"><code>").nth(1).and_then(|rest| rest.split('<').next()).expect("a key").to_owned();
    let seed = doorward::auth::totp::parse_seed(&key).expect("base32");
    let alice = Person::new("alice", "four words nobody guesses", seed.expose().clone(), gateway.clock.now());
    let sheet = browser.submit(&path, &Form::of(&page).with("code", &alice.code(gateway.clock.now()))).await;
    assert_eq!((sheet.status, sheet.text().matches("<li>").count()), (StatusCode::OK, 10), "ten recovery codes");
    let answer = browser.submit(&path, &Form::of(&sheet.text()).with("act", "done").with("saved", "1")).await;
    assert_eq!((answer.status, leads_to(&mut browser, &answer).await.as_str()), (StatusCode::SEE_OTHER, "/"));
    assert_eq!(browser.get("/").await.text(), "hello from the app\n");
    assert_eq!(app.count(), 1);
    for mut other in [gateway.stranger(), browser] {
        assert_eq!(other.get(&path).await.status, StatusCode::NOT_FOUND, "a link works once");
    }
    gateway.next_code();
    gateway.stranger().sign_in(&alice).await;
    let log = gateway.ended().await;
    assert!(!log.contains(path.rsplit('/').next().expect("a token")), "no token in the log");
}

#[tokio::test]
async fn one_arrives_where_one_wanted_to_go() {
    let (app, gateway) = house("").await;
    let alice = gateway.provision("alice").await;
    for (number, protocol) in BOTH.into_iter().enumerate() {
        let mut visitor = gateway.stranger().over(protocol);
        let wanted = "/docs/a%20b?q=1&r=%2F%26&x=a+b";
        let challenge = visitor.get(wanted).await;
        assert_eq!(challenge.status, StatusCode::FOUND);
        let login = challenge.location().to_owned();
        assert!(login.starts_with("/.doorward/login?go="), "{login}");
        let step = visitor.pass_password(&alice, &login).await;
        let answer = visitor.pass_code(&alice, &step).await;
        assert_eq!(leads_to(&mut visitor, &answer).await, wanted);
        assert_eq!(visitor.get(wanted).await.status, StatusCode::OK);
        assert_eq!(app.requests()[number].target, wanted);
        gateway.next_code();
    }
}

/// The attack: a link to our sign-in page that leads on to another site.
#[tokio::test]
async fn nobody_is_sent_elsewhere_after_signing_in() {
    let (_, gateway) = house("").await;
    let alice = gateway.provision("alice").await;
    let (mut signed_in, mut count) = (gateway.stranger(), 0);
    signed_in.sign_in(&alice).await;
    let mut elsewhere = gateway.stranger();
    let sealed = elsewhere.get("/x").await.location().split("go=").nth(1).expect("sealed").to_owned();
    // Another first letter, whatever the first one is.
    let broken = format!("{}{}", if sealed.starts_with('A') { 'B' } else { 'A' }, &sealed[1..]);
    for go in [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "/.doorward/logout",
        "%2F%2Fevil.example",
        "\t//evil.example",
        "data:text/html,x",
        &broken,
        &"A".repeat(5_000),
    ] {
        for page in ["login", "continue"] {
            let answer = signed_in.get(&format!("/.doorward/{page}?go={}", encode(go))).await;
            let to = if page == "login" {
                leads_to(&mut signed_in, &answer).await
            } else {
                assert_eq!(answer.status, StatusCode::OK);
                assert!(!answer.text().contains("evil"), "{}", answer.text());
                "/".to_owned()
            };
            assert_eq!(to, "/", "{page} {go}");
            count += 1;
        }
    }
    assert_eq!(count, 24);
}

/// The attack: finding out which names exist.
#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_look_the_same() {
    let (_, gateway) = house("").await;
    gateway.provision("alice").await;
    gateway.provision("carol").await;
    gateway.perform(Wish::UserDisable { name: "carol".to_owned(), disabled: true }).await;
    let mut answers = Vec::new();
    for (name, password) in
        [("alice", "wrong"), ("nobody", "wrong"), ("carol", "correct horse carol staple"), ("no such name!", "x")]
    {
        let mut visitor = gateway.stranger();
        let answer = try_password(&mut visitor, name, password).await;
        let mut names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
        names.sort();
        let form = Form::of(&answer.text());
        assert_eq!(form.value("password"), "", "never shown again");
        let same = answer.text().replace(form.value("t"), "T").replace(name, "N");
        answers.push((answer.status, names, same));
    }
    assert_eq!(answers[0].0, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
}

/// The attack: guessing a password, from one network and from a browser that forgets its cookies.
#[tokio::test]
async fn password_guesses_are_slowed_down() {
    let (_, gateway) = house("").await;
    let alice = gateway.provision("alice").await;
    for _ in 0..5 {
        assert_eq!(try_password(&mut gateway.stranger(), "alice", "wrong").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let held = try_password(&mut gateway.stranger(), "alice", &alice.password).await;
    assert_eq!(held.status, StatusCode::TOO_MANY_REQUESTS, "even the right one");
    let wait: u64 = held.header(RETRY_AFTER.as_str()).parse().expect("seconds");
    gateway.clock.advance(Duration::from_secs(wait));
    assert_eq!(try_password(&mut gateway.stranger(), "alice", &alice.password).await.status, StatusCode::SEE_OTHER);
    let mut limited = 0;
    for number in 0..30 {
        let answer = try_password(&mut gateway.stranger(), &format!("name{number}"), "wrong").await;
        limited += usize::from(answer.status == StatusCode::TOO_MANY_REQUESTS);
    }
    assert!(limited >= 10, "one network, many names: {limited} of 30 held off");
}

/// The attack: guessing codes with a stolen password, in as many sign-ins at once as one likes (AuthQuake).
#[tokio::test]
async fn code_guesses_are_counted_over_all_tabs() {
    let (_, gateway) = house("").await;
    let alice = gateway.provision("alice").await;
    let mut tabs = Vec::new();
    for _ in 0..8 {
        let mut tab = gateway.stranger();
        let step = tab.pass_password(&alice, LOGIN).await;
        tabs.push((tab, step));
        gateway.clock.advance(Duration::from_secs(7));
    }
    let now = gateway.clock.now();
    let wrong = if alice.code(now) == "000000" { "000001" } else { "000000" };
    let guesses: Vec<_> = tabs
        .into_iter()
        .map(|(mut tab, step)| doorward::base::task::start("guess", async move { try_code(&mut tab, &step, wrong).await.status }))
        .collect();
    let mut judged = 0;
    for guess in guesses {
        let status = within("a guess", guess).await.expect("answered");
        assert!([StatusCode::UNPROCESSABLE_ENTITY, StatusCode::TOO_MANY_REQUESTS].contains(&status), "{status}");
        judged += usize::from(status == StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(judged, 5, "of eight at the same moment five were judged");
}

/// The attack: a code read over the shoulder, used within the same half minute.
#[tokio::test]
async fn a_code_works_once() {
    let (_, gateway) = house("").await;
    let alice = gateway.provision("alice").await;
    let (mut first, mut second) = (gateway.stranger(), gateway.stranger());
    let steps = (first.pass_password(&alice, LOGIN).await, second.pass_password(&alice, LOGIN).await);
    let code = alice.code(gateway.clock.now());
    first.pass_code(&alice, &steps.0).await;
    assert_eq!(try_code(&mut second, &steps.1, &code).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(second.session_cookie().is_none());
    gateway.next_code();
    second.pass_code(&alice, &steps.1).await;
}

/// The attack: half a sign-in taken for a whole one, or carried to another browser.
#[tokio::test]
async fn half_a_sign_in_opens_nothing() {
    let (app, gateway) = house("").await;
    let alice = gateway.provision("alice").await;
    let mut half = gateway.stranger();
    let step = half.pass_password(&alice, LOGIN).await;
    assert!(half.session_cookie().is_none());
    assert_eq!(half.get("/").await.status, StatusCode::FOUND);
    let pre = half.cookie("__Host-doorward-pre").expect("one").to_owned();
    half.set_cookie("__Host-doorward", &pre);
    assert_eq!(half.get("/").await.status, StatusCode::FOUND);
    let ceremony = step.split("c=").nth(1).and_then(|rest| rest.split('&').next()).expect("a ceremony").to_owned();
    half.set_cookie("__Host-doorward", &ceremony);
    assert_eq!(half.get("/").await.status, StatusCode::FOUND);
    let mut thief = gateway.stranger();
    thief.get(LOGIN).await;
    let form = Form::of(&half.get(&step).await.text()).with("code", &alice.code(gateway.clock.now()));
    assert_eq!(thief.submit(&step, &form).await.status, StatusCode::FORBIDDEN);
    assert!(thief.session_cookie().is_none());
    assert_eq!(app.count(), 0);
}

#[tokio::test]
async fn several_tabs_sign_in_side_by_side() {
    let (_, gateway) = house("").await;
    let alice = gateway.provision("alice").await;
    let mut browser = gateway.stranger();
    let logins = [browser.get("/one").await.location().to_owned(), browser.get("/two").await.location().to_owned()];
    let steps = [browser.pass_password(&alice, &logins[0]).await, browser.pass_password(&alice, &logins[1]).await];
    let answer = browser.pass_code(&alice, &steps[1]).await;
    assert_eq!(leads_to(&mut browser, &answer).await, "/two");
    // The first tab finds out that its browser is signed in meanwhile.
    let answer = browser.get(&steps[0]).await;
    let (status, to) = (answer.status, leads_to(&mut browser, &answer).await);
    assert_eq!((status, to.as_str()), (StatusCode::FOUND, "/one"));
    assert_eq!(browser.get("/one").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_session_ends_when_idle_and_at_its_end_and_says_why() {
    let (_, gateway) = house("[session]\nidle_timeout = \"1h\"\nabsolute_timeout = \"3h\"").await;
    let mut guest = gateway.guest("alice").await;
    for _ in 0..3 {
        gateway.clock.advance(minutes(59));
        assert_eq!(guest.get("/").await.status, StatusCode::OK, "a session in use goes on");
    }
    gateway.clock.advance(minutes(3));
    let over = guest.get("/").await;
    assert!(over.status == StatusCode::FOUND && over.location().ends_with("&why=expired"), "{}", over.location());
    guest.forget("__Host-doorward");
    guest.sign_in(&gateway.person("alice")).await;
    gateway.clock.advance(minutes(60));
    let over = guest.get("/").await;
    assert!(over.status == StatusCode::FOUND && over.location().ends_with("&why=idle"), "{}", over.location());
    assert!(guest.get(over.location()).await.text().contains("1 hour"), "told how long");
}

#[tokio::test]
async fn keep_me_signed_in_lasts_a_month_and_not_longer() {
    let (_, gateway) = house("").await;
    let alice = gateway.provision("alice").await;
    let mut guest = gateway.stranger();
    let form = Form::of(&guest.get(LOGIN).await.text());
    let form = form.with("name", "alice").with("password", &alice.password).with("remember", "1");
    let step = guest.submit(LOGIN, &form).await.location().to_owned();
    let answer = guest.pass_code(&alice, &step).await;
    let cookies: Vec<_> = answer.headers.get_all(SET_COOKIE).iter().map(|line| line.to_str().expect("ASCII")).collect();
    let session = cookies.iter().find(|line| line.starts_with("__Host-doorward=")).expect("a session");
    for attribute in ["Max-Age=2592000", "Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(session.contains(attribute), "{session}");
    }
    assert!(!session.contains("Domain"), "{session}");
    gateway.clock.advance(hours(24 * 30 - 1));
    assert_eq!(guest.get("/").await.status, StatusCode::OK);
    gateway.clock.advance(hours(1));
    assert_eq!(guest.get("/").await.status, StatusCode::FOUND);
}

#[tokio::test]
async fn signing_out_ends_the_session_for_every_copy_of_its_cookie() {
    let (_, gateway) = house("").await;
    let mut guest = gateway.guest("alice").await;
    let mut copy = guest.clone();
    let asked = guest.get("/.doorward/logout").await;
    assert_eq!(copy.get("/").await.status, StatusCode::OK, "the question alone ends nothing");
    let answer = guest.submit("/.doorward/logout", &Form::of(&asked.text())).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/.doorward/login?why=signed-out"));
    assert!(answer.header("clear-site-data").contains("storage"));
    assert!(guest.session_cookie().is_none());
    assert_eq!(copy.get("/").await.status, StatusCode::FOUND);
}

/// The attack: somebody who has to go keeps what they have open.
#[tokio::test]
async fn a_disabled_user_is_out_at_once_streams_and_all() {
    let app = App::streaming(|_| async { http::Response::new(flood(u64::MAX).0) }).await;
    let gateway = Gateway::before(&app.url());
    let mut guest = gateway.guest("alice").await;
    for protocol in BOTH {
        guest.protocol = protocol;
        let mut line = guest.line().await;
        let request = guest.call("GET", "/endless");
        let mut response = guest.start_on(&mut line, request).await;
        within("data", response.frame()).await.expect("more").expect("a frame");
        gateway.perform(Wish::UserDisable { name: "alice".to_owned(), disabled: true }).await;
        assert_eq!(guest.fetch("GET", "/").await.status, StatusCode::UNAUTHORIZED, "the next request");
        let ended = tokio::time::timeout(Duration::from_secs(5), async { while let Some(Ok(_)) = response.frame().await {} });
        ended.await.expect("the stream ends");
        let answer = try_password(&mut gateway.stranger(), "alice", "correct horse alice staple").await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        gateway.perform(Wish::UserDisable { name: "alice".to_owned(), disabled: false }).await;
        assert_eq!(guest.fetch("GET", "/").await.status, StatusCode::UNAUTHORIZED, "an old session does not come back");
        gateway.next_code();
        guest.sign_in(&gateway.person("alice")).await;
    }
}

#[tokio::test]
async fn sessions_survive_a_change_of_protocol_and_connection_but_not_of_host() {
    let app = App::start().await;
    let second = format!("[[app]]\nhost = \"other.example\"\nupstream = \"{}\"\n", app.url());
    let gateway = Gateway::start(&format!("{}{second}", one_app(&app.url(), "")));
    let guest = gateway.guest("alice").await;
    for protocol in BOTH {
        assert_eq!(guest.clone().over(protocol).get("/").await.status, StatusCode::OK);
        let mut elsewhere = Visitor::new(gateway.reach(), "other.example").over(protocol);
        elsewhere.set_cookie("__Host-doorward", guest.session_cookie().expect("signed in"));
        assert_eq!(elsewhere.get("/").await.status, StatusCode::FOUND);
    }
}

#[tokio::test]
async fn everybody_is_told_in_a_way_they_understand() {
    let (app, gateway) = house("").await;
    for protocol in BOTH {
        let mut visitor = gateway.stranger().over(protocol);
        assert_eq!(visitor.get("/page").await.status, StatusCode::FOUND, "a tab");
        let mut post = visitor.navigation("POST", "/form");
        *post.body_mut() = Body::from("a=b");
        assert_eq!(visitor.send(post).await.status, StatusCode::SEE_OTHER, "a form");
        let api = visitor.fetch("GET", "/api").await;
        assert_eq!((api.status, api.header(CONTENT_TYPE.as_str())), (StatusCode::UNAUTHORIZED, "application/problem+json"));
        assert_eq!(api.json()["login_url"], LOGIN, "{}", api.text());
        assert!(!api.header("www-authenticate").to_lowercase().starts_with("basic"), "no password box");
        let mut worker = visitor.call("GET", "/sw.js");
        worker.headers_mut().insert("service-worker", HeaderValue::from_static("script"));
        let worker = visitor.send(worker).await;
        assert_eq!((worker.status, worker.header("cache-control")), (StatusCode::OK, "no-store"));
        assert!(worker.text().contains("skipWaiting") && !worker.text().contains("fetch"));
    }
    assert_eq!(app.count(), 0);
}

/// The attack: a script of the app, or a frame, reads our pages or presses their buttons for the visitor.
#[tokio::test]
async fn our_pages_open_in_tabs_only() {
    let (_, gateway) = house("").await;
    let mut guest = gateway.guest("alice").await;
    for protocol in BOTH {
        guest.protocol = protocol;
        for page in ["/.doorward/", LOGIN, "/.doorward/logout", "/.doorward/continue", "/.doorward/login/code"] {
            for (dest, mode) in
                [("empty", "cors"), ("iframe", "navigate"), ("frame", "navigate"), ("object", "no-cors"), ("script", "cors")]
            {
                let mut request = guest.navigation("GET", page);
                request.headers_mut().insert("sec-fetch-dest", HeaderValue::from_static(dest));
                request.headers_mut().insert("sec-fetch-mode", HeaderValue::from_static(mode));
                let answer = guest.send(request).await;
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{page} {dest}");
                assert!(!answer.text().contains("name=\"t\""), "{page} {dest}");
            }
            let answer = guest.get(page).await;
            assert_eq!(answer.header("x-frame-options"), "DENY");
            assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"));
        }
    }
}

/// The attack: another site submits our forms with the visitor's cookies (login CSRF, forced sign-out).
#[tokio::test]
async fn forms_count_only_from_our_own_pages() {
    let (_, gateway) = house("").await;
    let alice = gateway.provision("alice").await;
    let mut guest = gateway.guest("bob").await;
    let logout = Form::of(&guest.get("/.doorward/logout").await.text());
    let mut stranger = gateway.stranger();
    let login = Form::of(&stranger.get(LOGIN).await.text()).with("name", "alice").with("password", &alice.password);
    let own = format!("https://{}", guest.authority());
    let lies = [
        ("origin", "https://evil.example".to_owned()),
        ("origin", "null".to_owned()),
        ("origin", format!("https://{HOST}")),
        ("origin", own.replace("https", "http")),
        ("origin", format!("{own}0")),
        ("sec-fetch-site", "cross-site".to_owned()),
        ("sec-fetch-site", "same-site".to_owned()),
        ("sec-fetch-site", "none".to_owned()),
    ];
    for (name, lie) in lies {
        for (visitor, path, form) in [(&mut guest, "/.doorward/logout", &logout), (&mut stranger, LOGIN, &login)] {
            let mut request = visitor.navigation("POST", path);
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            request.headers_mut().insert("origin", own.parse().expect("a value"));
            request.headers_mut().insert(name, lie.parse().expect("a value"));
            *request.body_mut() = Body::from(form.encoded());
            assert_eq!(visitor.send(request).await.status, StatusCode::FORBIDDEN, "{path} {name}: {lie}");
        }
    }
    // The right origin, but no token, or one that was made for somebody else.
    let foreign = Form::of(&gateway.stranger().get(LOGIN).await.text());
    for token in ["", "x", foreign.value("t")] {
        assert_eq!(stranger.submit(LOGIN, &login.clone().with("t", token)).await.status, StatusCode::FORBIDDEN);
        guest.submit("/.doorward/logout", &logout.clone().with("t", token)).await;
    }
    assert_eq!(guest.get("/").await.status, StatusCode::OK, "still signed in");
    assert!(stranger.session_cookie().is_none());
}

/// The attack: a session token from before a sign-in, planted or copied, that goes on working after it (fixation).
#[tokio::test]
async fn every_sign_in_begins_a_new_session_and_ends_the_former() {
    let (app, gateway) = house("").await;
    let mut guest = gateway.guest("alice").await;
    let before = guest.session_cookie().expect("signed in").to_owned();
    gateway.next_code();
    guest.sign_in_again(&gateway.person("alice")).await;
    assert_ne!(guest.session_cookie(), Some(before.as_str()), "a new token at every sign-in");
    let mut fixed = gateway.stranger();
    fixed.set_cookie("__Host-doorward", &before);
    assert_eq!(fixed.get("/").await.status, StatusCode::FOUND, "and the former one is dead");
    assert_eq!(app.count(), 0);
}
