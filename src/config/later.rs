//! Names that the design reserves and this version does not know yet. Saying so beats "unknown key": the reader of a newer
//! page learns that nothing is misspelt.

const TOP: &[&str] = &["include", "acme", "oidc", "admin", "ui", "forward_auth", "expect"];
const LISTEN: &[&str] =
    &["http3", "admin", "metrics", "proxy_protocol", "trusted_proxies", "client_ip_header", "max_header_size", "forward_auth"];
const TLS: &[&str] = &["hsts", "local_ca", "client_ca"];
const SESSION: &[&str] = &["sudo_timeout", "max_per_user", "bind", "park_post"];
const AUTH: &[&str] = &["methods", "recovery_codes", "breach_check", "self_service", "enrol_deadline", "webauthn", "throttle"];
const APP: &[&str] = &[
    "path",
    "strip_path",
    "recipe",
    "allow",
    "identity",
    "identity_header",
    "logout_path",
    "preserve_host",
    "upstream_tls",
    "health",
    "load_balance",
    "passes",
    "listed",
    "description",
    "icon",
    "maintenance",
    "mode",
    "encoded_slash",
    "path_charset",
    "suffixes",
    "normalise",
];
const RULE: &[&str] = &["auth", "otp_header", "allow", "body_limit", "acknowledge"];

/// Whether `key` of the table `path` is reserved for a later version.
pub fn is_reserved(path: &str, key: &str) -> bool {
    let names = match path {
        "" => TOP,
        "listen" => LISTEN,
        "tls" => TLS,
        "session" => SESSION,
        "auth" => AUTH,
        "auth.totp" => &["skew"],
        "app" => APP,
        "app.rule" => RULE,
        "log" => &["client_ip"],
        "notify" => &["smtp"],
        _ => &[],
    };
    names.contains(&key)
}
