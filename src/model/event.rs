//! Things worth a line in the log that are not requests: the closed list of their names.

/// Something that happened, named for log readers. A name never changes its meaning: filters and alerts are written against
/// it. `docs/logging.md` has a row for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody signed in.
    SignedIn,
    /// A password or code was wrong, or could not be checked.
    SignInFailed,
    /// Tries came too fast or too often.
    Throttled,
    /// A network was barred from signing in.
    BanAdded,
    /// A network may sign in again.
    BanLifted,
    /// Somebody who is signed in proved once more that it is them.
    Confirmed,
    /// Somebody added a way to sign in, or took one away.
    CredentialChanged,
    /// What an account has to sign in with is not what is asked for.
    AccountStuck,
    /// Somebody tried to, and what came with it did not fit.
    CredentialRefused,
    /// A session was opened on one more host.
    HandedOff,
    /// A browser loses its session again and again.
    InCircles,
    /// A session was ended by its owner.
    SignedOut,
    /// A session was ended by somebody else.
    SessionEnded,
    /// A set-up link was used to its end.
    SetUp,
    /// An account was made, changed, disabled or deleted.
    UserChanged,
    /// A request was refused, and that is the client's doing.
    Refused,
    /// An app did not answer as it should.
    UpstreamFailed,
    /// The gateway could not judge a request, or failed otherwise.
    GatewayFailed,
    /// What stands in the way of an app.
    AppRemark,
    /// An app tried to set a cookie of ours.
    AppCookie,
    /// A certificate file changed and is in use.
    CertificateChanged,
    /// A name has its first certificate of an authority out there.
    CertificateIssued,
    /// A name has a new one.
    CertificateRenewed,
    /// A certificate was taken over from another program.
    CertificateImported,
    /// An authority says when it wants one renewed.
    CertificateAdvised,
    /// One was revoked.
    CertificateRevoked,
    /// Our account at an authority has another key.
    AccountKeyChanged,
    /// A certificate cannot be made or used.
    CertificateFailing,
    /// A certificate needs its owner.
    CertificateWarning,
    /// A certificate comes along.
    CertificateProgress,
    /// A new master key seals from now on.
    KeyRotated,
    /// An old master key is forgotten.
    KeyDropped,
    /// Values were sealed anew with the newest master key.
    KeyResealed,
    /// Where the audit trail ends.
    TrailEnds,
    /// The audit trail did not go on from where it had ended.
    TrailBroken,
    /// The audit trail cannot be written or tended.
    TrailFailing,
    /// The owner's webhook was not told.
    NotifyFailed,
    /// The store cannot read or write.
    StoreFailing,
    /// Connections cannot be taken.
    AcceptFailing,
    /// Another user tried the control socket.
    ControlStranger,
    /// The control socket does not work.
    ControlFailing,
    /// The access log cannot be written.
    LogFailing,
    /// It can be written again.
    LogRecovered,
    /// Access lines were lost because there were too many at once.
    LogLost,
    /// The access log was opened anew.
    LogReopened,
    /// A part of the gateway panicked.
    Panicked,
    /// Another configuration is in force.
    Reloaded,
    /// A configuration was not taken up.
    ReloadRefused,
    /// The configuration before is back.
    ReloadedBack,
    /// An address of the configuration that came back is not.
    ReloadIncomplete,
    /// No more connections are taken.
    Stopping,
    /// Connections were closed at the end of the time for draining.
    DrainOver,
    /// Everything is stored.
    Stopped,
}

impl Event {
    /// The `event` field of the log line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SignedIn => "auth.success",
            Self::SignInFailed => "auth.failure",
            Self::Throttled => "auth.throttled",
            Self::BanAdded => "ban.added",
            Self::BanLifted => "ban.lifted",
            Self::Confirmed => "auth.confirmed",
            Self::CredentialChanged => "credential.changed",
            Self::AccountStuck => "account.stuck",
            Self::CredentialRefused => "credential.refused",
            Self::HandedOff => "session.hand_off",
            Self::InCircles => "session.circles",
            Self::SignedOut => "session.sign_out",
            Self::SessionEnded => "session.end",
            Self::SetUp => "user.set_up",
            Self::UserChanged => "user.changed",
            Self::Refused => "refused",
            Self::UpstreamFailed => "upstream.failed",
            Self::GatewayFailed => "gateway.failed",
            Self::AppRemark => "app.remark",
            Self::AppCookie => "app.cookie",
            Self::CertificateChanged => "cert.changed",
            Self::CertificateIssued => "cert.issued",
            Self::CertificateRenewed => "cert.renewed",
            Self::CertificateImported => "cert.imported",
            Self::CertificateAdvised => "cert.advised",
            Self::CertificateRevoked => "cert.revoked",
            Self::AccountKeyChanged => "cert.account_key",
            Self::CertificateFailing => "cert.failing",
            Self::CertificateWarning => "cert.warning",
            Self::CertificateProgress => "cert.progress",
            Self::KeyRotated => "key.rotated",
            Self::KeyDropped => "key.dropped",
            Self::KeyResealed => "key.resealed",
            Self::TrailEnds => "audit.head",
            Self::TrailBroken => "audit.broken",
            Self::TrailFailing => "audit.failing",
            Self::NotifyFailed => "notify.failed",
            Self::StoreFailing => "store.failing",
            Self::AcceptFailing => "accept.failing",
            Self::ControlStranger => "control.stranger",
            Self::ControlFailing => "control.failing",
            Self::LogFailing => "log.failing",
            Self::LogRecovered => "log.recovered",
            Self::LogLost => "log.lost",
            Self::LogReopened => "log.reopened",
            Self::Panicked => "panic",
            Self::Reloaded => "reload",
            Self::ReloadRefused => "reload.refused",
            Self::ReloadedBack => "reload.back",
            Self::ReloadIncomplete => "reload.incomplete",
            Self::Stopping => "stopping",
            Self::DrainOver => "drain.over",
            Self::Stopped => "stopped",
        }
    }
}
