"""Names proven by a provider that is built in, over its interface on the web: a real PowerDNS, plain and behind TLS with an authority of
one's own, with Pebble's validation on; and what is said when something there is wrong."""

import socket
import ssl
import threading
import time
from pathlib import Path

import dns01
import kit
import pebble as authority
import powerdns
import upstream

NAME = "_acme-challenge.example.com"
HOSTS = ["example.com", "*.example.com"]
DNS_01 = 'challenge = "dns-01"'


class Front:
    """TLS before a plain port, with a certificate of the scenario's own."""

    def __init__(self, pebble, behind):
        self.behind = behind
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pebble.ca_file, pebble.folder / "pebble-tls.key")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            plain, _ = self.listener.accept()
            threading.Thread(target=self.relay, args=(plain,), daemon=True).start()

    def relay(self, plain):
        try:
            near = self.context.wrap_socket(plain, server_side=True)
            far = socket.create_connection(("127.0.0.1", self.behind))
        except OSError:
            return
        back = threading.Thread(target=self.copy, args=(far, near), daemon=True)
        back.start()
        self.copy(near, far)

    def copy(self, source, sink):
        try:
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def table(url, key_file, more=""):
    return f"""provider = "powerdns"
credentials = {{ api_key = {{ file = "{key_file}" }}, url = "{url}" }}
timeout = "20s"
{more}
"""


def issues(scene, pebble, peer, server, port, name, dns):
    began = time.monotonic()
    run = dns01.gateway(scene, pebble, peer, name, dns, HOSTS, server, port, DNS_01)
    run.start()
    for host in ("example.com", "one.example.com"):
        kit.wait_for(f"a certificate for {host}", lambda: authority.shown(port, host, pebble.root), dns01.BOUND, 0.1)
    kit.say(f"ok: {name}: a wildcard and the name behind its star after {time.monotonic() - began:.1f} s")
    kit.wait_for("the records to be gone", lambda: peer.words(NAME) == ["theirs"], dns01.BOUND)
    kit.check(True, f"{name}: what somebody else has set at the name is still there")
    log = run.process.err.read_text()
    kit.check(peer.api_key not in log, f"{name}: the key is in no log")
    return run


def says(scene, pebble, peer, server, port, name, dns, *words):
    run = dns01.gateway(scene, pebble, peer, name, dns, ["*.example.com"], server, port)
    run.start()
    trouble = dns01.fails(run, "*.example.com", *words)
    shown = trouble["sentence"] + str(trouble) + run.process.err.read_text()
    run.process.stop()
    kit.check(peer.api_key not in shown and "hunter2hunter2" not in shown, f"{name}: {trouble['sentence']}")


def command_lines(pid):
    """What anybody on this machine may read of the processes that a gateway has started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"\nPPid:\t{pid}\n" in (folder / "status").read_text():
                found.append((folder / "cmdline").read_bytes() + (folder / "environ").read_bytes())
        except OSError:
            pass
    return found


def hidden(scene, pebble, peer, server, port, key_file):
    """The attack: somebody else on the machine who lists processes while a name is proven."""
    silent = socket.create_server(("127.0.0.1", 0))
    dns = table(f"http://127.0.0.1:{silent.getsockname()[1]}", key_file)
    run = dns01.gateway(scene, pebble, peer, "hidden", dns, ["*.example.com"], server, port)
    run.start()

    def speaks():
        # Until it has become another program, a process still has the gateway's line.
        lines = command_lines(run.process.child.pid)
        return lines if any(b"dns-change" in line for line in lines) else None

    lines = kit.wait_for("a process of its own that speaks to the provider", speaks, 20)
    kit.check(not any(peer.api_key.encode() in line for line in lines), "and shows no key to whoever lists processes")
    run.process.stop()
    kit.wait_for("its end", lambda: not any(b"dns-change" in line for line in command_lines(1)), 20)
    kit.say("ok: it ends with the gateway")
    silent.close()


def journey(scene):
    server = upstream.serve()
    scene.at_end(server.shutdown)
    port = kit.free_port()
    peer = powerdns.PowerDns(scene)
    peer.util("add-record", "example.com", "_acme-challenge", "TXT", "60", '"theirs"')
    pebble = authority.Pebble(scene, kit.free_port(), port, dns=peer.port)
    key, wrong = dns01.secret(scene, "api-key", peer.api_key), dns01.secret(scene, "wrong-key", "hunter2hunter2")
    plain = f"http://127.0.0.1:{peer.api_port}"
    run = issues(scene, pebble, peer, server, port, "plain", table(plain, key))
    answer = run.cert("renew", "*.example.com", "--force")
    kit.check(answer["failed"] == 0, "cert renew goes the same way")
    run.process.stop()
    front = Front(pebble, peer.api_port)
    issues(scene, pebble, peer, server, port, "tls", table(front.url, key, f'ca_file = "{pebble.ca_file}"')).process.stop()
    says(scene, pebble, peer, server, port, "wrong", table(plain, wrong), "PowerDNS refuses", "acme.dns.credentials")
    says(scene, pebble, peer, server, port, "stranger", table(front.url, key), "could not be reached", "acme.dns.ca_file")
    says(scene, pebble, peer, server, port, "nobody", table("http://127.0.0.1:1", key), "PowerDNS could not be reached")
    says(scene, pebble, peer, server, port, "zone", table(plain, key, 'zone = "other.example"'), "PowerDNS does not know other.example")
    hidden(scene, pebble, peer, server, port, key)
    kit.check(peer.words(NAME) == ["theirs"], "nothing is left but what was there before")


if __name__ == "__main__":
    kit.main(journey, 300)
