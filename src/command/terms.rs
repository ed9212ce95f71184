//! An authority's terms are for people to agree to: by a word of the command line, or by an answer on the terminal.

use std::io;
use std::io::IsTerminal;

use crate::command::exit::Failure;
use crate::command::online;
use crate::command::output::Output;
use crate::command::question;
use crate::command::starting::AcmeWords;
use crate::command::wish::block_on;
use crate::config::report::harmless;
use crate::plan::acme::{self, LETS_ENCRYPT};
use crate::plan::written::{QuickAcme, QuickApp};
use crate::policy::wildcard::HostPattern;
use crate::tls::acme::trouble;

/// Where the terms of the usual authority are.
const LETS_ENCRYPT_TERMS: &str = "https://letsencrypt.org/repository/";

/// From which authority certificates come, if its terms are agreed to. Nobody is asked for names that it does not certify.
///
/// # Errors
/// [`Failure::Usage`] where an authority is named, nobody has agreed, and nobody can be asked.
pub fn agreed(words: &AcmeWords, apps: &[QuickApp], output: Output) -> Result<Option<QuickAcme>, Failure> {
    // Read again later, from wherever we are then.
    let ca_file = words.acme_ca.as_ref().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
    let quick = QuickAcme { email: words.email.clone(), directory: words.acme_directory.clone(), ca_file };
    if words.agree_tos {
        return Ok(Some(quick));
    }
    let public: Vec<&HostPattern> = apps.iter().map(|app| &app.host).filter(|host| acme::takes(host, None)).collect();
    let can_ask = !output.json && io::stdin().is_terminal() && io::stderr().is_terminal();
    match (public.first(), can_ask) {
        (Some(name), true) => Ok(ask(name, &quick).then_some(quick)),
        _ if quick == QuickAcme::default() => Ok(None),
        _ => Err(Failure::Usage(
            "--email, --acme-directory and --acme-ca need --agree-tos: an authority issues only to those who agree to its terms"
                .to_owned(),
        )),
    }
}

/// Whether the person at the terminal agrees. Everything but yes is no.
fn ask(name: &HostPattern, quick: &QuickAcme) -> bool {
    let directory = quick.directory.clone().unwrap_or_else(|| LETS_ENCRYPT.to_owned());
    let (authority, terms) = (trouble::name(&directory), terms_of(&directory, quick));
    let question = format!(
        "{name} is a public name: {authority} can give it a certificate that everybody trusts.\n\
         Do you agree to its terms{}? (--agree-tos says so without a question) [y/N] ",
        terms.map(|terms| format!(", {}", harmless(&terms))).unwrap_or_default()
    );
    question::is_meant(&question)
}

/// Where the terms are, as far as the authority says.
fn terms_of(directory: &str, quick: &QuickAcme) -> Option<String> {
    if directory == LETS_ENCRYPT {
        return Some(LETS_ENCRYPT_TERMS.to_owned());
    }
    block_on(online::authority(directory, quick.ca_file.as_deref())).ok()?.told.ok()?.terms
}
