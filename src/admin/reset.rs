//! Takes a factor away from somebody who has lost it, or whose account is in other hands.

use tracing::info;

use crate::admin::perform::{Desk, failed, refuse};
use crate::admin::wish::{Answer, RefusedKind, ResetAnswer, Resettable};
use crate::model::audit::{Actor, Deed, Entry};
use crate::model::event::Event;
use crate::observe::metrics::Ending;
use crate::store::reset;

impl Desk {
    /// Takes it away. Who is left with nothing but a password gets a set-up link: what asks for a second factor would not let
    /// them in any more.
    pub(super) async fn reset(&self, name: &str, factor: Resettable, keep_sessions: bool) -> Result<Answer, Answer> {
        let user = self.find(name).await?;
        let (which, what) = match factor {
            Resettable::Totp => (reset::Resettable::Totp, "authenticator"),
            Resettable::Recovery => (reset::Resettable::Recovery, "recovery codes"),
            Resettable::Passkey => (reset::Resettable::Passkey, "passkeys"),
        };
        let entry = Entry::new(Deed::CredentialChanged, Actor::Owner).detailed(format!("{what} taken away"));
        let reset =
            self.store.telling(entry).reset_factor(user.id, which, keep_sessions).await.map_err(|fault| failed(&fault))?;
        let Some(reset) = reset.filter(|reset| reset.removed > 0) else {
            let told = format!("{} has no {what} to take away; nothing was changed", user.name);
            return Err(refuse(RefusedKind::Unfit, told));
        };
        self.metrics.ended(Ending::Command, reset.ended as u64);
        info!(event = Event::UserChanged.name(), user = %user.name, change = "factor taken away", factor = what);
        let mut answer = ResetAnswer {
            user: user.name.to_string(),
            factor,
            removed: reset.removed,
            ended: reset.ended,
            authenticators: reset.authenticators,
            recovery_codes: reset.recovery_left,
            alone: self.enrolment.get().mode.is_single_owner(),
            setup_link: None,
            expires_at: None,
        };
        if reset.authenticators + reset.passkeys == 0
            && factor != Resettable::Recovery
            && let Answer::User(link) = self.link(user).await?
        {
            (answer.setup_link, answer.expires_at) = (link.setup_link, link.expires_at);
        }
        Ok(Answer::Reset(answer))
    }
}
