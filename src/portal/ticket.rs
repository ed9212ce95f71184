//! Hand-off tickets: how a session gets from the portal to a host of an app. A ticket counts once, for a minute, on one host
//! and in one browser. It is in memory only: a restart within that minute costs one more round through the portal.

use std::time::Duration;

use crate::auth::token::{Token, TokenHash};
use crate::base::clock::Timestamp;
use crate::base::entropy::Entropy;
use crate::model::session::SessionId;
use crate::policy::host::Host;
use crate::portal::shelf::{Limits, Shelf};
use crate::web::return_to::Destination;

/// How long a ticket counts.
const LIFE: Duration = Duration::from_secs(60);
/// What became of a ticket is known somewhat longer, so that whoever comes late still gets where they wanted to go.
const LIMITS: Limits = Limits { life: Duration::from_secs(600), most: 10_000, most_per_owner: 64 };

/// The right to open one session on one more host.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// The session.
    pub session: SessionId,
    /// The token of the session by which it was asked for. It counts no longer than that one: what is proven afterwards is for
    /// whoever proves it, and not for those who came before.
    pub by: TokenHash,
    /// The host.
    pub host: Host,
    /// The browser, as that host knows it.
    pub visitor: TokenHash,
    /// The page there.
    pub to: Destination,
}

/// What a ticket is worth.
#[derive(Clone, Debug)]
pub enum Redeemed {
    /// It counts; now it does not any more.
    Valid(Ticket),
    /// It did once: it was used before, or came too late.
    Over(Ticket),
    /// None of ours, or of another host.
    Unknown,
}

/// Tickets under way.
#[derive(Debug)]
pub struct Tickets(Shelf<SessionId, Issued>);

#[derive(Debug)]
struct Issued {
    ticket: Ticket,
    at: Timestamp,
    used: bool,
}

impl Tickets {
    /// None under way.
    pub fn new() -> Self {
        Self(Shelf::new(LIMITS))
    }

    /// Makes a ticket; the token is for the URL.
    pub fn issue(&self, entropy: Entropy, ticket: Ticket, now: Timestamp) -> Token {
        let token = Token::draw(entropy);
        self.0.put(ticket.session, token.hash(), Issued { ticket, at: now, used: false }, now);
        token
    }

    /// Takes a ticket that was brought to `host`. Of two who bring the same one, one has it. Brought to another host it is
    /// used up as well: it is in hands that it was not made for.
    pub fn redeem(&self, text: &str, host: &Host, now: Timestamp) -> Redeemed {
        let Some(token) = Token::parse(text) else { return Redeemed::Unknown };
        let redeem = |issued: &mut Issued| {
            let counts = !issued.used && now >= issued.at && now.since(issued.at) < LIFE;
            issued.used = true;
            match (issued.ticket.host == *host, counts) {
                (false, _) => Redeemed::Unknown,
                (true, true) => Redeemed::Valid(issued.ticket.clone()),
                (true, false) => Redeemed::Over(issued.ticket.clone()),
            }
        };
        self.0.ask(&token.hash(), now, redeem).unwrap_or(Redeemed::Unknown)
    }
}

impl Default for Tickets {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::Id;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn host(text: &str) -> Host {
        Host::parse(text).expect("a host")
    }

    fn issued(tickets: &Tickets) -> String {
        let (by, visitor) = (Token::draw(Entropy).hash(), Token::draw(Entropy).hash());
        let ticket = Ticket { session: Id::draw(Entropy), by, host: host("a.example"), visitor, to: Destination::home() };
        tickets.issue(Entropy, ticket, NOW).to_text().expose().clone()
    }

    fn redeemed(tickets: &Tickets, text: &str, at: &str, seconds: i64) -> &'static str {
        match tickets.redeem(text, &host(at), Timestamp::from_secs(1_000_000 + seconds)) {
            Redeemed::Valid(_) => "valid",
            Redeemed::Over(_) => "over",
            Redeemed::Unknown => "unknown",
        }
    }

    /// The attack: a ticket from a history, a log or a Referer is brought a second time, or late.
    #[test]
    fn a_ticket_counts_once_and_for_a_minute() {
        let tickets = Tickets::new();
        let (one, late, forgotten) = (issued(&tickets), issued(&tickets), issued(&tickets));
        assert_eq!(redeemed(&tickets, &one, "a.example", 59), "valid");
        assert_eq!(redeemed(&tickets, &one, "a.example", 59), "over");
        assert_eq!(redeemed(&tickets, &late, "a.example", 60), "over");
        assert_eq!(redeemed(&tickets, &late, "a.example", 59), "over", "a clock set back revives nothing");
        assert_eq!(redeemed(&tickets, &forgotten, "a.example", 600), "unknown");
        assert_eq!(redeemed(&tickets, &issued(&tickets), "a.example", -1), "over", "made in the future");
        assert_eq!(redeemed(&tickets, "x", "a.example", 0), "unknown");
    }

    /// The attack: an app brings a ticket that it saw to another app's host.
    #[test]
    fn a_ticket_counts_on_its_host_only_and_is_gone_after_another() {
        let tickets = Tickets::new();
        let ticket = issued(&tickets);
        assert_eq!(redeemed(&tickets, &ticket, "b.example", 0), "unknown");
        assert_eq!(redeemed(&tickets, &ticket, "a.example", 0), "over");
    }
}
