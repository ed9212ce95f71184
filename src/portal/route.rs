//! Which of our pages a request is for, and whether it may be asked for like this.

use http::{Method, Response};

use crate::plan::whole::Plan;
use crate::portal::account;
use crate::portal::account::door;
use crate::portal::arrival;
use crate::portal::call::{Call, Visit};
use crate::portal::confirm;
use crate::portal::elsewhere;
use crate::portal::guard;
use crate::portal::hand_off;
use crate::portal::help;
use crate::portal::home;
use crate::portal::recovered;
use crate::portal::recovery;
use crate::portal::second_factor;
use crate::portal::service::Portal;
use crate::portal::set_up;
use crate::portal::sign_in;
use crate::portal::sign_out;
use crate::portal::stop::Stop;
use crate::portal::tries;
use crate::web::asset;
use crate::web::page;
use crate::web::refusal::Refusal;
use crate::wire::body::Body;

/// Our pages.
enum Page<'a> {
    Home,
    SignIn,
    SecondFactor,
    Recovery,
    Recovered,
    Help,
    Confirm,
    Continue,
    Enter,
    SignOut,
    SetUp(&'a str),
    /// The account's pages, by what follows `security/`.
    Security(&'a str),
    Session,
    Asset(&'a str),
}

/// What is asked of a page.
enum Act {
    Show,
    Submit,
}

/// Answers a request to `/.doorward/…`; always answers.
pub async fn serve(portal: &Portal, plan: &Plan, visit: Visit<'_>) -> Response<Body> {
    let (call, body) = visit.split();
    let response = answer(portal, plan, &call, body).await.unwrap_or_else(|stop| stop.answer(plan, &call));
    if call.head().method == Method::HEAD { page::without_body(response) } else { response }
}

async fn answer(portal: &Portal, plan: &Plan, call: &Call<'_>, body: Body) -> Result<Response<Body>, Stop> {
    let page = Page::of(call.page).ok_or(Refusal::NotFound)?;
    let at_portal = plan.is_portal(&call.host);
    let act = page.act(&call.head().method, at_portal)?;
    if page.is_for_tabs() && !guard::is_tab(call.headers()) {
        return Err(Refusal::NotATab.into());
    }
    if at_portal && page.is_for_signing_in() {
        tries::admit(portal, plan, call)?;
    }
    match (page, act) {
        // On every host.
        (Page::Session, _) => Ok(home::session(call)),
        (Page::Asset(name), _) => Ok(asset::answer(name, call.head().uri.query(), call.headers()).ok_or(Refusal::NotFound)?),
        (Page::SignOut, Act::Show) => Ok(sign_out::show(portal, plan, call)),
        (Page::SignOut, Act::Submit) => sign_out::submit(portal, plan, call, body).await,
        (page, act) if at_portal => sign_in_page(portal, plan, call, (page, act, body)).await,
        (page, _) => other_page(portal, plan, call, page).await,
    }
}

/// The pages that exist on the portal only.
async fn sign_in_page(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (page, act, body): (Page<'_>, Act, Body),
) -> Result<Response<Body>, Stop> {
    let account = match (&page, &act) {
        (Page::Security(rest), act) => Some((*rest, matches!(act, Act::Submit))),
        // What is sent there puts another authenticator in the place of all there are.
        (Page::Recovered, Act::Submit) => Some(("recovered", true)),
        _ => None,
    };
    if let Some(asked) = account
        && let Some(elsewhere) = door::keep(portal, plan, call, asked).await?
    {
        return Ok(elsewhere);
    }
    match (page, act) {
        (Page::Home, Act::Show) => home::show(portal, plan, call).await,
        (Page::Home, Act::Submit) => home::dismiss(portal, call, body).await,
        (Page::Continue, _) => Ok(arrival::show(portal, plan, call)),
        (Page::SignIn, Act::Show) => Ok(sign_in::show(portal, plan, call)),
        (Page::SignIn, Act::Submit) => sign_in::submit(portal, plan, call, body).await,
        (Page::SecondFactor, Act::Show) => second_factor::show(portal, plan, call).await,
        (Page::SecondFactor, Act::Submit) => second_factor::submit(portal, plan, call, body).await,
        (Page::Recovery, Act::Show) => recovery::show(portal, plan, call).await,
        (Page::Recovery, Act::Submit) => recovery::submit(portal, plan, call, body).await,
        (Page::Recovered, Act::Show) => recovered::show(portal, plan, call).await,
        (Page::Recovered, Act::Submit) => recovered::submit(portal, plan, call, body).await,
        (Page::Help, _) => Ok(help::show(plan)),
        (Page::Confirm, Act::Show) => confirm::show(portal, plan, call).await,
        (Page::Confirm, Act::Submit) => confirm::submit(portal, plan, call, body).await,
        (Page::SetUp(token), Act::Show) => set_up::show(portal, plan, call, token).await,
        (Page::SetUp(token), Act::Submit) => set_up::submit(portal, plan, call, (token, body)).await,
        (Page::Security(rest), Act::Show) => account::serve(portal, plan, call, (rest, None)).await,
        (Page::Security(rest), Act::Submit) => account::serve(portal, plan, call, (rest, Some(body))).await,
        // Nobody is handed off to the portal, and the rest is answered on every host alike.
        (Page::Enter | Page::Session | Page::Asset(_) | Page::SignOut, _) => Err(Refusal::NotFound.into()),
    }
}

/// What stands in their place on every other host.
async fn other_page(portal: &Portal, plan: &Plan, call: &Call<'_>, page: Page<'_>) -> Result<Response<Body>, Stop> {
    match page {
        Page::Enter => hand_off::enter(portal, plan, call).await,
        Page::Home => Ok(elsewhere::home(plan, call)),
        Page::SignIn | Page::SecondFactor | Page::Recovery => Ok(elsewhere::sign_in(portal, plan, call)),
        Page::Confirm => Ok(elsewhere::confirm(portal, plan, call)),
        Page::Continue => Ok(elsewhere::leave(plan, call)),
        Page::SetUp(token) => Ok(elsewhere::set_up(plan, call, token)?),
        Page::Security(_) | Page::Recovered => Ok(elsewhere::home(plan, call)),
        Page::Help => Ok(elsewhere::help(plan, call)),
        Page::Session | Page::Asset(_) | Page::SignOut => Err(Refusal::NotFound.into()),
    }
}

impl<'a> Page<'a> {
    fn of(path: &'a str) -> Option<Self> {
        Some(match path {
            "" => Self::Home,
            "login" => Self::SignIn,
            "login/code" => Self::SecondFactor,
            "login/recovery" => Self::Recovery,
            "login/recovered" => Self::Recovered,
            "help" => Self::Help,
            "confirm" => Self::Confirm,
            "continue" => Self::Continue,
            "enter" => Self::Enter,
            "logout" => Self::SignOut,
            "session" => Self::Session,
            "security" => Self::Security(""),
            _ => match (path.strip_prefix("setup/"), path.strip_prefix("security/")) {
                (Some(token), _) => Self::SetUp(token),
                (None, Some(rest)) => Self::Security(rest),
                (None, None) => Self::Asset(path.strip_prefix(asset::FOLDER)?),
            },
        })
    }

    fn act(&self, method: &Method, at_portal: bool) -> Result<Act, Refusal<'static>> {
        let on_portal = matches!(
            self,
            Self::Home
                | Self::SignIn
                | Self::SecondFactor
                | Self::Recovery
                | Self::Recovered
                | Self::Confirm
                | Self::SetUp(_)
                | Self::Security(_)
        );
        let takes_forms = (at_portal && on_portal) || matches!(self, Self::SignOut);
        match *method {
            // It would use the ticket up.
            Method::HEAD if matches!(self, Self::Enter) => Err(Refusal::MethodNotAllowed { allow: "GET" }),
            Method::GET | Method::HEAD => Ok(Act::Show),
            Method::POST if takes_forms => Ok(Act::Submit),
            // Told before the link is looked up, the method would tell links from other paths: there it is a 404 too.
            _ if matches!(self, Self::SetUp(_)) => Err(Refusal::NotFound),
            _ => Err(Refusal::MethodNotAllowed { allow: if takes_forms { "GET, HEAD, POST" } else { "GET, HEAD" } }),
        }
    }

    /// Pages that are shut to barred networks. Who is signed in, or holds a set-up link, is somebody already.
    fn is_for_signing_in(&self) -> bool {
        matches!(self, Self::SignIn | Self::SecondFactor)
    }

    /// Assets are asked for by our pages, the session by scripts of the app; everything else only by a tab.
    fn is_for_tabs(&self) -> bool {
        !matches!(self, Self::Asset(_) | Self::Session)
    }
}

#[cfg(test)]
mod tests;
