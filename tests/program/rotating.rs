//! The access log of the real program while it is turned over: no line is lost, none is there twice.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::bed::{Gateway, PATIENCE, UP, command, home, run};
use super::client::Browser;

/// `up` as a file, with `more` behind it.
fn write_config(home: &std::path::Path, more: &str) {
    let config = run(home, &format!("{UP} --print-config")).ends_with(0).out;
    fs::write(home.join("gateway.toml"), format!("{config}\n{more}")).expect("written");
}

#[test]
fn turning_the_log_over_under_load_loses_no_line() {
    let home = home();
    write_config(home.path(), "[log]\nfile = \"access.log\"\naccess = \"common\"\n");
    let gateway = Gateway::start(home.path(), "run");
    let pid = Pid::from_raw(i32::try_from(gateway.pid()).expect("a process id"));
    let (done, path) = (AtomicBool::new(false), home.path().join("access.log"));
    thread::scope(|scope| {
        let browsers: Vec<_> = (0..4)
            .map(|number| {
                let mut browser = Browser::new(gateway.https(), "app.localhost", &gateway.ca());
                scope.spawn(move || {
                    for n in 0..40 {
                        browser.get(&format!("/request-{number}-{n}")).expect("an answer");
                    }
                })
            })
            .collect();
        let turning = scope.spawn(|| {
            let mut moved = 0;
            while !done.load(Ordering::Relaxed) {
                if fs::rename(&path, home.path().join(format!("access.log.{moved}"))).is_ok() {
                    moved += 1;
                }
                kill(pid, Signal::SIGUSR1).expect("it runs");
                thread::sleep(Duration::from_millis(20));
            }
            moved
        });
        browsers.into_iter().for_each(|browser| browser.join().expect("no panic"));
        done.store(true, Ordering::Relaxed);
        assert!(turning.join().expect("no panic") > 2);
    });
    gateway.stop();
    let files = fs::read_dir(home.path()).expect("listed").map(|entry| entry.expect("listed").path());
    let logs = files.filter(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("access.log")));
    let mut seen = BTreeMap::new();
    for line in logs.flat_map(|log| fs::read_to_string(log).expect("read").lines().map(str::to_owned).collect::<Vec<_>>()) {
        let target = line.split(' ').nth(6).expect("a line of common").to_owned();
        *seen.entry(target).or_insert(0) += 1;
    }
    let expected: BTreeMap<String, i32> =
        (0..4).flat_map(|number| (0..40).map(move |n| (format!("/request-{number}-{n}"), 1))).collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_full_disk_costs_lines_and_is_told_once() {
    let home = home();
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    write_config(home.path(), "[log]\nfile = \"/dev/full\"\n");
    let gateway = Gateway::start(home.path(), "run");
    let mut browser = Browser::new(gateway.https(), "app.localhost", &gateway.ca());
    for _ in 0..20 {
        assert_eq!(browser.get("/").expect("an answer").status, 302);
    }
    let begin = Instant::now();
    let lost = loop {
        let status = run(home.path(), "status --data-dir data --json").ends_with(0).json();
        let lost = status["access_log"]["lost"].as_u64().expect("a number");
        if lost == 20 || begin.elapsed() > PATIENCE {
            break lost;
        }
    };
    assert_eq!(lost, 20);
    assert_eq!(gateway.said().matches("log.failing").count(), 1, "{}", gateway.said());
    gateway.stop();
}

/// A signal that nobody expects must not end the program: without a file there is nothing to open anew.
#[test]
fn the_signal_ends_nothing_where_lines_go_to_standard_output() {
    let home = home();
    let gateway = Gateway::start(home.path(), UP);
    gateway.signal(Signal::SIGUSR1);
    run(home.path(), "healthcheck --data-dir data").ends_with(0);
    gateway.stop();
}

#[test]
fn watching_writes_a_line_a_second_until_nobody_reads() {
    use std::io::{BufRead, BufReader};
    let home = home();
    let gateway = Gateway::start(home.path(), UP);
    let mut words = command(home.path(), ["status", "--watch", "--json", "--data-dir", "data"]);
    let mut child = words.stdout(std::process::Stdio::piped()).spawn().expect("runs");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    for _ in 0..2 {
        let line = lines.next().expect("a line").expect("read");
        let status: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(status["pid"], gateway.pid());
    }
    drop(lines);
    assert_eq!(child.wait().expect("ends").code(), Some(0));
    gateway.stop();
}
