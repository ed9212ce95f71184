//! `reload --confirm`: a configuration that locks its owner out goes away by itself.

use doorward::admin::wish::{Answer, RefusedKind, Wish};
use http::StatusCode;

use crate::kit::app::App;
use crate::kit::gateway::{Gateway, HOST, until};
use crate::kit::socket::echo_app;
use crate::reload::sockets::Socket;
use crate::reload::{app, file, listening, rewrite, wish};

async fn refused(gateway: &Gateway, wish: &Wish) -> String {
    match gateway.ask(wish).await {
        Answer::Refused { kind: RefusedKind::Unfit, message } => message,
        other => panic!("{other:#?}"),
    }
}

async fn back(gateway: &Gateway, version: u64) {
    until("the former configuration", || gateway.running().services().plan.get().version == version).await;
}

#[tokio::test]
async fn what_is_not_confirmed_goes_back() {
    let upstream = echo_app().await;
    let gateway = Gateway::from_file(&file(&app(HOST, &upstream.url(), "")));
    let mut guest = gateway.guest("alice").await;
    let before = gateway.running().services().plan.get();
    let https = gateway.reach().https;
    rewrite(
        &gateway,
        &listening("\"127.0.0.1:0\"", &app(HOST, &upstream.url(), "deny = [\"/\"]"))
            .replace("\nhttp = [\"127.0.0.1:0\"]", "\nhttp = []"),
    );
    match gateway.ask(&wish(Some(2))).await {
        Answer::Reloaded(told) => assert_eq!((told.version, told.confirm_within, told.https), (2, Some(2), vec![https])),
        other => panic!("{other:#?}"),
    }
    assert_eq!(guest.fetch("GET", "/").await.status, StatusCode::NOT_FOUND);
    let advice = refused(&gateway, &wish(None)).await;
    assert!(advice.contains("on trial") && advice.contains("`doorward reload --keep`"), "{advice}");
    back(&gateway, 3).await;
    assert_eq!(guest.fetch("GET", "/").await.status, StatusCode::OK);
    let after = gateway.running().services().plan.get();
    assert!(after.apps[0].serves_like(&before.apps[0]) && !after.apps[0].lifeline.is_cut());
    assert!(Socket::open(&mut guest).await.is_alive().await);
    let plain = tokio::net::TcpStream::connect(gateway.http()).await;
    assert!(plain.is_ok(), "the address that was given up is back, at its port");
    assert!(refused(&gateway, &Wish::Keep).await.contains("no configuration is on trial"));
    assert!(matches!(gateway.ask(&wish(None)).await, Answer::Reloaded(_)), "and then a reload works again");
}

#[tokio::test]
async fn what_is_confirmed_stays() {
    let upstream = App::start().await;
    let gateway = Gateway::from_file(&file(&app(HOST, &upstream.url(), "")));
    let mut guest = gateway.guest("alice").await;
    rewrite(&gateway, &file(&app(HOST, &upstream.url(), "deny = [\"/admin/\"]")));
    assert!(matches!(gateway.ask(&wish(Some(1))).await, Answer::Reloaded(_)));
    assert!(matches!(gateway.ask(&Wish::Keep).await, Answer::Kept { version: 2 }));
    // Longer than the trial would have lasted.
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    assert_eq!(guest.fetch("GET", "/admin/").await.status, StatusCode::NOT_FOUND);
    assert_eq!(gateway.running().services().plan.get().version, 2);
}

/// What was open when the trial began, and still is when it ends, was never touched.
#[tokio::test]
async fn a_short_trial_ends_no_socket() {
    let upstream = echo_app().await;
    let text = |more: &str| file(&app(HOST, &upstream.url(), more)).replace("\"0s\"", "\"1h\"");
    let gateway = Gateway::from_file(&text(""));
    let mut socket = Socket::open(&mut gateway.guest("alice").await).await;
    rewrite(&gateway, &text("deny = [\"/\"]"));
    assert!(matches!(gateway.ask(&wish(Some(1))).await, Answer::Reloaded(_)));
    assert!(socket.is_alive().await);
    back(&gateway, 3).await;
    assert!(socket.is_alive().await);
}
