//! The DNS providers that are built in: what each is called, and what it takes to be let in there.

use crate::plan::dns_providers::Need::{Always, Either, Maybe};

/// A provider with an interface on the web.
#[derive(Debug, PartialEq, Eq)]
pub struct DnsProvider {
    /// What it is called in `acme.dns.provider`.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// What it wants to know, in `acme.dns.credentials`.
    pub credentials: &'static [(&'static str, Need)],
    /// Whether a name can say no more than one thing there, so that names are proven one after the other.
    pub holds_one_value: bool,
}

/// Whether a credential has to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing works without.
    Always,
    /// One of these has to be there.
    Either,
    /// It may be left out.
    Maybe,
}

const fn provider(name: &'static str, title: &'static str, credentials: &'static [(&'static str, Need)]) -> DnsProvider {
    DnsProvider { name, title, credentials, holds_one_value: false }
}

const fn with_one_value(name: &'static str, title: &'static str, credentials: &'static [(&'static str, Need)]) -> DnsProvider {
    DnsProvider { name, title, credentials, holds_one_value: true }
}

const API_KEY: &[(&str, Need)] = &[("api_key", Always)];
const API_TOKEN: &[(&str, Need)] = &[("api_token", Always)];
const KEY_AND_SECRET: &[(&str, Need)] = &[("api_key", Always), ("api_secret", Always)];
const USER_AND_KEY: &[(&str, Need)] = &[("username", Always), ("api_key", Always)];
const USER_AND_TOKEN: &[(&str, Need)] = &[("username", Always), ("api_token", Always)];
const USER_AND_PASSWORD: &[(&str, Need)] = &[("username", Always), ("password", Always)];
const ACCESS_KEY: &[(&str, Need)] = &[("access_key", Always), ("secret_key", Always)];

/// All of them, by name. Each is made in `tls/dns01/updater.rs`, and stands in `docs/dns-providers.md`.
pub const ALL: &[DnsProvider] = &[
    provider("alidns", "Alibaba Cloud DNS", &[("access_key", Always), ("secret_key", Always), ("region", Maybe)]),
    provider("arvancloud", "ArvanCloud", API_KEY),
    provider("autodns", "InterNetX AutoDNS", USER_AND_PASSWORD),
    provider(
        "azuredns",
        "Azure DNS",
        &[
            ("tenant_id", Always),
            ("client_id", Always),
            ("client_secret", Always),
            ("subscription_id", Always),
            ("resource_group", Always),
        ],
    ),
    provider("baiducloud", "Baidu Cloud", ACCESS_KEY),
    provider("bunny", "bunny.net", API_KEY),
    provider("cloudflare", "Cloudflare", API_TOKEN),
    provider("cloudns", "ClouDNS", &[("auth_id", Either), ("sub_auth_id", Either), ("auth_password", Always)]),
    provider("constellix", "Constellix", &[("api_key", Always), ("secret_key", Always)]),
    provider("cpanel", "cPanel", &[("url", Always), ("username", Always), ("api_token", Always)]),
    with_one_value("ddnss", "DDNSS.de", API_KEY),
    provider("desec", "deSEC", API_TOKEN),
    provider("digitalocean", "DigitalOcean", API_TOKEN),
    provider("dnsimple", "DNSimple", &[("api_token", Always), ("account_id", Always)]),
    provider("dnsmadeeasy", "DNS Made Easy", KEY_AND_SECRET),
    provider("domeneshop", "Domeneshop", &[("api_token", Always), ("api_secret", Always)]),
    provider("dreamhost", "DreamHost", API_KEY),
    with_one_value("duckdns", "Duck DNS", API_TOKEN),
    provider("dynu", "Dynu", API_KEY),
    provider("easydns", "easyDNS", &[("api_token", Always), ("api_key", Always)]),
    provider("exoscale", "Exoscale", KEY_AND_SECRET),
    with_one_value("freemyip", "freemyip.com", API_TOKEN),
    provider("gandi", "Gandi LiveDNS", API_TOKEN),
    provider("gcore", "Gcore", API_TOKEN),
    provider("glesys", "GleSYS", USER_AND_KEY),
    provider("godaddy", "GoDaddy", KEY_AND_SECRET),
    provider(
        "googlecloud",
        "Google Cloud DNS",
        &[("service_account", Always), ("project_id", Always), ("managed_zone", Maybe), ("impersonate", Maybe)],
    ),
    provider("hetzner", "Hetzner Cloud", API_TOKEN),
    provider("hostingde", "hosting.de", API_KEY),
    provider("hostinger", "Hostinger", API_TOKEN),
    provider("huaweicloud", "Huawei Cloud", &[("access_key", Always), ("secret_key", Always), ("region", Always)]),
    provider("ibmcloud", "IBM Cloud, classic", USER_AND_KEY),
    provider("infomaniak", "Infomaniak", API_TOKEN),
    provider("inwx", "INWX", USER_AND_PASSWORD),
    provider("ionos", "IONOS", API_KEY),
    provider("ipv64", "IPv64.net", API_KEY),
    provider("joker", "Joker.com", API_KEY),
    provider("linode", "Linode (Akamai)", API_TOKEN),
    provider("luadns", "LuaDNS", USER_AND_TOKEN),
    provider("mythicbeasts", "Mythic Beasts", USER_AND_PASSWORD),
    provider("namedotcom", "Name.com", USER_AND_TOKEN),
    provider("namesilo", "NameSilo", API_KEY),
    provider("netcup", "netcup", &[("customer_number", Always), ("api_key", Always), ("api_password", Always)]),
    provider("netlify", "Netlify", API_TOKEN),
    provider("nifcloud", "NIFCLOUD", ACCESS_KEY),
    provider("ns1", "NS1", API_KEY),
    provider(
        "ovh",
        "OVHcloud",
        &[("application_key", Always), ("application_secret", Always), ("consumer_key", Always), ("endpoint", Maybe)],
    ),
    provider("plesk", "Plesk", &[("url", Always), ("api_key", Always)]),
    provider("porkbun", "Porkbun", &[("api_key", Always), ("secret_api_key", Always)]),
    provider("powerdns", "PowerDNS", &[("api_key", Always), ("url", Always), ("server", Maybe)]),
    provider(
        "route53",
        "Amazon Route 53",
        &[
            ("access_key_id", Always),
            ("secret_access_key", Always),
            ("session_token", Maybe),
            ("region", Maybe),
            ("hosted_zone_id", Maybe),
            ("url", Maybe),
        ],
    ),
    provider("safedns", "ANS SafeDNS", API_TOKEN),
    provider("scaleway", "Scaleway", API_TOKEN),
    provider(
        "selectel",
        "Selectel",
        &[("username", Always), ("password", Always), ("account_id", Always), ("project_id", Always)],
    ),
    provider("simplycom", "Simply.com", &[("account_name", Always), ("api_key", Always)]),
    provider("spaceship", "Spaceship", KEY_AND_SECRET),
    provider("tencentcloud", "Tencent Cloud DNSPod", &[("secret_id", Always), ("secret_key", Always), ("region", Maybe)]),
    provider("transip", "TransIP", &[("login", Always), ("private_key", Always)]),
    provider("ultradns", "UltraDNS", USER_AND_PASSWORD),
    provider("vercel", "Vercel", &[("api_token", Always), ("team_id", Maybe)]),
    provider("vultr", "Vultr", API_KEY),
    provider("websupport", "WebSupport", &[("api_key", Always), ("secret", Always)]),
    provider("zoneeu", "Zone.eu", USER_AND_KEY),
];

/// The one of that name.
pub fn named(name: &str) -> Option<&'static DnsProvider> {
    ALL.iter().find(|provider| provider.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_in_order() {
        assert!(ALL.is_sorted_by(|one, next| one.name < next.name));
    }
}
