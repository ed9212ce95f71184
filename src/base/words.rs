//! Words that others wrote, on their way to a terminal or a log.

/// A text whose letters steer no terminal: neither control characters nor those that turn the direction of writing.
pub fn harmless(text: &str) -> String {
    let obeyed = |letter: char| letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.replace('\n', " ").chars().map(|letter| if obeyed(letter) { char::REPLACEMENT_CHARACTER } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The attack: words that colour, erase or turn round what stands beside them.
    #[test]
    fn no_letter_steers_a_terminal() {
        assert_eq!(harmless("a\nb\u{1b}[31m\u{9b}2J\u{202e}c\u{2066}d\r"), "a b\u{fffd}[31m\u{fffd}2J\u{fffd}c\u{fffd}d\u{fffd}");
    }
}
