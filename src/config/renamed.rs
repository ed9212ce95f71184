//! Names that keys have elsewhere: in earlier versions of ours (there is none yet that was released) and in the programs that
//! people come from. The nearest spelling would not find them.

/// Table, the names used elsewhere, and ours.
const NAMES: &[(&str, &[&str], &str)] = &[
    ("", &["site", "sites", "server", "route", "routes", "service", "services", "proxy", "host", "hosts", "vhost"], "app"),
    ("", &["auth_url", "login_url", "portal_url", "auth_host", "authelia_url"], "portal"),
    ("", &["title", "site_name"], "name"),
    ("", &["data", "state_dir", "storage_dir", "storage_path"], "data_dir"),
    ("", &["imports", "import", "include_dir"], "include"),
    ("", &["logging"], "log"),
    ("", &["certificates", "ssl"], "tls"),
    ("", &["sessions"], "session"),
    ("", &["authentication"], "auth"),
    ("listen", &["address", "addresses", "bind", "tls", "ssl", "port"], "https"),
    ("listen", &["plain", "insecure"], "http"),
    ("tls", &["cert", "certificate_file", "ssl_certificate", "fullchain"], "certificate"),
    ("tls", &["key", "key_file", "ssl_certificate_key"], "private_key"),
    ("tls", &["minimum_version", "min_protocol"], "min_version"),
    ("session", &["inactivity"], "idle_timeout"),
    ("session", &["expiration", "lifetime", "max_age"], "absolute_timeout"),
    ("session", &["remember_me"], "remember"),
    ("auth", &["policy", "default_policy"], "require"),
    ("app", &["domain", "domains", "server_name", "server_names", "hostname", "hostnames"], "host"),
    ("app", &["backend", "backends", "target", "proxy_pass", "reverse_proxy", "url", "service"], "upstream"),
    ("app", &["block", "blocked", "forbid", "blocklist"], "deny"),
    ("app", &["public", "skip_auth", "skip_auth_routes", "unprotected"], "bypass"),
    ("app", &["policy"], "require"),
    ("app", &["rules"], "rule"),
    ("app", &["redirects"], "redirect"),
    ("app", &["cert", "certificate_file", "ssl_certificate"], "certificate"),
    ("app", &["key", "key_file", "ssl_certificate_key"], "private_key"),
    ("app", &["client_max_body_size", "max_body_size"], "body_limit"),
    ("app", &["proxy_connect_timeout"], "connect_timeout"),
    ("app", &["proxy_read_timeout", "read_timeout"], "response_timeout"),
    ("app", &["proxy_set_header", "header_up"], "request_headers"),
    ("app", &["add_header", "header_down"], "response_headers"),
    ("app.rule", &["paths", "resources", "location"], "path"),
    ("app.rule", &["policy"], "require"),
    ("app.rule", &["comment", "because"], "reason"),
    ("app.bypass", &["comment", "because"], "reason"),
    ("app.redirect", &["source", "path"], "from"),
    ("app.redirect", &["target", "destination", "location", "url"], "to"),
    ("app.redirect", &["code"], "status"),
    ("log", &["path", "output", "filename"], "file"),
    ("log", &["access_log"], "access"),
];

/// What a key of the table `path` is called here.
pub fn name(path: &str, key: &str) -> Option<&'static str> {
    NAMES.iter().find(|(table, names, _)| *table == path && names.contains(&key)).map(|(_, _, ours)| *ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document;
    use crate::config::later;

    #[test]
    fn every_name_leads_to_a_key_and_is_none_itself() {
        let known = document::known_keys();
        for (table, names, ours) in NAMES {
            let full = |key: &str| if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
            assert!(known.contains(&full(ours)), "{table} {ours}");
            for other in *names {
                assert!(!known.contains(&full(other)) && !later::is_reserved(table, other), "{table} {other}");
            }
        }
    }
}
