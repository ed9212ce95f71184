//! Names that the design reserves and this version does not know yet. Saying so beats "unknown key": the reader of a newer
//! page learns that nothing is misspelt.

const TOP: &[&str] = &["oidc", "admin", "forward_auth"];
const LISTEN: &[&str] = &["http3", "admin", "proxy_protocol", "max_header_size", "forward_auth"];
const TLS: &[&str] = &["hsts", "local_ca", "client_ca"];
const ACME: &[&str] = &["staging"];
const SESSION: &[&str] = &["max_per_user", "bind", "park_post"];
const AUTH: &[&str] = &["breach_check"];
const APP: &[&str] =
    &["recipe", "identity", "identity_header", "logout_path", "health", "load_balance", "passes", "icon", "mode"];
const RULE: &[&str] = &["auth", "otp_header", "acknowledge"];

/// Keys at the top of the file that are reserved for a later version.
pub fn tables() -> impl Iterator<Item = &'static str> {
    TOP.iter().copied()
}

/// Whether `key` of the table `path` is reserved for a later version.
pub fn is_reserved(path: &str, key: &str) -> bool {
    let names = match path {
        "" => TOP,
        "listen" => LISTEN,
        "tls" => TLS,
        "acme" => ACME,
        "session" => SESSION,
        "auth" => AUTH,
        "auth.totp" => &["skew"],
        "auth.webauthn" => &["attestation"],
        "app" => APP,
        "app.rule" => RULE,
        "notify" => &["smtp"],
        "ui" => &["theme", "locale", "locales_dir", "logo", "accent"],
        _ => &[],
    };
    names.contains(&key)
}
