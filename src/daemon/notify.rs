//! Tells the owner's webhook what happened: reads the audit trail behind where it stopped, so nothing waits for it, nothing is
//! told that did not come about, and a restart goes on where the last one stopped.

use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use serde_json::json;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::base::chain::Chain;
use crate::base::lifeline::Lifeline;
use crate::fetch::post::post;
use crate::fetch::roots;
use crate::gate::services::Services;
use crate::model::audit::{Deed, Written};
use crate::model::event::Event;
use crate::plan::notify::{Form, Webhook};
use crate::store::fault::Fault;
use crate::web::told;

/// How long to wait before each further try. Then it is given up.
const TRIES: [Duration; 5] = [
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(300),
    Duration::from_secs(900),
];
/// Records looked at in one go.
const STRETCH: u32 = 200;
/// Events that wait at most; the oldest give way.
const MOST_WAITING: u64 = 1_000;
/// Looked for even if nobody woke us.
const IDLE: Duration = Duration::from_secs(60);

/// Tells until `stop` is cut.
pub async fn tell(services: Arc<Services>, stop: Lifeline) {
    loop {
        let told = tokio::select! {
            () = stop.severed() => return,
            told = tell_all(&services) => told,
        };
        if let Err(fault) = told {
            warn!(event = Event::NotifyFailed.name(), fault = %Chain(&fault), "what is to be told outside could not be read; trying again");
        }
        tokio::select! {
            () = stop.severed() => return,
            () = services.store.written() => {}
            () = sleep(IDLE) => {}
        }
    }
}

/// Everything that is written down by now.
async fn tell_all(services: &Services) -> Result<(), Fault> {
    'by_the_plan: loop {
        let webhook = services.plan.get().telling.webhook.clone();
        let Some(webhook) = webhook else { return services.store.tell_nobody().await };
        let untold = services.store.untold(STRETCH, MOST_WAITING).await?;
        if untold.skipped > 0 {
            warn!(
                event = Event::NotifyFailed.name(),
                count = untold.skipped,
                "too much waits to be told outside; the oldest is left out"
            );
        }
        let Some(last) = untold.records.last().map(|written| written.seq) else { return Ok(()) };
        for written in &untold.records {
            if Deed::from_name(&written.event).is_some_and(|deed| webhook.events.contains(&deed)) {
                if deliver(services, &webhook, written).await == Delivery::ElsewhereNow {
                    continue 'by_the_plan;
                }
                services.store.mark_told(written.seq).await?;
            }
        }
        services.store.mark_told(last).await?;
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    /// Told, or given up.
    Settled,
    /// The owner names another address meanwhile, or none: it is still to be told there.
    ElsewhereNow,
}

/// Tries until it is taken, refused for good, or there were tries enough, or the owner names another address.
async fn deliver(services: &Services, webhook: &Webhook, written: &Written) -> Delivery {
    let name = services.plan.get().name.clone();
    let (headers, body) = message(webhook.form, &name, written);
    let mut waits = TRIES.iter();
    loop {
        if services.plan.get().telling.webhook.as_ref() != Some(webhook) {
            return Delivery::ElsewhereNow;
        }
        let fault = match post(&webhook.url, roots::usual(), headers.clone(), body.clone()).await {
            Ok(()) => return Delivery::Settled,
            Err(fault) => fault,
        };
        let wait = waits.next().filter(|_| fault.may_pass());
        let host = webhook.url.host().unwrap_or_default();
        match wait {
            Some(wait) => {
                debug!(host, fault = %Chain(&fault), "an event could not be told; trying again");
                sleep(*wait).await;
            }
            None => {
                // The path may be secret; the host is not.
                warn!(event = Event::NotifyFailed.name(), host, what = written.event, fault = %Chain(&fault), "an event was not told outside");
                return Delivery::Settled;
            }
        }
    }
}

fn message(form: Form, name: &str, written: &Written) -> (HeaderMap, String) {
    let mut headers = HeaderMap::new();
    let sentence = told::sentence(written);
    match form {
        Form::Json => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let document = json!({
                "installation": name, "event": written.event, "number": written.seq, "at": written.at.secs(),
                "outcome": written.outcome, "user": written.account, "actor": written.actor, "address": written.address,
                "method": written.method, "reason": written.reason, "detail": written.detail, "count": written.tally,
                "text": sentence,
            });
            (headers, document.to_string())
        }
        Form::Ntfy => {
            if let Ok(title) = HeaderValue::from_bytes(name.as_bytes()) {
                headers.insert("title", title);
            }
            if let Ok(tags) = HeaderValue::from_str(&written.event) {
                headers.insert("tags", tags);
            }
            (headers, sentence)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;

    #[test]
    fn a_message_says_what_happened_in_both_forms() {
        let written = Written {
            seq: 7,
            at: Timestamp::from_secs(1_800_000_000),
            event: "sign_in.new_device".into(),
            outcome: "done".into(),
            account_id: Some("id".into()),
            account: Some("alice".into()),
            actor: "visitor".into(),
            address: Some("192.0.2.1".into()),
            method: Some("password and code".into()),
            reason: None,
            detail: None,
            tally: 1,
            device: Some(vec![1; 8]),
            request: Some("r1".into()),
        };
        let (headers, body) = message(Form::Json, "Home", &written);
        assert_eq!(headers[CONTENT_TYPE], "application/json");
        let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(
            (&body["event"], &body["user"], &body["at"]),
            (&json!("sign_in.new_device"), &json!("alice"), &json!(1_800_000_000))
        );
        let (headers, body) = message(Form::Ntfy, "Zuhause – außen", &written);
        assert_eq!(headers["title"].as_bytes(), "Zuhause – außen".as_bytes());
        assert!(body.contains("alice") && body.contains("192.0.2.1"), "{body}");
        let (headers, _) = message(Form::Ntfy, "a\r\nX-Evil: 1", &written);
        assert!(!headers.contains_key("title"));
    }
}
