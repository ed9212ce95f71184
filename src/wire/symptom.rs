//! What an app's answer tells of how the app is set up. Pure: bytes in, a symptom out.

/// What stands in the way of an app behind us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symptom {
    /// Jupyter Server answers only to names that lead to its own machine: 403 unless `allow_remote_access` is set.
    JupyterForeignHost,
    /// The port speaks TLS, and was spoken to without.
    Tls,
    /// The port speaks something else than HTTP.
    NotHttp,
}

/// What the beginning of an answer to a plain `GET /` under our host name says; `None` if nothing is known to be wrong.
pub fn recognise(answer: &[u8]) -> Option<Symptom> {
    // A TLS record (RFC 8446 section 5.1): the alert with which servers answer plain text, or a handshake.
    if let [0x15 | 0x16, 0x03, 0..=4, ..] = answer {
        return Some(Symptom::Tls);
    }
    if !answer.starts_with(b"HTTP/1.") {
        return Some(Symptom::NotHttp);
    }
    // As text only to look for ASCII in it; what is not UTF-8 stays where it is.
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).unwrap_or_default();
    let line = |wanted: &str| {
        let pairs = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        pairs.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim()).next().unwrap_or_default()
    };
    let is_jupyter = || {
        // The report address stands in every answer of Jupyter Server, whatever its page looks like.
        let reports = line("content-security-policy").contains("/api/security/csp-report");
        line("server").starts_with("TornadoServer/") && (reports || body.contains("Jupyter"))
    };
    match status {
        "403" if is_jupyter() => Some(Symptom::JupyterForeignHost),
        "400" if says_https_wanted(body) => Some(Symptom::Tls),
        _ => None,
    }
}

/// The words of nginx, Apache and Go where a TLS port is spoken to without TLS.
fn says_https_wanted(body: &str) -> bool {
    let words = [
        "plain HTTP request was sent to HTTPS port",
        "speaking plain HTTP to an SSL-enabled server port",
        "HTTP request to an HTTPS server",
    ];
    words.iter().any(|words| body.contains(words))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Jupyter Server 2.17 on `GET /` with `Host: jupyter.example:8443`, its page shortened.
    const JUPYTER: &str = "HTTP/1.1 403 Forbidden\r\nServer: TornadoServer/6.6.1\r\nContent-Type: text/html\r\nX-Content-Type-Options: nosniff\r\nContent-Security-Policy: frame-ancestors 'self'; report-uri /api/security/csp-report\r\nContent-Length: 2909\r\n\r\n<!DOCTYPE HTML>\n<html><head><title>Jupyter Server</title>";

    #[test]
    fn jupyter_is_known_by_its_server_and_its_policy_or_page() {
        assert_eq!(recognise(JUPYTER.as_bytes()), Some(Symptom::JupyterForeignHost));
        let head = JUPYTER.split_once("<!").expect("a page").0;
        assert_eq!(recognise(head.as_bytes()), Some(Symptom::JupyterForeignHost));
        let page = JUPYTER.replace("Content-Security-Policy", "X-Policy");
        assert_eq!(recognise(page.as_bytes()), Some(Symptom::JupyterForeignHost));
    }

    #[test]
    fn other_answers_are_no_symptom() {
        for answer in [
            JUPYTER.replace("403 Forbidden", "302 Found"),
            JUPYTER.replace("TornadoServer", "nginx"),
            JUPYTER.replace("Jupyter", "Other").replace("csp-report", "other"),
            "HTTP/1.1 403 Forbidden\r\n\r\nJupyter".to_owned(),
            "HTTP/1.0 200 OK\r\n\r\n".to_owned(),
            "HTTP/1.1 400 Bad Request\r\n\r\n".to_owned(),
        ] {
            assert_eq!(recognise(answer.as_bytes()), None, "{answer}");
        }
    }

    #[test]
    fn ports_that_speak_something_else_are_known() {
        let nginx = "HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n<p>The plain HTTP request was sent to HTTPS port</p>";
        let go = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
        for tls in [b"\x15\x03\x01\x00\x02\x02\x46".as_slice(), nginx.as_bytes(), go.as_bytes()] {
            assert_eq!(recognise(tls), Some(Symptom::Tls));
        }
        for other in ["SSH-2.0-OpenSSH_9.2\r\n", "", "+OK POP3\r\n"] {
            assert_eq!(recognise(other.as_bytes()), Some(Symptom::NotHttp));
        }
    }

    proptest! {
        #[test]
        fn no_answer_whatever_makes_us_stumble(head in "(HTTP/1.1 (403|400) .{0,80})?", rest: Vec<u8>) {
            recognise(&[head.as_bytes(), &rest].concat());
        }
    }
}
