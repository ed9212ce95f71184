//! Has a record set or removed, by whoever the owner says.

use tokio::time::timeout;

use crate::base::clock::Timestamp;
use crate::dns::ask::Asker;
use crate::dns::fault::{Fault as DnsFault, shown};
use crate::dns::system;
use crate::dns::update;
use crate::dns::update::{Algorithm, Change, Key, Words};
use crate::dns::zone;
use crate::plan::dns::{DnsPolicy, KeyAlgorithm, Provider, UpdateKey};
use crate::tls::dns01::fault::Fault;
use crate::tls::dns01::hook;
use crate::tls::dns01::interface;

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
                    // All names wait for their turn.
                    timeout(policy.timeout, zone::of(&asker, name)).await.unwrap_or(Err(DnsFault::Silent)).map_err(fault)?
                }
            };
            let words = Words { zone: &zone, name, value };
            let sent = update::send(*server, key.as_ref().map(signing).as_ref(), change, words, now).await;
            let named = key.as_ref().map(|key| key.name.clone());
            sent.map_err(|fault| Fault::Update { server: *server, zone, key: named, name: name.to_owned(), fault })
        }
        Provider::Interface(interface) => {
            let zone = match &interface.zone {
                Some(zone) => zone.clone(),
                None => {
                    let found = timeout(policy.timeout, zone::of(&asker(policy), name)).await;
                    let fault = |fault| Fault::Lead { name: name.to_owned(), fault };
                    found.unwrap_or(Err(DnsFault::Silent)).map_err(fault)?
                }
            };
            let title = interface.provider.title;
            let done = interface::run(interface, &zone, change, (name, value)).await;
            done.map_err(|(why, output)| Fault::Interface { title, zone, name: name.to_owned(), why, output })
        }
        Provider::Exec(command) => {
            let done = hook::run(command, change, (name, value)).await;
            let program = || command.first().cloned().unwrap_or_default();
            done.map_err(|(why, output)| Fault::Hook { program: program(), name: name.to_owned(), why, output })
        }
    }
}

/// Who is asked where a record belongs.
pub fn asker(policy: &DnsPolicy) -> Asker {
    let servers = if policy.resolvers.is_empty() { system::resolvers() } else { policy.resolvers.clone() };
    Asker { servers, recursive: true }
}

fn signing(key: &UpdateKey) -> Key<'_> {
    let algorithm = match key.algorithm {
        KeyAlgorithm::Sha256 => Algorithm::Sha256,
        KeyAlgorithm::Sha384 => Algorithm::Sha384,
        KeyAlgorithm::Sha512 => Algorithm::Sha512,
    };
    Key { name: &key.name, algorithm, secret: &key.secret }
}
