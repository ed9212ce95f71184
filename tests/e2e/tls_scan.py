"""testssl.sh and sslscan against the running gateway, with a certificate of the local authority and with one of Pebble's: no
weakness but those that docs/security.md argues."""

import json
import subprocess
import xml.etree.ElementTree as tree

import kit
import pebble
import upstream

LOCAL = "scan.localhost"
PUBLIC = "scan.example.com"
WEAK = {"LOW", "MEDIUM", "HIGH", "CRITICAL"}
# Each is argued in docs/security.md, section "What scanners say".
ARGUED = {
    "HSTS": "none is sent in this version",
    "cert_expirationStatus": "certificates of the local authority live 30 days and are made anew by the gateway",
    "cert_notAfter": "the same, told twice",
    "cert_revocation": "neither the local authority nor Pebble publishes revocations",
    "OCSP_stapling": "none is stapled: authorities have stopped answering OCSP",
    "DNS_CAArecord": "no name here is in DNS",
    "cert_trust": "testssl.sh holds the name against the address that it was given",
}


def testssl(scene, host, port, root):
    """What is weak by testssl.sh, beyond what is argued."""
    out = scene.folder / f"testssl-{host}.json"
    done = subprocess.run([
        kit.program("testssl"), "--quiet", "--color", "0", "--warnings", "off", "--openssl-timeout", "10", "--nodns", "none",
        "--ip", "127.0.0.1", "--add-ca", str(root), "--jsonfile", str(out), f"https://{host}:{port}",
    ], capture_output=True, text=True, timeout=900, stdin=subprocess.DEVNULL)
    findings = json.loads(out.read_text())
    kit.check(len(findings) > 80, f"testssl.sh looked at {host} ({len(findings)} findings, exit code {done.returncode})")
    looked = {finding["id"] for finding in findings}
    kit.check({"TLS1_3", "heartbleed", "ROBOT", "BEAST", "cert_chain_of_trust"} <= looked, "protocols, attacks and certificate alike")
    for finding in findings:
        if finding["severity"] in WEAK and finding["id"].split(" ")[0] in ARGUED:
            kit.say(f"argued: {finding['id']}: {finding['finding']}")
    return [finding for finding in findings if finding["severity"] in WEAK and finding["id"].split(" ")[0] not in ARGUED]


def sslscan(scene, host, port):
    """What is enabled that should not be, by sslscan."""
    out = scene.folder / f"sslscan-{host}.xml"
    subprocess.run([kit.program("sslscan"), "--no-colour", f"--xml={out}", f"--sni-name={host}", f"127.0.0.1:{port}"],
                   capture_output=True, text=True, timeout=300, check=True)
    root = tree.parse(out).getroot()
    protocols = {(one.get("type"), one.get("version")): one.get("enabled") for one in root.iter("protocol")}
    kit.check(protocols.get(("tls", "1.2")) == "1" and protocols.get(("tls", "1.3")) == "1", f"sslscan looked at {host}")
    weak = [f"protocol {name}" for name, enabled in protocols.items() if enabled == "1" and name not in {("tls", "1.2"), ("tls", "1.3")}]
    weak += [f"cipher {one.get('cipher')}" for one in root.iter("cipher") if one.get("strength") not in {"strong", "acceptable"}
             or "CBC" in one.get("cipher", "")]
    weak += ["heartbleed" for one in root.iter("heartbleed") if one.get("vulnerable") == "1"]
    weak += ["compression" for one in root.iter("compression") if one.get("supported") == "1"]
    weak += ["insecure renegotiation" for one in root.iter("renegotiation") if one.get("supported") == "1" and one.get("secure") != "1"]
    return weak


def journey(scene):
    server = upstream.serve()
    scene.at_end(server.shutdown)
    ports = (kit.free_port(), kit.free_port())
    authority = pebble.Pebble(scene, *ports)
    gateway = kit.Gateway(scene, ["up", f"{LOCAL}=127.0.0.1:{server.server_port}", f"{PUBLIC}=127.0.0.1:{server.server_port}", "--agree-tos",
                                  "--acme-directory", authority.directory, "--acme-ca", authority.ca_file], https=ports[1], http=ports[0])
    kit.wait_for("a certificate of Pebble's", lambda: pebble.shown(ports[1], PUBLIC, authority.root), pebble.BOUND)
    for host, root in ((LOCAL, gateway.ca_file), (PUBLIC, authority.root)):
        weak = sslscan(scene, host, ports[1])
        kit.check(not weak, f"sslscan finds nothing weak at {host} ({weak})")
        weak = testssl(scene, host, ports[1], root)
        kit.check(not weak, f"testssl.sh finds nothing weak at {host} beyond what is argued ({weak})")
    kit.check(pebble.shown(ports[1], PUBLIC, authority.root) is not None, "and the gateway serves on")
    gateway.ends_well()


if __name__ == "__main__":
    kit.main(journey, 1800)
