//! Certificates of others: what is usable, what takes the place of what, and whose account it is.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use time::OffsetDateTime;

use super::*;
use crate::base::clock::Clock;
use crate::policy::wildcard::HostPattern;
use crate::tls::acme::folder::Folder;
use crate::tls::server;

const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

fn authority(name: &str) -> Authority {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let pem = params.self_signed(&key).expect("signed").pem();
    Authority { issuer: Issuer::new(params, key), pem }
}

/// Leaf and key for these names, from and until so many days from now.
fn issued(authority: &Authority, names: &[&str], (from, until): (i64, i64)) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name.push(DnType::CommonName, "leaf");
    let at = |days: i64| OffsetDateTime::from_unix_timestamp(NOW + days * DAY).expect("a moment");
    (params.not_before, params.not_after) = (at(from), at(until));
    let leaf = params.signed_by(&key, &authority.issuer).expect("signed").pem();
    (format!("{leaf}{}", authority.pem), key.serialize_pem())
}

fn judged(chain: &str, key: &str) -> Result<Usable, Unfit> {
    let files = CertificateFiles { certificate: PathBuf::from("fullchain.pem"), private_key: PathBuf::from("privkey.pem") };
    judge(&files, (chain.as_bytes(), key.as_bytes()), Timestamp::from_secs(NOW), &server::provider())
}

/// The attack: a file that is torn, over, of somebody else's key, or that nobody signed takes the place of one that works.
#[test]
fn only_what_visitors_would_accept_is_usable() {
    let (ours, other) = (authority("Ours"), authority("Other"));
    let (chain, key) = issued(&ours, &["a.example", "*.b.example", "c.localhost"], (-1, 60));
    let usable = judged(&chain, &key).expect("usable");
    assert_eq!(usable.hosts, [Host::parse("a.example").expect("a host")], "no wildcards, no local names");
    let leaf = chain.split_inclusive("-----END CERTIFICATE-----\n").next().expect("a leaf").to_owned();
    judged(&leaf, &key).expect("an authority may sign without others in between");
    let (_, others_key) = issued(&ours, &["a.example"], (-1, 60));
    let told = |chain: &str, key: &str| judged(chain, key).expect_err("unfit").to_string();
    assert!(told(&chain, &others_key).contains("does not belong to the first certificate"));
    assert!(told(&format!("{leaf}{}", other.pem), &key).contains("certificate 2 did not sign"));
    assert!(told(&chain[..400], &key).contains("ends in the middle"));
    assert!(told(&chain, "").contains("there is no private key"));
    let (over, key) = issued(&ours, &["a.example"], (-90, -1));
    assert!(told(&over, &key).starts_with("it ended on "));
    let (early, key) = issued(&ours, &["a.example"], (1, 90));
    assert!(told(&early, &key).starts_with("it begins on "));
    let own = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(["a.example".to_owned()]).expect("a name");
    params.not_before = OffsetDateTime::from_unix_timestamp(NOW - DAY).expect("a moment");
    params.not_after = OffsetDateTime::from_unix_timestamp(NOW + DAY).expect("a moment");
    let signed = params.self_signed(&own).expect("signed").pem();
    assert!(told(&signed, &own.serialize_pem()).contains("signed by itself"));
}

#[test]
fn one_that_ends_later_is_kept_unless_forced() {
    let dir = tempfile::tempdir().expect("a directory");
    let clock = Clock::manual(Timestamp::from_secs(NOW));
    let names = Arc::new(Names::new(Folder::within(dir.path()), server::provider(), clock));
    let (host, ours) = (HostPattern::parse("a.example").expect("a host"), authority("Ours"));
    let slot = names.slot(&host);
    let usable = |days: i64| {
        let (chain, key) = issued(&ours, &["a.example"], (-1, days));
        judged(&chain, &key).expect("usable")
    };
    let (short, long) = (usable(30), usable(60));
    let believed = Believed::here(None, &server::provider());
    let gently = Taking { believed: &believed, force: false };
    let by_force = Taking { force: true, ..gently };
    assert!(matches!(take(&names, &slot, &short, gently), Ok(Became::Taken)));
    assert!(matches!(take(&names, &slot, &short, gently), Ok(Became::Same)));
    assert!(matches!(take(&names, &slot, &long, gently), Ok(Became::Taken)));
    assert!(matches!(take(&names, &slot, &short, gently), Ok(Became::Better(_))));
    assert_eq!(slot.key().expect("shown").cert, long.loaded.key.cert);
    let lease = names.lease(&slot).expect("free");
    assert!(matches!(take(&names, &slot, &short, by_force), Ok(Became::Busy)));
    drop(lease);
    names.wish(&host);
    assert!(matches!(take(&names, &slot, &short, by_force), Ok(Became::Taken)));
    assert!(slot.standing().wished, "what is taken over is no order: the one that the owner wants is still to come");
    let again = Names::new(Folder::within(dir.path()), server::provider(), Clock::manual(Timestamp::from_secs(NOW)));
    assert_eq!(again.slot(&host).key().expect("kept").cert, short.loaded.key.cert, "after a restart");
}

/// The attack: a certificate of an authority that nobody knows, for ten years, in a folder that is imported takes the place of one that
/// visitors believe.
#[test]
fn one_that_is_believed_stays_and_one_that_was_revoked_does_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let names = Arc::new(Names::new(Folder::within(dir.path()), server::provider(), Clock::manual(Timestamp::from_secs(NOW))));
    let (host, known, unknown) = (HostPattern::parse("a.example").expect("a host"), authority("Known"), authority("Unknown"));
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, &known.pem).expect("written");
    let believed = Believed::here(Some(&file), &server::provider());
    let gently = Taking { believed: &believed, force: false };
    let usable = |by: &Authority, days: i64| {
        let (chain, key) = issued(by, &["a.example"], (-1, days));
        judged(&chain, &key).expect("usable")
    };
    let slot = names.slot(&host);
    let (first, good, long) = (usable(&unknown, 3_000), usable(&known, 60), usable(&unknown, 3_650));
    assert!(matches!(take(&names, &slot, &first, gently), Ok(Became::Taken)), "better than nothing");
    assert!(matches!(take(&names, &slot, &good, gently), Ok(Became::Taken)), "although it ends sooner");
    assert!(matches!(take(&names, &slot, &long, gently), Ok(Became::Believed)));
    let mut lease = names.lease(&slot).expect("free");
    lease.history.revoked = slot.fingerprint();
    lease.history.record.not_before = Some(1);
    lease.history.record.recent = vec![2];
    lease.history.record.failures = 3;
    lease.note().expect("written");
    drop(lease);
    let soon = usable(&known, 30);
    assert!(matches!(take(&names, &slot, &soon, gently), Ok(Became::Taken)), "nobody believes what was revoked");
    let record = slot.standing().history.record;
    assert_eq!((record.not_before, record.recent, record.failures), (Some(1), vec![2], 0), "limits hold, pauses do not");
    let again = Names::new(Folder::within(dir.path()), server::provider(), Clock::manual(Timestamp::from_secs(NOW)));
    assert_eq!(again.slot(&host).key().expect("kept").cert, soon.loaded.key.cert);
    assert!(matches!(take(&names, &slot, &long, Taking { force: true, ..gently }), Ok(Became::Taken)));
}

#[test]
fn an_account_that_is_there_is_not_replaced() {
    let dir = tempfile::tempdir().expect("a directory");
    let names = Names::new(Folder::within(dir.path()), server::provider(), Clock::manual(Timestamp::from_secs(NOW)));
    let key = || KeyPair::generate().expect("a key").serialize_pem();
    let first = key();
    take_account(&names, "https://ca.example/dir", &first).expect("taken");
    assert!(matches!(take_account(&names, "https://ca.example/dir", &key()), Err(Left::There)));
    assert!(matches!(take_account(&names, "https://ca.example/other", "{}"), Err(Left::Unusable(_))));
    let kept = names.ground().folder.account("https://ca.example/dir").expect("read").expect("there");
    let same = KeyPair::from_pem(&String::from_utf8_lossy(&kept)).expect("a key").public_key_pem();
    assert_eq!(same, KeyPair::from_pem(&first).expect("a key").public_key_pem());
}
