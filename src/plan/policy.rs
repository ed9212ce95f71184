//! Settings that hold for the whole installation.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::auth::passkey::{Attestation, Verification};
use crate::auth::throttle::Settings;
use crate::model::credential::TotpRecipe;
use crate::model::method::Methods;
use crate::model::mode::Mode;
use crate::model::strength::Strength;
use crate::plan::app::CertificateFiles;
use crate::policy::host::Host;
use crate::policy::requirement::Needs;

/// How long people stay signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPolicy {
    /// A session ends after this long without a request.
    pub idle_timeout: Duration,
    /// And after this long in any case.
    pub absolute_timeout: Duration,
    /// "Keep me signed in on this device" lasts this long; `None` hides the box.
    pub remember: Option<Duration>,
    /// For so long a proof is enough to change something about one's own account.
    pub sudo_timeout: Duration,
}

/// How people sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthPolicy {
    /// Whether there are people, or one owner.
    pub mode: Mode,
    /// What apps ask for unless they say otherwise.
    pub require: Strength,
    /// The ways in which people may prove who they are.
    pub methods: Methods,
    /// Whether people may change their factors themselves, unless their owner said otherwise of them.
    pub self_service: bool,
    /// How long somebody new may add what is asked for with a password alone; zero for never.
    pub enrol_deadline: Duration,
    /// Shortest password, in characters.
    pub password_min_length: usize,
    /// The name that authenticator apps show.
    pub totp_issuer: String,
    /// How new authenticators make codes.
    pub totp: TotpRecipe,
    /// How many recovery codes people get with their first second factor; 0 for none.
    pub recovery_codes: u8,
    /// Other ways of making codes that people may choose for an authenticator.
    pub totp_configurations: Vec<TotpConfiguration>,
    /// How failures are held against people and networks.
    pub throttle: Settings,
    /// Networks that are not held to what they get wrong over all accounts, and never barred.
    pub exempt: Vec<IpNet>,
    /// How passkeys are asked for.
    pub passkeys: PasskeyPolicy,
}

/// How passkeys are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyPolicy {
    /// The domain they are made for, if the file says so; else it is the portal's host.
    pub site: Option<Host>,
    /// What browsers call the site, if the file says so; else it is the installation's name.
    pub name: Option<String>,
    /// Whether they have to verify their user.
    pub verification: Verification,
    /// Whether they say of what make they are, signed.
    pub attestation: Attestation,
}

/// A way of making codes that people may choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotpConfiguration {
    /// What it is called where it is chosen.
    pub name: String,
    /// The name that authenticator apps show.
    pub issuer: String,
    /// How codes are made.
    pub recipe: TotpRecipe,
}

impl AuthPolicy {
    /// What is asked of whoever wants nothing in particular.
    pub fn needs(&self) -> Needs {
        Needs { methods: self.methods, passwords: !self.mode.is_single_owner(), ..Needs::of(self.require) }
    }

    /// Every name under which authenticator apps may show us, each once.
    pub fn totp_issuers(&self) -> String {
        let mut issuers = vec![self.totp_issuer.as_str()];
        for configuration in &self.totp_configurations {
            if !issuers.contains(&configuration.issuer.as_str()) {
                issuers.push(&configuration.issuer);
            }
        }
        issuers.join(" or ")
    }
}

/// TLS for every host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsPolicy {
    /// The oldest version spoken.
    pub min_version: TlsVersion,
    /// A certificate for hosts that have none of their own.
    pub certificate: Option<CertificateFiles>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// RFC 5246.
    V1_2,
    /// RFC 8446.
    V1_3,
}

/// What is logged, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPolicy {
    /// Least severity of a line: `error`, `warn`, `info`, `debug`, `trace`.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
    /// How the line of a request looks.
    pub access: AccessFormat,
    /// Where access lines go; `None` is standard output.
    pub file: Option<PathBuf>,
    /// Query parameters whose values are never written, in lower case.
    pub redact_query: Vec<String>,
    /// Whether client addresses are logged without their last part.
    pub truncates_addresses: bool,
}

impl LogPolicy {
    /// An address as it may be logged: whole, or as its network (IPv4 /24, IPv6 /48).
    pub fn shown(&self, address: IpAddr) -> IpAddr {
        match address.to_canonical() {
            whole if !self.truncates_addresses => whole,
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                Ipv4Addr::new(a, b, c, 0).into()
            }
            IpAddr::V6(address) => {
                let [a, b, c, ..] = address.segments();
                Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into()
            }
        }
    }
}

/// How the line of a request looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessFormat {
    /// With the field names of Caddy.
    Json,
    /// As nginx and Apache write it: with the page before and the browser.
    Combined,
    /// The same without these two.
    Common,
    /// No lines.
    Off,
}

impl AccessFormat {
    /// As it is written in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Combined => "combined",
            Self::Common => "common",
            Self::Off => "off",
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truncated_address_is_a_network() {
        let mut log = LogPolicy {
            level: "info".to_owned(),
            format: LogFormat::Auto,
            access: AccessFormat::Json,
            file: None,
            redact_query: Vec::new(),
            truncates_addresses: false,
        };
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert_eq!(log.shown(address("::ffff:192.0.2.77")), address("192.0.2.77"));
        log.truncates_addresses = true;
        for (whole, shown) in [
            ("192.0.2.77", "192.0.2.0"),
            ("::ffff:192.0.2.77", "192.0.2.0"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
            ("::1", "::"),
        ] {
            assert_eq!(log.shown(address(whole)), address(shown));
        }
    }
}
