//! What each code of a complaint means in plain words, with the mistake and its correction side by side. `doorward help CODE`
//! shows it.

use crate::config::complaint::Code;

/// What a code means, for somebody who has just met it.
#[derive(Clone, Copy, Debug)]
pub struct Explanation {
    /// The code.
    pub code: Code,
    /// Why it is a fault, and what to do.
    pub text: &'static str,
    /// A piece of `gateway.toml` that earns the complaint.
    pub mistake: &'static str,
    /// The same piece as it should be.
    pub right: &'static str,
}

/// The explanation of the code called `name`, in any case of letters.
pub fn find(name: &str) -> Option<&'static Explanation> {
    EXPLANATIONS.iter().find(|explanation| explanation.code.name().eq_ignore_ascii_case(name))
}

const fn entry(code: Code, text: &'static str, mistake: &'static str, right: &'static str) -> Explanation {
    Explanation { code, text, mistake, right }
}

/// All explanations, one for each code, in the order of [`Code::ALL`].
pub const EXPLANATIONS: &[Explanation] = &[
    entry(
        Code::E0101,
        "The file does not follow the grammar of TOML, so nothing in it can be read. Often a bracket or a quote is missing,
or a text stands without quotes. As long as the file cannot be read, nothing else is checked.",
        "[listen\nhttps = [\"[::]:443\"]",
        "[listen]\nhttps = [\"[::]:443\"]",
    ),
    entry(
        Code::E0102,
        "The same key or table stands in the file twice. Which of the two was meant cannot be known; keep one of them.
Tables that may be repeated have two brackets: [[app]] and [[app.rule]].",
        "[session]\nidle_timeout = \"12h\"\nidle_timeout = \"1h\"",
        "[session]\nidle_timeout = \"1h\"",
    ),
    entry(
        Code::E0103,
        "TOML files are UTF-8, and this one has bytes that are not. Save it as UTF-8 in the editor, or convert it: `iconv`
does that, if it is told what the file is now.",
        "name = \"Caf\\xE9\"                  # the é as one byte, ISO 8859-1",
        "name = \"Café\"                     # iconv -f ISO-8859-1 -t UTF-8 old.toml > gateway.toml",
    ),
    entry(
        Code::E0110,
        "The file is not there, is a folder, is larger than 1 MiB, or may not be read by this user. Without --config,
./gateway.toml is taken, then /etc/doorward/gateway.toml.",
        "doorward check -c gatway.toml",
        "doorward check -c gateway.toml",
    ),
    entry(
        Code::E0111,
        "`include` names files by paths in which `*` and `?` stand for parts of one name, relative to gateway.toml. They hold [[app]]
only, include nothing themselves, and are at most 1000 files of 1 MiB and 8 MiB in all.",
        "include = [\"apps/**/*.toml\"]",
        "include = [\"apps/*/*.toml\"]",
    ),
    entry(
        Code::W0112,
        "No file has a name that this pattern stands for, so nothing is included. That is fine for a folder that is still empty;
otherwise the pattern has a slip in it. Names that begin with a dot are left out unless the pattern begins with one.",
        "include = [\"apps/*.tml\"]",
        "include = [\"apps/*.toml\"]",
    ),
    entry(
        Code::E0201,
        "A key was given a value of a kind it does not take: a number where a text is wanted, a single text where a list is.
Texts stand in quotes, lists in brackets; durations and sizes are texts.",
        "[listen]\nhttps = \"[::]:443\"",
        "[listen]\nhttps = [\"[::]:443\"]",
    ),
    entry(
        Code::E0202,
        "Something that has no default was left out. Every app needs a `host`, the name visitors type, and an `upstream`, the
address its requests are sent to; every rule needs paths. At least one [[app]] has to be there.",
        "[[app]]\nhost = \"paperless.example.com\"",
        "[[app]]\nhost = \"paperless.example.com\"\nupstream = \"http://127.0.0.1:8000\"",
    ),
    entry(
        Code::E0203,
        "No key of this name is known in this table. It is misspelt, stands in the wrong table, or belongs to another version.
Unknown keys are errors because a misspelt rule that is silently left out would leave a path open.",
        "[session]\nidle_timout = \"12h\"",
        "[session]\nidle_timeout = \"12h\"",
    ),
    entry(
        Code::E0204,
        "Durations and sizes are a whole number with a unit, in quotes: ms, s, m, h or d for durations; B, KiB, MiB, GiB or TiB
for sizes. A bare number would leave open what it counts.",
        "[session]\nidle_timeout = 30",
        "[session]\nidle_timeout = \"30m\"",
    ),
    entry(
        Code::E0205,
        "This is what the key is called in another program, or was in an earlier version. Write the name that the complaint gives;
what the key takes may differ too, so look it up in docs/configuration.md.",
        "[session]\ninactivity = \"12h\"",
        "[session]\nidle_timeout = \"12h\"",
    ),
    entry(
        Code::E0206,
        "The value is of the right kind, but too small, too large, or none of the words that the key takes. The complaint says
what is allowed, and docs/configuration.md does for every key.",
        "[auth]\npassword_min_length = 4",
        "[auth]\npassword_min_length = 12",
    ),
    entry(
        Code::E0301,
        "The file, variable or credential that should hold a secret cannot be read, is empty, is not UTF-8 or too large. A file holds
the secret and nothing else; one line end behind it is left out. A credential is found only where systemd has set
$CREDENTIALS_DIRECTORY: `LoadCredential=NAME:/path` in the unit does that, also for its ExecStartPre and ExecReload.",
        "[app.request_headers.set]\nX-Api-Key = { file = \"/run/secret/key\" }      # there is no such file",
        "[app.request_headers.set]\nX-Api-Key = { file = \"/run/secrets/key\" }",
    ),
    entry(
        Code::E0310,
        "A secret names two of `file`, `env` and `credential`, or two variables speak for one key: DOORWARD_NAME and
DOORWARD_NAME_FILE. Which of the two is meant cannot be known; keep one.",
        "[app.request_headers.set]\nX-Api-Key = { file = \"/run/secrets/key\", env = \"API_KEY\" }",
        "[app.request_headers.set]\nX-Api-Key = { file = \"/run/secrets/key\" }",
    ),
    entry(
        Code::W0311,
        "A secret is written into a file that other people on this machine may read. Put it into a file of its own that only the
gateway may read and name that, or close this one: chmod 600. Whether a header's value is a secret is guessed by its name.",
        "[app.request_headers.set]\nX-Api-Key = \"4c1e…\"                         # in a file with mode 0644",
        "[app.request_headers.set]\nX-Api-Key = { file = \"/etc/doorward/api-key\" }",
    ),
    entry(
        Code::W0312,
        "The file that holds a secret may be read by everybody on this machine. Close it: chmod 600, or 640 if the gateway runs as a
member of the file's group.",
        "-rw-r--r-- root doorward /etc/doorward/api-key",
        "-rw-r----- root doorward /etc/doorward/api-key   # chmod 640",
    ),
    entry(
        Code::E0315,
        "A variable holds one value, so it can speak for `session.idle_timeout` and not for a list or for [[app]]. Apps that differ
between machines belong into a file of their own, which `include` names; other lists belong into gateway.toml.",
        "DOORWARD_APP_HOST=app.example.com doorward run",
        "include = [\"apps/*.toml\"]",
    ),
    entry(
        Code::E0501,
        "Every path of a host belongs to one app, so that it is plain whose rules hold. Upper case and a dot at the end make no other
host, and letter case no other path. Several apps share a host if each has a `path` of its own.",
        "[[app]]\nhost = \"a.example.com\"\nupstream = \"http://127.0.0.1:8000\"\n
[[app]]\nhost = \"A.example.com\"\nupstream = \"http://127.0.0.1:8001\"",
        "[[app]]\nhost = \"a.example.com\"\nupstream = \"http://127.0.0.1:8000\"\n
[[app]]\nhost = \"b.example.com\"\nupstream = \"http://127.0.0.1:8001\"",
    ),
    entry(
        Code::W0502,
        "Authorities certify a wildcard only to whoever can change its DNS: `acme.dns` says how. Without it, names under the wildcard
show a certificate of the local authority, as they do without [acme]. An address, on the other hand, is never proven by DNS.",
        "[acme]\nagree_tos = true\n\n[[app]]\nhost = [\"apps.example.com\", \"*.apps.example.com\"]\nupstream = \"http://127.0.0.1:8000\"",
        "[acme]\nagree_tos = true\ndns = { provider = \"exec\", command = [\"/usr/local/bin/dns-hook\"] }\n\n[[app]]\nhost = [\"apps.example.com\", \"*.apps.example.com\"]\nupstream = \"http://127.0.0.1:8000\"",
    ),
    entry(
        Code::E0503,
        "Browsers use a passkey for the domain that it was made for and for names below it, and for no other. Here that is the
portal's host, or `auth.webauthn.rp_id`: that host or a domain above it. Once there is a passkey the domain stays as it is,
for another would leave people with keys that open nothing.",
        "portal = \"https://auth.example.com\"\n\n[auth.webauthn]\nrp_id = \"example.org\"",
        "portal = \"https://auth.example.com\"\n\n[auth.webauthn]\nrp_id = \"example.com\"",
    ),
    entry(
        Code::E0504,
        "`portal` is the one host on which people sign in. It is written as a host or as https://HOST, with a port if browsers
need one; plain http, a path or a wildcard do not work there.",
        "portal = \"http://auth.example.com/login\"",
        "portal = \"https://auth.example.com\"",
    ),
    entry(
        Code::E0505,
        "A host is a bare name or address: no https://, no port, no path. `*.` in front of a name stands for exactly one label.",
        "[[app]]\nhost = \"https://app.example.com/\"\nupstream = \"http://127.0.0.1:8000\"",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"",
    ),
    entry(
        Code::E0506,
        "An upstream is where the app listens: http://HOST:PORT or https://HOST:PORT and nothing behind it, or unix:/PATH for a
socket. Requests are forwarded to the very path that they name.",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"127.0.0.1:8000\"",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"",
    ),
    entry(
        Code::W0506,
        "No authority certifies addresses in closed networks, names without a dot, or names under localhost, local, internal and
home.arpa, and hosts with certificate files show those. So [acme] does nothing here.",
        "[acme]\nagree_tos = true\n\n[[app]]\nhost = \"nas.home.arpa\"\nupstream = \"http://127.0.0.1:8000\"",
        "[acme]\nagree_tos = true\n\n[[app]]\nhost = \"nas.example.com\"\nupstream = \"http://127.0.0.1:8000\"",
    ),
    entry(
        Code::E0507,
        "A listen address is an IP address of this machine and a port; [::] stands for every address. Host names are not taken,
because what they mean can change. Each address is listened on once.",
        "[listen]\nhttps = [\":8443\"]",
        "[listen]\nhttps = [\"[::]:8443\"]",
    ),
    entry(
        Code::E0508,
        "A certificate is of use only with its private key. Write both keys in the same table, or neither: then the certificate
comes from [tls] or from the local authority.",
        "[tls]\ncertificate = \"/etc/ssl/example.com.pem\"",
        "[tls]\ncertificate = \"/etc/ssl/example.com.pem\"\nprivate_key = \"/etc/ssl/private/example.com.key\"",
    ),
    entry(
        Code::E0509,
        "The file that a key such as `certificate`, `private_key` or `ca` names is missing, may not be read, or is not PEM.
Relative paths are relative to gateway.toml. The user the gateway runs as has to be able to read it.",
        "[tls]\ncertificate = \"example.com.der\"\nprivate_key = \"example.com.key\"",
        "[tls]\ncertificate = \"example.com.pem\"      # begins with -----BEGIN CERTIFICATE-----\nprivate_key = \"example.com.key\"",
    ),
    entry(
        Code::W0510,
        "With `insecure_skip_verify` whoever answers at the upstream's address gets every request, with the visitors' cookies for
that app and all they type, and nobody notices. If the app made its certificate itself, name that certificate's file
in `ca`.",
        "[[app]]\nhost = \"nas.example.com\"\nupstream = \"https://192.168.1.9:5001\"
upstream_tls = { insecure_skip_verify = true }",
        "[[app]]\nhost = \"nas.example.com\"\nupstream = \"https://192.168.1.9:5001\"
upstream_tls = { ca = \"nas.pem\", server_name = \"nas.local\" }",
    ),
    entry(
        Code::E0513,
        "With `mode = \"single_owner\"` there is one account, and a code from its authenticator app or its passkey is all that signs
in; nobody is asked for a name, so it has to be clear whose code it is. Disable the other accounts (`doorward user disable`)
or delete them, or let people sign in with names.",
        "[auth]\nmode = \"single_owner\"\n\n[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"
allow = [\"user:alice\", \"user:bob\"]",
        "[auth]\nmode = \"people\"\n\n[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"
allow = [\"user:alice\", \"user:bob\"]",
    ),
    entry(
        Code::W0514,
        "With `mode = \"single_owner\"` a code from the authenticator app signs in alone, so it is one factor. What asks for
\"2fa\" is then opened by a passkey that verifies its user and by nothing else. Without `require` a code or a passkey opens
everything. The same is said of an account whose password or authenticator was set up under the other mode:
`doorward user link NAME` helps.",
        "[auth]\nmode = \"single_owner\"\n\n[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"\nrequire = \"2fa\"",
        "[auth]\nmode = \"single_owner\"\n\n[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"",
    ),
    entry(
        Code::E0520,
        "`path` is where on its hosts an app is: names of letters, digits, `-`, `.`, `_` and `~` between slashes, which every
server reads alike. `strip_path` takes that path away before the app sees it, so there has to be one.",
        "[[app]]\nhost = \"apps.example.com\"\npath = \"/wiki/../\"\nupstream = \"http://127.0.0.1:8000\"",
        "[[app]]\nhost = \"apps.example.com\"\npath = \"/wiki/\"\nupstream = \"http://127.0.0.1:8000\"",
    ),
    entry(
        Code::E0521,
        "Visitors name a host before they name a path, so all apps of one host show one certificate. Name its files in one of
these apps, or the same files in each.",
        "[[app]]\nhost = \"apps.example.com\"\nupstream = \"http://127.0.0.1:8000\"\ncertificate = \"one.pem\"\nprivate_key = \"one.key\"\n
[[app]]\nhost = \"apps.example.com\"\npath = \"/wiki/\"\nupstream = \"http://127.0.0.1:8001\"\ncertificate = \"two.pem\"\nprivate_key = \"two.key\"",
        "[[app]]\nhost = \"apps.example.com\"\nupstream = \"http://127.0.0.1:8000\"\ncertificate = \"one.pem\"\nprivate_key = \"one.key\"\n
[[app]]\nhost = \"apps.example.com\"\npath = \"/wiki/\"\nupstream = \"http://127.0.0.1:8001\"",
    ),
    entry(
        Code::E0601,
        "A rule that speaks earlier covers all that this one covers, so this one has no effect, whatever its author hoped for.
`deny` speaks first, then redirects, then rules from top to bottom, then `bypass`. Narrow the earlier rule, or move
this one up, or remove it.",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"\n
[[app.rule]]\npath = \"/api/\"\nrequire = \"password\"\n\n[[app.rule]]\npath = \"/api/v2/\"\nrequire = \"2fa\"",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"\n
[[app.rule]]\npath = \"/api/v2/\"\nrequire = \"2fa\"\n\n[[app.rule]]\npath = \"/api/\"\nrequire = \"password\"",
    ),
    entry(
        Code::W0602,
        "Anybody on the internet reaches these paths without signing in. That may be what you want, for a health check or a
webhook. Limit it by `methods` or `networks`, or say why with `reason`: then it is no longer warned of.",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"\nbypass = [\"/health\"]",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"
bypass = [{ path = \"/health\", methods = [\"GET\"], reason = \"monitoring\" }]",
    ),
    entry(
        Code::E0603,
        "A network of length 0 holds every address, so a bypass has no limit although it seems to, and with `trusted_proxies` every
client could say who it is. Write the length that was meant; leave `networks` away if really everybody is meant.",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"
bypass = [{ path = \"/metrics\", networks = [\"192.168.1.0/0\"], reason = \"monitoring\" }]",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"
bypass = [{ path = \"/metrics\", networks = [\"192.168.1.0/24\"], reason = \"monitoring\" }]",
    ),
    entry(
        Code::W0604,
        "A bypass is a hole made on purpose. Whoever reads the file in a year needs to know what for, or will not dare to
close it; say so with `reason`.",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"
bypass = [{ path = \"/hooks/*\", methods = [\"POST\"] }]",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"
bypass = [{ path = \"/hooks/*\", methods = [\"POST\"], reason = \"the app checks the signature\" }]",
    ),
    entry(
        Code::W0605,
        "The regular expression covers every path there is, so the rule speaks of the whole app and no rule behind it is ever asked.
Expressions match the whole path: write `/(api|feed)(/.*)?` rather than `.*(api|feed).*|.*`.",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"\n
[[app.rule]]\npath_regex = \"/.*\"\nrequire = \"password\"",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"\n
[[app.rule]]\npath_regex = \"/(api|feed)(/.*)?\"\nrequire = \"password\"",
    ),
    entry(
        Code::E0606,
        "A network is an address with a length, such as 192.168.1.0/24 or 2001:db8::/32, or a single address. The part of the
address behind the length has to be zero; names are not taken.",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"\n
[[app.rule]]\npath = \"/api/\"\nnetworks = [\"192.168.1.7/24\"]\nrequire = \"password\"",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"\n
[[app.rule]]\npath = \"/api/\"\nnetworks = [\"192.168.1.0/24\"]\nrequire = \"password\"",
    ),
    entry(
        Code::E0607,
        "Paths begin with a slash and have neither `..` nor a query. `/admin/` is the folder and all below it, `/health` exactly
that, `*` and `?` stay within a segment. Regular expressions go to `path_regex`; methods are words such as GET.",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"\ndeny = [\"admin/\"]",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"\ndeny = [\"/admin/\"]",
    ),
    entry(
        Code::W0608,
        "The bypass covers every path: no page of this app asks anybody to sign in, and the gateway guards nothing of it. Name
the paths that have to be public, or limit the bypass with `networks`.",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"\nbypass = [\"/\"]",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"
bypass = [{ path = \"/static/\", reason = \"pictures for mails\" }]",
    ),
    entry(
        Code::E0611,
        "This header is not for the file to set or remove: the gateway says it itself (who asks, for which host, how the message is
framed), or the name or value cannot stand in a header. Headers of your own, such as an API key, are fine.",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"
request_headers = { set = { \"X-Forwarded-User\" = \"admin\" } }",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"
request_headers = { set = { \"X-Client\" = \"doorward\" } }",
    ),
    entry(
        Code::E0612,
        "A redirect needs a path (`from`) and a place to go to (`to`): a path of the same host, or an address with its scheme.
Its status is 302, 303, 307 or 308; 301 is refused, because browsers keep it for ever. It must not come back to itself.",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"
redirect = [{ from = \"/\", to = \"/lab\", status = 301 }]",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"
redirect = [{ from = \"/\", to = \"/lab\", status = 308 }]",
    ),
    entry(
        Code::W0612,
        "Whoever signs in, and however, this stays shut: `allow` names nobody, or `require` asks for a passkey where people
sign in on an IP address, for which browsers have none, or for more than any of the `methods` proves. That may be meant
for a while. `deny` says so better, if it is.",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"\nallow = []",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"\nallow = [\"group:family\"]",
    ),
    entry(
        Code::E0613,
        "`allow` lists people: \"user:alice\" is one account, \"group:family\" everybody in that group, and \"*\" alone everybody who
is signed in. Paths have no place in it: `only` is the list of paths that can be reached. Who is in which group is not in the
file; `doorward user group add alice family` puts her there.",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"\nallow = [\"family\"]",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"\nallow = [\"group:family\"]",
    ),
    entry(
        Code::E0614,
        "`methods` lists the ways in which people may prove who they are: \"password\" is a password alone, \"password+totp\" one
with a code from an app, \"password+passkey\" one with a security key, and \"passkey\" a passkey by itself. An app counts those
that the installation allows, or fewer: it cannot name one that `auth.methods` leaves out.",
        "[auth]\nmethods = [\"totp\"]\n[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"",
        "[auth]\nmethods = [\"password+totp\"]\n[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"",
    ),
    entry(
        Code::E0620,
        "Rules of an app with a `path` are written for the path that visitors see, `path` included. This one begins otherwise, so
it would speak of nothing. Only what is denied may also be written as an app with `strip_path` sees it.",
        "[[app]]\nhost = \"apps.example.com\"\npath = \"/wiki/\"\nupstream = \"http://127.0.0.1:8000\"\ndeny = [\"/admin/\"]",
        "[[app]]\nhost = \"apps.example.com\"\npath = \"/wiki/\"\nupstream = \"http://127.0.0.1:8000\"\ndeny = [\"/wiki/admin/\"]",
    ),
    entry(
        Code::E0701,
        "The rules do something else with this request than [[expect]] says, so the configuration is not applied. Mend the rule
that decides, or expect what you want after all. `doorward explain` with the same URL tells every step.",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"\n
[[expect]]\nrequest = \"GET https://app.example.com/admin/\"\nas = \"user:alice 2fa\"\nresult = \"deny\"",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"\ndeny = [\"/admin/\"]\n
[[expect]]\nrequest = \"GET https://app.example.com/admin/\"\nas = \"user:alice 2fa\"\nresult = \"deny\"",
    ),
    entry(
        Code::E0702,
        "An expectation has a request, written as method and https:// URL of one of the hosts here, and says who asks: `anonymous`,
or `user:` with a name and perhaps a strength. One that cannot be read is never taken for met.",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"\n
[[expect]]\nrequest = \"GET /\"\nresult = \"sign-in\"",
        "[[app]]\nhost = \"app.example.com\"\nupstream = \"http://127.0.0.1:8000\"\n
[[expect]]\nrequest = \"GET https://app.example.com/\"\nresult = \"sign-in\"",
    ),
    entry(
        Code::N0801,
        "Visitors, and the authority that is to prove a name, go where its A and AAAA records lead. Without any they go nowhere. A
record that leads to none of this machine's addresses may still be right: behind a router it names the router's, which
then has to lead ports 80 and 443 here. An old AAAA record is the usual culprit where only some visitors fail.",
        "paperless.example.com.  AAAA  2001:db8::1     ; the server before this one",
        "paperless.example.com.  AAAA  2001:db8::2     ; this one, or no AAAA record at all",
    ),
    entry(
        Code::N0802,
        "CAA records of a domain say which authorities may issue certificates for it and for all names below it that have none of
their own (RFC 8659). These do not name the one in [acme], so it refuses. Its name for such records is in the complaint.",
        "example.com.  CAA  0 issue \"other-ca.example\"",
        "example.com.  CAA  0 issue \"other-ca.example\"\nexample.com.  CAA  0 issue \"letsencrypt.org\"",
    ),
    entry(
        Code::N0803,
        "A connection from this machine to an address of the name did not come about. If the address is this machine's own and
`listen` has the port, nobody listens there. Otherwise it proves little: firewalls and routers treat those from within in
another way. Try it from outside, such as from a phone without Wi-Fi. Where nothing could be tried, `listen` was looked at:
authorities come to ports 80 and 443, and to none where a name is proven by DNS.",
        "Router: port 443 to 192.168.1.20          # 192.168.1.21 is this machine; port 80 is led nowhere",
        "Router: ports 80 and 443 to 192.168.1.21",
    ),
    entry(
        Code::N0804,
        "The app behind the door does not take connections, its name leads nowhere, it shows a certificate that is not trusted, or
it answers as it should not. Start it, or correct `upstream`; visitors get 502 meanwhile.",
        "upstream = \"http://127.0.0.1:8000\"      # the app listens on 8080",
        "upstream = \"http://127.0.0.1:8080\"",
    ),
    entry(
        Code::N0805,
        "The authority's clock and this machine's differ by more than 30 seconds. One-time codes of visitors fail then, and
certificates seem to begin or end at another time than they do. Authenticator apps take their time from the phone
network.",
        "timedatectl set-ntp false",
        "timedatectl set-ntp true",
    ),
    entry(
        Code::N0807,
        "The directory of the authority did not answer, or what answered there was not it. Nothing can be ordered until it does.
Look at this machine's firewall and name service, at `acme.directory`, and for a private authority at `acme.ca_file`.",
        "[acme]\nagree_tos = true\ndirectory = \"https://ca.internal/\"",
        "[acme]\nagree_tos = true\ndirectory = \"https://ca.internal:9000/acme/acme/directory\"\nca_file = \"/etc/ssl/internal-ca.pem\"",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_once_and_in_order() {
        let explained: Vec<Code> = EXPLANATIONS.iter().map(|explanation| explanation.code).collect();
        assert_eq!(explained, Code::ALL);
    }

    #[test]
    fn explanations_fit_a_page_and_show_what_changes() {
        for Explanation { code, text, mistake, right } in EXPLANATIONS {
            assert!(text.lines().count() <= 4 && text.lines().all(|line| line.chars().count() <= 125), "{}", code.name());
            assert!(mistake != right && !mistake.is_empty() && !right.is_empty(), "{}", code.name());
        }
    }

    #[test]
    fn codes_are_found_in_any_case_of_letters() {
        assert_eq!(find("e0203").map(|explanation| explanation.code), Some(Code::E0203));
        assert!(find("E9999").is_none() && find("").is_none());
    }
}
