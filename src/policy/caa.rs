//! Whether the CAA records of a domain let an authority issue (RFC 8659, RFC 8657 for ways of proving). Pure: records in, verdict out.

use crate::policy::host::Host;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whether whoever does not know the tag must not issue.
    pub critical: bool,
    /// What the record is about.
    pub tag: String,
    /// What it says.
    pub value: String,
}

/// Tags that authorities know. Another one forbids to issue if it is critical.
const KNOWN: [&str; 7] = ["issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone"];

/// Why an authority must not issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody may.
    Nobody,
    /// Others may, by these names.
    Others(Vec<String>),
    /// It may, but not after a proof of the kinds that are used here.
    Method(Vec<String>),
    /// A critical tag is known to nobody.
    Unknown(String),
}

/// Who asks for what.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// Names by which records mean the authority; empty if it has not said.
    pub identities: &'a [String],
    /// Whether the certificate is for a wildcard.
    pub wildcard: bool,
    /// The ways of proving that may be used.
    pub methods: &'a [&'a str],
}

/// The domains whose records hold for `host`: the first that has any. The root has none (RFC 8659 section 3).
pub fn domains(host: &Host) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(host.as_str()), |domain| domain.split_once('.').map(|(_, above)| above))
}

/// Why these records keep an authority from issuing; `None` if they let it, or if it has not said by what names they mean it.
pub fn refusal(records: &[Record], asking: Asking<'_>) -> Option<Refusal> {
    let is_foreign = |record: &&Record| record.critical && !KNOWN.iter().any(|tag| record.tag.eq_ignore_ascii_case(tag));
    if let Some(record) = records.iter().find(is_foreign) {
        return Some(Refusal::Unknown(record.tag.clone()));
    }
    let tagged = |tag: &str| -> Vec<&str> {
        records.iter().filter(|record| record.tag.eq_ignore_ascii_case(tag)).map(|record| record.value.as_str()).collect()
    };
    let wild = if asking.wildcard { tagged("issuewild") } else { Vec::new() };
    let holding = if wild.is_empty() { tagged("issue") } else { wild };
    if holding.is_empty() {
        return None;
    }
    let named: Vec<(&str, &str)> = holding
        .into_iter()
        .map(|value| value.split_once(';').unwrap_or((value, "")))
        .map(|(name, rest)| (name.trim(), rest))
        .collect();
    let issuers: Vec<String> = named.iter().filter(|(name, _)| !name.is_empty()).map(|(name, _)| (*name).to_owned()).collect();
    if issuers.is_empty() {
        return Some(Refusal::Nobody);
    }
    if asking.identities.is_empty() {
        return None;
    }
    let means_it = |name: &str| asking.identities.iter().any(|identity| identity.eq_ignore_ascii_case(name));
    let own: Vec<&str> = named.iter().filter(|(name, _)| means_it(name)).map(|(_, parameters)| *parameters).collect();
    if own.is_empty() {
        return Some(Refusal::Others(issuers));
    }
    let allowed: Option<Vec<Vec<String>>> = own.into_iter().map(methods).collect();
    // Without the parameter every way will do.
    let allowed: Vec<String> = allowed?.into_iter().flatten().collect();
    let fits = asking.methods.iter().any(|method| allowed.iter().any(|one| one.eq_ignore_ascii_case(method)));
    (!fits).then_some(Refusal::Method(allowed))
}

/// The ways of proving that `validationmethods` allows (RFC 8657 section 4).
fn methods(parameters: &str) -> Option<Vec<String>> {
    let pairs = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
    let mut values = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("validationmethods")).map(|(_, value)| value);
    values.next().map(|value| value.split(',').map(|method| method.trim().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(written: &[(&str, &str)]) -> Vec<Record> {
        let record = |(tag, value): &(&str, &str)| Record {
            critical: tag.starts_with('!'),
            tag: tag.trim_start_matches('!').to_owned(),
            value: (*value).to_owned(),
        };
        written.iter().map(record).collect()
    }

    fn asked(written: &[(&str, &str)], wildcard: bool) -> Option<Refusal> {
        let identities = ["letsencrypt.org".to_owned()];
        refusal(&records(written), Asking { identities: &identities, wildcard, methods: &["http-01", "tls-alpn-01"] })
    }

    #[test]
    fn records_are_looked_for_upwards_to_below_the_root() {
        let host = Host::parse("a.b.example").expect("a host");
        assert_eq!(domains(&host).collect::<Vec<_>>(), ["a.b.example", "b.example", "example"]);
    }

    #[test]
    fn what_is_written_decides_who_may_issue() {
        let others = |names: &[&str]| Some(Refusal::Others(names.iter().map(|name| (*name).to_owned()).collect()));
        assert_eq!(asked(&[], false), None);
        assert_eq!(asked(&[("iodef", "mailto:a@b.example")], false), None, "no word on who may issue");
        assert_eq!(asked(&[("issue", "letsencrypt.org")], false), None);
        assert_eq!(asked(&[("Issue", " LetsEncrypt.org ; x=y")], false), None);
        assert_eq!(asked(&[("issue", ";")], false), Some(Refusal::Nobody));
        assert_eq!(asked(&[("issue", "")], false), Some(Refusal::Nobody));
        assert_eq!(asked(&[("issue", "ca.example"), ("issue", "letsencrypt.org")], false), None);
        assert_eq!(asked(&[("issue", "ca.example"), ("issue", ";")], false), others(&["ca.example"]));
        assert_eq!(asked(&[("issuewild", ";")], false), None, "that is about wildcards");
        assert_eq!(asked(&[("issuewild", ";")], true), Some(Refusal::Nobody));
        assert_eq!(asked(&[("issue", "letsencrypt.org"), ("issuewild", "ca.example")], true), others(&["ca.example"]));
        assert_eq!(asked(&[("issue", "ca.example"), ("issuewild", "letsencrypt.org")], true), None);
        assert_eq!(asked(&[("issue", "ca.example")], true), others(&["ca.example"]), "it holds for wildcards too");
        assert_eq!(asked(&[("!new", "x"), ("issue", "letsencrypt.org")], false), Some(Refusal::Unknown("new".to_owned())));
        assert_eq!(asked(&[("new", "x"), ("!issue", "letsencrypt.org")], false), None);
    }

    #[test]
    fn a_record_may_allow_some_ways_of_proving_only() {
        let method = |names: &[&str]| Some(Refusal::Method(names.iter().map(|name| (*name).to_owned()).collect()));
        assert_eq!(asked(&[("issue", "letsencrypt.org; validationmethods=dns-01")], false), method(&["dns-01"]));
        assert_eq!(asked(&[("issue", "letsencrypt.org;validationmethods=dns-01,http-01")], false), None);
        let either = [("issue", "letsencrypt.org; validationmethods=dns-01"), ("issue", "letsencrypt.org")];
        assert_eq!(asked(&either, false), None);
    }

    #[test]
    fn an_authority_that_has_not_said_its_names_is_not_judged() {
        let asking = Asking { identities: &[], wildcard: false, methods: &["http-01"] };
        assert_eq!(refusal(&records(&[("issue", "ca.example")]), asking), None);
        assert_eq!(refusal(&records(&[("issue", ";")]), asking), Some(Refusal::Nobody));
    }
}
