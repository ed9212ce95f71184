//! What the owner's webhook is told, through reloads.

use std::fs;

use doorward::admin::wish::{Answer, Wish};
use doorward::wire::body::Body;
use http::{Response, StatusCode};

use crate::kit::app::App;
use crate::kit::gateway::{Gateway, HOST, until};

fn telling(hook: &str) -> String {
    format!(
        "[listen]\nhttps = [\"127.0.0.1:0\"]\nhttp = []\n\n[log]\nfile = \"access.log\"\n\n\
         [notify]\nurl = \"{hook}/hook\"\nevents = [\"user.added\"]\n\n\
         [[app]]\nhost = \"{HOST}\"\nupstream = \"http://127.0.0.1:9\"\n"
    )
}

/// An address that takes nothing, and that the owner mends while an event waits: the event is told at the new one.
#[tokio::test]
async fn what_waits_is_told_at_the_address_that_counts_now() {
    let broken = App::answering(|_| {
        let mut response = Response::new(Body::from("later"));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response
    })
    .await;
    let mended = App::start().await;
    let gateway = Gateway::from_file(&telling(&broken.url()));
    gateway.provision("alice").await;
    until("the first try", || broken.count() > 0).await;
    fs::write(gateway.home().join("gateway.toml"), telling(&mended.url())).expect("written");
    let reload = Wish::Reload { file: None, confirm_secs: None, colour: false };
    assert!(matches!(gateway.ask(&reload).await, Answer::Reloaded(_)));
    until("the event", || mended.count() > 0).await;
    let told: serde_json::Value = serde_json::from_slice(&mended.only().body).expect("JSON");
    assert_eq!((&told["event"], &told["user"]), (&"user.added".into(), &"alice".into()));
}
