//! What a path with `.` and `..` comes to, for apps whose owner would rather have such requests sent there than refused.
//!
//! Nothing is judged here and nothing forwarded: the client is told another URL, and whatever it makes of that is parsed and judged
//! like any other. What is no dot segment to RFC 3986 (section 5.2.4), to browsers, or to servers that drop parameters, stays refused.

use crate::policy::charset::Charset;
use crate::policy::target::{Own, Target};

/// What becomes of a path with dot segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dots {
    /// It is refused.
    #[default]
    Refuse,
    /// The client is sent to what it comes to.
    Resolve,
}

enum Dot {
    Here,
    Above,
}

/// What an origin-form comes to once `.` and `..` are resolved, with its query as it was. It never rises above the root.
///
/// `None` where that would be refused just the same, is one of our own pages or another spelling of them, or is a text that browsers
/// take for another host.
pub fn resolve(origin_form: &str, charset: Charset) -> Option<Target> {
    let (path, query) = origin_form.split_at(origin_form.find('?').unwrap_or(origin_form.len()));
    let mut names: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/')?.split('/').peekable();
    while let Some(segment) = segments.next() {
        match dot(segment) {
            None => names.push(segment),
            Some(dot) => {
                if matches!(dot, Dot::Above) {
                    names.pop();
                }
                // What is left is a folder.
                if segments.peek().is_none() {
                    names.push("");
                }
            }
        }
    }
    let text = format!("/{}{query}", names.join("/"));
    if text.starts_with("//") {
        return None;
    }
    let target = Target::parse_as(&text, charset).ok()?;
    (target.own() == Own::No).then_some(target)
}

/// A dot segment, with its dots escaped or not, and with parameters behind them or not.
fn dot(segment: &str) -> Option<Dot> {
    let name = segment.split(';').next().unwrap_or_default();
    match name.replace("%2e", ".").replace("%2E", ".").as_str() {
        "." => Some(Dot::Here),
        ".." => Some(Dot::Above),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> Option<String> {
        resolve(text, Charset::Utf8).map(|target| target.as_str().to_owned())
    }

    #[test]
    fn dots_are_resolved_as_browsers_do_and_nothing_else_is_touched() {
        for (text, to) in [
            ("/a/../b", "/b"),
            ("/a/./b", "/a/b"),
            ("/a/b/..", "/a/"),
            ("/a/b/.", "/a/b/"),
            ("/..", "/"),
            ("/../../a", "/a"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/b/%2e/", "/b/"),
            ("/a/..;x=y/b", "/b"),
            ("/a/.;/b", "/a/b"),
            ("/a/../B%2Fc;d//e%25", "/B%2Fc;d//e%25"),
            ("/a/../b?../x=%zz&//y?", "/b?../x=%zz&//y?"),
            ("/a/../?", "/?"),
            ("/a/%C3%A9/../b", "/a/b"),
        ] {
            assert_eq!(resolved(text).as_deref(), Some(to), "{text}");
            assert_eq!(resolved(to).as_deref(), Some(to), "{to} again");
        }
    }

    /// The attack: a path whose dots lead to another host once a browser reads the answer.
    #[test]
    fn nobody_is_sent_to_another_host() {
        for text in [
            "/..//evil.example/",
            "/.//evil.example",
            "/a/..//evil.example",
            "/x/%2e%2e//evil.example/",
            "/.;//evil.example/",
            "/../\\evil.example",
            "/./\\/evil.example",
            "/./%09/evil.example",
        ] {
            assert_eq!(resolved(text), None, "{text}");
        }
    }

    /// The attack: dots around our pages, or around what is refused for more than its dots.
    #[test]
    fn what_would_be_refused_or_is_ours_is_not_told() {
        for text in [
            "/x/../.doorward/login",
            "/.doorward/../.doorward/",
            "/x/../.Doorward/",
            "/x/..//.doorward/",
            "/a/../b%00",
            "/a/../%E9",
            "/a/..%2f../b",
            "/a/%252e%252e/b",
            "/a/../b/.%20./c",
            "/a/../static../c",
            "/a/../%u002f",
            "/a/../b c",
            "/a/../%2e%2e%2f",
            "a/../b",
            "*",
        ] {
            assert_eq!(resolved(text), None, "{text}");
        }
        assert!(resolve("/a/../%E9", Charset::Bytes).is_some());
    }
}
