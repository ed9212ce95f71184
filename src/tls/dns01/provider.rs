//! Has a record set or removed, by whoever the owner says.

use crate::base::clock::Timestamp;
use crate::dns::ask::Asker;
use crate::dns::fault::shown;
use crate::dns::update;
use crate::dns::update::{Algorithm, Change, Key, Words};
use crate::dns::zone;
use crate::plan::dns::{DnsPolicy, KeyAlgorithm, Provider, UpdateKey};
use crate::tls::dns01::fault::Fault;
use crate::tls::dns01::hook;
use crate::tls::dns01::hook::Verb;

/// Has `name` say `value` beside what it says already, or no longer say it.
///
/// # Errors
/// [`Fault`].
pub async fn change(policy: &DnsPolicy, change: Change, (name, value): (&str, &str), now: Timestamp) -> Result<(), Fault> {
    match &policy.provider {
        Provider::Rfc2136 { server, zone, key } => {
            let zone = match zone {
                Some(zone) => zone.clone(),
                None => {
                    let asker = Asker { servers: vec![*server], recursive: false };
                    let fault = |fault| Fault::Zone { server: shown(server), name: name.to_owned(), fault };
                    zone::of(&asker, name).await.map_err(fault)?
                }
            };
            let words = Words { zone: &zone, name, value };
            let sent = update::send(*server, key.as_ref().map(signing).as_ref(), change, words, now).await;
            let named = key.as_ref().map(|key| key.name.clone());
            sent.map_err(|fault| Fault::Update { server: *server, zone, key: named, name: name.to_owned(), fault })
        }
        Provider::Exec(command) => {
            let verb = match change {
                Change::Add => Verb::Present,
                Change::Remove => Verb::Cleanup,
            };
            let done = hook::run(command, (verb, name, value), hook::LIMIT).await;
            let program = || command.first().cloned().unwrap_or_default();
            done.map_err(|(why, output)| Fault::Hook { program: program(), name: name.to_owned(), why, output })
        }
    }
}

fn signing(key: &UpdateKey) -> Key<'_> {
    let algorithm = match key.algorithm {
        KeyAlgorithm::Sha256 => Algorithm::Sha256,
        KeyAlgorithm::Sha384 => Algorithm::Sha384,
        KeyAlgorithm::Sha512 => Algorithm::Sha512,
    };
    Key { name: &key.name, algorithm, secret: &key.secret }
}
