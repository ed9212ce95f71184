//! Honest URLs of many applications: each reaches the app byte for byte, whatever there is to judge in it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use tokio::io::AsyncWriteExt;

use crate::kit::app::{read_head, speaking};
use crate::kit::gateway::{Gateway, one_app};
use crate::kit::line::BOTH;

const CORPUS: &str = include_str!("../data/honest-corpus.tsv");
/// The longest target that is taken.
const LONGEST: usize = 8192;

/// Application and target of every line.
fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    CORPUS.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        assert!(matches!(fields[..], [_, _, origin] if !origin.is_empty()), "{line}");
        (fields[0], fields[1])
    })
}

/// Some of the shapes with queries up to the limit, as search forms, signed links and SAML make them.
fn longest() -> Vec<String> {
    let filled = |front: &str, piece: &str| {
        let room = LONGEST - front.len();
        let whole = piece.repeat(room / piece.len());
        format!("{front}{whole}{}", "a".repeat(room - whole.len()))
    };
    vec![
        filled("/Shibboleth.sso/SAML2/Redirect?SAMLRequest=", "fZJ%2BT9swEMb%2F"),
        filled("/explore?left=", "%7B%22expr%22%3A%22up%22%7D%2C"),
        filled("/bucket/dir%2Ffile.txt?X-Amz-Security-Token=", "IQoJb3JpZ2luX2VjE%2F%2F%2F"),
        filled("/search?q=", "caf%C3%A9+"),
        filled("/archive/", "a-folder-with-a-name-of-forty-characters/"),
    ]
}

#[test]
fn the_corpus_is_as_wide_as_it_says() {
    let all: Vec<_> = lines().collect();
    assert!(all.len() >= 500, "{}", all.len());
    assert!(all.iter().map(|(app, _)| app).collect::<HashSet<_>>().len() >= 60);
    assert_eq!(all.iter().map(|(_, target)| target).collect::<HashSet<_>>().len(), all.len(), "a line is there twice");
}

#[tokio::test]
async fn honest_urls_reach_the_app_byte_for_byte_over_both_protocols() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&seen);
    let url = speaking(move |mut stream, _| {
        let record = Arc::clone(&record);
        async move {
            loop {
                let head = read_head(&mut stream).await;
                let Some(line) = head.lines().next() else { return };
                record.lock().expect("not poisoned").push(line.to_owned());
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                if stream.write_all(answer).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    let gateway = Gateway::start(&one_app(&url, "deny = [\"/admin/\"]\nbypass = [\"/\"]"));
    let targets: Vec<String> = lines().map(|(_, target)| target.to_owned()).chain(longest()).collect();
    for protocol in BOTH {
        let mut visitor = gateway.stranger().over(protocol);
        let mut line = visitor.line().await;
        for target in &targets {
            let answer = visitor.send_on(&mut line, visitor.call("GET", target)).await;
            let shown = &target[..target.len().min(200)];
            assert_eq!(answer.status, 200, "{protocol:?} {shown}");
            let reached = seen.lock().expect("not poisoned").pop();
            assert!(reached == Some(format!("GET {target} HTTP/1.1")), "{protocol:?} {shown} came as {reached:?}");
        }
    }
}
