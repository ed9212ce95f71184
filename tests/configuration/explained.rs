//! What `doorward help CODE` shows is true: the mistake earns the complaint, and the fix is accepted.

use doorward::config::complaint::{Code, Complaint};
use doorward::config::help::{EXPLANATIONS, Explanation};
use doorward::plan::compile;

/// Faults of files, of the environment and of the network, not of texts; their examples cannot be compiled.
const OF_FILES: &[Code] = &[
    Code::E0103,
    Code::E0110,
    Code::E0111,
    Code::W0112,
    Code::E0301,
    Code::E0310,
    Code::W0311,
    Code::W0312,
    Code::E0315,
    Code::E0509,
    Code::N0801,
    Code::N0802,
    Code::N0803,
    Code::N0804,
    Code::N0805,
    Code::N0807,
];

fn complaints(text: &str) -> Vec<Complaint> {
    let app = "\n[[app]]\nhost = \"paperless.example.com\"\nupstream = \"http://127.0.0.1:8000\"\n";
    let text = if text.contains("[[app]]") { text.to_owned() } else { format!("{text}\n{app}") };
    compile::compile_text(&text).map_or_else(|complaints| complaints, |compiled| compiled.warnings)
}

#[test]
fn every_mistake_earns_its_code_and_every_fix_is_accepted() {
    for Explanation { code, mistake, right, .. } in EXPLANATIONS.iter().filter(|shown| !OF_FILES.contains(&shown.code)) {
        let earned: Vec<Code> = complaints(mistake).iter().map(|complaint| complaint.code).collect();
        assert_eq!(earned, [*code], "{mistake}");
        assert_eq!(complaints(right), [], "{right}");
    }
}
