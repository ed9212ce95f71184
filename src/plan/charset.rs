//! `path_charset = "bytes"`, and the patterns that it leaves without a meaning.

use crate::config::app::{AppTable, PathCharset};
use crate::config::complaint::{Code, Complaint};
use crate::config::placed;
use crate::config::placed::{Place, Placed};
use crate::config::rule::BypassEntry;

/// Complains about patterns with letters beyond ASCII in an app of which nobody knows what bytes these are. A `deny` of such a name
/// would let it pass in the app's own charset, and nothing would show it.
pub fn check(table: &AppTable, complaints: &mut Vec<Complaint>) {
    if placed::value(table.path_charset.as_ref()) != Some(PathCharset::Bytes) {
        return;
    }
    let mut check = |key: &str, text: &str, place: &Place| {
        if !text.is_ascii() {
            let complaint = Complaint::new(Code::E0607, place, "a pattern of letters whose bytes nobody knows");
            let complaint = complaint.label("with `path_charset = \"bytes\"` patterns are ASCII");
            let help = "write `*` or `?` for such letters, or leave `path_charset` out if the app's paths are UTF-8";
            complaints.push(complaint.help(help).key(key));
        }
    };
    let mut all = |key: &str, paths: &[Placed<String>]| paths.iter().for_each(|path| check(key, &path.value, &path.place));
    all("app.deny", &table.deny);
    all("app.only", table.only.as_ref().map_or(&[], |only| &only.value));
    for redirect in &table.redirects {
        all("app.redirect.from", redirect.from.as_slice());
    }
    for rule in &table.rules {
        all("app.rule.path", &rule.paths);
        all("app.rule.path_regex", rule.path_regex.as_slice());
    }
    for entry in &table.bypass {
        match entry {
            BypassEntry::Path(path) => all("app.bypass", std::slice::from_ref(path)),
            BypassEntry::Table(rule) => all("app.bypass.path", &rule.paths),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::complaint::Code;
    use crate::plan::compile::compile_text;

    fn complaints(more: &str) -> Vec<Code> {
        let text = format!("[[app]]\nhost = \"a.example\"\nupstream = \"http://127.0.0.1:1\"\n{more}");
        compile_text(&text).err().unwrap_or_default().into_iter().map(|complaint| complaint.code).collect()
    }

    /// The attack: `/админ/` in the app's own charset, which no reading of ours makes of the bytes.
    #[test]
    fn letters_without_known_bytes_are_no_pattern() {
        for rule in [
            "deny = [\"/админ/\"]",
            "only = [\"/é/\"]",
            "redirect = [{ from = \"/é\", to = \"/\" }]",
            "bypass = [{ path = \"/é\", reason = \"x\" }]",
            "[[app.rule]]\npath = \"/é/\"\nrequire = \"2fa\"",
            "[[app.rule]]\npath_regex = \"/é\"\nrequire = \"2fa\"",
        ] {
            assert_eq!(complaints(&format!("path_charset = \"bytes\"\n{rule}")), [Code::E0607], "{rule}");
            assert_eq!(complaints(&format!("path_charset = \"utf-8\"\n{rule}")), [], "{rule}");
        }
        assert_eq!(complaints("path_charset = \"bytes\"\ndeny = [\"/caf*/\"]"), []);
    }
}
