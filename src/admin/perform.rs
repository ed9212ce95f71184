//! Carries out wishes on the store.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tracing::info;

use crate::admin::terms::{self, TermsLine, TermsWish};
use crate::admin::wish::{Answer, Credentials, Details, RefusedKind, SessionLine, SiteLine, UserAnswer, UserLine, Which, Wish};
use crate::auth::token::Token;
use crate::auth::totp;
use crate::base::chain::Chain;
use crate::base::clock::{Clock, Timestamp};
use crate::base::current::Current;
use crate::base::entropy::Entropy;
use crate::base::id::Id;
use crate::base::secret::Secret;
use crate::model::audit::{Actor, Deed, Entry};
use crate::model::credential::{PasswordHash, Totp, TotpRecipe};
use crate::model::event::Event;
use crate::model::method::Methods;
use crate::model::mode::Mode;
use crate::model::profile::{BadGroupName, DisplayName, Email, GroupName, MOST_GROUPS};
use crate::model::session::Session;
use crate::model::strength::Strength;
use crate::model::user::{BadUserName, User, UserName};
use crate::observe::metrics::{Ending, Metrics};
use crate::plan::owner::Account;
use crate::plan::whole::Plan;
use crate::store::fault::Fault;
use crate::store::open::Store;
use crate::store::owner::Means;
use crate::store::people::{Edit, Membership};
use crate::store::terms::Change;
use crate::store::users::UserOverview;

/// Nobody can be recognised then, so everything that needs a session is answered 503.
const BROKEN: &str = "the store can no longer be read or written, so nobody can be recognised; look at the disk, then restart";
/// How long a set-up link lives.
const LINK_LIFE: Duration = Duration::from_secs(24 * 3600);

/// What carrying out a wish needs.
#[derive(Debug)]
pub struct Desk {
    /// What survives.
    pub store: Store,
    /// Tells the time.
    pub clock: Clock,
    /// Draws link tokens.
    pub entropy: Entropy,
    /// How new people are enrolled.
    pub enrolment: Current<Enrolment>,
    /// Counts sessions that are ended.
    pub metrics: Arc<Metrics>,
}

/// How new people are enrolled; a reload may change it.
#[derive(Clone, Debug)]
pub struct Enrolment {
    /// Begins set-up links: scheme, host and port of the portal, such as `https://localhost:8443`.
    pub origin: String,
    /// The name authenticator apps show.
    pub issuer: String,
    /// How new authenticators make codes.
    pub recipe: TotpRecipe,
    /// Whether there are people, or one owner.
    pub mode: Mode,
    /// The ways that count in this installation.
    pub methods: Methods,
    /// Networks that are never barred.
    pub spared: Vec<IpNet>,
}

impl Enrolment {
    /// As `plan` says.
    pub fn by(plan: &Plan) -> Self {
        let (origin, issuer) = (plan.origin(), plan.auth.totp_issuer.clone());
        Self { origin, issuer, recipe: plan.auth.totp, mode: plan.auth.mode, methods: plan.auth.methods, spared: plan.spared() }
    }
}

impl Desk {
    /// Carries out one wish. Everything that can go wrong is an answer too.
    pub async fn perform(&self, wish: Wish) -> Answer {
        self.attempt(wish).await.unwrap_or_else(|refused| refused)
    }

    async fn attempt(&self, wish: Wish) -> Result<Answer, Answer> {
        match wish {
            Wish::UserAdd { name, credentials, details } => self.add(&name, credentials, details).await,
            Wish::UserLink { name } => {
                let user = self.find(&name).await?;
                self.link(user).await
            }
            Wish::UserSet { name, details, terms } => self.set(&name, details, &terms).await,
            Wish::UserShow { name } => self.show(&parse_name(&name)?).await,
            Wish::UserGroup { name, group, member } => self.group(&name, &group, member).await,
            Wish::UserReset { name, factor, keep_sessions } => self.reset(&name, factor, keep_sessions).await,
            Wish::UserList => self.list_users().await,
            Wish::UserDisable { name, disabled } => self.disable(&name, disabled).await,
            Wish::UserDelete { name } => self.delete(&name).await,
            Wish::SessionList => self.list_sessions().await,
            Wish::SessionEnd { which } => self.end(which).await,
            Wish::Site => {
                let site = self.store.site();
                let accounts = self.store.means().await.map_err(|fault| failed(&fault))?.into_iter().map(account).collect();
                let line = SiteLine { id: site.id.as_deref().map(str::to_owned), passkeys: site.passkeys, accounts };
                Ok(Answer::Site(Box::new(line)))
            }
            Wish::Keys { ask } => self.keys(ask).await,
            Wish::Trail { ask } => self.trail(ask).await,
            Wish::Bans { ask } => self.bans(ask).await,
            // The running gateway carries these out before anybody asks here.
            Wish::Status
            | Wish::Certificates { .. }
            | Wish::Import { .. }
            | Wish::Reload { .. }
            | Wish::Keep
            | Wish::Diff { .. } => {
                Err(refuse(RefusedKind::Unfit, "no gateway runs, so there is nothing of it to see or change".to_owned()))
            }
            Wish::Health if self.store.is_broken() => Err(refuse(RefusedKind::Failed, BROKEN.to_owned())),
            Wish::Health => {
                let sessions = self.live_sessions().await?.len();
                Ok(Answer::Well { version: env!("CARGO_PKG_VERSION").to_owned(), sessions })
            }
        }
    }

    /// The store, whose next change is written down as the owner's.
    pub(super) fn telling(&self, deed: Deed) -> Store {
        self.store.telling(Entry::new(deed, Actor::Owner))
    }

    async fn add(&self, name: &str, credentials: Option<Credentials>, details: Details) -> Result<Answer, Answer> {
        let name = parse_name(name)?;
        self.unless_owned(&name).await?;
        let now = self.clock.now();
        let ready = credentials.map(|credentials| self.read(credentials, now)).transpose()?;
        let (display_name, email) = read_details(&details).map_err(|told| refuse(RefusedKind::Unfit, told))?;
        self.judge_credentials(ready.as_ref())?;
        let store = self.telling(Deed::UserAdded);
        let added = match self.enrolment.get().mode {
            Mode::People => store.add_user(&name).await,
            Mode::SingleOwner => store.add_only_user(&name).await,
        };
        let user = added.map_err(|fault| match fault {
            Fault::Taken => {
                let advice = format!("there is already a user {name}; `doorward user link {name}` makes a new set-up link");
                refuse(RefusedKind::Unfit, advice)
            }
            other => failed(&other),
        })?;
        info!(event = Event::UserChanged.name(), user = %user.name, change = "added");
        if (&display_name, &email) != (&Edit::Keep, &Edit::Keep) {
            self.store.set_details(&user.name, display_name, email).await.map_err(|fault| failed(&fault))?;
        }
        let Some((password, totp)) = ready else { return self.link(user).await };
        let otpauth =
            totp.as_ref().map(|totp| totp::uri(&self.enrolment.get().issuer, user.name.as_str(), &totp.recipe, &totp.seed));
        self.telling(Deed::SetUp).provision(user.id, password, totp).await.map_err(|fault| failed(&fault))?;
        Ok(Answer::User(UserAnswer {
            user: user.name.to_string(),
            setup_link: None,
            expires_at: None,
            otpauth: otpauth.map(|uri| uri.expose().clone()),
        }))
    }

    /// Where one owner has the only account, nobody gets another.
    pub(super) async fn unless_owned(&self, name: &UserName) -> Result<(), Answer> {
        if !self.enrolment.get().mode.is_single_owner() {
            return Ok(());
        }
        let held = self.store.means().await.map_err(|fault| failed(&fault))?;
        let Some(owner) = held.iter().map(|means| &means.name).find(|owner| *owner != name) else { return Ok(()) };
        let told = format!(
            "this installation is {owner}'s alone (`auth.mode = \"single_owner\"`), so {name} would not be asked who they are; write `mode = \"people\"` to have several accounts"
        );
        Err(refuse(RefusedKind::Unfit, told))
    }

    /// Ready-made credentials must be some that sign in.
    fn judge_credentials(&self, ready: Option<&(Option<PasswordHash>, Option<Totp>)>) -> Result<(), Answer> {
        let told = match (self.enrolment.get().mode, ready) {
            (Mode::SingleOwner, Some((_, None))) => {
                "with `auth.mode = \"single_owner\"` a code signs in, not a password: give the authenticator with `--totp` or `--totp-secret-file`, or neither for a set-up link"
            }
            (Mode::People, Some((None, _))) => {
                "a code comes after a password, so an authenticator alone signs nobody in; give `--password-file` too, or neither for a set-up link"
            }
            (Mode::People | Mode::SingleOwner, _) => return Ok(()),
        };
        Err(refuse(RefusedKind::Unfit, told.to_owned()))
    }

    fn read(&self, credentials: Credentials, now: Timestamp) -> Result<(Option<PasswordHash>, Option<Totp>), Answer> {
        let totp = match credentials.totp_seed {
            None => None,
            Some(text) => {
                let seed = totp::parse_seed(&text).ok_or_else(|| {
                    refuse(RefusedKind::Unfit, "the authenticator's key is not base32 of at least 16 bytes".to_owned())
                })?;
                Some(Totp {
                    id: Id::draw(self.entropy),
                    recipe: self.enrolment.get().recipe,
                    seed,
                    last_step: 0,
                    created_at: now,
                })
            }
        };
        Ok((credentials.password_hash.map(|hash| PasswordHash(Secret::new(hash))), totp))
    }

    pub(super) async fn link(&self, user: User) -> Result<Answer, Answer> {
        let token = Token::draw(self.entropy);
        let expires_at = self.clock.now().plus(LINK_LIFE);
        self.telling(Deed::LinkIssued).issue_link(user.id, token.hash(), expires_at).await.map_err(|fault| failed(&fault))?;
        info!(event = Event::UserChanged.name(), user = %user.name, change = "set-up link issued");
        Ok(Answer::User(UserAnswer {
            user: user.name.to_string(),
            setup_link: Some(format!("{}/.doorward/setup/{}", self.enrolment.get().origin, token.to_text().expose())),
            expires_at: Some(expires_at.secs()),
            otpauth: None,
        }))
    }

    async fn list_users(&self) -> Result<Answer, Answer> {
        let users = self.store.users().await.map_err(|fault| failed(&fault))?;
        Ok(Answer::Users { users: users.into_iter().map(line).collect() })
    }

    async fn show(&self, name: &UserName) -> Result<Answer, Answer> {
        let users = self.store.users().await.map_err(|fault| failed(&fault))?;
        let found = users.into_iter().find(|overview| overview.user.name == *name);
        found.map(|overview| Answer::Person(Box::new(line(overview)))).ok_or_else(|| no_such_user(name))
    }

    async fn set(&self, name: &str, details: Details, wish: &TermsWish) -> Result<Answer, Answer> {
        let name = parse_name(name)?;
        let unfit = |told| refuse(RefusedKind::Unfit, told);
        let (display_name, email) = read_details(&details).map_err(unfit)?;
        let change = terms::read(wish).map_err(unfit)?;
        if !change.is_nothing() {
            self.set_terms(&name, wish, change).await?;
        }
        if (&display_name, &email) != (&Edit::Keep, &Edit::Keep) {
            let store = self.telling(Deed::UserChanged);
            if !store.set_details(&name, display_name, email).await.map_err(|fault| failed(&fault))? {
                return Err(no_such_user(&name));
            }
            info!(event = Event::UserChanged.name(), user = %name, change = "details set");
        }
        self.show(&name).await
    }

    async fn set_terms(&self, name: &UserName, wish: &TermsWish, change: Change) -> Result<(), Answer> {
        let user = self.find(name.as_str()).await?;
        let profile = self.store.profile(user.id).await.map_err(|fault| failed(&fault))?.ok_or_else(|| no_such_user(name))?;
        let here = self.enrolment.get();
        if let Some(told) = terms::shuts_out(&profile.terms, &change, (here.mode, here.methods)) {
            return Err(refuse(RefusedKind::Unfit, told));
        }
        let store = self.store.telling(Entry::new(Deed::UserChanged, Actor::Owner).detailed(terms::in_words(wish)));
        if !store.set_terms(name, change).await.map_err(|fault| failed(&fault))? {
            return Err(no_such_user(name));
        }
        info!(event = Event::UserChanged.name(), user = %name, change = "terms set", terms = terms::in_words(wish));
        Ok(())
    }

    async fn group(&self, name: &str, group: &str, member: bool) -> Result<Answer, Answer> {
        let name = parse_name(name)?;
        let group: GroupName = group.parse().map_err(|fault: BadGroupName| {
            refuse(RefusedKind::Unfit, format!("`{}` cannot be a group: {fault}", group.escape_debug()))
        })?;
        let detail = format!("{} {group}", if member { "into" } else { "out of" });
        let store = self.store.telling(Entry::new(Deed::GroupChanged, Actor::Owner).detailed(detail));
        match store.set_membership(&name, &group, member).await.map_err(|fault| failed(&fault))? {
            Membership::NoUser => return Err(no_such_user(&name)),
            Membership::Full => {
                let told = format!("{name} is in {MOST_GROUPS} groups already, and more are not kept; nothing was changed");
                return Err(refuse(RefusedKind::Unfit, told));
            }
            Membership::AsItWas => {}
            Membership::Changed => {
                let change = if member { "joined a group" } else { "left a group" };
                info!(event = Event::UserChanged.name(), user = %name, change, group = %group);
            }
        }
        self.show(&name).await
    }

    async fn disable(&self, name: &str, disabled: bool) -> Result<Answer, Answer> {
        let name = parse_name(name)?;
        if !disabled {
            self.unless_owned(&name).await?;
        }
        let deed = if disabled { Deed::UserDisabled } else { Deed::UserEnabled };
        if !self.telling(deed).set_disabled(&name, disabled).await.map_err(|fault| failed(&fault))? {
            return Err(no_such_user(&name));
        }
        info!(event = Event::UserChanged.name(), user = %name, change = if disabled { "disabled" } else { "enabled" });
        Ok(Answer::Done { user: name.to_string() })
    }

    async fn delete(&self, name: &str) -> Result<Answer, Answer> {
        let name = parse_name(name)?;
        if !self.telling(Deed::UserDeleted).delete_user(&name).await.map_err(|fault| failed(&fault))? {
            return Err(no_such_user(&name));
        }
        info!(event = Event::UserChanged.name(), user = %name, change = "deleted");
        Ok(Answer::Done { user: name.to_string() })
    }

    async fn end(&self, which: Which) -> Result<Answer, Answer> {
        let store = |detail: &str| self.store.telling(Entry::new(Deed::SessionEnded, Actor::Owner).detailed(detail));
        let ended = match which {
            Which::All => store("all sessions").end_all().await,
            Which::User(name) => {
                let user = self.find(&name).await?;
                store("all of this user").end_sessions_of(user.id).await
            }
            Which::One(id) => {
                let id: Id<Session> = id.parse().map_err(|_| no_such_session(&id))?;
                let found = store(id.as_str()).end_session(id).await.map_err(|fault| failed(&fault))?;
                if found { Ok(1) } else { return Err(no_such_session(id.as_str())) }
            }
        };
        let ended = ended.map_err(|fault| failed(&fault))?;
        self.metrics.ended(Ending::Command, ended as u64);
        info!(event = Event::SessionEnded.name(), ended);
        Ok(Answer::Ended { ended })
    }

    async fn list_sessions(&self) -> Result<Answer, Answer> {
        let mut sessions = self.live_sessions().await?;
        sessions.sort_by_key(|session| session.created_at);
        Ok(Answer::Sessions { sessions: sessions.iter().map(|session| self.line(session)).collect() })
    }

    /// The store forgets what has ended at its next sweep only.
    async fn live_sessions(&self) -> Result<Vec<Arc<Session>>, Answer> {
        let now = self.clock.now();
        let mut sessions = self.store.list_sessions().await.map_err(|fault| failed(&fault))?;
        sessions.retain(|session| session.check(now).is_ok());
        Ok(sessions)
    }

    fn line(&self, session: &Session) -> SessionLine {
        let hosts: Vec<String> = self.store.hosts_of(session.id).into_iter().map(String::from).collect();
        SessionLine {
            id: session.id.to_string(),
            user: session.user_name.to_string(),
            host: hosts.first().cloned().unwrap_or_default(),
            hosts,
            strength: session.method().to_owned(),
            network: session.network.to_string(),
            agent: session.agent.to_string(),
            created_at: session.created_at.secs(),
            last_seen: session.last_seen().secs(),
            ends_at: session.ends_at().secs(),
        }
    }

    pub(super) async fn find(&self, name: &str) -> Result<User, Answer> {
        let name = parse_name(name)?;
        let user = self.store.user(&name).await.map_err(|fault| failed(&fault))?;
        user.ok_or_else(|| no_such_user(&name))
    }
}

fn line(overview: UserOverview) -> UserLine {
    let UserOverview { user, profile, has_password, authenticators, passkeys, recovery_left, last_sign_in, sessions } = overview;
    UserLine {
        user: user.name.to_string(),
        display_name: profile.display_name.as_ref().map(|name| name.as_str().to_owned()),
        email: profile.email.as_ref().map(|email| email.as_str().to_owned()),
        groups: profile.groups.iter().map(ToString::to_string).collect(),
        disabled: user.disabled,
        password: has_password,
        authenticators,
        passkeys,
        recovery_codes: recovery_left,
        terms: TermsLine::from(&profile.terms),
        sessions,
        created_at: user.created_at.secs(),
        last_sign_in: last_sign_in.map(Timestamp::secs),
    }
}

/// An account and what it has to sign in with, as a plan is held against it.
pub fn account(means: Means) -> Account {
    let Means { name, password, authenticators, passkeys, terms } = means;
    let ways = Some(terms.methods.at_least(terms.demanded.unwrap_or(Strength::Password)).to_string());
    Account { name: name.to_string(), password, authenticators, passkeys, ways }
}

/// What is to become of the details; an empty text takes one away.
///
/// # Errors
/// What is said of a text that cannot be taken.
pub fn read_details(details: &Details) -> Result<(Edit<DisplayName>, Edit<Email>), String> {
    Ok((edit(details.display_name.as_deref())?, edit(details.email.as_deref())?))
}

fn edit<T: FromStr<Err: std::error::Error>>(text: Option<&str>) -> Result<Edit<T>, String> {
    match text.map(str::trim) {
        None => Ok(Edit::Keep),
        Some("") => Ok(Edit::Clear),
        Some(text) => {
            let unfit = |fault: T::Err| format!("`{}` cannot be taken: {fault}", text.escape_debug());
            text.parse().map(Edit::Set).map_err(unfit)
        }
    }
}

fn parse_name(name: &str) -> Result<UserName, Answer> {
    name.parse().map_err(|fault| refuse(RefusedKind::Unfit, unfit_name(name, &fault)))
}

/// What is said of a text that is no user name. Its control characters are shown, not sent to the terminal.
pub fn unfit_name(name: &str, fault: &BadUserName) -> String {
    format!("`{}` cannot be a user name: {fault}", name.escape_debug())
}

fn no_such_user(name: &UserName) -> Answer {
    refuse(RefusedKind::NotFound, format!("there is no user {name}; `doorward user list` shows who there is"))
}

fn no_such_session(id: &str) -> Answer {
    let id = id.escape_debug();
    refuse(RefusedKind::NotFound, format!("there is no live session {id}; `doorward session list` shows which there are"))
}

pub(super) fn failed(fault: &Fault) -> Answer {
    refuse(RefusedKind::Failed, format!("the store could not do it: {}", Chain(fault)))
}

pub(super) fn refuse(kind: RefusedKind, message: String) -> Answer {
    Answer::Refused { kind, message }
}
