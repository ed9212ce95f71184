//! A browser in words, by what it says of itself: enough for its owner to recognise it, and nothing is decided by it.

/// Longest name of a program that we do not know.
const LONGEST: usize = 40;

/// In this order: most of them name others as well.
const PROGRAMS: &[(&str, &str)] = &[
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

const SYSTEMS: &[(&str, &str)] = &[
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
    ("BSD", "BSD"),
];

/// "Firefox on Linux"; for other programs what they call themselves.
pub fn in_words(agent: &str) -> String {
    let known = |table: &[(&str, &'static str)]| table.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    match (known(PROGRAMS), known(SYSTEMS)) {
        (Some(program), Some(system)) => format!("{program} on {system}"),
        (Some(program), None) => program.to_owned(),
        (None, Some(system)) => format!("A browser on {system}"),
        (None, None) => {
            let name: String = agent.split(['/', ' ']).next().unwrap_or_default().chars().take(LONGEST).collect();
            if name.is_empty() { "A browser that doesn't say which".to_owned() } else { name }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_recognised_though_they_name_each_other() {
        let webkit = "AppleWebKit/537.36 (KHTML, like Gecko)";
        for (agent, words) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned(), "Firefox on Linux"),
            (format!("Mozilla/5.0 (X11; Linux x86_64) {webkit} HeadlessChrome/142.0 Safari/537.36"), "Chrome on Linux"),
            (format!("Mozilla/5.0 (Windows NT 10.0) {webkit} Chrome/142.0 Safari/537.36 Edg/142.0"), "Edge on Windows"),
            (format!("Mozilla/5.0 (Linux; Android 15) {webkit} Chrome/142.0 Mobile Safari/537.36"), "Chrome on Android"),
            (
                format!("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) {webkit} Version/19.0 Safari/604.1"),
                "Safari on iPhone",
            ),
            ("curl/8.15.0".to_owned(), "curl"),
            (String::new(), "A browser that doesn't say which"),
            ("<script>alert(1)</script>".to_owned(), "<script>alert(1)<"),
        ] {
            assert_eq!(in_words(&agent), words);
        }
        assert_eq!(in_words(&"x".repeat(200)).len(), 40);
    }
}
