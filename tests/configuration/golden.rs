//! Broken configurations and what is said about them, word for word: `tests/golden/*.toml` and the `.txt` beside each.
//! After a change on purpose, copy the new texts from where the failing test says it left them, and read the difference.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use doorward::config::complaint::{Code, Complaint};
use doorward::config::environment::Environment;
use doorward::config::github;
use doorward::config::report::Report;
use doorward::daemon::configuration;
use doorward::plan::compile;

const FOLDER: &str = "tests/golden";

/// What `check` says about a file, in the environment that stands beside it.
fn check(path: &Path) -> Report {
    match configuration::load(path, &environment(path)) {
        Ok(loaded) => loaded.report,
        Err(report) => *report,
    }
}

fn environment(path: &Path) -> Environment {
    let text = fs::read_to_string(path.with_extension("env")).unwrap_or_default();
    text.lines().filter_map(|line| line.split_once('=')).collect()
}

/// Who may read a file is part of what is complained about, and no checkout keeps it.
fn set_modes() {
    for folder in [FOLDER.to_owned(), format!("{FOLDER}/parts")] {
        for entry in fs::read_dir(folder).expect("the folder") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("set");
            }
        }
    }
}

fn cases() -> Vec<PathBuf> {
    set_modes();
    let mut cases: Vec<PathBuf> = fs::read_dir(FOLDER)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    cases.push(Path::new(FOLDER).join("e0110_missing.toml"));
    cases.sort();
    cases
}

#[test]
fn every_broken_configuration_is_complained_about_word_for_word() {
    let left = Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden");
    fs::create_dir_all(&left).expect("a folder");
    let mut wrong = Vec::new();
    for path in cases() {
        let told = check(&path).human(false);
        let expected = path.with_extension("txt");
        if fs::read_to_string(&expected).unwrap_or_default() != told {
            fs::write(left.join(expected.file_name().expect("a name")), &told).expect("written");
            wrong.push(format!("── {}\n{told}", expected.display()));
        }
    }
    assert!(wrong.is_empty(), "{}\nthe new texts are in {}", wrong.join("\n"), left.display());
}

#[test]
fn every_code_has_a_case_named_after_it_and_every_complaint_a_place_and_a_way_out() {
    let mut seen = BTreeSet::new();
    for path in cases() {
        let report = check(&path);
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let own = name.split('_').next().expect("a code").to_uppercase();
        assert!(report.complaints.iter().any(|complaint| complaint.code.name() == own), "{name} lacks {own}");
        for complaint in &report.complaints {
            seen.insert(complaint.code);
            assert!(complaint.place.is_some() || complaint.code == Code::E0110, "{name}: {}", complaint.message);
            let way_out = complaint.help.is_some() || complaint.label.is_some();
            assert!(way_out || matches!(complaint.code, Code::E0101 | Code::E0509), "{name}: {}", complaint.message);
        }
    }
    // What the network has against a file is in `online.rs`.
    let of_files = Code::ALL.iter().filter(|code| !code.name().starts_with('N'));
    let missing: Vec<&str> = of_files.filter(|code| !seen.contains(code)).map(|code| code.name()).collect();
    assert!(missing.is_empty(), "codes without a case: {missing:?}");
}

#[test]
fn a_fix_that_is_offered_removes_its_complaint() {
    for path in cases() {
        let report = check(&path);
        let end = report.source.main().text.len();
        let in_file = |complaint: &&Complaint| complaint.place.as_ref().is_some_and(|place| place.end <= end);
        for complaint in report.complaints.iter().filter(|complaint| complaint.fix.is_some()).filter(in_file) {
            let (fix, place) = (complaint.fix.as_ref().expect("filtered"), complaint.place.clone().expect("a fix has a place"));
            let mut text = report.source.main().text.clone();
            text.replace_range(place.clone(), &fix.replace);
            let after = match compile::compile_text(&text) {
                Ok(compiled) => compiled.warnings,
                Err(complaints) => complaints,
            };
            assert!(!after.iter().any(|other| other.code == Code::E0101), "{}: {text}", path.display());
            let still = |other: &&Complaint| {
                other.code == complaint.code && other.place.as_ref().is_some_and(|other| other.start == place.start)
            };
            assert_eq!(after.iter().find(still), None, "{}: {}", path.display(), complaint.message);
        }
    }
}

#[test]
fn programs_and_workflows_are_told_the_same_as_people() {
    for path in cases() {
        let report = check(&path);
        let (json, commands, lines) = (report.json(), github::commands(&report), report.lines());
        let diagnostics = json["diagnostics"].as_array().expect("a list");
        assert_eq!(diagnostics.len(), report.complaints.len());
        assert_eq!(commands.lines().count(), report.complaints.len() + 1);
        for ((complaint, diagnostic), (command, line)) in
            report.complaints.iter().zip(diagnostics).zip(commands.lines().zip(&lines))
        {
            let (code, severity) = (complaint.code.name(), complaint.severity().name());
            assert_eq!((&diagnostic["code"], &diagnostic["severity"]), (&code.into(), &severity.into()));
            assert_eq!(diagnostic["message"], complaint.message);
            let has_place = diagnostic["line"].is_u64() && diagnostic["column"].is_u64() && diagnostic["file"].is_string();
            assert!(has_place || complaint.place.is_none(), "{diagnostic}");
            assert!(command.starts_with(&format!("::{severity} ")) && command.contains(&format!("title={code}::")), "{command}");
            assert!(line.contains(&format!("{severity}[{code}]")), "{line}");
        }
    }
}
