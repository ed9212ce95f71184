//! Wishes about bans on networks.

use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tracing::info;

use crate::admin::perform::{Desk, failed, refuse};
use crate::admin::wish::{Answer, RefusedKind};
use crate::base::clock::Timestamp;
use crate::model::audit::{Actor, Deed, Entry};
use crate::model::ban::Ban;
use crate::model::event::Event;
use crate::plan::networks;

/// Longest reason, in characters.
const LONGEST_REASON: usize = 200;
/// Why a ban is on its network, when its owner does not say.
const NO_REASON: &str = "by the owner";

/// What an owner asks about bans.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BanWish {
    /// Which there are.
    List,
    /// Bar a network.
    Add {
        /// As typed.
        network: String,
        /// For so long; without, until it is lifted.
        secs: Option<u64>,
        /// Why.
        reason: Option<String>,
    },
    /// Let a network in again; without one, all of them.
    Lift {
        /// As typed.
        network: Option<String>,
    },
}

/// What is said of them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BanAnswer {
    /// All bans, in order of networks.
    Bans(Vec<BanLine>),
    /// One was made.
    Added(BanLine),
    /// These were lifted.
    Lifted(Vec<String>),
}

/// One ban. Moments are seconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
pub struct BanLine {
    /// The network.
    pub network: String,
    /// Since when.
    pub since: i64,
    /// Until when; `None`: until it is lifted.
    pub until: Option<i64>,
    /// Why.
    pub reason: String,
    /// `owner` or `gateway`.
    pub by: String,
}

impl From<Ban> for BanLine {
    fn from(ban: Ban) -> Self {
        Self {
            network: ban.network.to_string(),
            since: ban.since.secs(),
            until: ban.until.map(Timestamp::secs),
            reason: ban.reason.into(),
            by: if ban.by_owner { "owner" } else { "gateway" }.to_owned(),
        }
    }
}

impl Desk {
    /// Carries out a wish about bans.
    ///
    /// # Errors
    /// An answer that says why not.
    pub(super) async fn bans(&self, ask: BanWish) -> Result<Answer, Answer> {
        let said = match ask {
            BanWish::List => BanAnswer::Bans(self.store.bans().into_iter().map(BanLine::from).collect()),
            BanWish::Add { network, secs, reason } => {
                let network = self.barrable(&network)?;
                self.bar(network, secs.map(Duration::from_secs), reason.as_deref().map_or(NO_REASON, str::trim)).await?
            }
            BanWish::Lift { network } => {
                let network = network.as_deref().map(read).transpose()?;
                let store = self.store.telling(Entry::new(Deed::BanLifted, Actor::Owner));
                let lifted = store.lift_bans(network).await.map_err(|fault| failed(&fault))?;
                if let Some(network) = network.filter(|_| lifted.is_empty()) {
                    let told = format!("{network} is not barred; `doorward ban list` shows which are");
                    return Err(refuse(RefusedKind::NotFound, told));
                }
                for network in &lifted {
                    info!(event = Event::BanLifted.name(), %network);
                }
                BanAnswer::Lifted(lifted.iter().map(ToString::to_string).collect())
            }
        };
        Ok(Answer::Bans { said })
    }

    async fn bar(&self, network: IpNet, length: Option<Duration>, reason: &str) -> Result<BanAnswer, Answer> {
        let now = self.clock.now();
        let reason: String = reason.chars().filter(|letter| !letter.is_control()).take(LONGEST_REASON).collect();
        let until = length.map(|length| now.plus(length));
        let ban = Ban { network, since: now, until, reason: reason.into(), by_owner: true };
        let store = self.store.telling(Entry::new(Deed::BanAdded, Actor::Owner));
        if !store.add_ban(ban.clone()).await.map_err(|fault| failed(&fault))? {
            let told = "so many networks are barred that no more are kept; lift some, or bar larger ones".to_owned();
            return Err(refuse(RefusedKind::Unfit, told));
        }
        info!(event = Event::BanAdded.name(), %network, until = until.map(Timestamp::secs), reason = &*ban.reason);
        Ok(BanAnswer::Added(ban.into()))
    }

    /// A network that a ban on would mean something.
    fn barrable(&self, text: &str) -> Result<IpNet, Answer> {
        let network = read(text)?;
        if network.prefix_len() == 0 {
            let told = format!("{network} holds every address: nobody could sign in any more");
            return Err(refuse(RefusedKind::Unfit, told));
        }
        if self.enrolment.get().spared.iter().any(|spared| spared.contains(&network)) {
            let told = format!(
                "{network} is never barred: it is this machine, a proxy in `listen.trusted_proxies` or a network in \
                 `auth.throttle.exempt`, and stands for more than one visitor or for one you trust"
            );
            return Err(refuse(RefusedKind::Unfit, told));
        }
        Ok(network)
    }
}

fn read(text: &str) -> Result<IpNet, Answer> {
    networks::read(text.trim()).ok_or_else(|| {
        let text = text.escape_debug();
        refuse(RefusedKind::Unfit, format!("`{text}` is not a network: write an address, or a network such as 203.0.113.0/24"))
    })
}
