//! Certificates of other programs are taken over, with a gateway and without one, and nothing of theirs is changed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use doorward::base::clock::Clock;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use crate::bed::{Gateway, home, run, tree};

const CONFIG: &str = "data_dir = \"data\"\n[acme]\nagree_tos = true\ndirectory = \"https://127.0.0.1:1/dir\"\n\
                      [listen]\nhttps = [\"127.0.0.1:0\"]\nhttp = []\n\
                      [[app]]\nhost = [\"a.example.com\", \"b.example.com\"]\nupstream = \"http://127.0.0.1:9\"\n";

/// What an authority issued for `names` until so many days from now: chain and key.
fn issued(names: &[&str], days: i64) -> (String, String) {
    let (ca_key, key) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
    let mut ca = CertificateParams::new(Vec::new()).expect("no names");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name.push(DnType::CommonName, "Authority");
    let root = ca.self_signed(&ca_key).expect("signed").pem();
    let mut leaf = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).expect("names");
    leaf.distinguished_name.push(DnType::CommonName, names[0]);
    let now = OffsetDateTime::from_unix_timestamp(Clock::system().now().secs()).expect("a moment");
    (leaf.not_before, leaf.not_after) = (now - Duration::days(1), now + Duration::days(days));
    let leaf = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).expect("signed").pem();
    (format!("{leaf}{root}"), key.serialize_pem())
}

/// certbot's folder with one name.
fn certbot(root: &Path, name: &str, (chain, key): &(String, String)) {
    let (archive, live) = (root.join("archive").join(name), root.join("live").join(name));
    for folder in [&archive, &live] {
        fs::create_dir_all(folder).expect("made");
    }
    for (file, text) in [("fullchain", chain), ("privkey", key)] {
        fs::write(archive.join(format!("{file}1.pem")), text).expect("written");
        symlink(format!("../../archive/{name}/{file}1.pem"), live.join(format!("{file}.pem"))).expect("linked");
    }
}

fn one(said: &Value, host: &str) -> Value {
    let all = said["certificates"].as_array().expect("a list");
    all.iter().find(|one| one["host"] == host).unwrap_or_else(|| panic!("{host}: {said}")).clone()
}

#[test]
fn certbots_are_taken_over_without_a_gateway_and_shown_by_the_next() {
    let home = home();
    fs::write(home.path().join("gateway.toml"), CONFIG).expect("written");
    let theirs = home.path().join("letsencrypt");
    certbot(&theirs, "a.example.com", &issued(&["a.example.com", "b.example.com", "old.example.com"], 60));
    certbot(&theirs, "other.example.com", &issued(&["other.example.com"], 60));
    certbot(&theirs, "over", &issued(&["a.example.com"], -0));
    let accounts = theirs.join("accounts/127.0.0.1:1/dir/5f");
    fs::create_dir_all(&accounts).expect("made");
    fs::write(accounts.join("private_key.json"), r#"{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB"}"#).expect("written");
    let before = tree(&theirs);
    let said = run(home.path(), "cert import letsencrypt --json").ends_with(1).json();
    assert_eq!((said["taken"].as_u64(), said["refused"].as_u64(), said["kept"].as_u64()), (Some(2), Some(2), Some(1)), "{said}");
    assert!(said.to_string().contains("it is for other.example.com") && said.to_string().contains("it ended on"), "{said}");
    assert!(said.to_string().contains("not for P-256"), "{said}");
    assert_eq!(tree(&theirs), before, "nothing of theirs is changed");
    let listed = run(home.path(), "cert list --json").ends_with(0).json();
    assert_eq!(one(&listed, "b.example.com")["state"], "well");
    let gateway = Gateway::start(home.path(), "run");
    let listed = run(home.path(), "cert list --json").ends_with(0).json();
    let shown = one(&listed, "a.example.com");
    assert!(shown["issuer"] == "Authority" && shown["state"] == "well" && shown["next"].as_i64() > Some(0), "{shown}");
    let trail = run(home.path(), "audit list --json").ends_with(0);
    assert_eq!(trail.out.matches("cert.imported").count(), 2, "{trail:?}");
    gateway.stop();
}

#[test]
fn a_running_gateway_shows_what_it_takes_over_at_once() {
    let home = home();
    fs::write(home.path().join("gateway.toml"), CONFIG).expect("written");
    let gateway = Gateway::start(home.path(), "run");
    let lego = home.path().join("lego/certificates");
    fs::create_dir_all(&lego).expect("made");
    let put = |days: i64| {
        let (chain, key) = issued(&["a.example.com"], days);
        fs::write(lego.join("a.example.com.crt"), chain).expect("written");
        fs::write(lego.join("a.example.com.key"), key).expect("written");
    };
    let shown = || one(&run(home.path(), "cert list --json").ends_with(0).json(), "a.example.com")["fingerprint"].clone();
    assert!(shown().is_null());
    put(60);
    run(home.path(), "cert import lego").ends_with(0);
    let first = shown();
    assert!(first.is_string());
    put(30);
    let said = run(home.path(), "cert import lego").ends_with(0);
    assert!(said.out.starts_with("kept") && said.out.contains("--force"), "{said:?}");
    assert_eq!(shown(), first, "the one that ends later stays");
    run(home.path(), "cert import lego --force").ends_with(0);
    assert_ne!(shown(), first);
    let said = run(home.path(), "cert import lego --name b.example.com").ends_with(1);
    assert!(said.out.contains("no usable certificate for b.example.com"), "{said:?}");
    run(home.path(), "cert import nowhere").ends_with(6);
    gateway.stop();
}
