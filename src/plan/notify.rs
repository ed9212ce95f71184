//! What the owner is told of outside, and how long the audit trail goes back.

use std::time::Duration;

use http::Uri;

use crate::config::complaint::{Code, Complaint};
use crate::config::document::Document;
use crate::config::nearest::nearest;
use crate::config::notify::WrittenForm;
use crate::config::placed::{self, Placed};
use crate::model::audit::Deed;
use crate::plan::settings::within;
use crate::policy::host::Host;

const DAY: Duration = Duration::from_secs(86_400);
const LONGEST: Duration = Duration::from_secs(3650 * 86_400);

/// What is written down, and who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telling {
    /// Records of the audit trail older than this go.
    pub retention: Duration,
    /// Where events are posted to, if anywhere.
    pub webhook: Option<Webhook>,
}

impl Default for Telling {
    fn default() -> Self {
        Self { retention: 90 * DAY, webhook: None }
    }
}

/// Where events are posted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The whole address; its path and query may be secret.
    pub url: Uri,
    /// How they are said.
    pub form: Form,
    /// Which.
    pub events: Vec<Deed>,
}

/// How an event is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A JSON document.
    Json,
    /// A message for ntfy: text, with title and tags in headers.
    Ntfy,
}

/// `[notify]` and `[storage]`
pub fn compile(document: &Document, complaints: &mut Vec<Complaint>) -> Telling {
    let retention = within(document.storage.retention.as_ref(), "storage.retention", (DAY, LONGEST), complaints);
    let table = &document.notify;
    let events = events(table.events.as_ref(), complaints);
    let url = table.url.as_ref().and_then(|written| url(written, complaints));
    if table.url.is_none()
        && let Some(place) = table.events.as_ref().map(|list| &list.place).or(table.format.as_ref().map(|form| &form.place))
    {
        let complaint = Complaint::new(Code::E0202, place, "[notify] has no `url`").label("nobody is told");
        complaints.push(complaint.help("add `url = \"https://ntfy.example.com/gateway\"`").key("notify.url"));
    }
    let form = match placed::value(table.format.as_ref()).unwrap_or(WrittenForm::Json) {
        WrittenForm::Json => Form::Json,
        WrittenForm::Ntfy => Form::Ntfy,
    };
    Telling {
        retention: retention.unwrap_or(Telling::default().retention),
        webhook: url.map(|url| Webhook { url, form, events }),
    }
}

fn events(written: Option<&Placed<Vec<Placed<String>>>>, complaints: &mut Vec<Complaint>) -> Vec<Deed> {
    let Some(list) = written else { return Deed::TOLD.to_vec() };
    let mut deeds = Vec::new();
    for event in &list.value {
        match Deed::from_name(&event.value) {
            Some(deed) if deeds.contains(&deed) => {}
            Some(deed) => deeds.push(deed),
            None => {
                let complaint =
                    Complaint::new(Code::E0206, &event.place, format!("there is no event `{}`", event.value.escape_debug()));
                let complaint = match nearest(&event.value, Deed::ALL.into_iter().map(Deed::name)) {
                    Some(name) => complaint.label(format!("did you mean \"{name}\"?")).fix(format!("\"{name}\"")),
                    None => complaint.label("no such event").help("docs/audit.md lists the events"),
                };
                complaints.push(complaint.key("notify.events"));
            }
        }
    }
    deeds
}

/// An address to post to. Plain HTTP only where nobody but the owner's own network can listen.
fn url(written: &Placed<String>, complaints: &mut Vec<Complaint>) -> Option<Uri> {
    let mut refuse = |label: &str| {
        let complaint = Complaint::new(Code::E0206, &written.place, "`url` is no address that events can be posted to");
        complaints.push(complaint.label(label).help("write it as `https://HOST/PATH`").key("notify.url"));
        None
    };
    let Ok(url) = written.value.parse::<Uri>() else { return refuse("not a URL") };
    let Some(authority) = url.authority() else { return refuse("it names no host") };
    if authority.as_str().contains('@') {
        return refuse("a name and a password do not belong here");
    }
    let Ok(host) = Host::parse(authority.host().trim_start_matches('[').trim_end_matches(']')) else {
        return refuse("its host cannot be one");
    };
    match url.scheme_str() {
        Some("https") => Some(url),
        Some("http") if host.is_local() => Some(url),
        Some("http") => refuse("events go to other machines by https only"),
        _ => refuse("it must begin with https://"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::compile::compile_text;

    fn compiled(table: &str) -> Result<Telling, Vec<String>> {
        let text = format!("{table}\n[[app]]\nhost = \"a.example\"\nupstream = \"http://127.0.0.1:1\"\n");
        compile_text(&text)
            .map(|compiled| compiled.plan.telling)
            .map_err(|complaints| complaints.into_iter().map(|complaint| complaint.message).collect())
    }

    #[test]
    fn what_is_told_is_what_is_asked_for_or_what_matters() {
        assert_eq!(compiled("").expect("compiles"), Telling::default());
        let told = compiled("[notify]\nurl = \"https://ntfy.example.com/gateway\"\nformat = \"ntfy\"").expect("compiles");
        let webhook = told.webhook.expect("one");
        assert_eq!((webhook.form, webhook.events.as_slice()), (Form::Ntfy, Deed::TOLD.as_slice()));
        let told = compiled(
            "[notify]\nurl = \"http://127.0.0.1:1/x\"\nevents = [\"sign_in\", \"sign_in\"]\n[storage]\nretention = \"7d\"",
        );
        let told = told.expect("compiles");
        assert_eq!((told.webhook.expect("one").events, told.retention), (vec![Deed::SignIn], 7 * DAY));
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
        for table in [
            "[notify]\nurl = \"http://ntfy.example.com/x\"",
            "[notify]\nurl = \"ftp://ntfy.example.com/x\"",
            "[notify]\nurl = \"https://me:secret@ntfy.example.com/x\"",
            "[notify]\nurl = \"/x\"",
            "[notify]\nurl = \"https://ntfy.example.com/x\"\nevents = [\"sign_in.faild\"]",
            "[notify]\nevents = [\"sign_in\"]",
            "[storage]\nretention = \"1h\"",
        ] {
            assert_eq!(compiled(table).expect_err(table).len(), 1, "{table}");
        }
    }
}
