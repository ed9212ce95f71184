//! `[[auth.totp.configuration]]`: ways of making codes that people may choose.

use crate::config::auth::AuthTable;
use crate::config::complaint::{Code, Complaint};
use crate::config::placed::Place;
use crate::model::credential::TotpRecipe;
use crate::plan::policy::TotpConfiguration;
use crate::plan::settings;

/// More than people can choose from.
const MOST: usize = 16;

/// The configurations as written; what one leaves out is as in `[auth.totp]`.
pub fn configurations(
    table: &AuthTable,
    (issuer, recipe): (&str, TotpRecipe),
    complaints: &mut Vec<Complaint>,
) -> Vec<TotpConfiguration> {
    let written = &table.totp.configurations;
    if let Some(first) = written.get(MOST) {
        let complaint = Complaint::new(Code::E0206, &first.place, format!("more than {MOST} configurations"));
        complaints.push(complaint.label("nobody could choose between so many").key("auth.totp.configuration"));
    }
    let mut taken: Vec<(String, Place)> = Vec::new();
    let mut configurations = Vec::new();
    for table in written {
        let own = table.issuer.as_ref();
        let own = own.and_then(|own| settings::shown_name(own, "auth.totp.configuration.issuer", complaints));
        let Some(written) = &table.name else { continue };
        let Some(name) = settings::shown_name(written, "auth.totp.configuration.name", complaints) else { continue };
        if let Some((_, first)) = taken.iter().find(|(other, _)| *other == name.to_lowercase()) {
            let complaint = Complaint::new(Code::E0206, &written.place, format!("two configurations are called `{name}`"));
            let complaint = complaint.label("people could not tell them apart").also(first, "the first");
            complaints.push(complaint.key("auth.totp.configuration.name"));
            continue;
        }
        taken.push((name.to_lowercase(), written.place.clone()));
        let recipe = settings::recipe(&table.recipe, recipe);
        configurations.push(TotpConfiguration { name, issuer: own.unwrap_or_else(|| issuer.to_owned()), recipe });
    }
    configurations
}
