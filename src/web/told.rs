//! What happened, in a sentence: for the banner that a person sees on their next visit, and for messages to the owner. English
//! for now, like every text of ours.

use crate::model::audit::{Deed, Notice, Written};

/// Heads the banner.
pub const NEWS: &str = "Since your last visit";
/// The banner's button.
pub const DISMISS: &str = "I've read this";
/// Below the banner.
pub const NOT_YOU: &str =
    "Not you? Sign out, then tell the owner of this site: they can end all your sessions and send you a new set-up link.";

/// What a person is told. `ago` is how long ago it was, in words.
pub fn notice(notice: &Notice, ago: &str) -> String {
    let what = match notice.deed {
        Deed::NewDevice => "Somebody signed in to your account with a browser, or from a network, that was new",
        Deed::CredentialChanged => "Your password, an authenticator, a passkey or your recovery codes were changed",
        Deed::RecoveryUsed => "Somebody signed in to your account with a recovery code",
        other => other.name(),
    };
    let what = match &notice.detail {
        Some(detail) if notice.deed == Deed::CredentialChanged => format!("{what} ({detail})"),
        Some(_) | None => what.to_owned(),
    };
    let from = notice.address.as_ref().map(|address| format!(", from {address}")).unwrap_or_default();
    format!("{what}: {ago} ago{from}.")
}

/// What the owner is told.
pub fn sentence(written: &Written) -> String {
    let user = written.account.as_deref().unwrap_or("somebody");
    let what = match Deed::from_name(&written.event) {
        Some(Deed::SignIn) => format!("{user} signed in"),
        Some(Deed::NewDevice) => format!("{user} signed in with a new browser or from a new network"),
        Some(Deed::SignInFailed) => format!("a sign-in as {user} failed"),
        Some(Deed::Throttled) => format!("sign-ins as {user} come too often"),
        Some(Deed::SignOut) => format!("{user} signed out"),
        Some(Deed::SessionEnded) => format!("a session of {user} was ended"),
        Some(Deed::SetUp) => format!("{user} set up their account"),
        Some(Deed::CredentialChanged) => {
            format!("the password, an authenticator, a passkey or the recovery codes of {user} were changed")
        }
        Some(Deed::RecoveryUsed) => format!("{user} signed in with a recovery code"),
        Some(Deed::UserAdded) => format!("the account {user} was made"),
        Some(Deed::UserChanged) => format!("the account {user} was changed"),
        Some(Deed::UserDisabled) => format!("the account {user} was disabled"),
        Some(Deed::UserEnabled) => format!("the account {user} was enabled again"),
        Some(Deed::UserDeleted) => format!("the account {user} was deleted"),
        Some(Deed::LinkIssued) => format!("a set-up link was made for {user}"),
        Some(Deed::GroupChanged) => format!("the groups of {user} changed"),
        Some(Deed::BanAdded) => "a network was barred".to_owned(),
        Some(Deed::BanLifted) => "a network was let in again".to_owned(),
        Some(Deed::Reloaded) => "another configuration is in force".to_owned(),
        Some(Deed::CertificateIssued) => "a certificate was issued".to_owned(),
        Some(Deed::CertificateRenewed) => "a certificate was renewed".to_owned(),
        Some(Deed::CertificateRevoked) => "a certificate was revoked".to_owned(),
        Some(Deed::AccountKeyChanged) => "the account at a certificate authority got another key".to_owned(),
        Some(Deed::CertificateFailing) => "a certificate could not be taken up or renewed".to_owned(),
        Some(Deed::CertificateImported) => "a certificate was taken over from another program".to_owned(),
        Some(Deed::KeyRotated) => "a new master key seals from now on".to_owned(),
        Some(Deed::KeyDropped) => "an old master key was forgotten".to_owned(),
        Some(Deed::BackupMade) => "a backup was made".to_owned(),
        Some(Deed::BackupRestored) => "the data came out of a backup".to_owned(),
        Some(Deed::TrailBroken) => {
            "the audit trail did not go on from where it had ended: somebody has been at the database".to_owned()
        }
        None => written.event.clone(),
    };
    let times = (written.tally > 1).then(|| format!("{} times", written.tally));
    let from = written.address.as_ref().map(|address| format!("from {address}"));
    let more = [&written.detail, &times, &from, &written.reason].into_iter().flatten().cloned().collect::<Vec<_>>();
    if more.is_empty() { what } else { format!("{what} ({})", more.join(", ")) }
}
