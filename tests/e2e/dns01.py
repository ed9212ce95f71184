"""Names proven by DNS against BIND, with Pebble's validation on: a wildcard and the name behind its star side by side, a delegated
name, wrong keys, a hook that calls nsupdate, what a kill leaves behind."""

import base64
import os
import shutil
import subprocess
import time

import kit
import pebble as authority
import upstream

KEY = base64.b64encode(b"a key of this scenario, and of no other").decode()
OTHER = base64.b64encode(b"a key that the name server does not have").decode()
BOUND = 30.0

NAMED = """
key "doorward" {{ algorithm hmac-sha512; secret "{key}"; }};
key "stranger" {{ algorithm hmac-sha256; secret "{key}"; }};
options {{
  directory "{folder}";
  pid-file "{folder}/named.pid";
  session-keyfile "{folder}/session.key";
  managed-keys-directory "{folder}";
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  recursion yes;  // Or it does not follow a CNAME from one of its zones to the other, as an authority's resolver does.
  forward only; forwarders {{ 127.0.0.1 port 1; }};  // Nobody outside is asked.
  dnssec-validation no;
  minimal-responses yes;
}};
controls {{ }};
zone "example.com" {{
  type primary; file "{folder}/example.com.zone"; journal "{folder}/example.com.jnl";
  update-policy {{ grant doorward subdomain example.com. TXT; }};
}};
zone "proofs.test" {{
  type primary; file "{folder}/proofs.test.zone"; journal "{folder}/proofs.test.jnl";
  update-policy {{ grant doorward subdomain proofs.test. TXT; }};
}};
"""

ZONE = """$TTL 5
@ IN SOA ns admin 1 60 60 600 5
@ IN NS ns
ns IN A 127.0.0.1
"""


class Bind:
    """An own BIND on loopback: a primary server that takes changes signed with one key."""

    def __init__(self, scene):
        self.scene, self.port = scene, kit.free_port()
        self.folder = scene.folder / "named"
        self.folder.mkdir()
        (self.folder / "example.com.zone").write_text(ZONE + "* IN A 127.0.0.1\n@ IN A 127.0.0.1\n"
                                                      "_acme-challenge.far IN CNAME far.proofs.test.\n")
        (self.folder / "proofs.test.zone").write_text(ZONE)
        config = self.folder / "named.conf"
        config.write_text(NAMED.format(key=KEY, folder=self.folder, port=self.port))
        # Debian confines the program by its path to folders of its own.
        program = self.folder / "named"
        shutil.copy(kit.program("named"), program)
        self.process = scene.start("named", [program, "-g", "-4", "-n", "1", "-c", config])
        kit.wait_for("BIND", lambda: kit.port_answers(self.port))

    def words(self, name):
        """What TXT records a name has."""
        return kit.dig(self.port, name)


def gateway(scene, pebble, bind, name, dns, hosts, server, port, more=""):
    apps = "".join(f'[[app]]\nhost = "{host}"\nupstream = "http://127.0.0.1:{server.server_port}"\n' for host in hosts)
    return authority.Run(scene, name, f"""
portal = "https://example.com:{port}"
[listen]
https = ["127.0.0.1:{port}"]
http = []
[acme]
agree_tos = true
directory = "{pebble.directory}"
ca_file = "{pebble.ca_file}"
resolvers = ["127.0.0.1:{bind.port}"]
{more}
[acme.dns]
{dns}
{apps}""")


def update(bind, secret_file, key="doorward", algorithm="hmac-sha512"):
    return f"""provider = "rfc2136"
server = "127.0.0.1:{bind.port}"
key_name = "{key}"
algorithm = "{algorithm}"
secret = {{ file = "{secret_file}" }}
timeout = "20s"
"""


def secret(scene, name, value):
    path = scene.folder / name
    path.write_text(value + "\n")
    path.chmod(0o600)
    return path


def fails(run, host, *words):
    """The trouble of a name, once there is some that says all of this."""
    def told():
        found = [one for one in run.cert("list")["certificates"] if one["host"] == host and one["trouble"]]
        return found[0]["trouble"] if found and all(word in found[0]["trouble"]["sentence"] for word in words) else None

    return kit.wait_for(f"the trouble of {host}: {words}", told, BOUND, 0.2)


def wildcard(scene, pebble, bind, server, port):
    """A wildcard and the name behind its star need two values at one name, at once."""
    dns = update(bind, secret(scene, "tsig.key", KEY))
    run = gateway(scene, pebble, bind, "wildcard", dns, ["*.example.com"], server, port)
    began = time.monotonic()
    run.start()
    for host in ("one.example.com", "two.example.com"):
        kit.wait_for(f"a certificate for {host}", lambda: authority.curl(pebble.root, host, port, "/") in ("302", "401"), BOUND, 0.1)
        certificate = authority.shown(port, host, pebble.root)
        kit.check(("DNS", "*.example.com") in certificate["subjectAltName"], f"{host} is served with the wildcard's")
    kit.wait_for("a page", lambda: authority.curl(pebble.root, "example.com", port, "/.doorward/login") == "200", BOUND, 0.1)
    kit.say(f"ok: two names under a wildcard and the name behind its star after {time.monotonic() - began:.1f} s")
    kit.wait_for("the records to be gone", lambda: not bind.words("_acme-challenge.example.com"), BOUND)
    kit.say("ok: and no record is left")
    kit.check(authority.shown(port, "a.b.example.com", pebble.root) is None, "a name two labels below is not served")
    kept = {one["host"]: one for one in run.cert("list")["certificates"]}
    kit.check(kept["*.example.com"]["state"] == "well" and kept["*.example.com"]["file"].endswith("/_.example.com.pem"),
              "cert list knows the wildcard")
    answer = run.cert("renew", "*.example.com", "--force")
    kit.check(answer["failed"] == 0, "cert renew takes it by name")
    before = authority.shown(port, "one.example.com", pebble.root)["serialNumber"]
    done = run.cert("revoke", "*.example.com", "--yes")
    after = authority.shown(port, "two.example.com", pebble.root)
    kit.check(pebble.status(before)["Status"] == "Revoked" and done["ordered"]["host"] == "*.example.com"
              and after["serialNumber"] != before and ("DNS", "*.example.com") in after["subjectAltName"]
              and pebble.status(after["serialNumber"])["Status"] == "Valid", "cert revoke takes it by name, and there is a new one")
    log = run.process.err.read_text()
    kit.check(KEY not in log and KEY not in str(kept), "the key is in no log and no answer")
    run.process.stop()
    return run


def delegated(scene, pebble, bind, server, port):
    dns = update(bind, secret(scene, "tsig.key", KEY))
    run = gateway(scene, pebble, bind, "far", dns, ["far.example.com"], server, port, 'challenge = "dns-01"')
    run.start()
    kit.wait_for("a delegated name", lambda: authority.shown(port, "far.example.com", pebble.root), BOUND, 0.1)
    kit.say("ok: a CNAME of _acme-challenge is followed to another zone")
    kit.wait_for("the record to be gone", lambda: not bind.words("far.proofs.test"), BOUND)
    run.process.stop()


def refused(scene, pebble, bind, server, port):
    wrong = update(bind, secret(scene, "wrong.key", OTHER))
    run = gateway(scene, pebble, bind, "wrong", wrong, ["*.example.com"], server, port)
    run.start()
    trouble = fails(run, "*.example.com", "`doorward`", "(BADSIG)", "acme.dns.secret")
    kit.say(f"ok: {trouble['sentence']}")
    run.process.stop()
    for name, dns, words in (
        ("nobody", update(bind, secret(scene, "tsig.key", KEY), key="nobody"), ("(BADKEY)", "acme.dns.key_name")),
        ("stranger", update(bind, secret(scene, "tsig.key", KEY), key="stranger", algorithm="hmac-sha256"), ("(REFUSED)", "update-policy")),
        ("zone", update(bind, secret(scene, "tsig.key", KEY)) + 'zone = "com"\n', ("(NOTAUTH)", "zone com")),
    ):
        run = gateway(scene, pebble, bind, name, dns, ["*.example.com"], server, port)
        run.start()
        kit.say(f"ok: {fails(run, '*.example.com', *words)['sentence']}")
        run.process.stop()
    kit.check(not bind.words("_acme-challenge.example.com"), "nothing was changed by any of them")


def by_hook(scene, pebble, bind, server, port):
    hook = scene.folder / "dns-hook"
    seen = scene.folder / "seen"
    hook.write_text(f"""#!/bin/sh
# present|cleanup NAME VALUE
env > {seen}
case "$2" in present) verb=add;; cleanup) verb=delete;; *) exit 2;; esac
[ -e {scene.folder}/broken ] && {{ echo "the provider is out of order" >&2; exit 7; }}
ttl=60; [ $verb = delete ] && ttl=
printf 'server 127.0.0.1 {bind.port}\\nupdate %s %s %s TXT "%s"\\nsend\\n' "$verb" "$3" "$ttl" "$4" |
  nsupdate -v -y "hmac-sha512:doorward:$1"
""")
    hook.chmod(0o700)
    (scene.folder / "broken").touch()
    dns = f'provider = "exec"\ncommand = ["{hook}", "{KEY}"]\ntimeout = "20s"\n'
    run = gateway(scene, pebble, bind, "hook", dns, ["*.example.com"], server, port)
    os.environ["DOORWARD_TEST_SECRET"] = "not for hooks"
    run.start()
    trouble = fails(run, "*.example.com", "it failed (exit status: 7)")
    kit.check("the provider is out of order" in trouble["words"], "what a failing hook says is in cert show")
    (scene.folder / "broken").unlink()
    run.cert("renew", "*.example.com")
    kit.check(authority.shown(port, "one.example.com", pebble.root) is not None, "a hook that calls nsupdate gets the wildcard")
    names = {line.split("=")[0] for line in seen.read_text().splitlines()}
    kit.check(names <= {"PATH", "LANG", "PWD", "OLDPWD", "SHLVL", "_"}, f"and sees nothing of our environment ({sorted(names)})")
    kit.wait_for("the record to be gone", lambda: not bind.words("_acme-challenge.example.com"), BOUND)
    run.process.stop()


def killed(scene, pebble, bind, server, port):
    """A gateway that is killed between setting a record and its removal: the next start removes it."""
    dns = update(bind, secret(scene, "tsig.key", KEY))
    run = gateway(scene, pebble, bind, "killed", dns, ["*.example.com"], server, port)
    for _ in range(200):
        run.start(waits=False)
        try:
            kit.wait_for("a record", lambda: bind.words("_acme-challenge.example.com"), 10, 0)
        except kit.Broken:
            pass
        run.kill()
        if bind.words("_acme-challenge.example.com"):
            break
        shutil.rmtree(run.folder / "data", ignore_errors=True)
    left = bind.words("_acme-challenge.example.com")
    kit.check(left, f"a killed gateway leaves {len(left)} records")
    run.start()
    for host in ("one.example.com", "example.com"):
        kit.wait_for(f"{host} is served", lambda: authority.shown(port, host, pebble.root), BOUND)
    kit.wait_for("the records to be gone", lambda: not bind.words("_acme-challenge.example.com"), BOUND)
    kit.say("ok: the next start is served, and removes them")
    run.process.stop()


def journey(scene):
    server = upstream.serve()
    scene.at_end(server.shutdown)
    port = kit.free_port()
    bind = Bind(scene)
    pebble = authority.Pebble(scene, kit.free_port(), port, dns=bind.port)
    wildcard(scene, pebble, bind, server, port)
    delegated(scene, pebble, bind, server, port)
    refused(scene, pebble, bind, server, port)
    by_hook(scene, pebble, bind, server, port)
    killed(scene, pebble, bind, server, port)


if __name__ == "__main__":
    kit.main(journey, 300)
