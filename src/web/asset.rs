//! Files that our pages refer to, embedded in the binary. Their names carry a hash, so browsers may keep them for ever.

use std::sync::LazyLock;

use data_encoding::HEXLOWER;
use http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::base::seal::sha256;
use crate::web::page;
use crate::wire::body::Body;
use crate::wire::header::OWN_PREFIX;

/// Where the assets are, behind our own prefix.
pub const FOLDER: &str = "assets/";

struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
    version: String,
}

static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("style.css", "text/css; charset=utf-8", include_bytes!("assets/style.css")));
static ICON: LazyLock<Asset> = LazyLock::new(|| Asset::new("icon.svg", "image/svg+xml", include_bytes!("assets/icon.svg")));

static PASSKEY: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("passkey.js", "text/javascript; charset=utf-8", include_bytes!("assets/passkey.js")));

/// The URL of the style sheet.
pub fn style() -> String {
    STYLE.url()
}

/// The URL of the icon.
pub fn icon() -> String {
    ICON.url()
}

/// The URL of the script that asks browsers for passkeys.
pub fn passkey() -> String {
    PASSKEY.url()
}

/// Answers for the asset `name`; `None` if there is none of that name.
pub fn answer(name: &str, query: Option<&str>, headers: &HeaderMap) -> Option<Response<Body>> {
    let asset: &Asset = [&*STYLE, &*ICON, &*PASSKEY].into_iter().find(|asset| asset.name == name)?;
    let tag = format!("\"{}\"", asset.version);
    let known = headers.get(IF_NONE_MATCH).is_some_and(|tags| tags.as_bytes() == tag.as_bytes());
    let (status, body) = if known {
        (StatusCode::NOT_MODIFIED, Body::Empty)
    } else {
        (StatusCode::OK, Body::Full(bytes::Bytes::from_static(asset.bytes)))
    };
    let mut response = page::answer(status, asset.kind, body);
    let current = query.and_then(|query| query.strip_prefix("v=")) == Some(&asset.version);
    // An old version's URL must not pin today's bytes: those are checked again each time.
    let caching = if current { "public, max-age=31536000, immutable" } else { "no-cache" };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    response.headers_mut().insert(ETAG, HeaderValue::try_from(tag).expect("a quoted hash is a header value"));
    Some(response)
}

impl Asset {
    fn new(name: &'static str, kind: &'static str, bytes: &'static [u8]) -> Self {
        Self { name, kind, bytes, version: HEXLOWER.encode(&sha256(bytes)[..8]) }
    }

    fn url(&self) -> String {
        format!("{OWN_PREFIX}{FOLDER}{}?v={}", self.name, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_current_version_may_be_kept_for_ever() {
        let query = style().split_once('?').expect("a version").1.to_owned();
        let caching = |query: Option<&str>| {
            let response = answer("style.css", query, &HeaderMap::new()).expect("an asset");
            response.headers()["cache-control"].to_str().expect("ASCII").to_owned()
        };
        assert!(caching(Some(&query)).contains("immutable"));
        assert_eq!(caching(Some("v=0123")), "no-cache");
        assert_eq!(caching(None), "no-cache");
    }

    #[test]
    fn a_browser_that_has_it_is_told_so() {
        let first = answer("icon.svg", None, &HeaderMap::new()).expect("an asset");
        let headers = HeaderMap::from_iter([(IF_NONE_MATCH, first.headers()[ETAG].clone())]);
        assert_eq!(answer("icon.svg", None, &headers).expect("an asset").status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn other_names_are_nothing() {
        for name in ["", "style.css/", "../page.rs", "STYLE.CSS"] {
            assert!(answer(name, None, &HeaderMap::new()).is_none(), "{name}");
        }
    }

    /// The attack: a script that grows, that speaks to somebody, or that makes code or markup of what it reads.
    #[test]
    fn the_script_stays_small_and_sends_forms_only() {
        let script = std::str::from_utf8(PASSKEY.bytes).expect("UTF-8");
        assert!(script.len() <= 4 << 10, "{} bytes", script.len());
        for word in ["fetch", "XMLHttp", "http:", "https:", "eval", "innerHTML", "document.write", "import", "Worker", "cookie"] {
            assert!(!script.contains(word), "{word}");
        }
    }

    #[test]
    fn the_style_sheet_stays_small_and_asks_nobody_else() {
        let css = std::str::from_utf8(STYLE.bytes).expect("UTF-8");
        assert!(css.len() <= 8 << 10, "{} bytes", css.len());
        assert!(!css.contains("http") && !css.contains("@import") && !css.contains("url("));
    }
}
