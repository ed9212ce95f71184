//! The settings of an installation, and those of an app besides its rules, compared with what they were.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use crate::base::units::written;
use crate::model::mode::Mode;
use crate::plan::acme::AcmePolicy;
use crate::plan::app::{App, CertificateFiles};
use crate::plan::difference::{Change, Effect};
use crate::plan::policy::{AuthPolicy, TlsVersion, TotpConfiguration};
use crate::plan::whole::Plan;

/// Keys that changed and take effect with a restart only: what they decide is decided once, at the start.
pub fn needing_restart(old: &Plan, new: &Plan) -> Vec<&'static str> {
    let keys = [
        ("data_dir", old.data_dir != new.data_dir),
        ("log.format", old.log.format != new.log.format),
        ("log.access", old.log.access != new.log.access),
        ("log.file", old.log.file != new.log.file),
    ];
    keys.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
}

/// Says in which general settings `new` differs from `old`.
pub fn compare(old: &Plan, new: &Plan, changes: &mut Vec<Change>) {
    let mut say = |effect, sentence: String| changes.push(Change::general(effect, sentence));
    listening("HTTPS", &old.listen.https, &new.listen.https, &mut say);
    listening("plain HTTP", &old.listen.http, &new.listen.http, &mut say);
    listening("the Prometheus format", old.listen.metrics.as_slice(), new.listen.metrics.as_slice(), &mut say);
    if old.tls.min_version != new.tls.min_version {
        let effect = if new.tls.min_version > old.tls.min_version { Effect::Closes } else { Effect::Opens };
        let name = |plan: &Plan| if plan.tls.min_version == TlsVersion::V1_3 { "1.3" } else { "1.2" };
        say(effect, format!("the oldest TLS spoken is {} instead of {}", name(new), name(old)));
    }
    sessions(old, new, &mut say);
    mode(old.auth.mode, new.auth.mode, &mut say);
    if old.portal != new.portal || old.public_port != new.public_port {
        say(Effect::Alters, format!("people sign in at {} instead of {}", new.origin(), old.origin()));
    }
    proxies(old, new, &mut say);
    let (exempt, exempted) = (&new.auth.exempt, &old.auth.exempt);
    for network in exempt.iter().filter(|network| !exempted.contains(network)) {
        say(Effect::Opens, format!("{network} is not held to what it gets wrong when signing in"));
    }
    for network in exempted.iter().filter(|network| !exempt.contains(network)) {
        say(Effect::Closes, format!("{network} is held to what it gets wrong when signing in"));
    }
    let [before, now] = [old, new].map(general);
    for (key, (before, now)) in GENERAL.iter().zip(before.into_iter().zip(now)) {
        if before != now {
            say(Effect::Alters, format!("{key} is {now} instead of {before}"));
        }
    }
    if old.acme.as_ref().zip(new.acme.as_ref()).is_some_and(|(old, new)| new.has_other_secrets(old)) {
        say(Effect::Alters, "a key in [acme] is another: of acme.eab, acme.fallback_eab or acme.dns".to_owned());
    }
    if old.log.redact_query != new.log.redact_query {
        say(Effect::Alters, "log.redact_query names other parameters".to_owned());
    }
    if old.telling.retention != new.telling.retention {
        let (now, before) = (written(new.telling.retention), written(old.telling.retention));
        say(Effect::Alters, format!("storage.retention is {now} instead of {before}"));
    }
    if old.telling.webhook != new.telling.webhook {
        // The address may be secret.
        let told = if new.telling.webhook.is_some() {
            "[notify] tells another address, or of other events"
        } else {
            "[notify] tells nobody"
        };
        say(Effect::Alters, told.to_owned());
    }
    own_factors(old, new, &mut say);
    if old.log.truncates_addresses != new.log.truncates_addresses {
        let now = if new.log.truncates_addresses { "without their last part" } else { "in full" };
        say(Effect::Alters, format!("client addresses are logged {now}"));
    }
    for key in needing_restart(old, new) {
        say(Effect::Alters, format!("{key} is another, from the next restart on"));
    }
}

/// Says in which limits and files an app differs from what it was before.
pub fn upstream(before: &App, app: &App, changes: &mut Vec<Change>) {
    let mut say = |sentence: String| changes.push(Change::of(app, Effect::Alters, sentence));
    let endless = |span: Option<Duration>| span.map_or_else(|| "without end".to_owned(), written);
    let limits = |app: &App| {
        let upstream = &app.upstream;
        [
            written(upstream.connect_timeout),
            endless(upstream.response_timeout),
            endless(upstream.idle_timeout),
            app.rules.body_limit.map_or_else(|| "without end".to_owned(), |bytes| format!("{bytes}B")),
        ]
    };
    let keys = ["connect_timeout", "response_timeout", "idle_timeout", "body_limit"];
    for (key, (before, now)) in keys.iter().zip(limits(before).into_iter().zip(limits(app))) {
        if before != now {
            say(format!("{key} is {now} instead of {before}"));
        }
    }
    let others = [
        ("upstream_tls", before.upstream.tls != app.upstream.tls),
        ("request_headers", before.request_headers != app.request_headers),
        ("response_headers", before.response_headers != app.response_headers),
        ("websocket", before.websocket != app.websocket),
        ("enrol_deadline", before.enrol_deadline != app.enrol_deadline),
        ("listed", before.listed != app.listed),
        ("description", before.description != app.description),
    ];
    for (key, _) in others.iter().filter(|(_, differs)| *differs) {
        say(format!("{key} is another"));
    }
    if before.upstream.preserve_host != app.upstream.preserve_host {
        let whose = if app.upstream.preserve_host { "the visitor's" } else { "its own" };
        say(format!("the app gets {whose} Host"));
    }
    match (&before.maintenance, &app.maintenance) {
        (None, Some(_)) => say("is closed for maintenance: who may pass gets 503".to_owned()),
        (Some(_), None) => say("is open again after maintenance".to_owned()),
        (Some(old), Some(new)) if old != new => say("maintenance is told in other words".to_owned()),
        (Some(_), Some(_)) | (None, None) => {}
    }
    if before.certificate != app.certificate {
        say(format!("the certificate comes from {}", source(app.certificate.as_ref())));
    }
}

fn source(files: Option<&CertificateFiles>) -> String {
    files.map_or_else(|| "where those without files of their own do".to_owned(), |files| files.certificate.display().to_string())
}

fn listening(what: &str, old: &[SocketAddr], new: &[SocketAddr], say: &mut impl FnMut(Effect, String)) {
    for address in new.iter().filter(|address| !old.contains(address)) {
        say(Effect::Opens, format!("{what} is spoken at {address}"));
    }
    for address in old.iter().filter(|address| !new.contains(address)) {
        say(Effect::Closes, format!("{what} is no longer spoken at {address}"));
    }
}

fn proxies(old: &Plan, new: &Plan, say: &mut impl FnMut(Effect, String)) {
    let (old, new) = (&old.listen.proxies, &new.listen.proxies);
    for network in new.networks.iter().filter(|network| !old.networks.contains(network)) {
        say(Effect::Opens, format!("{network} is believed where requests come from"));
    }
    for network in old.networks.iter().filter(|network| !new.networks.contains(network)) {
        say(Effect::Closes, format!("{network} is no longer believed where requests come from"));
    }
    if old.header != new.header {
        say(Effect::Alters, format!("proxies name their clients in {} instead of {}", new.header, old.header));
    }
}

fn mode(old: Mode, new: Mode, say: &mut impl FnMut(Effect, String)) {
    match (old, new) {
        (Mode::People, Mode::SingleOwner) => {
            say(
                Effect::Opens,
                "a code from the authenticator app signs in alone, without a name and without a password".to_owned(),
            );
        }
        (Mode::SingleOwner, Mode::People) => {
            say(Effect::Closes, "signing in takes a name and a password, no longer a code alone".to_owned());
        }
        (Mode::People, Mode::People) | (Mode::SingleOwner, Mode::SingleOwner) => {}
    }
}

/// What people may do about their factors by themselves.
fn own_factors(old: &Plan, new: &Plan, say: &mut impl FnMut(Effect, String)) {
    if old.auth.self_service != new.auth.self_service {
        let (effect, now) = match new.auth.self_service {
            true => (Effect::Opens, "may change their factors themselves"),
            false => (Effect::Closes, "may no longer change their factors themselves"),
        };
        say(effect, format!("people {now}"));
    }
    if old.auth.enrol_deadline != new.auth.enrol_deadline {
        let (old, new) = (old.auth.enrol_deadline, new.auth.enrol_deadline);
        let effect = if new > old { Effect::Opens } else { Effect::Closes };
        say(effect, format!("auth.enrol_deadline is {} instead of {}", written(new), written(old)));
    }
}

fn sessions(old: &Plan, new: &Plan, say: &mut impl FnMut(Effect, String)) {
    let spans = |plan: &Plan| {
        let session = &plan.session;
        [session.idle_timeout, session.absolute_timeout, session.remember.unwrap_or_default()]
    };
    let keys = ["session.idle_timeout", "session.absolute_timeout", "session.remember"];
    let shown = |span: Duration| if span.is_zero() { "off".to_owned() } else { written(span) };
    for (key, (before, now)) in keys.iter().zip(spans(old).into_iter().zip(spans(new))) {
        if before != now {
            let effect = if now > before { Effect::Opens } else { Effect::Closes };
            say(effect, format!("{key} is {} instead of {}, for sessions that begin from then on", shown(now), shown(before)));
        }
    }
    let (before, now) = (old.session.sudo_timeout, new.session.sudo_timeout);
    if before != now {
        let effect = if now > before { Effect::Opens } else { Effect::Closes };
        say(effect, format!("session.sudo_timeout is {} instead of {}", written(now), written(before)));
    }
}

/// What [`general`] gives, by key.
const GENERAL: [&str; 21] = [
    "name",
    "listen.header_timeout",
    "listen.drain_timeout",
    "listen.max_connections",
    "listen.max_connections_per_network",
    "tls.certificate",
    "[acme]",
    "auth.password_min_length",
    "auth.recovery_codes",
    "auth.totp.issuer",
    "auth.totp.algorithm",
    "auth.totp (digits, period)",
    "auth.totp.configuration",
    "auth.throttle.failures",
    "auth.throttle.window",
    "auth.throttle.ban",
    "auth.webauthn.rp_id",
    "auth.webauthn.rp_name",
    "auth.webauthn.user_verification",
    "log.level",
    "ui.support",
];

fn general(plan: &Plan) -> [String; 21] {
    let text = |value: &dyn Display| value.to_string();
    let (listen, auth) = (&plan.listen, &plan.auth);
    [
        plan.name.clone(),
        written(listen.header_timeout),
        written(listen.drain_timeout),
        text(&listen.max_connections),
        text(&listen.max_connections_per_network),
        plan.tls
            .certificate
            .as_ref()
            .map_or_else(|| "the local authority's".to_owned(), |files| text(&files.certificate.display())),
        AcmePolicy::in_words(plan.acme.as_ref()),
        text(&auth.password_min_length),
        text(&auth.recovery_codes),
        auth.totp_issuer.clone(),
        text(&auth.totp.algorithm.name()),
        format!("({}, {})", auth.totp.digits, auth.totp.period),
        configurations(auth),
        text(&auth.throttle.failures),
        written(auth.throttle.window),
        auth.throttle.ban.map_or_else(|| "off".to_owned(), written),
        auth.passkeys.site.as_ref().map_or_else(|| "the portal's host".to_owned(), |site| text(site)),
        auth.passkeys.name.clone().unwrap_or_else(|| plan.name.clone()),
        auth.passkeys.verification.name().to_owned(),
        plan.log.level.clone(),
        plan.support.as_ref().map_or_else(|| "nobody".to_owned(), |contact| text(contact)),
    ]
}

fn configurations(auth: &AuthPolicy) -> String {
    let one = |one: &TotpConfiguration| {
        let TotpConfiguration { name, issuer, recipe } = one;
        format!("\"{name}\" ({issuer}, {}, {}, {})", recipe.algorithm.name(), recipe.digits, recipe.period)
    };
    match auth.totp_configurations.as_slice() {
        [] => "empty".to_owned(),
        all => all.iter().map(one).collect::<Vec<_>>().join(", "),
    }
}
