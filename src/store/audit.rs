//! The audit trail: a chain of records, each bound to the one before it by a keyed hash, with both ends sealed.
//!
//! A record is written in the transaction of the change it tells of, or not at all. The keyed hash makes an altered,
//! inserted or removed record show; the sealed head makes a shortened chain show. Whoever has the keys can forge all of it,
//! and whoever can put an old copy of the whole database back can make it forget: see `docs/audit.md`.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use rusqlite::params;
use serde::{Deserialize, Serialize};

use crate::base::clock::Timestamp;
use crate::model::audit::{Actor, Deed, Entry, Outcome, Written};
use crate::model::event::Event;
use crate::model::user::{User, UserId};
use crate::store::database::{Database, Record, stored};
use crate::store::fault::Fault;
use crate::store::known_device;
use crate::store::notices;
use crate::store::open::{Keys, Store};
use crate::store::users;
use crate::store::vault::{self, Vault};

/// The tag before the first record.
const BEGINNING: [u8; 32] = [0; 32];
const LONGEST_DETAIL: usize = 200;
/// Breaks that are remembered; more say nothing new.
const MOST_BREAKS: usize = 16;
pub(super) const COLUMNS: &str = "seq, at, event, outcome, account_id, account, actor, address, method, reason, detail, tally, device, \
                       request";

/// Where the chain begins and ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The number of the last record that was taken away because it was old enough; 0 if none was.
    pub before: u64,
    /// Its tag.
    before_tag: [u8; 32],
    /// The number of the last record.
    pub last: u64,
    /// Its tag.
    pub last_tag: [u8; 32],
    /// The records at which the chain did not go on from where it had ended.
    pub breaks: Vec<u64>,
}

impl Default for Head {
    fn default() -> Self {
        Self { before: 0, before_tag: BEGINNING, last: 0, last_tag: BEGINNING, breaks: Vec::new() }
    }
}

/// What is to be written down with a change, if anything is. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Told {
    entries: Arc<Vec<Entry>>,
    keys: Arc<Keys>,
    now: Timestamp,
}

/// Which records are asked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Those of the account that has, or had, this name.
    pub account: Option<String>,
    /// Those since then.
    pub since: Option<Timestamp>,
    /// Those of this event, or of all events that begin with it and a full stop.
    pub event: Option<String>,
    /// Those after this number.
    pub after: u64,
    /// At most so many; of more, the newest.
    pub most: u32,
}

/// What verifying came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// So far so good: the chain is whole up to this record, and goes on.
    SoFar {
        /// Where to go on.
        at: u64,
        /// The tag there.
        tag: [u8; 32],
    },
    /// The chain is whole.
    Whole(Head),
    /// It is not.
    Broken {
        /// The first record that does not fit, or that is missing.
        at: u64,
        /// In which way.
        fault: ChainFault,
    },
}

/// In which way a chain is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainFault {
    /// A record is missing.
    Missing,
    /// A record is not as it was written, or there was another before it.
    Altered,
    /// There are records after the end.
    Beyond,
    /// The sealed head is gone or does not open.
    NoHead,
}

impl Store {
    /// The same store, whose next change is written down as `entry`. What is asked of it should be one change.
    #[must_use]
    pub fn telling(&self, entry: Entry) -> Self {
        let entries = self.entries.iter().cloned().chain([entry]).collect();
        let mut store = self.clone();
        store.entries = Arc::new(entries);
        store
    }

    /// Writes something down that is no change in the store. What an attacker can have as often as they like is bounded: see
    /// [`crate::store::flood`].
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn record(&self, entry: Entry) -> Result<(), Fault> {
        if entry.deed.is_cheap() && !self.flood.admits(&entry, self.clock.now()) {
            return Ok(());
        }
        let told = self.telling(entry).told();
        self.ask(move |database| told.tell(database, None)).await
    }

    /// Writes down how much was held back of what came too often.
    ///
    /// # Errors
    /// Any [`Fault`]; it is held back still then.
    pub async fn record_flood(&self) -> Result<(), Fault> {
        let held = self.flood.held(self.clock.now());
        if held.is_empty() {
            return Ok(());
        }
        let told = self.told();
        self.ask(move |database| held.iter().try_for_each(|(entry, tally)| told.write(database, entry, *tally))).await
    }

    /// Records, oldest first.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn audit(&self, wanted: Wanted) -> Result<Vec<Written>, Fault> {
        self.ask(move |database| list(database, &wanted)).await
    }

    /// Follows the chain from `from` (none: from its beginning) for at most `most` records.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn verify_audit(&self, from: Option<(u64, [u8; 32])>, most: u32) -> Result<Verified, Fault> {
        let keys = Arc::clone(&self.keys);
        self.ask(move |database| verify(database, &keys, from, most)).await
    }

    /// Where the chain begins and ends; `None` if its sealed head is gone or does not open.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn audit_head(&self) -> Result<Option<Head>, Fault> {
        let keys = Arc::clone(&self.keys);
        self.ask(move |database| head(database, &keys)).await
    }

    /// Whether the chain holds, or held until it was old enough to go, a record of that number whose tag begins so (in
    /// hexadecimal, at least 16 characters).
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn audit_holds(&self, seq: u64, beginning: String) -> Result<bool, Fault> {
        let keys = Arc::clone(&self.keys);
        self.ask(move |database| {
            let Some(head) = head(database, &keys)? else { return Ok(false) };
            if seq < head.before {
                return Ok(true);
            }
            let select = "SELECT tag FROM audit WHERE seq = ?1";
            let tag = match seq == head.before {
                true => Some(head.before_tag.to_vec()),
                false => database.one(select, params![stored(seq)], |row| row.bytes(0))?,
            };
            Ok(beginning.len() >= 16 && tag.is_some_and(|tag| HEXLOWER.encode(&tag).starts_with(&beginning)))
        })
        .await
    }

    /// Takes away at most `most` of the oldest records, if they are from before `before`. The rest stays verifiable.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn prune_audit(&self, before: Timestamp, most: u32) -> Result<usize, Fault> {
        let keys = Arc::clone(&self.keys);
        self.ask(move |database| prune(database, &keys, before, most)).await
    }

    /// What is to be written down with the next change.
    pub(super) fn told(&self) -> Told {
        Told { entries: Arc::clone(&self.entries), keys: Arc::clone(&self.keys), now: self.clock.now() }
    }
}

impl Told {
    /// For a time before there is a [`Store`].
    pub(super) fn new(entries: Vec<Entry>, keys: Arc<Keys>, now: Timestamp) -> Self {
        Self { entries: Arc::new(entries), keys, now }
    }

    /// Writes it down. `user` is whose it is where that was not known before.
    pub(super) fn tell(&self, database: &Database, user: Option<&User>) -> Result<(), Fault> {
        for entry in self.entries.iter() {
            let known = match (&entry.account, user, &entry.name) {
                (None, Some(user), _) => Some(user.clone()),
                // A name that nobody has may be a password in the wrong place: it is not written down.
                (None, None, Some(name)) => users::find(database, name)?,
                (Some(_), _, _) | (None, None, None) => None,
            };
            match known {
                Some(user) => self.write(database, &entry.clone().of(&user), 1)?,
                None => self.write(database, entry, 1)?,
            }
        }
        Ok(())
    }

    /// As [`Told::tell`], for a user known by id.
    pub(super) fn tell_of(&self, database: &Database, user: UserId) -> Result<(), Fault> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let select = "SELECT id, name, disabled, created_at FROM account WHERE id = ?1";
        let user = database.one(select, params![user.as_str()], users::user)?;
        self.tell(database, user.as_ref())
    }

    /// As [`Told::tell`], with what only the change itself knows.
    pub(super) fn tell_detail(&self, database: &Database, detail: &str) -> Result<(), Fault> {
        self.entries.iter().try_for_each(|entry| self.write(database, &entry.clone().detailed(detail), 1))
    }

    /// Writes down something of its own beside what is told anyway.
    pub(super) fn also(&self, database: &Database, entry: &Entry) -> Result<(), Fault> {
        self.write(database, entry, 1)
    }

    fn write(&self, database: &Database, entry: &Entry, tally: u64) -> Result<(), Fault> {
        let device = known_device::tag(&self.keys, entry);
        // Asked before this record makes it known.
        let is_new = entry.deed == Deed::SignIn && !known_device::is_known(database, entry, device.as_deref())?;
        append(database, &self.keys, entry, (self.now, tally, device))?;
        if entry.deed.is_told_to_its_person() && entry.outcome == Outcome::Done {
            notices::add(database, entry, self.now)?;
        }
        if is_new {
            let entry = Entry { deed: Deed::NewDevice, agent: None, ..entry.clone() };
            append(database, &self.keys, &entry, (self.now, 1, None))?;
            notices::add(database, &entry, self.now)?;
        }
        Ok(())
    }
}

/// Adds a record to the chain. If that cannot go on from where it ended, it begins anew, and says so for ever: what ends
/// sessions must not fail because somebody has been at the trail.
fn append(database: &Database, keys: &Keys, entry: &Entry, rest: (Timestamp, u64, Option<Vec<u8>>)) -> Result<(), Fault> {
    let mut head = match head(database, keys)? {
        Some(head) if is_end(database, &head)? => head,
        found => {
            tracing::error!(
                event = Event::TrailBroken.name(),
                "the audit trail does not go on from where it ended: `doorward audit verify`"
            );
            let mut head = begin_anew(database, found)?;
            let broken = Entry::new(Deed::TrailBroken, Actor::Gateway).came_to(Outcome::Failed);
            chain(database, keys, &mut head, written(&broken, (rest.0, 1, None)))?;
            head
        }
    };
    chain(database, keys, &mut head, written(entry, rest))?;
    keep_head(database, keys, &head)
}

fn is_end(database: &Database, head: &Head) -> Result<bool, Fault> {
    let last = database.one("SELECT max(seq) FROM audit", [], |row| row.optional(0, Record::count))?.flatten();
    if last != Some(head.last) {
        return Ok(last.is_none() && head.last == head.before);
    }
    let select = "SELECT tag FROM audit WHERE seq = ?1";
    Ok(database.one(select, params![stored(head.last)], |row| row.bytes(0))?.is_some_and(|tag| tag == head.last_tag))
}

/// A chain that goes on behind everything that is there or is said to have been there.
fn begin_anew(database: &Database, found: Option<Head>) -> Result<Head, Fault> {
    let last = database.one("SELECT max(seq) FROM audit", [], |row| row.optional(0, Record::count))?.flatten().unwrap_or(0);
    let mut head = found.unwrap_or_default();
    head.last = head.last.max(last);
    if head.breaks.len() < MOST_BREAKS {
        head.breaks.push(head.last + 1);
    }
    Ok(head)
}

fn written(entry: &Entry, (at, tally, device): (Timestamp, u64, Option<Vec<u8>>)) -> Written {
    let text = |text: &str| text.chars().filter(|letter| !letter.is_control()).take(LONGEST_DETAIL).collect::<String>();
    Written {
        seq: 0,
        at,
        event: entry.deed.name().to_owned(),
        outcome: entry.outcome.name().to_owned(),
        account_id: entry.account.as_ref().map(|(id, _)| id.to_string()),
        account: entry.account.as_ref().map(|(_, name)| name.to_string()),
        actor: entry.actor.name().to_owned(),
        address: entry.address.map(|address| address.to_canonical().to_string()),
        method: entry.method.map(str::to_owned),
        reason: entry.reason.map(str::to_owned),
        detail: entry.detail.as_deref().map(text),
        tally,
        device,
        request: entry.request.as_deref().map(text),
    }
}

fn chain(database: &Database, keys: &Keys, head: &mut Head, written: Written) -> Result<(), Fault> {
    let written = Written { seq: head.last + 1, ..written };
    let tag = tag(keys, &head.last_tag, &written);
    let insert =
        format!("INSERT INTO audit ({COLUMNS}, tag) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)");
    let Written { seq, at, event, outcome, account_id, account, actor, address, method, reason, .. } = &written;
    let Written { detail, tally, device, request, .. } = &written;
    let values = params![
        stored(*seq),
        at.millis(),
        event,
        outcome,
        account_id,
        account,
        actor,
        address,
        method,
        reason,
        detail,
        stored(*tally),
        device,
        request,
        tag
    ];
    database.execute(&insert, values)?;
    (head.last, head.last_tag) = (written.seq, tag);
    // Who wakes up asks in the queue, behind the end of this transaction.
    keys.wake.notify_one();
    Ok(())
}

/// Over the tag before it and every field, each told apart from the next by JSON.
fn tag(keys: &Keys, before: &[u8; 32], written: &Written) -> [u8; 32] {
    let Written { seq, at, event, outcome, account_id, account, actor, address, method, reason, detail, tally, device, request } =
        written;
    let what = (seq, at.millis(), event, outcome, account_id, account, actor);
    let record = serde_json::to_vec(&(what, address, method, reason, detail, tally, device, request));
    keys.trail.tag(&[before, record.expect("texts and numbers can be written as JSON").as_slice()].concat())
}

fn place() -> String {
    vault::place("audit_head", "sealed", "1", "")
}

fn head(database: &Database, keys: &Keys) -> Result<Option<Head>, Fault> {
    let sealed = database.one("SELECT sealed FROM audit_head WHERE id = 1", [], |row| row.bytes(0))?;
    let plain = sealed.and_then(|sealed| keys.vault.open(&place(), &sealed).ok());
    Ok(plain.and_then(|plain| serde_json::from_slice(plain.expose()).ok()))
}

fn keep_head(database: &Database, keys: &Keys, head: &Head) -> Result<(), Fault> {
    keep_first_head(database, &keys.vault, head)
}

/// Keeps both ends of the chain.
pub(super) fn keep_first_head(database: &Database, vault: &Vault, head: &Head) -> Result<(), Fault> {
    let text = serde_json::to_vec(head).expect("numbers can be written as JSON");
    let upsert = "INSERT INTO audit_head (id, sealed) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed";
    database.execute(upsert, params![vault.seal(&place(), &text)]).map(|_| ())
}

fn list(database: &Database, wanted: &Wanted) -> Result<Vec<Written>, Fault> {
    let select = format!(
        "SELECT {COLUMNS} FROM audit
         WHERE seq > ?1 AND (?2 IS NULL OR account = ?2) AND (?3 IS NULL OR at >= ?3)
               AND (?4 IS NULL OR event = ?4 OR substr(event, 1, length(?4) + 1) = ?4 || '.')
         ORDER BY seq DESC LIMIT ?5"
    );
    let Wanted { account, since, event, after, most } = wanted;
    let values = params![stored(*after), account, since.map(Timestamp::millis), event, most];
    let mut records = database.all(&select, values, read)?;
    records.reverse();
    Ok(records)
}

fn verify(database: &Database, keys: &Keys, from: Option<(u64, [u8; 32])>, most: u32) -> Result<Verified, Fault> {
    let Some(head) = head(database, keys)? else { return Ok(Verified::Broken { at: 0, fault: ChainFault::NoHead }) };
    let beginning = (head.before, head.before_tag);
    // What was taken away meanwhile was whole when it was looked at.
    let (mut at, mut before) = from.filter(|from| from.0 >= head.before).unwrap_or(beginning);
    let select = format!("SELECT {COLUMNS}, tag FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2");
    let rows = database.all(&select, params![stored(at), most], |row| Ok((read(row)?, row.bytes(14)?)))?;
    let full = rows.len() == most as usize;
    if at == head.before
        && database.one("SELECT seq FROM audit WHERE seq <= ?1 LIMIT 1", params![stored(at)], |_| Ok(()))?.is_some()
    {
        return Ok(Verified::Broken { at, fault: ChainFault::Beyond });
    }
    for (written, found) in rows {
        // Where it began anew, it went on from the tag it had, and not from its number.
        let expected = if head.breaks.contains(&written.seq) { written.seq } else { at + 1 };
        if written.seq > head.last {
            return Ok(Verified::Broken { at: written.seq, fault: ChainFault::Beyond });
        }
        if written.seq != expected {
            return Ok(Verified::Broken { at: expected, fault: ChainFault::Missing });
        }
        let tag = tag(keys, &before, &written);
        if found != tag && !head.breaks.contains(&written.seq) {
            return Ok(Verified::Broken { at: written.seq, fault: ChainFault::Altered });
        }
        (at, before) = (written.seq, found.try_into().unwrap_or(BEGINNING));
    }
    if full && at < head.last {
        return Ok(Verified::SoFar { at, tag: before });
    }
    if at != head.last {
        return Ok(Verified::Broken { at: at + 1, fault: ChainFault::Missing });
    }
    if before != head.last_tag {
        return Ok(Verified::Broken { at, fault: ChainFault::Altered });
    }
    Ok(Verified::Whole(head))
}

fn prune(database: &Database, keys: &Keys, before: Timestamp, most: u32) -> Result<usize, Fault> {
    let Some(mut head) = head(database, keys)? else { return Ok(0) };
    let select = "SELECT seq, at, tag FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    let rows =
        database.all(select, params![stored(head.before), most], |row| Ok((row.count(0)?, row.time(1)?, row.bytes(2)?)))?;
    let old: Vec<_> = rows.into_iter().take_while(|(_, at, _)| *at < before).collect();
    let Some((seq, _, tag)) = old.last() else { return Ok(0) };
    head.before = *seq;
    head.before_tag = tag.as_slice().try_into().map_err(|_| Fault::Unreadable { column: "audit.tag" })?;
    database.execute("DELETE FROM audit WHERE seq <= ?1", params![stored(*seq)])?;
    keep_head(database, keys, &head)?;
    Ok(old.len())
}

/// Reads [`COLUMNS`].
pub(super) fn read(row: &Record<'_>) -> Result<Written, Fault> {
    let text = |column| row.optional(column, Record::text);
    Ok(Written {
        seq: row.count(0)?,
        at: row.time(1)?,
        event: row.text(2)?,
        outcome: row.text(3)?,
        account_id: text(4)?,
        account: text(5)?,
        actor: row.text(6)?,
        address: text(7)?,
        method: text(8)?,
        reason: text(9)?,
        detail: text(10)?,
        tally: row.count(11)?,
        device: row.optional(12, Record::bytes)?,
        request: text(13)?,
    })
}

#[cfg(test)]
mod tests;
