//! What must hold, said as plainly as possible: who holds which session by which cookie, and what each page asks for. Learned
//! only from what browsers and the owner did and saw.

use std::collections::HashMap;
use std::time::Duration;

use doorward::base::clock::Timestamp;

pub const DOOR: &str = "door.example";
pub const WIKI: &str = "wiki.example.net";
pub const MAIL: &str = "mail.example.org";
pub const DOCS: &str = "docs.home.arpa";

/// Defaults of `[session]`.
pub const IDLE: Duration = Duration::from_secs(12 * 3600);
pub const ABSOLUTE: Duration = Duration::from_secs(7 * 24 * 3600);
pub const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long a ticket counts.
const TICKET: Duration = Duration::from_secs(60);

/// The configurations between which the owner changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// A portal of its own and three apps.
    Usual,
    /// People sign in on the host of an app.
    PortalMoved,
    /// Where a password did, two factors are asked for.
    MailStricter,
    /// An app less.
    DocsGone,
}

/// What a page asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    NoSuchHost,
    Denied,
    Nothing,
    Password,
    TwoFactors,
    /// And to be in the family.
    Family,
}

/// A session as the model knows it.
#[derive(Clone, Debug)]
pub struct Held {
    pub person: usize,
    pub two_factors: bool,
    expires: Timestamp,
    idle: Option<Duration>,
    seen: Timestamp,
    over: bool,
}

#[derive(Clone, Debug)]
struct Slip {
    session: usize,
    host: String,
    at: Timestamp,
    used: bool,
}

/// Everything that counts.
#[derive(Debug, Default)]
pub struct Reference {
    /// Who is in the family.
    pub family: [bool; 3],
    sessions: Vec<Held>,
    cookies: HashMap<(String, String), usize>,
    slips: HashMap<String, Slip>,
}

impl Variant {
    pub const ALL: [Self; 4] = [Self::Usual, Self::PortalMoved, Self::MailStricter, Self::DocsGone];

    pub fn portal(self) -> &'static str {
        if self == Self::PortalMoved { WIKI } else { DOOR }
    }

    /// What a page of an app asks for.
    pub fn needs(self, host: &str, path: &str) -> Needs {
        match host {
            WIKI => Needs::TwoFactors,
            MAIL if self == Self::MailStricter => Needs::TwoFactors,
            MAIL => Needs::Password,
            DOCS if self == Self::DocsGone => Needs::NoSuchHost,
            DOCS if path.starts_with("/admin/") => Needs::Denied,
            DOCS if path.starts_with("/public/") => Needs::Nothing,
            DOCS if path.starts_with("/album/") => Needs::Family,
            DOCS => Needs::TwoFactors,
            _ => Needs::NoSuchHost,
        }
    }
}

impl Reference {
    /// Whether a page opens to whoever brings this cookie.
    pub fn opens(&self, needs: Needs, holder: Option<usize>, now: Timestamp) -> bool {
        let alive = holder.filter(|session| self.lives(*session, now)).map(|session| &self.sessions[session]);
        match needs {
            Needs::NoSuchHost | Needs::Denied => false,
            Needs::Nothing => true,
            Needs::Password => alive.is_some(),
            Needs::TwoFactors => alive.is_some_and(|session| session.two_factors),
            Needs::Family => alive.is_some_and(|session| session.two_factors && self.family[session.person]),
        }
    }

    /// The session that a cookie of a host stands for.
    pub fn holder(&self, host: &str, cookie: Option<&String>) -> Option<usize> {
        self.cookies.get(&(host.to_owned(), cookie?.clone())).copied()
    }

    /// Whether a session is that of somebody outside the family.
    pub fn is_outsider(&self, holder: Option<usize>, now: Timestamp) -> bool {
        holder.is_some_and(|session| self.lives(session, now) && !self.family[self.sessions[session].person])
    }

    pub fn lives(&self, session: usize, now: Timestamp) -> bool {
        let held = &self.sessions[session];
        !held.over && now < held.expires && held.idle.is_none_or(|idle| now < held.seen.plus(idle))
    }

    /// A request of its holder came through.
    pub fn seen(&mut self, session: usize, now: Timestamp) {
        if self.lives(session, now) {
            self.sessions[session].seen = now;
        }
    }

    /// Somebody proved who they are.
    pub fn signed_in(&mut self, person: usize, two_factors: bool, remember: bool, now: Timestamp) -> usize {
        let expires = now.plus(if remember { REMEMBERED } else { ABSOLUTE });
        let idle = (!remember).then_some(IDLE);
        self.sessions.push(Held { person, two_factors, expires, idle, seen: now, over: false });
        self.sessions.len() - 1
    }

    /// A host gave out a cookie for a session.
    pub fn given(&mut self, host: &str, cookie: &str, session: usize) {
        let before = self.cookies.insert((host.to_owned(), cookie.to_owned()), session);
        assert_eq!(before, None, "no token is given out twice");
    }

    /// The portal sends a browser on with a ticket.
    pub fn sent_on(&mut self, ticket: &str, session: usize, host: &str, now: Timestamp) {
        assert!(self.lives(session, now), "nobody is sent on with a session that is over");
        self.slips.insert(ticket.to_owned(), Slip { session, host: host.to_owned(), at: now, used: false });
    }

    /// A host took a ticket and gave a cookie for it.
    pub fn taken(&mut self, ticket: &str, host: &str, now: Timestamp) -> usize {
        let slip = self.slips.get_mut(ticket).expect("a ticket that the portal made");
        assert!(!slip.used, "a ticket counts once");
        assert_eq!(slip.host, host, "a ticket counts on its host");
        assert!(now.since(slip.at) < TICKET, "a ticket counts for a minute");
        slip.used = true;
        let session = slip.session;
        assert!(self.lives(session, now), "a ticket of a session that is over opens nothing");
        session
    }

    /// Tickets are in memory only.
    pub fn restarted(&mut self) {
        self.slips.clear();
    }

    pub fn end(&mut self, session: usize) {
        self.sessions[session].over = true;
    }

    pub fn end_all_of(&mut self, person: Option<usize>) {
        for session in &mut self.sessions {
            session.over |= person.is_none_or(|person| session.person == person);
        }
    }
}
