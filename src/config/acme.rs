//! `[acme]`

use crate::config::dns::DnsTable;
use crate::config::placed::{Place, Placed};
use crate::config::reader::Reader;
use crate::config::secret::WrittenSecret;

/// `challenge`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenChallenge {
    /// `"auto"`
    Auto,
    /// `"http-01"`
    Http01,
    /// `"tls-alpn-01"`
    TlsAlpn01,
    /// `"dns-01"`
    Dns01,
}

/// `key_type`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenKeyType {
    /// `"p256"`
    P256,
    /// `"p384"`
    P384,
}

/// `acme.eab` and `acme.fallback_eab`
#[derive(Clone, Debug, Default)]
pub struct EabTable {
    /// The table, if it is written.
    pub place: Option<Place>,
    /// As whom the authority knows us.
    pub kid: Option<Placed<String>>,
    /// What proves it.
    pub hmac_key: Option<WrittenSecret>,
}

impl EabTable {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            place: Some(reader.place()).filter(|place| !place.is_empty()),
            kid: reader.string("kid"),
            hmac_key: reader.secret("hmac_key"),
        }
    }
}

/// `[acme]`
#[derive(Clone, Debug, Default)]
pub struct AcmeTable {
    /// The table, if it is written.
    pub place: Option<Place>,
    /// Whom the authority may write to.
    pub email: Option<Placed<String>>,
    /// Whether the authority's terms are agreed to.
    pub agree_tos: Option<Placed<bool>>,
    /// The authority.
    pub directory: Option<Placed<String>>,
    /// Where orders are tried out.
    pub staging_directory: Option<Placed<String>>,
    /// File of the only authorities that are believed to be the directory.
    pub ca_file: Option<Placed<String>>,
    /// How a name is proven.
    pub challenge: Option<Placed<WrittenChallenge>>,
    /// Which keys certificates get.
    pub key_type: Option<Placed<WrittenKeyType>>,
    /// Who changes the zone where a name is proven by DNS.
    pub dns: DnsTable,
    /// Whom to ask whether it has happened.
    pub resolvers: Option<Placed<Vec<Placed<String>>>>,
    /// Which of its kinds of certificates the authority is to issue.
    pub profile: Option<Placed<String>>,
    /// As whom the authority knows us already.
    pub eab: EabTable,
    /// The authority that stands in for the first.
    pub fallback_directory: Option<Placed<String>>,
    /// As whom that one knows us already.
    pub fallback_eab: EabTable,
}

impl AcmeTable {
    /// Reads the table.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let challenges = [
            ("auto", WrittenChallenge::Auto),
            ("http-01", WrittenChallenge::Http01),
            ("tls-alpn-01", WrittenChallenge::TlsAlpn01),
            ("dns-01", WrittenChallenge::Dns01),
        ];
        Self {
            place: Some(reader.place()).filter(|place| !place.is_empty()),
            email: reader.string("email"),
            agree_tos: reader.boolean("agree_tos"),
            directory: reader.string("directory"),
            staging_directory: reader.string("staging_directory"),
            ca_file: reader.string("ca_file"),
            challenge: reader.choice("challenge", &challenges),
            key_type: reader.choice("key_type", &[("p256", WrittenKeyType::P256), ("p384", WrittenKeyType::P384)]),
            dns: reader.table("dns", DnsTable::read),
            resolvers: reader.list("resolvers"),
            profile: reader.string("profile"),
            eab: reader.table("eab", EabTable::read),
            fallback_directory: reader.string("fallback_directory"),
            fallback_eab: reader.table("fallback_eab", EabTable::read),
        }
    }

    /// Where it is first spoken of, if at all: variables may speak for it without a table in the file.
    pub fn spoken_of(&self) -> Option<Place> {
        let [eab, fallback_eab] = [&self.eab.kid, &self.fallback_eab.kid];
        let own = [&self.email, &self.directory, &self.staging_directory, &self.ca_file];
        let texts = own.into_iter().chain([&self.profile, &self.fallback_directory, eab, fallback_eab]);
        let texts = texts.flatten().map(|written| &written.place);
        let others = [
            self.agree_tos.as_ref().map(|written| &written.place),
            self.challenge.as_ref().map(|written| &written.place),
            self.key_type.as_ref().map(|written| &written.place),
            self.dns.place.as_ref(),
            self.dns.provider.as_ref().map(|written| &written.place),
            self.resolvers.as_ref().map(|written| &written.place),
        ];
        self.place.as_ref().or_else(|| others.into_iter().flatten().chain(texts).next()).cloned()
    }
}
