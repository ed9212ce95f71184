//! Changes a record over a provider's interface. Runs in a process of its own ([`interface`](crate::tls::dns01::interface)).

use std::collections::BTreeMap;
use std::time::Duration;

use dns_update::providers::azuredns::{AzureDnsConfig, AzureEnvironment};
use dns_update::providers::google_cloud_dns::GoogleCloudDnsConfig;
use dns_update::providers::joker::JokerAuth;
use dns_update::providers::route53::Route53Config;
use dns_update::{DnsRecord, DnsRecordType, DnsUpdater, Error};
use tokio::time::timeout;

use crate::plan::dns_providers;
use crate::tls::dns01::interface::Job;

/// How long all of it may take; the gateway waits for twice as long.
const LIMIT: Duration = Duration::from_secs(60);
/// How long one answer may take, where the library lets us say so.
const PATIENCE: Duration = Duration::from_secs(30);
/// Seconds that a record of a proof may be remembered. Several providers take nothing below, and nobody asks for one of these twice.
const TTL: u32 = 600;

/// Why a record was not changed.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The job is none of ours.
    #[error("this is no job: {0}")]
    Odd(String),
    /// The provider does not let us in.
    #[error("the credentials are refused")]
    Refused,
    /// The provider does not know the zone, or not in this account.
    #[error("not found")]
    Unknown,
    /// Nobody answers there, or somebody who is not believed.
    #[error("{0}")]
    Unreachable(String),
    /// What it says, or what is said about its answer.
    #[error("{0}")]
    Said(String),
}

/// Does it.
///
/// # Errors
/// [`Fault`].
pub async fn perform(job: Job<String>) -> Result<(), Fault> {
    let late = || Fault::Unreachable(format!("no answer within {} seconds", LIMIT.as_secs()));
    timeout(LIMIT, change(job)).await.unwrap_or_else(|_| Err(late()))
}

async fn change(job: Job<String>) -> Result<(), Fault> {
    let provider = dns_providers::named(&job.provider).ok_or_else(|| Fault::Odd(job.provider.clone()))?;
    let updater = updater(provider.name, &Credentials(&job.credentials)).map_err(fault)?;
    let (name, zone) = (format!("{}.", job.name), format!("{}.", job.zone));
    let record = vec![DnsRecord::TXT(job.value)];
    let done = match (job.present, provider.holds_one_value) {
        (true, false) => updater.add_to_rrset(name, DnsRecordType::TXT, TTL, record, zone).await,
        (false, false) => updater.remove_from_rrset(name, DnsRecordType::TXT, record, zone).await,
        (true, true) => updater.set_rrset(name, DnsRecordType::TXT, TTL, record, zone).await,
        // It is overwritten by the next. Taking it away is what some of them take for a change of the address.
        (false, true) => Ok(()),
    };
    done.map_err(fault)
}

/// What the job says lets us in.
struct Credentials<'a>(&'a BTreeMap<String, String>);

impl Credentials<'_> {
    fn one(&self, key: &str) -> Result<&str, Error> {
        self.maybe(key).ok_or_else(|| Error::Client(format!("`{key}` is missing")))
    }

    fn maybe(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn own(&self, key: &str) -> Result<String, Error> {
        self.one(key).map(str::to_owned)
    }

    fn maybe_own(&self, key: &str) -> Option<String> {
        self.maybe(key).map(str::to_owned)
    }
}

#[expect(clippy::too_many_lines, reason = "a table: one arm for each provider")]
fn updater(provider: &str, given: &Credentials<'_>) -> Result<DnsUpdater, Error> {
    let limit = Some(PATIENCE);
    let one = |key| given.one(key);
    match provider {
        "alidns" => DnsUpdater::new_alidns(
            one("access_key")?,
            one("secret_key")?,
            given.maybe("region"),
            None::<&str>,
            None::<&str>,
            limit,
        ),
        "arvancloud" => DnsUpdater::new_arvancloud(one("api_key")?, limit),
        "autodns" => DnsUpdater::new_autodns(one("username")?, one("password")?, None, limit),
        "azuredns" => DnsUpdater::new_azuredns(AzureDnsConfig {
            tenant_id: given.own("tenant_id")?,
            client_id: given.own("client_id")?,
            client_secret: given.own("client_secret")?,
            subscription_id: given.own("subscription_id")?,
            resource_group: given.own("resource_group")?,
            environment: AzureEnvironment::Public,
            request_timeout: limit,
        }),
        "baiducloud" => DnsUpdater::new_baiducloud(one("access_key")?, one("secret_key")?, limit),
        "bunny" => DnsUpdater::new_bunny(one("api_key")?, limit),
        "cloudflare" => DnsUpdater::new_cloudflare(one("api_token")?, limit),
        "cloudns" => DnsUpdater::new_cloudns(given.maybe("auth_id"), given.maybe("sub_auth_id"), one("auth_password")?, limit),
        "constellix" => DnsUpdater::new_constellix(one("api_key")?, one("secret_key")?, limit),
        "cpanel" => DnsUpdater::new_cpanel(one("url")?, one("username")?, one("api_token")?, limit),
        "ddnss" => DnsUpdater::new_ddnss(one("api_key")?, limit),
        "desec" => DnsUpdater::new_desec(one("api_token")?, limit),
        "digitalocean" => DnsUpdater::new_digitalocean(one("api_token")?, limit),
        "dnsimple" => DnsUpdater::new_dnsimple(one("api_token")?, one("account_id")?, limit),
        "dnsmadeeasy" => DnsUpdater::new_dnsmadeeasy(one("api_key")?, one("api_secret")?, limit),
        "domeneshop" => DnsUpdater::new_domeneshop(one("api_token")?, one("api_secret")?, limit),
        "dreamhost" => DnsUpdater::new_dreamhost(one("api_key")?, limit),
        "duckdns" => DnsUpdater::new_duckdns(one("api_token")?, limit),
        "dynu" => DnsUpdater::new_dynu(one("api_key")?, limit),
        "easydns" => DnsUpdater::new_easydns(one("api_token")?, one("api_key")?, limit),
        "exoscale" => DnsUpdater::new_exoscale(one("api_key")?, one("api_secret")?, limit),
        "freemyip" => DnsUpdater::new_freemyip(one("api_token")?, limit),
        "gandi" => DnsUpdater::new_gandiv5(one("api_token")?, limit),
        "gcore" => DnsUpdater::new_gcore(one("api_token")?, limit),
        "glesys" => DnsUpdater::new_glesys(one("username")?, one("api_key")?, limit),
        "godaddy" => DnsUpdater::new_godaddy(one("api_key")?, one("api_secret")?, limit),
        "googlecloud" => DnsUpdater::new_google_cloud_dns(GoogleCloudDnsConfig {
            service_account_json: given.own("service_account")?,
            project_id: given.own("project_id")?,
            managed_zone: given.maybe_own("managed_zone"),
            private_zone: false,
            impersonate_service_account: given.maybe_own("impersonate"),
            request_timeout: limit,
        }),
        "hetzner" => DnsUpdater::new_hetzner(one("api_token")?, limit),
        "hostingde" => DnsUpdater::new_hostingde(one("api_key")?, limit),
        "hostinger" => DnsUpdater::new_hostinger(one("api_token")?, limit),
        "huaweicloud" => DnsUpdater::new_huaweicloud(one("access_key")?, one("secret_key")?, one("region")?, limit),
        "ibmcloud" => DnsUpdater::new_ibmcloud(one("username")?, one("api_key")?, limit),
        "infomaniak" => DnsUpdater::new_infomaniak(one("api_token")?, limit),
        "inwx" => DnsUpdater::new_inwx(one("username")?, one("password")?, false, limit),
        "ionos" => DnsUpdater::new_ionos(one("api_key")?, limit),
        "ipv64" => DnsUpdater::new_ipv64(one("api_key")?, limit),
        "joker" => DnsUpdater::new_joker(JokerAuth::api_key(one("api_key")?), limit),
        "linode" => DnsUpdater::new_linode(one("api_token")?, limit),
        "luadns" => DnsUpdater::new_luadns(one("username")?, one("api_token")?, limit),
        "mythicbeasts" => DnsUpdater::new_mythicbeasts(one("username")?, one("password")?, limit),
        "namedotcom" => DnsUpdater::new_namedotcom(one("username")?, one("api_token")?, limit),
        "namesilo" => DnsUpdater::new_namesilo(one("api_key")?, limit),
        "netcup" => DnsUpdater::new_netcup(one("customer_number")?, one("api_key")?, one("api_password")?, limit),
        "netlify" => DnsUpdater::new_netlify(one("api_token")?, limit),
        "nifcloud" => DnsUpdater::new_nifcloud(one("access_key")?, one("secret_key")?, limit),
        "ns1" => DnsUpdater::new_ns1(one("api_key")?, limit),
        "ovh" => {
            let endpoint = given.maybe("endpoint").unwrap_or("ovh-eu").parse()?;
            DnsUpdater::new_ovh(one("application_key")?, one("application_secret")?, one("consumer_key")?, endpoint, limit)
        }
        "plesk" => DnsUpdater::new_plesk(one("url")?, one("api_key")?, limit),
        "porkbun" => DnsUpdater::new_porkbun(one("api_key")?, one("secret_api_key")?, limit),
        "powerdns" => DnsUpdater::new_pdns(one("api_key")?, Some(one("url")?), given.maybe("server"), limit),
        "route53" => DnsUpdater::new_route53(Route53Config {
            access_key_id: given.own("access_key_id")?,
            secret_access_key: given.own("secret_access_key")?,
            session_token: given.maybe_own("session_token"),
            region: given.maybe_own("region"),
            hosted_zone_id: given.maybe_own("hosted_zone_id"),
            private_zone_only: None,
            endpoint: given.maybe_own("url"),
        }),
        "safedns" => DnsUpdater::new_safedns(one("api_token")?, limit),
        "scaleway" => DnsUpdater::new_scaleway(one("api_token")?, limit),
        "selectel" => DnsUpdater::new_selectel(one("username")?, one("password")?, one("account_id")?, one("project_id")?, limit),
        "simplycom" => DnsUpdater::new_simplycom(one("account_name")?, one("api_key")?, limit),
        "spaceship" => DnsUpdater::new_spaceship(one("api_key")?, one("api_secret")?, limit),
        "tencentcloud" => {
            DnsUpdater::new_tencentcloud(one("secret_id")?, one("secret_key")?, given.maybe("region"), None::<&str>, limit)
        }
        "transip" => DnsUpdater::new_transip(one("login")?, one("private_key")?, true, limit),
        "ultradns" => DnsUpdater::new_ultradns(one("username")?, one("password")?, None, limit),
        "vercel" => DnsUpdater::new_vercel(one("api_token")?, given.maybe("team_id"), limit),
        "vultr" => DnsUpdater::new_vultr(one("api_key")?, limit),
        "websupport" => DnsUpdater::new_websupport(one("api_key")?, one("secret")?, limit),
        "zoneeu" => DnsUpdater::new_zoneeu(one("username")?, one("api_key")?, limit),
        other => Err(Error::Client(format!("no provider is called `{other}`"))),
    }
}

/// How refusals are told that the library does not know as such: by status, and by Duck DNS.
const REFUSALS: [&str; 3] = ["HTTP 403", "403 Forbidden", "did not return OK: KO"];

fn fault(error: Error) -> Fault {
    match error {
        Error::Unauthorized => Fault::Refused,
        Error::NotFound => Fault::Unknown,
        Error::Api(said) if REFUSALS.iter().any(|refusal| said.contains(refusal)) => Fault::Refused,
        // So the client begins where it got no answer at all; why, it does not say.
        Error::Api(said) if said.contains("error sending request") => Fault::Unreachable(said),
        other => Fault::Said(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use data_encoding::BASE64;

    use super::*;
    use crate::plan::dns_providers::{ALL, Need};

    fn dummy(provider: &str, key: &str) -> String {
        match (provider, key) {
            (_, "url") => "https://127.0.0.1:1".to_owned(),
            (_, "region") => "eu-west-1".to_owned(),
            ("ovh", "endpoint") => "ovh-ca".to_owned(),
            ("googlecloud", "service_account") => {
                let account = serde_json::json!({
                    "client_email": "a@b.example", "private_key": private_key(), "token_uri": "https://127.0.0.1:1/token",
                });
                account.to_string()
            }
            (_, "private_key") => private_key(),
            _ => "0123456789abcdef".to_owned(),
        }
    }

    fn private_key() -> String {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let der = pair.as_der().expect("bytes");
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64.encode(der.as_ref()))
    }

    /// What the configuration lets pass as credentials is all that a provider's client asks for.
    #[test]
    fn each_provider_is_made_of_its_credentials() {
        for provider in ALL {
            let all: BTreeMap<String, String> =
                provider.credentials.iter().map(|(key, _)| ((*key).to_owned(), dummy(provider.name, key))).collect();
            if let Err(fault) = updater(provider.name, &Credentials(&all)) {
                panic!("{}: {fault}", provider.name);
            }
            for (key, need) in provider.credentials {
                let mut others = all.clone();
                others.remove(*key);
                let made = updater(provider.name, &Credentials(&others));
                // Which of several is there is judged where the configuration is read.
                let missing = format!("Client error: `{key}` is missing");
                let says = made.err().map(|fault| fault.to_string());
                assert_eq!(says.is_some_and(|says| says == missing), *need == Need::Always, "{} without {key}", provider.name);
            }
        }
        assert!(updater("nobody", &Credentials(&BTreeMap::new())).is_err());
    }

    #[test]
    fn what_a_provider_says_is_sorted_by_what_to_do() {
        assert!(matches!(fault(Error::Unauthorized), Fault::Refused));
        for refusal in ["HTTP 403: forbidden", "Route53 API error: 403 Forbidden <x>", "DuckDNS update did not return OK: KO"] {
            assert!(matches!(fault(Error::Api(refusal.to_owned())), Fault::Refused), "{refusal}");
        }
        assert!(matches!(fault(Error::NotFound), Fault::Unknown));
        let silent = "Failed to send request to https://a.example: error sending request for url (https://a.example)";
        assert!(matches!(fault(Error::Api(silent.to_owned())), Fault::Unreachable(_)));
        assert_eq!(fault(Error::Api("HTTP 422: bad".to_owned())).to_string(), "API error: HTTP 422: bad");
    }
}
