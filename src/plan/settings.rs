//! The tables that hold for the whole installation: defaults filled in, values checked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::auth::throttle::Settings;
use crate::base::units;
use crate::config::auth::{AuthTable, RecipeTable, ThrottleTable};
use crate::config::complaint::{Code, Complaint};
use crate::config::document::Document;
use crate::config::listen::ListenTable;
use crate::config::log::{WrittenAccess, WrittenAddress, WrittenFormat};
use crate::config::placed;
use crate::config::placed::Placed;
use crate::config::session::{Profile, SessionTable};
use crate::config::tls::{WrittenPair, WrittenVersion};
use crate::config::ui::UiTable;
use crate::model::contact::{Contact, NoContact};
use crate::model::credential::TotpRecipe;
use crate::plan::app::CertificateFiles;
use crate::plan::listener;
use crate::plan::listener::Listen;
use crate::plan::methods;
use crate::plan::metrics;
use crate::plan::networks;
use crate::plan::owner;
use crate::plan::passkeys;
use crate::plan::policy::{AccessFormat, AuthPolicy, LogFormat, LogPolicy, SessionPolicy, TlsPolicy, TlsVersion};
use crate::plan::proxies;
use crate::plan::totp;
use crate::policy::host::Host;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// No span of time is longer: ten years are "for ever" without overflowing anybody's arithmetic.
const LONGEST: Duration = Duration::from_secs(3_650 * 86_400);

/// Longest name shown on pages and in authenticator apps, in characters.
const LONGEST_NAME: usize = 64;

/// Query parameters whose values are never logged: what apps and identity providers put secrets into. Lower case.
pub const REDACTED: &[&str] = &[
    "access_token",
    "api_key",
    "apikey",
    "auth",
    "code",
    "id_token",
    "jwt",
    "key",
    "pass",
    "password",
    "passwd",
    "refresh_token",
    "secret",
    "sig",
    "signature",
    "state",
    "ticket",
    "token",
    "x-amz-credential",
    "x-amz-security-token",
    "x-amz-signature",
];

/// The installation's name; that of the first host if it has none.
pub fn name(document: &Document, first: Option<&Host>, complaints: &mut Vec<Complaint>) -> String {
    let written = document.name.as_ref().and_then(|name| shown_name(name, "name", complaints));
    written.or_else(|| first.map(|host| host.as_str().to_owned())).unwrap_or_default()
}

/// `data_dir`
pub fn data_dir(document: &Document, complaints: &mut Vec<Complaint>) -> Option<PathBuf> {
    path(document, document.data_dir.as_ref(), "data_dir", complaints)
}

/// `ui.support`
pub fn support(table: &UiTable, complaints: &mut Vec<Complaint>) -> Option<Contact> {
    let written = table.support.as_ref()?;
    written
        .value
        .parse()
        .map_err(|reason: NoContact| {
            let complaint = Complaint::new(Code::E0206, &written.place, "`support` is nothing that people could follow");
            let complaint = complaint.label(reason.to_string()).key("ui.support");
            complaints.push(complaint.help("such as \"ops@example.com\" or \"https://chat.example.com/help\""));
        })
        .ok()
}

/// `[listen]`
pub fn listen(table: &ListenTable, complaints: &mut Vec<Complaint>) -> Listen {
    let defaults = Listen::default();
    let limit = |written: &Option<Placed<u64>>, default: usize| {
        placed::value(written.as_ref()).and_then(|number| usize::try_from(number).ok()).unwrap_or(default)
    };
    let header = within(table.header_timeout.as_ref(), "listen.header_timeout", (SECOND, HOUR), complaints);
    let drain = within(table.drain_timeout.as_ref(), "listen.drain_timeout", (Duration::ZERO, HOUR), complaints);
    let mut taken: Vec<(SocketAddr, placed::Place)> = Vec::new();
    Listen {
        https: listener::addresses(table.https.as_ref(), "listen.https", &mut taken, complaints).unwrap_or(defaults.https),
        http: listener::addresses(table.http.as_ref(), "listen.http", &mut taken, complaints).unwrap_or(defaults.http),
        header_timeout: header.unwrap_or(defaults.header_timeout),
        drain_timeout: drain.unwrap_or(defaults.drain_timeout),
        max_connections: limit(&table.max_connections, defaults.max_connections),
        max_connections_per_network: limit(&table.max_connections_per_network, defaults.max_connections_per_network),
        proxies: proxies::compile(table, complaints),
        metrics: table.metrics.as_ref().and_then(|written| metrics::address(written, &taken, complaints)),
    }
}

/// `[tls]`
pub fn tls(document: &Document, complaints: &mut Vec<Complaint>) -> TlsPolicy {
    let version = placed::value(document.tls.min_version.as_ref()).unwrap_or(WrittenVersion::V1_2);
    TlsPolicy {
        min_version: match version {
            WrittenVersion::V1_2 => TlsVersion::V1_2,
            WrittenVersion::V1_3 => TlsVersion::V1_3,
        },
        certificate: certificate(document, &document.tls.pair, "tls", complaints),
    }
}

/// `certificate` and `private_key` of a table: both or neither.
pub fn certificate(
    document: &Document,
    pair: &WrittenPair,
    table: &str,
    complaints: &mut Vec<Complaint>,
) -> Option<CertificateFiles> {
    let mut lone = |written: &Placed<String>, has: &str, lacks: &str| {
        let complaint = Complaint::new(Code::E0508, &written.place, format!("`{has}` without `{lacks}`"));
        complaints.push(complaint.help(format!("write both, or neither: add `{lacks}`")).key(format!("{table}.{has}")));
    };
    match (&pair.certificate, &pair.private_key) {
        (None, None) => return None,
        (Some(written), None) => lone(written, "certificate", "private_key"),
        (None, Some(written)) => lone(written, "private_key", "certificate"),
        (Some(_), Some(_)) => {}
    }
    let certificate = path(document, pair.certificate.as_ref(), &format!("{table}.certificate"), complaints);
    let private_key = path(document, pair.private_key.as_ref(), &format!("{table}.private_key"), complaints);
    Some(CertificateFiles { certificate: certificate?, private_key: private_key? })
}

/// `[session]`
pub fn session(table: &SessionTable, complaints: &mut Vec<Complaint>) -> SessionPolicy {
    let (idle, absolute, remember) = match placed::value(table.profile.as_ref()).unwrap_or(Profile::Standard) {
        Profile::Standard => (12 * HOUR, 7 * DAY, Some(30 * DAY)),
        Profile::Strict => (HOUR, 12 * HOUR, None),
    };
    let bounds = (60 * SECOND, LONGEST);
    let written_idle = within(table.idle_timeout.as_ref(), "session.idle_timeout", bounds, complaints);
    let written_absolute = within(table.absolute_timeout.as_ref(), "session.absolute_timeout", bounds, complaints);
    let lasting = table.remember.as_ref().and_then(|written| written.value.map(|span| Placed::new(span, written.place.clone())));
    within(lasting.as_ref(), "session.remember", bounds, complaints);
    let sudo = within(table.sudo_timeout.as_ref(), "session.sudo_timeout", (60 * SECOND, DAY), complaints);
    if let (Some(idle), Some(absolute), Some(written)) = (written_idle, written_absolute, &table.idle_timeout)
        && idle > absolute
    {
        let complaint = Complaint::new(Code::E0206, &written.place, "`idle_timeout` is longer than `absolute_timeout`");
        let also = table.absolute_timeout.as_ref().map_or(0..0, |written| written.place.clone());
        let complaint = complaint.label("a session never gets this old").also(&also, "it ends after this long in any case");
        complaints.push(complaint.key("session.idle_timeout"));
    }
    let absolute_timeout = written_absolute.unwrap_or(absolute);
    SessionPolicy {
        idle_timeout: written_idle.unwrap_or(idle.min(absolute_timeout)),
        absolute_timeout,
        remember: placed::value(table.remember.as_ref()).unwrap_or(remember),
        sudo_timeout: sudo.unwrap_or(15 * 60 * SECOND),
    }
}

/// `[auth]`
pub fn auth(table: &AuthTable, name: &str, portal: &Host, complaints: &mut Vec<Complaint>) -> AuthPolicy {
    let issuer = table.totp.issuer.as_ref().and_then(|issuer| shown_name(issuer, "auth.totp.issuer", complaints));
    let totp_issuer = issuer.unwrap_or_else(|| name.to_owned());
    let totp = recipe(&table.totp.recipe, TotpRecipe::default());
    let (throttle, exempt) = throttle(&table.throttle, complaints);
    let mode = placed::value(table.mode.as_ref()).unwrap_or_default();
    AuthPolicy {
        mode,
        throttle: Settings { code_alone: mode.is_single_owner(), ..throttle },
        exempt,
        require: placed::value(table.require.as_ref()).unwrap_or(owner::require(mode)),
        methods: methods::of_installation(table, complaints),
        self_service: placed::value(table.self_service.as_ref()).unwrap_or(true),
        enrol_deadline: enrol_deadline(table.enrol_deadline.as_ref(), "auth.enrol_deadline", complaints).unwrap_or_default(),
        password_min_length: placed::value(table.password_min_length.as_ref())
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(12),
        recovery_codes: placed::value(table.recovery_codes.as_ref()).and_then(|n| u8::try_from(n).ok()).unwrap_or(10),
        totp_configurations: totp::configurations(table, (&totp_issuer, totp), complaints),
        totp_issuer,
        totp,
        passkeys: passkeys::compile(&table.webauthn, portal, complaints),
    }
}

/// How long somebody new may add what is asked for.
pub fn enrol_deadline(written: Option<&Placed<Duration>>, key: &str, complaints: &mut Vec<Complaint>) -> Option<Duration> {
    within(written, key, (Duration::ZERO, 365 * DAY), complaints)
}

/// How codes are made, by what is written and else as in `default`.
pub fn recipe(table: &RecipeTable, default: TotpRecipe) -> TotpRecipe {
    TotpRecipe {
        algorithm: placed::value(table.algorithm.as_ref()).unwrap_or(default.algorithm),
        digits: placed::value(table.digits.as_ref()).unwrap_or(default.digits),
        period: placed::value(table.period.as_ref()).unwrap_or(default.period),
    }
}

/// `[auth.throttle]`
fn throttle(table: &ThrottleTable, complaints: &mut Vec<Complaint>) -> (Settings, Vec<IpNet>) {
    let defaults = Settings::default();
    let failures = placed::value(table.failures.as_ref()).and_then(|number| u32::try_from(number).ok());
    // Shorter than it is by default would be more guesses a day than `docs/security.md` reckons with.
    let window = within(table.window.as_ref(), "auth.throttle.window", (defaults.window, DAY), complaints);
    let written = table.ban.as_ref().and_then(|written| written.value.map(|span| Placed::new(span, written.place.clone())));
    within(written.as_ref(), "auth.throttle.ban", (60 * SECOND, 30 * DAY), complaints);
    let settings = Settings {
        failures: failures.unwrap_or(defaults.failures),
        window: window.unwrap_or(defaults.window),
        ban: placed::value(table.ban.as_ref()).unwrap_or(defaults.ban),
        ..defaults
    };
    (settings, networks::exempt(table.exempt.as_ref(), complaints))
}

/// `[log]`
pub fn log(document: &Document, complaints: &mut Vec<Complaint>) -> LogPolicy {
    let table = &document.log;
    let redact = table.redact_query.as_ref().map(|list| list.value.iter().map(|name| name.value.to_lowercase()).collect());
    LogPolicy {
        level: placed::value(table.level.as_ref()).unwrap_or("info").to_owned(),
        format: match placed::value(table.format.as_ref()).unwrap_or(WrittenFormat::Auto) {
            WrittenFormat::Auto => LogFormat::Auto,
            WrittenFormat::Text => LogFormat::Text,
            WrittenFormat::Json => LogFormat::Json,
        },
        access: match placed::value(table.access.as_ref()).unwrap_or(WrittenAccess::Json) {
            WrittenAccess::Json => AccessFormat::Json,
            WrittenAccess::Combined => AccessFormat::Combined,
            WrittenAccess::Common => AccessFormat::Common,
            WrittenAccess::Off => AccessFormat::Off,
        },
        file: path(document, table.file.as_ref(), "log.file", complaints),
        redact_query: redact.unwrap_or_else(|| REDACTED.iter().map(|name| (*name).to_owned()).collect()),
        truncates_addresses: placed::value(table.client_ip.as_ref()) == Some(WrittenAddress::Truncate),
    }
}

/// A written span of time, if it is within its bounds.
pub fn within(
    written: Option<&Placed<Duration>>,
    key: &str,
    (least, most): (Duration, Duration),
    complaints: &mut Vec<Complaint>,
) -> Option<Duration> {
    let written = written?;
    if (least..=most).contains(&written.value) {
        return Some(written.value);
    }
    let name = key.rsplit('.').next().unwrap_or(key);
    let label = format!("must be from {} to {}", units::written(least), units::written(most));
    complaints.push(Complaint::new(Code::E0206, &written.place, format!("`{name}` is out of range")).label(label).key(key));
    None
}

/// A written path, relative to the file it is written in.
pub fn path(
    document: &Document,
    written: Option<&Placed<String>>,
    key: &str,
    complaints: &mut Vec<Complaint>,
) -> Option<PathBuf> {
    let written = written?;
    if written.value.is_empty() || written.value.contains('\0') {
        complaints.push(Complaint::new(Code::E0206, &written.place, format!("`{key}` is not a path")).key(key));
        return None;
    }
    Some(document.resolve(written))
}

/// A name that people read on pages and in authenticator apps.
pub fn shown_name(written: &Placed<String>, key: &str, complaints: &mut Vec<Complaint>) -> Option<String> {
    let name = written.value.trim();
    let label = match name {
        "" => "it is empty".to_owned(),
        name if name.chars().any(char::is_control) => "it holds control characters".to_owned(),
        name if name.chars().count() > LONGEST_NAME => format!("at most {LONGEST_NAME} characters"),
        // The label of an otpauth URI is "issuer:account".
        name if name.contains(':') => "`:` would split it in authenticator apps".to_owned(),
        name => return Some(name.to_owned()),
    };
    complaints.push(Complaint::new(Code::E0206, &written.place, format!("`{key}` cannot be shown")).label(label).key(key));
    None
}
