//! Scenarios with real programs: Chromium, JupyterLab, curl and nginx against the built binary.
//! They are ignored by plain `cargo test`, which needs no other program; `tests/run` installs the programs and runs them all.

use std::path::Path;
use std::process::Command;

/// Runs `tests/e2e/NAME.py BINARY OUTDIR` and shows what it said if it does not end with exit code 0.
/// Pictures and the output stay in the target folder (`tmp/e2e/NAME`).
fn scenario(name: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/test-venv/bin/python");
    assert!(python.exists(), "{} is missing: tests/run makes it", python.display());
    let outdir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("e2e").join(name);
    std::fs::create_dir_all(&outdir).expect("the target folder can be written");
    let done = Command::new(&python)
        .arg(root.join("tests/e2e").join(name).with_extension("py"))
        .args([Path::new(env!("CARGO_BIN_EXE_doorward")), &outdir])
        .output()
        .expect("python starts");
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    std::fs::write(outdir.join("output.txt"), &said).expect("the target folder can be written");
    assert!(done.status.success(), "{name}.py ended with {}\n{said}", done.status);
}

#[test]
#[ignore = "needs chromium, certutil, oathtool, python"]
fn chromium_walks_through_the_demo() {
    scenario("demo_journey");
}

#[test]
#[ignore = "needs chromium, certutil, oathtool, python"]
fn chromium_signs_in_with_passkeys() {
    scenario("passkeys");
}

#[test]
#[ignore = "needs chromium, certutil, python"]
fn chromium_signs_in_as_the_one_owner() {
    scenario("single_owner");
}

#[test]
#[ignore = "needs chromium, certutil, oathtool, python"]
fn recovery_codes_open_the_door_without_the_phone() {
    scenario("recovery");
}

#[test]
#[ignore = "needs chromium, certutil, python with jupyterlab"]
fn one_sign_in_serves_three_names() {
    scenario("three_apps");
}

#[test]
#[ignore = "needs chromium, certutil, oathtool, python with jupyterlab"]
fn jupyterlab_runs_a_kernel_behind_the_gateway() {
    scenario("jupyter");
}

#[test]
#[ignore = "needs curl, python"]
fn curl_signs_in_and_moves_data() {
    scenario("curl_client");
}

#[test]
#[ignore = "needs pebble, curl, openssl, python"]
fn pebble_issues_certificates() {
    scenario("pebble");
}

/// Minutes for each certificate, so that it is part of the full run alone.
#[test]
#[ignore = "needs testssl.sh, sslscan, pebble, python"]
fn scanners_find_nothing_weak() {
    if option_env!("DOORWARD_TESTS") == Some("full") {
        scenario("tls_scan");
    }
}

#[test]
#[ignore = "needs pebble, bind9, nsupdate, dig, curl, openssl, python"]
fn names_are_proven_by_dns() {
    scenario("dns01");
}

/// Part of the full run alone, which installs them.
#[test]
#[ignore = "needs pebble, bind9, knot, pdns-server, dig, openssl, python"]
fn real_name_servers_take_changes() {
    if option_env!("DOORWARD_TESTS") == Some("full") {
        scenario("dns_peers");
    }
}

/// Part of the full run alone, which installs and builds them, and a minute of waiting.
#[test]
#[ignore = "needs certbot, lego, pebble, bind9, nsupdate, openssl, python"]
fn what_certbot_and_lego_keep_is_taken_over() {
    if option_env!("DOORWARD_TESTS") == Some("full") {
        scenario("takeover");
    }
}

#[test]
#[ignore = "needs pebble, pdns-server, dig, openssl, python"]
fn names_are_proven_by_a_provider() {
    scenario("providers");
}

#[test]
#[ignore = "needs nginx, curl, python"]
fn nginx_answers_byte_for_byte() {
    scenario("nginx_upstream");
}

#[test]
#[ignore = "needs nginx, node, apache2, python with gunicorn"]
fn no_server_gets_a_smuggled_request() {
    scenario("smuggling");
}

#[test]
#[ignore = "needs chromium, certutil, oathtool, python"]
fn people_look_after_their_account() {
    scenario("account");
}
