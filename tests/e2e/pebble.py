"""Certificates from Pebble, the authority for tests, with its validation on and every fifth nonce refused: HTTP-01, TLS-ALPN-01,
renewal under an open connection, a name that fails beside one that does not, an authority that forgets everything, kill -9.
From the current Pebble, which `tests/run --full` builds: what Debian's does not speak."""

import http.client
import json
import os
import pathlib
import random
import re
import socket
import ssl
import subprocess
import time
import urllib.request

import kit
import upstream

HOST = "paperless.example.com"
BROKEN = "broken.example.com"
KILLS = int(os.environ.get("DOORWARD_TEST_KILLS", "20"))
# From the start of `doorward up` to the first answer over a certificate of the authority.
BOUND = 20.0
# The current Pebble, as tests/run builds it from tests/pebble.
CURRENT = pathlib.Path(os.environ.get("DOORWARD_TEST_PEBBLE", kit.HERE.parent.parent / "target/test-programs/pebble"))
CUSTOMER = ("kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W")

OPENSSL = """
[req]
distinguished_name = name
x509_extensions = ext
prompt = no
[name]
CN = pebble
[ext]
basicConstraints = critical,CA:FALSE
subjectAltName = DNS:localhost,IP:127.0.0.1
"""


class Pebble:
    """Pebble and the name server that tells it where names lead: its own, or one that is there already. Of a hundred nonces it refuses
    `refused`."""

    def __init__(self, scene, http_port, https_port, programs=None, more=None, dns=None, name=None, refused=20):
        self.scene, self.starts, self.refused = scene, 0, refused
        self.folder = scene.folder / (name or ("pebble-current" if programs else "pebble-debian"))
        self.folder.mkdir()
        self.programs, self.program = programs, (lambda name: str(programs / name)) if programs else kit.program
        self.port, self.management, self.names, self.dns = (kit.free_port() for _ in range(4))
        (self.folder / "openssl.cnf").write_text(OPENSSL)
        self.ca_file, key = self.folder / "pebble-tls.pem", self.folder / "pebble-tls.key"
        subprocess.run([kit.program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "30", "-config", str(self.folder / "openssl.cnf"), "-keyout", str(key), "-out", str(self.ca_file)],
                       check=True, capture_output=True)
        self.config = self.folder / "pebble.json"
        self.config.write_text(json.dumps({"pebble": {
            "listenAddress": f"127.0.0.1:{self.port}", "managementListenAddress": f"127.0.0.1:{self.management}",
            "certificate": str(self.ca_file), "privateKey": str(key), "httpPort": http_port, "tlsPort": https_port,
            "ocspResponderURL": "", "externalAccountBindingRequired": False, **(more or {}),
        }}))
        self.dns = dns or self.dns
        if dns is None:
            self.start_names()
        self.process = None
        self.start()

    def start_names(self):
        # Its words for names have changed meanwhile.
        serves = ["-doh", "", "-dnsserver"] if self.programs else ["-dns01"]
        self.scene.start(f"names-{self.folder.name}", [
            self.program("pebble-challtestsrv"), "-http01", "", "-https01", "", "-tlsalpn01", "", *serves, f"127.0.0.1:{self.dns}",
            "-management", f"127.0.0.1:{self.names}", "-defaultIPv6", ""])
        kit.wait_for("the name server", lambda: kit.port_answers(self.names))

    @property
    def directory(self):
        return f"https://localhost:{self.port}/dir"

    def start(self):
        self.starts += 1
        environment = dict(os.environ, PEBBLE_WFE_NONCEREJECT=str(self.refused), PEBBLE_VA_NOSLEEP="1", PEBBLE_AUTHZREUSE="0",
                           PEBBLE_VA_ALWAYS_VALID="0")
        self.process = self.scene.start(f"pebble-{self.folder.name}{self.starts}", [
            self.program("pebble"), "-config", self.config, "-dnsserver", f"127.0.0.1:{self.dns}", "-strict"], env=environment)
        kit.wait_for("Pebble", lambda: kit.port_answers(self.port) and kit.port_answers(self.management))
        context = ssl.create_default_context(cafile=str(self.ca_file))
        root = urllib.request.urlopen(f"https://localhost:{self.management}/roots/0", context=context, timeout=10).read()
        self.root = self.folder / f"root{self.starts}.pem"
        self.root.write_bytes(root)

    def lead(self, host, address):
        """From now on the name leads there."""
        for way, body in (("clear-a", {"host": host + "."}), ("add-a", {"host": host + ".", "addresses": [address]})):
            urllib.request.urlopen(f"http://127.0.0.1:{self.names}/{way}", data=json.dumps(body).encode(), timeout=10).read()

    def status(self, serial):
        """What became of a certificate."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        url = f"https://localhost:{self.management}/cert-status-by-serial/{serial.lower()}"
        return json.loads(urllib.request.urlopen(url, context=context, timeout=10).read())

    def orders(self):
        return sum("POST /order-plz" in line for line in self.process.lines())

    def settled_orders(self):
        """As `new_orders`, once nothing is added any more: what a client sent just before it was killed may still be worked on."""
        counts = []
        kit.wait_for("no more orders", lambda: (counts.append(self.new_orders()), len(counts) > 10 and counts[-1] == counts[-11])[1], 20)
        return counts[-1]

    def new_orders(self):
        """Orders that were taken up: a request that is repeated for its nonce makes none."""
        counts = [re.search(r"There are now (\d+) orders", line) for line in self.process.lines()]
        return max((int(count.group(1)) for count in counts if count), default=0)

    def refused_nonces(self):
        """Orders and finalisations that were asked for and not taken up: Pebble does not say when it refuses a nonce."""
        lines = self.process.lines()
        asked = sum("POST /order-plz" in line or "POST /finalize-order/" in line for line in lines)
        taken = sum("orders in the db" in line or "Processing finalization" in line for line in lines)
        return asked - taken


def shown(port, host, root, alpn=("http/1.1",)):
    """What a client that trusts `root` alone gets for `host`: the certificate, or nothing if it does not verify."""
    context = ssl.create_default_context(cafile=str(root))
    context.set_alpn_protocols(list(alpn))
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as plain, \
                context.wrap_socket(plain, server_hostname=host) as secure:
            return secure.getpeercert()
    except (ssl.SSLError, OSError):
        return None


def curl(root, host, port, target, *extra):
    done = subprocess.run([kit.program("curl"), "--silent", "--cacert", str(root), "--resolve", f"{host}:{port}:127.0.0.1",
                           "--output", "/dev/null", "--write-out", "%{http_code}", "--max-time", "20", *extra,
                           f"https://{host}:{port}{target}"], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else f"curl {done.returncode}"


class Run:
    """`doorward run` from a file."""

    def __init__(self, scene, name, text):
        self.scene, self.name = scene, name
        self.folder = scene.folder / name
        self.folder.mkdir(exist_ok=True)
        self.config = self.folder / "gateway.toml"
        self.config.write_text(f'data_dir = "{self.folder / "data"}"\n{text}')
        self.process = None

    def start(self, waits=True):
        number = self.scene.count()
        self.process = self.scene.start(f"{self.name}-{number}", [self.scene.binary, "run", "-c", self.config, "--json"])
        if waits:
            kit.wait_for("the ready line", lambda: any('"ready"' in line for line in self.process.lines()), 60)

    def kill(self):
        self.process.child.kill()
        self.process.child.wait()

    def cert(self, *words, code=0):
        done = subprocess.run([self.scene.binary, "cert", *words, "-c", str(self.config), "--json"], capture_output=True, text=True,
                              timeout=300)
        if done.returncode != code:
            raise kit.Broken(f"cert {words}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout)


def over_port_80(scene, pebble, server, ports):
    """`up` with host and upstream alone, beside the authority's address, since this is not Let's Encrypt."""
    http_port, https_port = ports
    began = time.monotonic()
    gateway = kit.Gateway(scene, ["up", f"{HOST}=127.0.0.1:{server.server_port}", f"{BROKEN}=127.0.0.1:{server.server_port}",
                                  "--agree-tos", "--email", "ops@example.com", "--acme-directory", pebble.directory,
                                  "--acme-ca", pebble.ca_file], https=https_port, http=http_port)
    # curl asks by the certificate of the authority: until it is there, the local one's does not verify.
    kit.wait_for("a certificate of Pebble's", lambda: curl(pebble.root, HOST, https_port, "/.doorward/login") == "200", BOUND, 0.05)
    took = time.monotonic() - began
    kit.check(took < BOUND, f"from `doorward up` to 200 over a certificate of the authority in {took:.2f} s")
    kit.check(shown(https_port, BROKEN, gateway.ca_file) is not None, "a name without one shows the local authority's meanwhile")

    def failing():
        states = {one["host"]: one for one in gateway.command("cert", "list")["certificates"]}
        return states if states[BROKEN]["trouble"] else None

    states = kit.wait_for("the trouble of the other name", failing, 30)
    sentence = states[BROKEN]["trouble"]["sentence"]
    kit.check(sentence.startswith(f"localhost could not reach port 80 of {BROKEN} at 127.0.0.2: connection refused"), sentence)
    kit.check(states[HOST]["state"] == "well" and states[HOST]["trouble"] is None, "and the first one is well beside it")
    kit.check(states[BROKEN]["state"] == "waiting", "the failing one waits")
    shows = gateway.command("cert", "show", BROKEN)
    kit.check("dial tcp 127.0.0.2" in shows["trouble"]["words"], "cert show has the authority's own words")
    return gateway


def nothing_else_is_answered(gateway, http_port):
    """On the way of challenges stands nothing but tokens of running orders."""
    for target in ("/.well-known/acme-challenge/x", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/../../etc/passwd",
                   "/.well-known/acme-challenge/%2e%2e/x", "/.well-known/acme-challenge/x?y", "/.WELL-KNOWN/acme-challenge/x"):
        for method in ("GET", "POST", "PUT"):
            connection = http.client.HTTPConnection("127.0.0.1", http_port, timeout=10)
            connection.request(method, target, headers={"Host": HOST})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status not in (308, 400, 404, 405) or b"upstream" in body:
                raise kit.Broken(f"{method} {target}: {answer.status}")
            connection.close()
    kit.say("ok: anything but a pending token is answered as any other path of port 80")


def alpn_is_not_mixed(gateway, https_port):
    context = ssl.create_default_context(cafile=str(gateway.ca_file))
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["acme-tls/1"])
    try:
        with socket.create_connection(("127.0.0.1", https_port), timeout=5) as plain, \
                context.wrap_socket(plain, server_hostname=HOST):
            raise kit.Broken("a handshake in acme-tls/1 came about although no order waits for it")
    except ssl.SSLError:
        kit.say("ok: without a pending order nobody speaks acme-tls/1")


def renewal_goes_unnoticed(gateway, pebble, https_port):
    context = ssl.create_default_context(cafile=str(pebble.root))
    plain = socket.create_connection(("127.0.0.1", https_port), timeout=20)
    secure = context.wrap_socket(plain, server_hostname=HOST)
    connection = http.client.HTTPConnection(HOST, https_port)
    connection.sock = secure
    before = secure.getpeercert()["serialNumber"]

    def asks():
        connection.request("GET", "/.doorward/login", headers={"Host": f"{HOST}:{https_port}"})
        answer = connection.getresponse()
        answer.read()
        return answer.status

    kit.check(asks() == 200, "a connection is open")
    answer = gateway.command("cert", "renew", HOST)
    kit.check(answer["not_due"][0][0] == HOST, "what is not due is not ordered")
    answer = gateway.command("cert", "renew", HOST, "--force")
    kit.check(answer["ordered"][0]["host"] == HOST and answer["failed"] == 0, "with --force it is")
    after = shown(https_port, HOST, pebble.root)["serialNumber"]
    kit.check(before != after, "new connections get the new certificate")
    kit.check(asks() == 200, "and the open one goes on")
    connection.close()


def authority_forgets(gateway, pebble, https_port):
    """A restart of Pebble loses accounts and orders, and makes another root."""
    pebble.process.stop()
    answer = gateway.command("cert", "renew", HOST, "--force", code=1)
    kit.check("cannot be reached" in answer["ordered"][0]["trouble"]["sentence"], "an authority that is away is told so")
    kit.check(curl(pebble.root, HOST, https_port, "/.doorward/login") == "200", "what was issued is still shown")
    pebble.start()
    answer = gateway.command("cert", "renew", HOST, "--force")
    kit.check(answer["failed"] == 0 and curl(pebble.root, HOST, https_port, "/.doorward/login") == "200",
              "an authority that has forgotten everything gets to know us again")


def heals(gateway, pebble, https_port):
    pebble.lead(BROKEN, "127.0.0.1")
    gateway.command("cert", "renew", BROKEN)
    kit.check(curl(pebble.root, BROKEN, https_port, "/") in ("302", "401"), "a name that was put right gets its certificate")


def over_port_443(scene, pebble, server, https_port):
    hosts = [f"{name}.example.com" for name in ("one", "two", "three")]
    apps = "".join(f'[[app]]\nhost = "{host}"\nupstream = "http://127.0.0.1:{server.server_port}"\n' for host in hosts)
    run = Run(scene, "alpn", f"""
[listen]
https = ["127.0.0.1:{https_port}"]
http = []
[acme]
agree_tos = true
directory = "{pebble.directory}"
ca_file = "{pebble.ca_file}"
challenge = "tls-alpn-01"
key_type = "p384"
{apps}""")
    run.start()
    for host in hosts:
        kit.wait_for(f"a certificate for {host}", lambda: shown(https_port, host, pebble.root), BOUND)
    kit.say("ok: three names are proven by TLS-ALPN-01 alone, with P-384 keys")
    kept = run.folder / "data/certs/acme"
    # What is shown is shown before the last words about its order are written down.
    kit.wait_for("the end of all orders", lambda: not [path for path in kept.iterdir() if path.name.endswith((".key", ".new"))], 10)
    files = sorted(path.name for path in kept.iterdir())
    kit.check(all((run.folder / "data/certs/acme" / name).stat().st_mode & 0o077 == 0 for name in files), "what is kept is the owner's alone")
    kit.check(not [name for name in files if name.endswith((".key", ".new"))], f"and no key of an order is left behind ({files})")
    run.process.stop()
    kept = {one["host"]: one for one in run.cert("list")["certificates"]}
    kit.check(all(kept[host]["state"] == "well" and kept[host]["from"] for host in hosts), "cert list tells it without a gateway, too")
    began, orders = time.monotonic(), pebble.orders()
    run.start()
    kit.check(shown(https_port, hosts[0], pebble.root) is not None and pebble.orders() == orders,
              f"a restart shows what is kept and orders nothing ({time.monotonic() - began:.1f} s)")
    run.process.stop()


def configuration(pebble, server, ports, hosts):
    apps = "".join(f'[[app]]\nhost = "{host}"\nupstream = "http://127.0.0.1:{server.server_port}"\n' for host in hosts)
    return f"""
[listen]
https = ["127.0.0.1:{ports[1]}"]
http = ["127.0.0.1:{ports[0]}"]
[acme]
agree_tos = true
directory = "{pebble.directory}"
ca_file = "{pebble.ca_file}"
{apps}"""


def killed(scene, pebble, server, ports):
    """Killed while certificates of three names are issued side by side."""
    hosts = [f"k{number}.example.com" for number in range(3)]
    run = Run(scene, "killed", configuration(pebble, server, ports, hosts))
    dice = random.Random(20261122)
    rounds = KILLS // 4
    before = pebble.new_orders()
    folder = run.folder / "data/certs/acme"
    for number in range(rounds):
        run.start()
        time.sleep(dice.uniform(0.0, 0.9))
        run.kill()
        # Half of the rounds begin with nothing kept for one of the names, so that issuing is met as often as not. With its
        # certificate goes its history: a name gets no more than five in a day, and this is a new day for it.
        for path in folder.glob(f"{dice.choice(hosts)}*") if number % 2 and folder.is_dir() else []:
            path.unlink()
    run.start()
    for host in hosts:
        kit.wait_for(f"{host} is served", lambda: shown(ports[1], host, pebble.root), BOUND * 3)
    orders = pebble.new_orders() - before
    kit.check(orders <= (rounds + 1) * len(hosts), f"after {rounds} kills every name is served; {orders} orders for {len(hosts)} names")
    whole_files(folder)
    run.process.stop()


def whole_files(folder):
    torn = [path for path in folder.glob("*.pem") if not re.search(r"-----END (CERTIFICATE|PRIVATE KEY)-----\s*$", path.read_text())]
    kit.check(not torn, f"no file is torn ({torn})")


def killed_and_resumed(scene, pebble, server, ports):
    """Killed at random points of issue and renewal of one name: each kill costs one new order at most, and an order that was written
    down is gone on with. Once there is a certificate, no kill takes it away."""
    host = "killed.example.com"
    run = Run(scene, "resumed", configuration(pebble, server, ports, [host]))
    dice = random.Random(20261123)
    folder = run.folder / "data/certs/acme"

    def is_open():
        try:
            return bool(json.loads((folder / f"{host}.json").read_text())["order"])
        except (OSError, ValueError, KeyError):
            return False

    seen = {"issue": 0, "renewal": 0, "open": 0, "resumed": 0, "served": 0}
    certificate = folder / f"{host}.pem"
    for number in range(KILLS):
        had, was_open, before = certificate.exists(), is_open(), pebble.new_orders()
        run.start()
        if had:
            # What was there before is shown from the first moment, whatever the former kill met.
            kit.wait_for("the certificate is shown", lambda: shown(ports[1], host, pebble.root), 5)
            seen["served"] += 1
        renews = None
        # A renewal that nobody waits for goes on when it is due; whoever wanted it early says so again.
        if had:
            renews = scene.start(f"renew-{number}", [scene.binary, "cert", "renew", host, "--force", "-c", str(run.config), "--json"])
        seen["renewal" if had else "issue"] += 1
        time.sleep(dice.uniform(0.0, 1.6))
        run.kill()
        if renews:
            renews.stop()
        new = pebble.settled_orders() - before
        if new > 1:
            raise kit.Broken(f"round {number}: {new} new orders (open before: {was_open})")
        seen["open"] += is_open()
        seen["resumed"] += was_open and new == 0 and not is_open()
        # A name gets no more than five certificates in a day: for these days' worth of kills its history is forgotten, too.
        if not is_open():
            (folder / f"{host}.json").unlink(missing_ok=True)
        # A third of the rounds begins anew, so that issuing is met as well as renewal.
        if number % 3 == 2 and not is_open():
            for path in folder.glob(f"{host}*.pem"):
                path.unlink()
            (folder / f"{host}_previous.pem").unlink(missing_ok=True)
    kit.check(True, f"{KILLS} kills, none of which cost more than one new order: {seen}")
    kit.check(seen["issue"] and seen["renewal"] and seen["resumed"], "kills met issue and renewal, and open orders were gone on with")
    run.start()
    kit.wait_for(f"{host} is served", lambda: shown(ports[1], host, pebble.root), BOUND * 3)
    whole_files(folder)
    run.process.stop()


def taken_over(scene, pebble, server, ports, certificate):
    """A certificate of Pebble's, as another program keeps it, is shown without an order and renewed like one of our own."""
    theirs = scene.folder / "letsencrypt"
    live, archive = theirs / "live" / HOST, theirs / "archive" / HOST
    for folder in (live, archive):
        folder.mkdir(parents=True)
    key, chain = re.match(r"(.*?-----END [A-Z ]*PRIVATE KEY-----\n)(.*)", certificate.read_text(), re.DOTALL).groups()
    for name, text in (("privkey", key), ("fullchain", chain)):
        (archive / f"{name}1.pem").write_text(text)
        (live / f"{name}.pem").symlink_to(f"../../archive/{HOST}/{name}1.pem")
    run = Run(scene, "taken", configuration(pebble, server, ports, [HOST]))
    answer = run.cert("import", str(theirs))
    kit.check(answer["taken"] == 1 and answer["refused"] == 0, "certbot's folder is taken over without a gateway")
    orders = pebble.new_orders()
    run.start()
    serial = shown(ports[1], HOST, pebble.root)["serialNumber"]
    kit.check(pebble.new_orders() == orders, "what was taken over is shown, and nothing is ordered")
    run.cert("renew", HOST, "--force")
    kit.check(shown(ports[1], HOST, pebble.root)["serialNumber"] != serial and pebble.new_orders() == orders + 1, "and it is renewed")
    done = subprocess.run([scene.binary, "check", "--online", "-c", str(run.config), "--json"], capture_output=True, text=True, timeout=60)
    codes = {one["code"] for one in json.loads(done.stdout)["diagnostics"]}
    kit.check("N0801" in codes and not codes & {"N0804", "N0805", "N0807"}, f"check --online: authority, clock and app are in order ({codes})")
    run.process.stop()


def from_the_current_one(scene, server):
    """For known customers only, with kinds of certificates, saying when to renew; keys and certificates that are taken back."""
    http_port, https_port = kit.free_port(), kit.free_port()
    day = 86_400
    profiles = {"default": {"description": "", "validityPeriod": 90 * day}, "shortlived": {"description": "", "validityPeriod": 6 * day}}
    kid, key = CUSTOMER
    pebble = Pebble(scene, http_port, https_port, CURRENT, {
        "profiles": profiles, "keyAlgorithm": "ecdsa", "externalAccountBindingRequired": True, "externalAccountMACKeys": {kid: key},
    })

    def text(profile, hmac):
        return f"""
[listen]
https = ["127.0.0.1:{https_port}"]
http = ["127.0.0.1:{http_port}"]
[acme]
agree_tos = true
directory = "{pebble.directory}"
ca_file = "{pebble.ca_file}"
profile = "{profile}"
eab = {{ kid = "{kid}", hmac_key = {{ file = "{hmac}" }} }}
[[app]]
host = "{HOST}"
upstream = "http://127.0.0.1:{server.server_port}"
"""

    wrong, right = scene.folder / "wrong.key", scene.folder / "right.key"
    for path, content in ((wrong, "d3Jvbmc\n"), (right, key + "\n")):
        path.write_text(content)
        path.chmod(0o600)

    def trouble(run, words):
        found = kit.wait_for("its trouble", lambda: (run.cert("show", HOST)["trouble"] or {}).get("sentence"), 30)
        kit.check(words in found, found)

    for name, profile, hmac, words in (("stranger", "shortlived", wrong, "does not know us as `acme.eab` says"),
                                       ("profile", "classic", right, "set `acme.profile` to one of default, shortlived")):
        run = Run(scene, name, text(profile, hmac))
        run.start()
        trouble(run, words)
        run.process.stop()
    run = Run(scene, "current", text("shortlived", right))
    run.start()
    kit.wait_for("a certificate", lambda: shown(https_port, HOST, pebble.root), BOUND)
    state = kit.wait_for("when to renew", lambda: (lambda one: one if one["window"] else None)(run.cert("show", HOST)), 30)
    kit.check(abs(state["until"] - state["from"] - 6 * day) < 60, "the profile's certificate lives for six days")
    kit.check(state["from"] < state["window"][0] <= state["next"] <= state["window"][1] < state["until"],
              f"it is renewed when the authority says: {state['window']}, at {state['next']}")
    done = run.cert("renew", HOST, "--force")
    kit.check(done["failed"] == 0 and any("marked as replaced" in line for line in pebble.process.lines()),
              "the new order says which certificate it replaces")
    folder = run.folder / "data/certs/acme"
    account = next(folder.glob("account_*.pem"))
    before = account.read_text()
    done = run.cert("rollover-key")
    kit.check([one["trouble"] for one in done["accounts"]] == [None] and account.read_text() != before, "the account has a new key")
    kit.check(run.cert("renew", HOST, "--force")["failed"] == 0, "and orders with it")
    serial = shown(https_port, HOST, pebble.root)["serialNumber"]
    done = run.cert("revoke", HOST, "--reason", "key-compromise", "--yes")
    status = pebble.status(serial)
    kit.check((status["Status"], status.get("Reason")) == ("Revoked", 1), "a certificate is revoked, with its reason")
    after = shown(https_port, HOST, pebble.root)["serialNumber"]
    kit.check(done["ordered"]["host"] == HOST and after != serial and pebble.status(after)["Status"] == "Valid", "and there is a new one")
    kit.check(not list(folder.glob("*.next")) and not list(folder.glob("*_order.key")), "nothing is left behind")
    run.process.stop()


def journey(scene):
    server = upstream.serve()
    scene.at_end(server.shutdown)
    ports = (kit.free_port(), kit.free_port())
    pebble = Pebble(scene, *ports)
    pebble.lead(BROKEN, "127.0.0.2")
    gateway = over_port_80(scene, pebble, server, ports)
    nothing_else_is_answered(gateway, ports[0])
    alpn_is_not_mixed(gateway, ports[1])
    renewal_goes_unnoticed(gateway, pebble, ports[1])
    authority_forgets(gateway, pebble, ports[1])
    heals(gateway, pebble, ports[1])
    events = [event["event"] for event in gateway.command("audit", "list")["records"]]
    kit.check({"cert.issued", "cert.renewed", "cert.failing"} <= set(events), "the audit trail has all of it")
    gateway.process.stop()
    over_port_443(scene, pebble, server, ports[1])
    taken_over(scene, pebble, server, ports, gateway.data_dir / "certs/acme" / f"{HOST}.pem")
    killed(scene, pebble, server, ports)
    killed_and_resumed(scene, pebble, server, ports)
    refused = pebble.refused_nonces()
    kit.check(refused > 0, f"{refused} orders and finalisations were refused, as every fifth nonce is")
    said = "".join(path.read_text(errors="replace") for path in scene.folder.glob("*.err"))
    kit.check("took none of many nonces" not in said, "and no order failed of it: they were repeated")
    if kit.FULL or CURRENT.is_dir():
        from_the_current_one(scene, server)


if __name__ == "__main__":
    kit.main(journey, 400 if not kit.FULL else 1500)
