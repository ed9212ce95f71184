//! Wishes about the audit trail.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use crate::admin::perform::{Desk, failed};
use crate::admin::wish::Answer;
use crate::base::clock::Timestamp;
use crate::model::audit::{Actor, Deed, Entry, Written};
use crate::store::audit::{ChainFault, Head, Verified, Wanted};

/// Records looked at in one go; what wants to write meanwhile waits for no more than these.
const STRETCH: u32 = 2_000;
/// Records given at most; their text has to fit into an answer.
const MOST: u32 = 50_000;

/// What an owner asks about the trail.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrailWish {
    /// Records.
    List {
        /// Of this account.
        user: Option<String>,
        /// Since this second.
        since: Option<i64>,
        /// Of this event, or of those that begin with it.
        event: Option<String>,
        /// The newest so many.
        most: u32,
    },
    /// Whether it is whole.
    Verify {
        /// A head of earlier, from which it must have gone on: `LAST:TAG`.
        noted: Option<String>,
    },
    /// Write down that a backup is being made.
    Backup {
        /// Whether the keys go into it.
        keys: bool,
    },
}

/// What is said of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrailAnswer {
    /// Records, oldest first.
    Records(Vec<TrailLine>),
    /// It is whole from one end to the other, except where it was begun anew.
    Whole {
        /// The first record that is kept.
        first: u64,
        /// The last record.
        last: u64,
        /// Names the whole chain up to there: `LAST:TAG`.
        head: String,
        /// Records at which it did not go on from where it had ended.
        breaks: Vec<u64>,
    },
    /// It is not.
    Broken {
        /// The first record that does not fit.
        at: u64,
        /// In which way, in words.
        how: String,
    },
    /// It is written down.
    Noted,
}

/// One record.
#[derive(Debug, Serialize, Deserialize)]
pub struct TrailLine {
    /// Its number.
    pub seq: u64,
    /// Milliseconds since the Unix epoch.
    pub at: i64,
    /// What was done.
    pub event: String,
    /// `done`, `failed` or `refused`.
    pub outcome: String,
    /// The account concerned.
    pub user: Option<String>,
    /// `visitor`, `owner` or `gateway`.
    pub actor: String,
    /// From where.
    pub address: Option<String>,
    /// By which method.
    pub method: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// More.
    pub detail: Option<String>,
    /// How many times.
    pub count: u64,
    /// The request, as in the log.
    pub request: Option<String>,
}

impl From<Written> for TrailLine {
    fn from(written: Written) -> Self {
        Self {
            seq: written.seq,
            at: written.at.millis(),
            event: written.event,
            outcome: written.outcome,
            user: written.account,
            actor: written.actor,
            address: written.address,
            method: written.method,
            reason: written.reason,
            detail: written.detail,
            count: written.tally,
            request: written.request,
        }
    }
}

impl Desk {
    /// Carries out a wish about the trail.
    ///
    /// # Errors
    /// An answer that says why not.
    pub(super) async fn trail(&self, ask: TrailWish) -> Result<Answer, Answer> {
        let said = match ask {
            TrailWish::List { user, since, event, most } => {
                let since = since.map(Timestamp::from_secs);
                let wanted = Wanted { account: user, since, event, after: 0, most: most.min(MOST) };
                let records = self.store.audit(wanted).await.map_err(|fault| failed(&fault))?;
                TrailAnswer::Records(records.into_iter().map(TrailLine::from).collect())
            }
            TrailWish::Verify { noted } => self.verify(noted.as_deref()).await?,
            TrailWish::Backup { keys } => {
                let detail = if keys { "with the keys" } else { "without the keys" };
                let entry = Entry::new(Deed::BackupMade, Actor::Owner).detailed(detail);
                self.store.record(entry).await.map_err(|fault| failed(&fault))?;
                TrailAnswer::Noted
            }
        };
        Ok(Answer::Trail { said })
    }

    async fn verify(&self, noted: Option<&str>) -> Result<TrailAnswer, Answer> {
        let mut from = None;
        if let Some((at, tag)) = noted.and_then(|noted| noted.split_once(':')) {
            let at = at.parse().unwrap_or(0);
            if !self.store.audit_holds(at, tag.to_owned()).await.map_err(|fault| failed(&fault))? {
                let how = "the trail does not hold what was noted of it: it was set back, or cut off and written anew";
                return Ok(TrailAnswer::Broken { at, how: how.to_owned() });
            }
        }
        loop {
            match self.store.verify_audit(from, STRETCH).await.map_err(|fault| failed(&fault))? {
                Verified::SoFar { at, tag } => from = Some((at, tag)),
                Verified::Whole(head) => {
                    let (first, last) = (head.before + 1, head.last);
                    return Ok(TrailAnswer::Whole { first, last, head: in_words(&head), breaks: head.breaks });
                }
                Verified::Broken { at, fault } => return Ok(TrailAnswer::Broken { at, how: told(fault).to_owned() }),
            }
        }
    }
}

/// Names a chain up to its end, for whoever notes it elsewhere.
pub fn in_words(head: &Head) -> String {
    format!("{}:{}", head.last, HEXLOWER.encode(&head.last_tag[..16]))
}

fn told(fault: ChainFault) -> &'static str {
    match fault {
        ChainFault::Missing => "it is missing",
        ChainFault::Altered => "it is not as it was written",
        ChainFault::Beyond => "it stands beyond the end of the trail",
        ChainFault::NoHead => "the sealed end of the trail is gone or does not open",
    }
}
