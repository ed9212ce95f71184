"""Names proven by updates (RFC 2136) at a real BIND, Knot and PowerDNS, each set up by the lines that docs/certificates.md tells an owner
to write, with Pebble's validation on; what is said when a key is wrong, or may not change the name; and by the programs that stand there."""

import re
import shlex
import shutil
import subprocess
import textwrap
import time

import dns01
import kit
import pebble as authority
import powerdns
import upstream

DOCS = kit.HERE.parent.parent / "docs/certificates.md"
NAME = "_acme-challenge.example.com"
# The gateway's address in the documents.
THERE = "192.0.2.7"
ALGORITHM = "hmac-sha256"

NAMED = """
options {{
  directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key"; managed-keys-directory "{folder}";
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  recursion no; dnssec-validation no; notify no;
}};
controls {{ }};
{key}
{zone}
"""

KNOT = """
server:
  rundir: {folder}
  listen: 127.0.0.1@{port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
log:
  - target: stderr
    any: info
database:
  storage: {folder}
{keys}
{acl}
zone:
  - domain: example.com
    storage: {folder}
    file: example.com.zone
    acl: doorward
"""


def documented(begin):
    """The block of the documents that has a line which begins so: what an owner copies."""
    blocks = re.findall(r"(?:^    .*\n)+", DOCS.read_text(), re.M)
    found = [block for block in map(textwrap.dedent, blocks) if re.search(rf"^{re.escape(begin)}", block, re.M)]
    if len(found) != 1:
        raise kit.Broken(f"docs/certificates.md has {len(found)} blocks with the line {begin!r}")
    return found[0]


# Of acme.sh, what its scripts count on: it takes the words of whoever loads it for its own, and keeps what they want kept.
ACME_SH = """#!/usr/bin/env sh
_info() { printf '%s\\n' "$1" >&2; }
_initpath() { ACCOUNT_CONF_PATH="$LE_WORKING_DIR/account.conf"; }
_saveaccountconf_mutable() { printf "SAVED_%s='%s'\\n" "$1" "$2" >>"$ACCOUNT_CONF_PATH"; }
main() {
  [ -z "$1" ] && echo "usage: acme.sh" && return
  "$@"
}
main "$@"
"""
SCRIPT = """#!/usr/bin/env sh
dns_x_add() {
  _saveaccountconf_mutable X_Key "$X_Key"
  _info "adding $1"
  _x "update add $1. 60 TXT \\"$2\\""
}
dns_x_rm() {
  _x "update delete $1. TXT \\"$2\\""
}
_x() {
  printf 'server 127.0.0.1 %s\\n%s\\nsend\\n' "$X_Port" "$1" | nsupdate -v -k "$X_Key"
}
"""


class Peer:
    """A name server of the scenario's own, of example.com."""

    def __init__(self, scene, name):
        self.scene, self.port, self.folder = scene, kit.free_port(), scene.folder / name
        self.folder.mkdir()
        self.zone = self.folder / "example.com.zone"
        self.zone.write_text(dns01.ZONE + "* IN A 127.0.0.1\n@ IN A 127.0.0.1\n")

    def words(self, name):
        return kit.dig(self.port, name)

    def runs(self, *argv):
        self.scene.start(self.folder.name, argv)
        kit.wait_for(self.folder.name, lambda: kit.port_answers(self.port))


class Bind(Peer):
    def __init__(self, scene):
        super().__init__(scene, "bind")
        key = subprocess.run([kit.program("tsig-keygen"), "-a", ALGORITHM, "doorward"], capture_output=True, text=True, check=True).stdout
        self.secret, self.key_file = re.search(r'secret "(.*)"', key).group(1), self.folder / "dns.key"
        self.key_file.write_text(key)
        zone = documented('zone "example.com"').replace("/var/lib/bind", str(self.folder))
        (self.folder / "named.conf").write_text(NAMED.format(folder=self.folder, port=self.port, key=key, zone=zone))
        # Debian confines the program by its path to folders of its own.
        shutil.copy(kit.program("named"), self.folder / "named")
        self.runs(self.folder / "named", "-g", "-4", "-n", "1", "-c", self.folder / "named.conf")


class Knot(Peer):
    def __init__(self, scene):
        super().__init__(scene, "knot")
        keys = [self.key(name) for name in ("doorward", "stranger")]
        self.secret, self.other = (re.search(r"secret: (\S+)", key).group(1) for key in keys)
        (self.folder / "knot.conf").write_text(KNOT.format(
            folder=self.folder, port=self.port, keys=keys[0] + keys[1].replace("key:\n", ""), acl=documented("acl:")))
        self.runs(kit.program("knotd"), "-c", self.folder / "knot.conf")

    def key(self, name):
        return subprocess.run([kit.program("keymgr"), "-t", name, ALGORITHM], capture_output=True, text=True, check=True).stdout


class Case:
    """One name server, the authority that asks it, and gateways that have it changed."""

    def __init__(self, scene, peer, server, port):
        self.scene, self.peer, self.server, self.port = scene, peer, server, port
        self.pebble = authority.Pebble(scene, kit.free_port(), port, dns=peer.port, name=f"pebble-{peer.folder.name}")

    def gateway(self, name, secret, hosts, key="doorward", algorithm=ALGORITHM, more="", program=None):
        file = dns01.secret(self.scene, f"{self.scene.count()}.key", secret)
        dns = f'provider = "exec"\ncommand = ["{program}"]\n' if program else dns01.update(self.peer, file, key=key, algorithm=algorithm)
        name = f"{self.peer.folder.name}-{name.replace(' ', '-')}"
        run = dns01.gateway(self.scene, self.pebble, self.peer, name, dns, hosts, self.server, self.port, more)
        run.start()
        return run

    def issues(self, name, secret="", program=None):
        """A wildcard and the name behind its star, proven at one name at once."""
        began = time.monotonic()
        run = self.gateway(name, secret, ["example.com", "*.example.com"], more='challenge = "dns-01"', program=program)
        for host in ("example.com", "one.example.com"):
            kit.wait_for(f"a certificate for {host}", lambda: authority.shown(self.port, host, self.pebble.root), dns01.BOUND, 0.1)
        names = authority.shown(self.port, "one.example.com", self.pebble.root)["subjectAltName"]
        kit.check(("DNS", "*.example.com") in names, f"{name}: the wildcard and the name behind it after {time.monotonic() - began:.1f} s")
        kit.wait_for("the records to be gone", lambda: not self.peer.words(NAME), dns01.BOUND)
        run.process.stop()

    def says(self, name, secret, *words, hosts=("*.example.com",), **written):
        """The sentence that tells the reason."""
        run = self.gateway(name, secret, hosts, **written)
        sentence = dns01.fails(run, hosts[0], *words)["sentence"]
        run.process.stop()
        kit.check(not self.peer.words(NAME) and not self.peer.words("_acme-challenge.sub.example.com"), f"{name}: {sentence}")


def by_bind(scene, server, port):
    case = Case(scene, Bind(scene), server, port)
    case.issues("as documented", case.peer.secret)
    case.says("another secret", dns01.OTHER, "(BADSIG)", "acme.dns.secret")
    case.says("another name", case.peer.secret, "(REFUSED)", "update-policy", hosts=["*.sub.example.com"])
    case.issues("by the short program", program=nsupdate_hook(case.peer))
    case.issues("by a script of acme.sh's kind", program=acme_sh_hook(case.peer))
    kept = (case.peer.folder / "state/account.conf").read_text()
    kit.check("SAVED_X_Key" in kept, "and what the script remembers is kept")


def program(file, text, *instead):
    """A program of the documents, with other places."""
    for old, new in instead:
        if old not in text:
            raise kit.Broken(f"the program in the documents no longer has {old!r}")
        text = text.replace(old, str(new))
    file.write_text(text)
    file.chmod(0o700)
    return file


def nsupdate_hook(peer):
    text = documented('case "$1" in')
    return program(peer.folder / "hook", text, ("192.0.2.53", f"127.0.0.1 {peer.port}"), ("/etc/doorward/dns.key", peer.key_file))


def acme_sh_hook(peer):
    folder = peer.folder / "acme.sh"
    (folder / "dnsapi").mkdir(parents=True)
    (folder / "acme.sh").write_text(ACME_SH)
    (folder / "dnsapi/dns_x.sh").write_text(SCRIPT)
    (peer.folder / "state").mkdir()
    (peer.folder / "token").write_text(f"X_Key={peer.key_file}\nX_Port={peer.port}\n")
    return program(peer.folder / "acme-hook", documented("verb=$1"), ("/usr/local/share/acme.sh", folder),
                   ("/var/lib/doorward/acme.sh", peer.folder / "state"), ("/etc/doorward/dns-token", peer.folder / "token"))


def by_knot(scene, server, port):
    case = Case(scene, Knot(scene), server, port)
    secret = case.peer.secret
    case.issues("as documented", secret)
    case.says("another secret", dns01.OTHER, "(BADSIG)", "acme.dns.secret")
    case.says("an unknown key", secret, "`nobody`", "(BADKEY)", "acme.dns.key_name", key="nobody")
    case.says("another algorithm", secret, "(BADKEY)", "acme.dns.algorithm", algorithm="hmac-sha512")
    # Knot says of a key that it knows, and that may not do this, that it does not know it.
    case.says("a key without rights", case.peer.other, "(BADKEY)", "`acl`", key="stranger")
    case.says("another name", secret, "(BADKEY)", "`acl`", hosts=["*.sub.example.com"])


def by_powerdns(scene, server, port):
    lines, script = documented("dnsupdate=yes"), documented("function updatepolicy")
    here = lines.replace(THERE, "127.0.0.1")
    kit.check(here != lines, "the documents say whose updates are taken")
    peer = powerdns.PowerDns(scene, more=here)
    case = Case(scene, peer, server, port)
    said = [peer.util(*shlex.split(line)[1:]) for line in documented("pdnsutil").splitlines()]
    secret = said[0].split()[-1]
    case.issues("as documented", secret)
    kit.check(peer.ask("/servers/localhost/zones/example.com.")["name"] == "example.com.", "its API knows the zone")
    # It says the same of all that it does not do.
    told = ("(REFUSED)", "PowerDNS")
    case.says("another secret", dns01.OTHER, *told)
    case.says("an unknown key", secret, "`nobody`", *told, key="nobody")
    case.says("another algorithm", secret, *told, algorithm="hmac-sha512")
    peer.restart(lines)
    case.says("another address", secret, "allow-dnsupdate-from", *told)
    peer.restart("")
    case.says("no updates", secret, "dnsupdate", *told)
    (peer.folder / "doorward.lua").write_text(script)
    peer.restart(f"{here}\nlua-dnsupdate-policy-script={{folder}}/doorward.lua")
    case.issues("with the script", secret)
    # What the script does not allow is left out without a word.
    case.says("another name", secret, "shows no such record", hosts=["*.sub.example.com"])


def journey(scene):
    server = upstream.serve()
    scene.at_end(server.shutdown)
    port = kit.free_port()
    by_bind(scene, server, port)
    by_knot(scene, server, port)
    by_powerdns(scene, server, port)


if __name__ == "__main__":
    kit.main(journey, 400)
