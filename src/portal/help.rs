//! For people who cannot sign in. The same page for everybody: it knows nothing of whoever reads it.

use askama::Template;
use http::{Response, StatusCode};

use crate::model::contact::Contact;
use crate::plan::whole::Plan;
use crate::web::asset;
use crate::web::owner;
use crate::web::page;
use crate::web::rescue;
use crate::web::text;
use crate::wire::body::Body;

/// This page.
pub const PAGE: &str = "/.doorward/help";

#[derive(Template)]
#[template(config = ".askama.toml", path = "help.html")]
struct HelpPage<'a> {
    installation: &'a str,
    cases: &'a [(&'a str, &'a str)],
    contact: Option<&'a Contact>,
}

/// The page.
pub fn show(plan: &Plan) -> Response<Body> {
    let cases = if plan.auth.mode.is_single_owner() { &owner::CASES[..] } else { &rescue::CASES[..] };
    page::render(StatusCode::OK, &HelpPage { installation: &plan.name, cases, contact: plan.support.as_ref() })
}
