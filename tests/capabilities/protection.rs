//! Brute force at the front door: what is looked at, who is let in all the same, and which networks are shut out.

use std::net::Ipv4Addr;
use std::time::Duration;

use doorward::admin::bans::{BanAnswer, BanWish};
use doorward::admin::wish::{Answer as Wished, Wish};
use doorward::model::attempt::Factor;
use doorward::store::attempts::{Attempt, Held};
use doorward::wire::client::Network;
use http::StatusCode;
use http::header::RETRY_AFTER;
use tokio::task::JoinSet;

use crate::kit::app::App;
use crate::kit::form::Form;
use crate::kit::gateway::{Gateway, Person, one_app, within};
use crate::kit::visitor::{Answer, Visitor};

const LOGIN: &str = "/.doorward/login";
const DEVICE: &str = "__Host-doorward-device";

/// An app with a public folder, behind a proxy on this machine that says where visitors are.
fn configuration(app: &App) -> String {
    let public = "bypass = [{ path = \"/public/\", reason = \"test\" }]";
    format!("[listen]\ntrusted_proxies = [\"127.0.0.1\"]\n{}", one_app(&app.url(), public))
}

async fn house() -> (App, Gateway) {
    let app = App::start().await;
    let gateway = Gateway::start(&configuration(&app));
    (app, gateway)
}

async fn try_password(visitor: &mut Visitor, name: &str, password: &str) -> Answer {
    let page = visitor.get(LOGIN).await;
    if page.status != StatusCode::OK {
        return page;
    }
    visitor.submit(LOGIN, &Form::of(&page.text()).with("name", name).with("password", password)).await
}

/// Has strangers fail until the factor is closed to them.
async fn flood(gateway: &Gateway, person: &Person, factor: Factor) {
    let (store, name) = (&gateway.running().desk.store, person.name.parse().expect("a name"));
    for n in 0..500_u32 {
        let network = Network::V4(Ipv4Addr::from(0x0a00_0000 + n));
        match store.try_factor(Attempt::at(Some(&name), factor, network)).await.expect("judged") {
            Err(Held::Wait(doorward::auth::throttle::Wait::Closed)) => return,
            Err(Held::Wait(doorward::auth::throttle::Wait::For(wait))) => gateway.clock.advance(wait),
            Ok(()) | Err(Held::Network { .. }) => {}
        }
    }
    panic!("never closed");
}

async fn bans(gateway: &Gateway, ask: BanWish) -> BanAnswer {
    match gateway.ask(&Wish::Bans { ask }).await {
        Wished::Bans { said } => said,
        other => panic!("{other:?}"),
    }
}

fn add(network: &str, secs: Option<u64>) -> BanWish {
    BanWish::Add { network: network.to_owned(), secs, reason: Some("test".to_owned()) }
}

/// The attack: two hundred codes at the same moment, each from a network of its own, before any is counted.
#[tokio::test]
async fn of_two_hundred_codes_at_once_five_are_looked_at() {
    let (_, gateway) = house().await;
    let alice = gateway.provision("alice").await;
    let mut thief = gateway.stranger().at("203.0.113.1");
    let step = thief.pass_password(&alice, LOGIN).await;
    let form = Form::of(&thief.get(&step).await.text()).with("code", "000000");
    let mut guesses = JoinSet::new();
    for n in 0..200 {
        let (mut guesser, form, step) = (thief.clone().at(&format!("198.51.100.{n}")), form.clone(), step.clone());
        guesses.spawn(async move { guesser.submit(&step, &form).await.status });
    }
    let statuses = within("all answers", guesses.join_all()).await;
    let count = |status| statuses.iter().filter(|found| **found == status).count();
    assert_eq!((count(StatusCode::UNPROCESSABLE_ENTITY), count(StatusCode::TOO_MANY_REQUESTS)), (5, 195));
}

/// The attack: failing at somebody's account, from everywhere, for days, until they cannot get in.
#[tokio::test]
async fn a_flood_of_strangers_keeps_no_known_device_out() {
    let (_, gateway) = house().await;
    let alice = gateway.provision("alice").await;
    let mut hers = gateway.stranger().at("203.0.113.1");
    hers.sign_in(&alice).await;
    let device = hers.cookie(DEVICE).expect("a device cookie").to_owned();
    for factor in Factor::ALL {
        flood(&gateway, &alice, *factor).await;
    }
    let mut stranger = gateway.stranger().at("203.0.113.1");
    let refused = try_password(&mut stranger, "alice", &alice.password).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "a right password too");
    // The same after a restart: nobody is forgiven, and she is known still.
    let app = App::start().await;
    let gateway = gateway.restarted(&configuration(&app)).await;
    let mut stranger = gateway.stranger().at("203.0.113.1");
    assert_eq!(try_password(&mut stranger, "ＡＬＩＣＥ", &alice.password).await.status, StatusCode::TOO_MANY_REQUESTS);
    let mut again = gateway.stranger().at("203.0.113.9");
    again.set_cookie(DEVICE, &device);
    again.sign_in(&alice).await;
    assert_eq!(again.get("/").await.status, StatusCode::OK);
    assert_eq!(again.cookie(DEVICE), Some(device.as_str()), "it stays what it is");
    assert!(app.take().iter().all(|seen| !format!("{:?}", seen.headers).contains(DEVICE)), "no app sees it");
}

/// The attack: with the device cookie of one's own account, to be let try at another's.
#[tokio::test]
async fn a_device_of_one_account_is_a_stranger_at_another() {
    let (_, gateway) = house().await;
    let (alice, mallory) = (gateway.provision("alice").await, gateway.provision("mallory").await);
    flood(&gateway, &alice, Factor::Password).await;
    let mut visitor = gateway.stranger().at("203.0.113.1");
    visitor.sign_in(&mallory).await;
    let mut again = gateway.stranger().at("203.0.113.1");
    again.set_cookie(DEVICE, visitor.cookie(DEVICE).expect("a cookie"));
    assert_eq!(try_password(&mut again, "alice", &alice.password).await.status, StatusCode::TOO_MANY_REQUESTS);
    // Once she has signed in there too, the browser is known for both.
    gateway.running().desk.store.factor_succeeded(hers(&alice)).await.expect("taken back");
    gateway.next_code();
    again.sign_in(&alice).await;
    assert_eq!(again.cookie(DEVICE).expect("a cookie").split('.').count(), 2);
    flood(&gateway, &alice, Factor::Password).await;
    gateway.next_code();
    let mut both = gateway.stranger().at("203.0.113.1");
    both.set_cookie(DEVICE, again.cookie(DEVICE).expect("a cookie"));
    both.sign_in(&alice).await;
}

fn hers(alice: &Person) -> Attempt {
    Attempt::at(Some(&alice.name.parse().expect("a name")), Factor::Password, Network::V4(Ipv4Addr::LOCALHOST))
}

#[tokio::test]
async fn a_ban_holds_from_the_next_request_on_and_for_signing_in_only() {
    let (_, gateway) = house().await;
    let alice = gateway.provision("alice").await;
    let (at, other) = ("203.0.113.1", "203.0.114.1");
    let mut signed_in = gateway.stranger().at(at);
    signed_in.sign_in(&alice).await;
    let mut stranger = gateway.stranger().at(at);
    let form = Form::of(&stranger.get(LOGIN).await.text());
    assert!(matches!(bans(&gateway, add("203.0.113.0/24", Some(3_600))).await, BanAnswer::Added(_)));
    let page = stranger.get(LOGIN).await;
    assert_eq!((page.status, page.header(RETRY_AFTER.as_str())), (StatusCode::TOO_MANY_REQUESTS, "3600"));
    assert!(page.text().contains("Signing in is closed to your network"), "{}", page.text());
    // A form that was loaded before is of no use either.
    let form = form.with("name", "alice").with("password", &alice.password);
    assert_eq!(stranger.submit(LOGIN, &form).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(stranger.get("/public/x").await.status, StatusCode::OK, "what is public stays so");
    assert_eq!(signed_in.get("/").await.status, StatusCode::OK, "who is signed in stays so");
    assert_eq!(gateway.stranger().at(other).get(LOGIN).await.status, StatusCode::OK);
    // A browser that somebody has signed in with may, as them and as nobody else.
    gateway.next_code();
    let mut known = gateway.stranger().at(at);
    known.set_cookie(DEVICE, signed_in.cookie(DEVICE).expect("a cookie"));
    assert_eq!(try_password(&mut known, "bob", "x").await.status, StatusCode::TOO_MANY_REQUESTS);
    known.sign_in(&alice).await;
    // Nor does a restart lift it.
    let app = App::start().await;
    let gateway = gateway.restarted(&configuration(&app)).await;
    let mut stranger = gateway.stranger().at(at);
    assert_eq!(stranger.get(LOGIN).await.status, StatusCode::TOO_MANY_REQUESTS);
    let BanAnswer::Bans(list) = bans(&gateway, BanWish::List).await else { panic!("a list") };
    assert_eq!((list.len(), list[0].by.as_str()), (1, "owner"));
    bans(&gateway, BanWish::Lift { network: Some("203.0.113.0/24".to_owned()) }).await;
    assert_eq!(stranger.get(LOGIN).await.status, StatusCode::OK);
    // For good is no case for waiting.
    bans(&gateway, add("203.0.113.1", None)).await;
    assert_eq!(stranger.get(LOGIN).await.status, StatusCode::FORBIDDEN);
}

/// The attack: having the gateway bar its own proxy, or this machine, and everybody with it.
#[tokio::test]
async fn neither_proxies_nor_this_machine_are_barred() {
    let (_, gateway) = house().await;
    for network in ["127.0.0.1", "127.0.0.0/8", "::1", "0.0.0.0/0", "::/0", "x", "203.0.113.1/24"] {
        let answer = gateway.ask(&Wish::Bans { ask: add(network, None) }).await;
        assert!(matches!(answer, Wished::Refused { .. }), "{network}: {answer:?}");
    }
    let mut local = gateway.stranger();
    for n in 0..12 {
        assert_eq!(try_password(&mut local, &format!("name{n}"), "x").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
}

/// The attack: one password at each of many accounts, so that no account's count rises; then hammering on.
#[tokio::test]
async fn who_sprays_waits_and_who_does_not_wait_is_barred() {
    let (_, gateway) = house().await;
    gateway.provision("alice").await;
    let mut sprayer = gateway.stranger().at("2001:db8:1:2::1");
    for n in 0..10 {
        assert_eq!(try_password(&mut sprayer, &format!("name{n}"), "x").await.status, StatusCode::UNPROCESSABLE_ENTITY);
        gateway.clock.advance(Duration::from_secs(6));
    }
    let began = tokio::time::Instant::now();
    let mut tries = JoinSet::new();
    for n in 0..10 {
        let mut other = gateway.stranger().at(&format!("2001:db8:1:2::{n:x}"));
        tries.spawn(async move { try_password(&mut other, "alice", "x").await });
    }
    let refused = within("all answers", tries.join_all()).await;
    assert!(refused.iter().all(|answer| answer.status == StatusCode::TOO_MANY_REQUESTS));
    assert!(began.elapsed() >= Duration::from_secs(2), "it is slowed down");
    let page = sprayer.get(LOGIN).await;
    assert!(page.text().contains("Signing in is closed to your network"), "{}", page.text());
    assert_eq!(gateway.stranger().at("2001:db8:1:3::1").get(LOGIN).await.status, StatusCode::OK);
    let BanAnswer::Bans(list) = bans(&gateway, BanWish::List).await else { panic!("a list") };
    assert_eq!((list.len(), list[0].network.as_str(), list[0].by.as_str()), (1, "2001:db8:1:2::/64", "gateway"));
    gateway.clock.advance(Duration::from_secs(900));
    assert_eq!(sprayer.get(LOGIN).await.status, StatusCode::OK, "it is over");
}

/// The attack: telling names that exist by how they are throttled.
#[tokio::test]
async fn unknown_names_are_held_like_known_ones() {
    let (_, gateway) = house().await;
    gateway.provision("alice").await;
    let mut one = gateway.stranger().at("203.0.113.1");
    let mut other = gateway.stranger().at("203.0.113.2");
    let runs = || gateway.running().desk.metrics.attempts().map(|(_, _, count)| count).sum::<u64>();
    for _ in 0..8 {
        let before = runs();
        let known = try_password(&mut one, "alice", "x").await;
        let between = runs();
        let unknown = try_password(&mut other, "nobody", "x").await;
        assert_eq!((known.status, runs() - between), (unknown.status, between - before));
        assert_eq!(known.header("retry-after"), unknown.header("retry-after"));
    }
}
