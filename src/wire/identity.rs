//! Fields that only we may set towards an app: who the visitor is, where they come from, what they asked for.
//!
//! Removed from every client request, public ones too, before anything is set. A name that contains any byte but letters,
//! digits and hyphens does not pass at all: `Remote_User`, `Remote.User` and their like reach some app as
//! `HTTP_REMOTE_USER`, and honest clients do not send such names. With these gone every name
//! left is its own fold, so the tables below compare without building strings.

use http::{HeaderMap, HeaderName};

/// Prefixes of fields that identify somebody or override what was asked for, whatever follows.
const PREFIXES: &[&str] = &[
    "cf-access-",
    "oidc-claim-",
    "remote-",
    "shib-",
    "ssl-client-",
    "tailscale-user-",
    "webauth-",
    "x-accel-",
    "x-amzn-oidc-",
    "x-arr-",
    "x-auth-request-",
    "x-authelia-",
    "x-authenticated-",
    "x-authentik-",
    "x-client-cert",
    "x-client-dn",
    "x-client-verify",
    "x-consumer-",
    "x-doorward-",
    "x-envoy-",
    "x-forwarded",
    "x-goog-authenticated-user-",
    "x-goog-iap-",
    "x-middleware-",
    "x-ms-client-principal",
    "x-original-forwarded-",
    "x-original-remote-",
    "x-pomerium-",
    "x-proxied",
    "x-proxy",
    "x-remote-",
    "x-sendfile",
    "x-ssl-",
    "x-vouch-",
    "x-webauth-",
];

/// Whole names.
const NAMES: &[&str] = &[
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-pseudo-ipv4",
    "client-ip",
    "fastly-client-ip",
    "fly-client-ip",
    "forwarded",
    "front-end-https",
    "proxy",
    "proxy-client-ip",
    "script-name",
    "true-client-ip",
    "wl-proxy-client-ip",
    "x-auth-email",
    "x-auth-groups",
    "x-auth-user",
    "x-auth-username",
    "x-azure-clientip",
    "x-azure-socketip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-ingress-path",
    "x-jwt-assertion",
    "x-method-override",
    "x-original-host",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-originating-ip",
    "x-override-url",
    "x-real-ip",
    "x-replaced-path",
    "x-rewrite-uri",
    "x-rewrite-url",
    "x-scheme",
    "x-script-name",
    "x-url-scheme",
];

/// Takes every such field out of a client's request.
pub fn strip(headers: &mut HeaderMap) {
    let ours: Vec<HeaderName> = headers.keys().filter(|name| is_ours(name)).cloned().collect();
    for name in ours {
        headers.remove(name);
    }
}

/// Whether a client may not send this field to an app.
pub fn is_ours(name: &HeaderName) -> bool {
    let name = name.as_str();
    if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
        return true;
    }
    // Looks at the first letter before the tables: most of what a browser sends is decided here.
    match name.as_bytes() {
        [b'x', b'-', ..] | [b'c' | b'f' | b'o' | b'p' | b'r' | b's' | b't' | b'w', ..] => {
            PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.binary_search(&name).is_ok()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// A header name as lax servers read it when they make a variable of it: letters lower, everything else `-`.
    fn fold(name: &str) -> String {
        name.bytes().map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte.to_ascii_lowercase()) } else { '-' }).collect()
    }

    fn left_of(names: &[&str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for name in names {
            headers.append(HeaderName::from_bytes(name.as_bytes()).expect(name), HeaderValue::from_static("evil"));
        }
        strip(&mut headers);
        headers.keys().map(|name| name.as_str().to_owned()).collect()
    }

    #[test]
    fn the_tables_are_sorted_folded_and_begin_with_a_letter_looked_at() {
        assert!(NAMES.is_sorted() && PREFIXES.is_sorted());
        for name in NAMES.iter().chain(PREFIXES) {
            assert_eq!(fold(name), **name);
            assert!(
                is_ours(
                    &HeaderName::from_bytes(format!("{name}{}", if name.ends_with('-') { "z" } else { "" }).as_bytes())
                        .expect(name)
                ),
                "{name}"
            );
        }
    }

    /// The attack: the client says who it is, in the header that some app believes (CVE-2026-30851, CVE-2026-33433).
    #[test]
    fn nobody_names_themselves() {
        let spoofs = [
            "Remote-User",
            "Remote-Groups",
            "Remote-Name",
            "Remote-Email",
            "X-WEBAUTH-USER",
            "X-WebAuth-Groups",
            "X-Forwarded-User",
            "X-Forwarded-Email",
            "X-Forwarded-Groups",
            "X-Forwarded-Preferred-Username",
            "X-Auth-Request-User",
            "X-Auth-Request-Access-Token",
            "X-Doorward-User",
            "X-Doorward-Token",
            "X-Remote-User",
            "X-SSL-Client-DN",
            "X-Client-Cert",
            "SSL-Client-Verify",
            "X-JWT-Assertion",
            "X-Pomerium-Jwt-Assertion",
            "Cf-Access-Jwt-Assertion",
        ];
        assert_eq!(left_of(&spoofs), Vec::<String>::new());
    }

    /// The attack: the client says where it comes from or what it really asked for, behind the back of the path rules
    /// (CVE-2018-14773, CVE-2025-29927, CVE-2026-40575).
    #[test]
    fn nobody_overrides_address_host_path_or_method() {
        let spoofs = [
            "Forwarded",
            "X-Forwarded",
            "X-Forwarded-For",
            "X-Forwarded-Proto",
            "X-Forwarded-Host",
            "X-Forwarded-Port",
            "X-Forwarded-Uri",
            "X-Forwarded-Path",
            "X-Forwarded-Prefix",
            "X-Forwarded-Server",
            "X-Forwarded-Method",
            "X-Forwarded-Ssl",
            "X-Real-IP",
            "True-Client-IP",
            "CF-Connecting-IP",
            "X-Client-IP",
            "X-Cluster-Client-IP",
            "X-Original-URL",
            "X-Original-URI",
            "X-Rewrite-URL",
            "X-Envoy-Original-Path",
            "X-Replaced-Path",
            "X-Override-URL",
            "X-Middleware-Subrequest",
            "X-Sendfile",
            "X-Sendfile-Type",
            "X-Accel-Redirect",
            "X-Accel-Mapping",
            "X-HTTP-Method",
            "X-HTTP-Method-Override",
            "X-Method-Override",
            "X-Original-Method",
            "X-Original-Host",
            "X-Host",
            "Proxy",
            "Front-End-Https",
        ];
        assert_eq!(left_of(&spoofs), Vec::<String>::new());
    }

    /// The attack: `GET /public/admin/` with `X-Script-Name: /public`. OctoPrint, calibre-web, pgAdmin and whoever copied the same
    /// WSGI snippet take that prefix off the path and serve `/admin/`, which the rules never saw.
    #[test]
    fn nobody_moves_the_root_of_an_app() {
        let spoofs = ["X-Script-Name", "Script-Name", "X-Ingress-Path", "X-ProxyContextPath", "X-ProxyScheme", "X-ProxyHost"];
        assert_eq!(left_of(&spoofs), Vec::<String>::new());
    }

    /// The attack: the names that gateways of other makers sign their visitors with, for an app that once stood behind one.
    #[test]
    fn nobody_borrows_another_gateways_name() {
        let spoofs = [
            "X-Authenticated-User",
            "X-Authenticated-Userid",
            "X-Auth-User",
            "X-Proxy-User",
            "X-Proxy-Remote-User",
            "X-ProxiedEntitiesChain",
            "X-Consumer-Username",
            "X-Goog-IAP-JWT-Assertion",
            "OIDC-Claim-Sub",
            "Shib-Identity-Provider",
            "X-ARR-ClientCert",
            "X-Azure-ClientIP",
            "Fly-Client-IP",
        ];
        assert_eq!(left_of(&spoofs), Vec::<String>::new());
    }

    /// The attack: the same header in a spelling that CGI-like servers fold into the one they believe (CVE-2025-64484,
    /// CVE-2026-39858 and its dot variant): `Remote.User` is `HTTP_REMOTE_USER` to PHP's built-in server.
    #[test]
    fn no_other_spelling_passes() {
        for odd in "_.~!#$%&'*+^`|".chars() {
            for name in ["Remote-User", "X-Forwarded-For", "X-Original-URL", "Content-Length", "Host", "Cookie"] {
                assert_eq!(
                    left_of(&[&name.replace('-', &odd.to_string()), &format!("X{odd}Anything"), &format!("{name}{odd}")]).len(),
                    usize::from(!name.contains('-')),
                    "{name} {odd}"
                );
            }
        }
    }

    #[test]
    fn what_browsers_and_apps_send_passes() {
        let honest = [
            "host",
            "user-agent",
            "accept",
            "accept-language",
            "accept-encoding",
            "cookie",
            "referer",
            "origin",
            "content-type",
            "content-length",
            "cache-control",
            "pragma",
            "priority",
            "range",
            "te",
            "sec-fetch-mode",
            "sec-ch-ua",
            "sec-websocket-key",
            "upgrade-insecure-requests",
            "x-requested-with",
            "x-csrf-token",
            "x-csrftoken",
            "x-xsrf-token",
            "x-api-key",
            "x-auth-token",
            "x-total-count",
            "x-grafana-org-id",
            "x-emby-token",
            "depth",
            "destination",
            "overwrite",
            "if-none-match",
            "prefer",
            "x-file-name",
            "x-chunk-number",
            "oc-chunked",
            "traceparent",
            "tus-resumable",
            "upload-offset",
            "x-user-agent",
            "x-correlation-id",
            "authorization",
            "private-token",
            "x-gitlab-token",
            "x-hub-signature-256",
            "x-plex-token",
            "remote",
            "ping-from",
            "ping-to",
        ];
        assert_eq!(left_of(&honest).len(), honest.len());
    }
}
