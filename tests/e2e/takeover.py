"""`doorward cert import` of what a real certbot and a real lego keep: each has the current Pebble issue, in its own layout; ours takes it
over without an order, shows it, and renews it, when it is time or when it is told to."""

import hashlib
import os
import ssl
import subprocess
import time

import dns_peers
import kit
import pebble as authority
import upstream

PROGRAMS = kit.HERE.parent.parent / "target"
CERTBOT, LEGO = PROGRAMS / "certbot-venv/bin/certbot", PROGRAMS / "test-programs/lego/lego"
EMAIL = "ops@example.com"
# Seconds that the short-lived ones live.
SHORT = 60


def call(argv, ca_file, **more):
    """A client that has its own ideas of where the authorities of this machine are."""
    if not argv[0].exists():
        raise kit.Broken(f"{argv[0]} is missing: tests/run --full makes it")
    environment = {"PATH": os.environ["PATH"], "HOME": str(ca_file.parent), "REQUESTS_CA_BUNDLE": str(ca_file),
                   "LEGO_CA_CERTIFICATES": str(ca_file), **more}
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=120, env=environment)
    if done.returncode:
        raise kit.Broken(f"{argv[0].name}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def fingerprints(folder):
    """What is in a folder, to the last byte."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return [(str(path), os.readlink(path) if path.is_symlink() else "", hashlib.sha256(path.read_bytes()).hexdigest()) for path in found]


class Ground:
    """Name servers, an authority, and what they lead to."""

    def __init__(self, scene):
        self.scene, self.server = scene, upstream.serve()
        scene.at_end(self.server.shutdown)
        self.http, self.https = kit.free_port(), kit.free_port()
        self.bind = dns_peers.Bind(scene)
        day = 86_400
        profiles = {"default": {"description": "", "validityPeriod": 90 * day}, "short": {"description": "", "validityPeriod": SHORT}}
        self.pebble = authority.Pebble(scene, self.http, self.https, authority.CURRENT, {"profiles": profiles, "keyAlgorithm": "ecdsa"},
                                       dns=self.bind.port, refused=0)  # certbot gives up after the second in a row.
        self.hook = dns_peers.nsupdate_hook(self.bind)

    def run(self, name, hosts, dns=False, profile="default"):
        lines = f'[acme.dns]\nprovider = "exec"\ncommand = ["{self.hook}"]\n' if dns else ""
        apps = "".join(f'[[app]]\nhost = "{host}"\nupstream = "http://127.0.0.1:{self.server.server_port}"\n' for host in hosts)
        return authority.Run(self.scene, name, f"""
portal = "https://{hosts[0]}:{self.https}"
[listen]
https = ["127.0.0.1:{self.https}"]
http = ["127.0.0.1:{self.http}"]
[acme]
agree_tos = true
directory = "{self.pebble.directory}"
ca_file = "{self.pebble.ca_file}"
profile = "{profile}"
resolvers = ["127.0.0.1:{self.bind.port}"]
{lines}
{apps}""")

    def serial(self, host):
        certificate = authority.shown(self.https, host, self.pebble.root)
        return certificate and certificate["serialNumber"].lower().zfill(16)

    def certbot(self, folder, *words):
        return call([CERTBOT, *words, "--non-interactive", "--config-dir", folder, "--work-dir", folder.parent / "certbot-work",
                     "--logs-dir", folder.parent / "certbot-logs", "--server", self.pebble.directory, "--standalone",
                     "--http-01-address", "127.0.0.1", "--http-01-port", self.http, "--agree-tos", "--email", EMAIL, "--no-eff-email"],
                    self.pebble.ca_file)

    def lego(self, folder, hosts, *words, proof=(), verb="run", **more):
        names = [word for host in hosts for word in ("--domains", host)]
        return call([LEGO, "--server", self.pebble.directory, "--path", folder, "--email", EMAIL, "--accept-tos", "--pem", *names,
                     *(proof or ("--http", "--http.port", f"127.0.0.1:{self.http}")), verb, *words], self.pebble.ca_file, **more)


def serial(file):
    done = subprocess.run([kit.program("openssl"), "x509", "-in", str(file), "-noout", "-serial"], capture_output=True, text=True, check=True)
    return done.stdout.strip().split("=")[1].lower().zfill(16)


def until(file):
    done = subprocess.run([kit.program("openssl"), "x509", "-in", str(file), "-noout", "-enddate"], capture_output=True, text=True, check=True)
    return int(ssl.cert_time_to_seconds(done.stdout.strip().split("=")[1]))


def key_kind(file):
    done = subprocess.run([kit.program("openssl"), "x509", "-in", str(file), "-noout", "-text"], capture_output=True, text=True, check=True)
    return "RSA" if "rsaEncryption" in done.stdout else "ECDSA"


def fates(answer):
    return {(one["host"] or one["from"].rsplit("/", 1)[1], one["result"]): one["sentence"] for one in answer["outcomes"]}


def takes(run, folder, expected, code=0):
    """Imports a folder of another program's, in which nothing changes."""
    before = fingerprints(folder)
    found = fates(run.cert("import", str(folder), code=code))
    kit.check(set(found) == expected, f"{folder.name}: {found}")
    kit.check(fingerprints(folder) == before, "and nothing in it has changed")
    return found


def is_listed(run, hosts, file):
    """`cert list` and `cert show` tell it, with a gateway or without."""
    states = {one["host"]: one for one in run.cert("list")["certificates"]}
    ends = until(file)
    told = [(states[host]["state"], states[host]["until"], run.cert("show", host)["until"]) for host in hosts]
    kit.check(told == [("well", ends, ends)] * len(hosts), f"cert list and cert show tell of {', '.join(hosts)}")
    began, renewal = states[hosts[0]]["from"], states[hosts[0]]["next"]
    # At two thirds of its life, or, once the authority has said when, before the last quarter.
    latest = (ends - began) * 3 / 4 if run.process else (ends - began) * 2 / 3
    kit.check(0 < renewal - began <= latest + 1, f"it is renewed after {(renewal - began) / (ends - began):.0%} of its life")


def is_renewed_by_name(ground, run, host, before):
    done = run.cert("renew", host)
    kit.check(done["not_due"][0][0] == host and ground.serial(host) == before, "what is not due is not ordered")
    done = run.cert("renew", host, "--force")
    kit.check(done["failed"] == 0 and ground.serial(host) != before, "with --force it is")


def from_certbot(ground):
    folder = ground.scene.folder / "letsencrypt"
    hosts = ["one.example.com", "two.example.com"]
    both = ("certonly", "--cert-name", hosts[0], "-d", hosts[0], "-d", hosts[1], "--required-profile", "default", "--force-renewal")
    chain = folder / "live" / hosts[0] / "fullchain.pem"
    ground.certbot(folder, *both, "--key-type", "rsa")
    kit.check(key_kind(chain) == "RSA", "certbot has a certificate of two names with an RSA key")
    ground.certbot(folder, *both, "--key-type", "ecdsa")
    kit.check(os.readlink(chain).endswith("/archive/one.example.com/fullchain2.pem") and key_kind(chain) == "ECDSA",
              f"and has renewed it with an ECDSA key: {os.readlink(chain)}")
    ground.certbot(folder, "certonly", "-d", "other.example.com", "--required-profile", "default")
    run = ground.run("certbot", hosts)
    expected = {(hosts[0], "taken"), (hosts[1], "taken"), ("fullchain.pem", "refused"), ("private_key.json", "kept")}
    found = takes(run, folder, expected, code=1)
    kit.check("other.example.com" in found["fullchain.pem", "refused"], "what is of no app is refused")
    is_listed(run, hosts, chain)
    orders = ground.pebble.new_orders()
    run.start()
    kit.check([ground.serial(host) for host in hosts] == [serial(chain)] * 2, "both names are shown with it")
    is_listed(run, hosts, chain)
    kit.check(ground.pebble.new_orders() == orders, "and nothing is ordered")
    is_renewed_by_name(ground, run, hosts[0], serial(chain))
    kit.check(ground.serial(hosts[1]) == serial(chain), "the other name keeps its own")
    run.process.stop()
    ground.certbot(folder, *both, "--key-type", "rsa")
    run.start()
    takes(run, folder, {*expected, (hosts[0], "taken")}, code=1)
    kit.check([ground.serial(host) for host in hosts] == [serial(chain)] * 2 and key_kind(chain) == "RSA",
              "a third one is taken over by the running gateway, which shows it at once, with its RSA key")
    takes(run, folder, {("fullchain.pem", "refused"), ("private_key.json", "kept"), (hosts[0], "kept"), (hosts[1], "kept")}, code=1)
    run.process.stop()


def accounts(ground):
    """How many there are at the authority."""
    return sum("accounts in memory" in line for line in ground.pebble.process.lines())


def from_lego(ground):
    folder, host = ground.scene.folder / ".lego", "three.example.com"
    ground.lego(folder, [host], "--profile", "default")
    chain = folder / "certificates" / f"{host}.crt"
    run = ground.run("lego", [host])
    # It keeps the same once more, in one file, and the chain alone.
    takes(run, folder, {(host, "taken"), (host, "kept"), (f"{EMAIL}.key", "taken")})
    is_listed(run, [host], chain)
    orders, known = ground.pebble.new_orders(), accounts(ground)
    run.start()
    kit.check(ground.serial(host) == serial(chain) and ground.pebble.new_orders() == orders, "it is shown, and nothing is ordered")
    kit.wait_for("when to renew", lambda: run.cert("show", host)["window"], 30)
    is_renewed_by_name(ground, run, host, serial(chain))
    kit.check(accounts(ground) == known, "by lego's account")
    kit.check(any("marked as replaced" in line for line in ground.pebble.process.lines()), "which says what it replaces")
    run.process.stop()


def wildcard_from_lego(ground):
    folder, hosts = ground.scene.folder / "lego-wild", ["example.com", "*.example.com"]
    ground.lego(folder, hosts, "--profile", "default", proof=(
        "--dns", "exec", "--dns.resolvers", f"127.0.0.1:{ground.bind.port}", "--dns.propagation-wait", "1s"),
        EXEC_PATH=str(ground.hook), EXEC_SEQUENCE_INTERVAL="1")
    kit.check(not ground.bind.words(dns_peers.NAME), "lego has proven a wildcard by the program that the documents show")
    chain = next(path for path in (folder / "certificates").iterdir() if path.suffix == ".crt" and "issuer" not in path.name)
    run = ground.run("wild", hosts, dns=True)
    takes(run, folder, {(host, fate) for host in hosts for fate in ("taken", "kept")} | {(f"{EMAIL}.key", "taken")})
    is_listed(run, hosts, chain)
    run.start()
    kit.check([ground.serial(host) for host in ("example.com", "any.example.com")] == [serial(chain)] * 2, f"{chain.name} is shown")
    done = run.cert("renew", "*.example.com", "--force")
    kit.check(done["failed"] == 0 and ground.serial("any.example.com") != serial(chain) and ground.serial("example.com") == serial(chain),
              "and renewed by the same program")
    run.process.stop()


def at_its_time(ground):
    """One that does not live long is renewed when it is time, and shown until then. The authority names all of its life as that time, of
    which ours leaves out the first sixth and the last quarter."""
    folder, host = ground.scene.folder / "lego-short", "short.example.com"
    ground.lego(folder, [host], "--profile", "short")
    chain = folder / "certificates" / f"{host}.crt"
    run = ground.run("short", [host], profile="short")
    run.cert("import", str(folder))
    run.start()
    began, ends, first = until(chain) - SHORT, until(chain), serial(chain)
    kit.check(ground.serial(host) == first, "one that does not live long is shown")
    seen = kit.wait_for("its renewal", lambda: (lambda now: now != first and (now, time.time()))(ground.serial(host)), SHORT, 0.2)
    kit.check(seen[0] is not None and began + SHORT / 6 - 1 < seen[1] < ends - 2,
              f"and renewed after {seen[1] - began:.0f} s of its {SHORT}")
    run.process.stop()


def journey(scene):
    ground = Ground(scene)
    from_certbot(ground)
    from_lego(ground)
    wildcard_from_lego(ground)
    at_its_time(ground)


if __name__ == "__main__":
    kit.main(journey, 400)
