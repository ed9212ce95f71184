//! Questions on a terminal that yes and no answer.

use std::io;
use std::io::Write;

/// Asks, and tells whether the answer was yes. No answer is no.
pub fn is_meant(question: &str) -> bool {
    drop(write!(io::stderr(), "{question}"));
    drop(io::stderr().flush());
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).is_ok() && is_yes(&answer)
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        assert!(["y", "Y\n", " yes\r\n", "Yes"].iter().all(|answer| is_yes(answer)));
        assert!(["", "\n", "n", "yess", "ja", "y e s"].iter().all(|answer| !is_yes(answer)));
    }
}
