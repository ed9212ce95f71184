"""curl as the client, HTTP/1.1 and HTTP/2: sign-in without scripts, big uploads, downloads, events, 100-continue, redirects."""

import hashlib
import json
import os
import subprocess

import kit
import upstream

PASSWORD = "seven green lanterns in the harbour"
SIZE = (512 if kit.FULL else 64) * 1024 * 1024


def events_come_one_by_one(curl, server):
    """Each event must arrive before the app is allowed to send the next."""
    child = subprocess.Popen([*curl.arguments(), "--no-buffer", curl.base + "/events"], stdout=subprocess.PIPE, text=True)
    try:
        for count in range(3):
            server.ticks.release()
            kit.check(child.stdout.readline() == f"data: tick {count}\n", f"event {count} arrives before the next is sent")
            child.stdout.readline()
        kit.check(child.wait(10) == 0, "the stream ends cleanly")
    finally:
        child.kill()
        child.wait()


def moves_data(scene, curl, file, digest):
    answer = curl("/upload", "--upload-file", file)
    facts = json.loads(answer.body)
    kit.check((facts["received"], facts["sha256"]) == (SIZE, digest), f"{SIZE >> 20} MiB arrive unchanged (Content-Length)")
    answer = curl("/upload", "--request", "POST", "--upload-file", file, "--header", "Transfer-Encoding: chunked",
                  "--header", "Content-Length:") if curl.version == "--http1.1" else None
    if answer:
        facts = json.loads(answer.body)
        kit.check((facts["received"], facts["sha256"]) == (SIZE, digest), "and chunked")
    answer = curl(f"/download/{SIZE}")
    whole = hashlib.sha256((upstream.BLOCK * (SIZE // len(upstream.BLOCK) + 1))[:SIZE]).hexdigest()
    kit.check(hashlib.sha256(answer.body).hexdigest() == whole, f"{SIZE >> 20} MiB come back unchanged")


def expect_continue(curl):
    """The gateway answers 100 itself, over HTTP/1.1 at least: over HTTP/2 clients wait their own second and send."""
    patience = "30" if curl.version == "--http1.1" else "1"
    answer = curl("/upload", "--header", "Expect: 100-continue", "--expect100-timeout", patience, "--data-binary", "x" * 4096)
    kit.check(json.loads(answer.body)["received"] == 4096, "an upload with Expect: 100-continue arrives")
    if curl.version == "--http1.1":
        kit.check(answer.interim == 1, "and 100 Continue was sent exactly once")


def strangers_get_nothing(scene, gateway, curl):
    stranger = kit.Curl(scene, gateway, curl.host, curl.version)
    answer = stranger("/upload", "--data", "x", "--header", "Accept: application/json")
    kit.check(answer.status == 401, f"a script without a session gets 401 ({answer.status})")
    answer = stranger("/", *stranger.navigation())
    kit.check(answer.status == 302 and "/.doorward/login" in answer.header("location"), "a navigation gets 302 to sign-in")
    answer = stranger("/", "--cookie", "__Host-doorward=" + "A" * 43, *stranger.navigation())
    kit.check(answer.status == 302, "an invented session cookie counts as none")
    answer = stranger("/.doorward/setup/" + "A" * 43)
    kit.check(answer.status == 404, "an invented set-up link is 404")
    answer = stranger("/%2e%64oorward/login")
    kit.check(answer.status == 404, "another spelling of our prefix is 404")


def one_version(scene, gateway, server, authenticator, version, file, digest):
    kit.say(f"---- {version}")
    curl = kit.Curl(scene, gateway, "files.localhost", version)
    page = curl.sign_in("bob", PASSWORD, authenticator, "/seen?x=%2F&y=a+b")
    kit.check(page.version == ("1.1" if version == "--http1.1" else "2"), f"curl spoke HTTP/{page.version}")
    seen = json.loads(page.body)
    kit.check(seen["path"] == "/seen?x=%2F&y=a+b", "sign-in returns to the target, byte for byte")
    headers = dict(seen["headers"])
    kit.check("__Host-doorward" in curl.cookies(), "the jar holds the session cookie")
    kit.check("__host-doorward" not in headers.get("cookie", "").lower(), "the app does not see it")
    kit.check(headers["host"] == f"files.localhost:{gateway.port}", "the app sees the host that was asked for")
    kit.check(headers.get("x-forwarded-proto") == "https" and headers.get("x-forwarded-for") == "127.0.0.1", "and whom it serves")
    forged = json.loads(curl("/seen", "--header", "X-Forwarded-For: 9.9.9.9", "--header", "Remote-User: root",
                             "--header", "Cookie: mine=1").body)
    kit.check("9.9.9.9" not in json.dumps(forged), "a forged X-Forwarded-For is thrown away")
    moves_data(scene, curl, file, digest)
    expect_continue(curl)
    events_come_one_by_one(curl, server)
    strangers_get_nothing(scene, gateway, curl)


def plain_http_leads_to_https(scene, gateway):
    curl = kit.Curl(scene, gateway, "files.localhost")
    answer = curl(f"http://files.localhost:{gateway.http_port}/a/b?c=d%2F", "--resolve",
                  f"files.localhost:{gateway.http_port}:127.0.0.1")
    kit.check(answer.status == 308, f"plain HTTP answers 308 ({answer.status})")
    kit.check(answer.header("location") == f"https://files.localhost:{gateway.port}/a/b?c=d%2F",
              f"to the same target on HTTPS ({answer.header('location')})")


def hosts_nobody_configured(scene, gateway):
    curl = kit.Curl(scene, gateway, "files.localhost")
    curl("https://other.localhost/", "--connect-to", f"other.localhost:443:127.0.0.1:{gateway.port}", code=35)
    kit.say("ok: an unknown server name ends in the handshake")
    answer = curl("/", "--header", "Host: other.localhost")
    kit.check(answer.status == 421, f"an unknown Host behind a known server name is 421 ({answer.status})")


def journey(scene):
    kit.check(kit.rfc_6238_vectors_hold(), "the authenticator of this test keeps to RFC 6238")
    server = upstream.serve()
    scene.at_end(server.shutdown)
    gateway = kit.Gateway(scene, ["up", f"files.localhost=127.0.0.1:{server.server_port}"])
    authenticator = gateway.add_user("bob", PASSWORD)
    printed = gateway.command("trust", "--print")
    kit.check(printed["certificate"].strip() == gateway.ca_file.read_text().strip(), "doorward trust --print gives the CA of the ready line")
    file = scene.folder / "big"
    digest = hashlib.sha256()
    with open(file, "wb") as out:
        for _ in range(SIZE >> 20):
            part = os.urandom(1 << 20)
            digest.update(part)
            out.write(part)
    for version in ("--http1.1", "--http2"):
        one_version(scene, gateway, server, authenticator, version, file, digest.hexdigest())
    plain_http_leads_to_https(scene, gateway)
    hosts_nobody_configured(scene, gateway)


if __name__ == "__main__":
    kit.main(journey, 240 if not kit.FULL else 900)
