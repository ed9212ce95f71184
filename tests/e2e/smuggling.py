"""The corpora of smuggled requests through the gateway to nginx, Node, gunicorn and Apache: what those servers log must be no more
than was judged: never a smuggled path, never more requests than were sent, never a header that is ours to say."""

import concurrent.futures
import os
import pathlib
import re
import socket
import ssl
import struct

import kit

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
# As long as the host in the corpus, so that lengths stay true.
HOSTS = {"nginx": "n.example", "node": "o.example", "gunicorn": "g.example", "apache": "p.example"}

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.error warn; {user}
events {{ worker_connections 128; }}
http {{
  log_format seen '$request_method $request_uri user=$http_remote_user for=$http_x_forwarded_for host=$http_x_forwarded_host';
  access_log {folder}/nginx.seen seen; underscores_in_headers on;
  client_body_temp_path {folder}/tmp1; proxy_temp_path {folder}/tmp2; fastcgi_temp_path {folder}/tmp3;
  uwsgi_temp_path {folder}/tmp4; scgi_temp_path {folder}/tmp5;
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 "ok"; }} }}
}}
"""

NODE = """
const http = require("http"), fs = require("fs");
const [port, log] = process.argv.slice(2);
http.createServer((request, response) => {
  const h = request.headers;
  const said = `user=${h["remote-user"] || h["remote_user"] || "-"} for=${h["x-forwarded-for"]} host=${h["x-forwarded-host"]}`;
  fs.appendFileSync(log, `${request.method} ${request.url} ${said}\\n`);
  request.resume().on("end", () => response.end("ok"));
}).listen(Number(port), "127.0.0.1");
"""

WSGI = """
import os
def app(environ, start_response):
    environ["wsgi.input"].read()
    said = "user=%s for=%s host=%s" % tuple(environ.get("HTTP_" + n, "-") for n in ("REMOTE_USER", "X_FORWARDED_FOR", "X_FORWARDED_HOST"))
    with open(os.environ["SEEN"], "a") as log:
        log.write("%s %s %s\\n" % (environ["REQUEST_METHOD"], environ.get("RAW_URI", environ["PATH_INFO"]), said))
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""

APACHE = """
ServerName localhost
ServerRoot {folder}
Listen 127.0.0.1:{port}
PidFile {folder}/apache.pid
ErrorLog {folder}/apache.error
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
LogFormat "%m %U%q user=%{{Remote-User}}i for=%{{X-Forwarded-For}}i host=%{{X-Forwarded-Host}}i" seen
CustomLog {folder}/apache.seen seen
DocumentRoot {folder}
Redirect 204 /
{user}
"""


def start_servers(scene):
    folder, ports = scene.folder, {name: kit.free_port() for name in HOSTS}
    root = os.geteuid() == 0
    nginx = folder / "nginx.conf"
    nginx.write_text(NGINX.format(folder=folder, port=ports["nginx"], user="user root;" if root else ""))
    scene.start("nginx", [kit.program("nginx"), "-p", folder, "-c", nginx, "-e", "stderr"])
    node = folder / "server.js"
    node.write_text(NODE)
    scene.start("node", [kit.program("node"), node, ports["node"], folder / "node.seen"])
    (folder / "seen.py").write_text(WSGI)
    # The Python environment of the servers in tests/paths holds it.
    gunicorn = DATA.parent.parent / "target/paths-venv/bin/gunicorn"
    environment = {**os.environ, "HOME": str(folder), "SEEN": str(folder / "gunicorn.seen")}
    scene.start("gunicorn", [gunicorn, "-k", "gthread", "--threads", "8", "-b", f"127.0.0.1:{ports['gunicorn']}", "seen:app"],
                env=environment, cwd=folder)
    apache = folder / "apache.conf"
    folder.chmod(0o755)
    user = "User www-data\nGroup www-data" if root else ""
    apache.write_text(APACHE.format(folder=folder, port=ports["apache"], user=user))
    scene.start("apache", [kit.program("apache2"), "-f", apache, "-DFOREGROUND"])
    for name, port in ports.items():
        kit.wait_for(f"{name} to listen", lambda port=port: kit.port_answers(port), 30)
    return ports


def start_gateway(scene, ports):
    text = '[listen]\nhttps = ["127.0.0.1:0"]\nhttp = []\n'
    for name, host in HOSTS.items():
        text += f'[[app]]\nhost = "{host}"\nupstream = "http://127.0.0.1:{ports[name]}"\ndeny = ["/smuggled/"]\n'
        text += 'bypass = [{ path = "/", reason = "test" }]\n'
    file = scene.folder / "gateway.toml"
    file.write_text(text)
    process = scene.start("doorward", [scene.binary, "run", "-c", file, "--json", "--data-dir", scene.folder / "data"])

    def ready():
        for line in process.lines():
            if '"ready"' in line:
                return kit.json.loads(line)
        if not process.alive():
            raise kit.Broken("doorward ended at once")
        return None
    facts = kit.wait_for("the ready line of doorward", ready, 60)
    return int(facts["https"][0].rsplit(":", 1)[1]), facts["ca_file"]


def unescape(text):
    plain = {"r": b"\r", "n": b"\n", "t": b"\t", "\\": b"\\"}
    out, at = b"", 0
    while at < len(text):
        if text[at] != "\\":
            out, at = out + text[at].encode(), at + 1
        elif text[at + 1] == "x":
            out, at = out + bytes([int(text[at + 2:at + 4], 16)]), at + 4
        else:
            out, at = out + plain[text[at + 1]], at + 2
    return out


def cases(file):
    for block in (DATA / file).read_text().split("\n\n"):
        if "case: " in block:
            lines = block[block.index("case: "):].split("\n")
            yield {"name": lines[0][6:], "verdict": lines[2][9:], "lines": lines[3:]}


def connect(port, ca_file, host, protocol):
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols([protocol])
    plain = socket.create_connection(("127.0.0.1", port), 10)
    return context.wrap_socket(plain, server_hostname=host)


def until(stream, done):
    """What comes until `done` says so, the other side closes, or it has been silent for long."""
    said = b""
    while not done(said):
        try:
            more = stream.recv(65536)
        except OSError:
            break
        if not more:
            break
        said += more
    return said


def send_h1(case, *address):
    host = address[2]
    bytes_ = b"".join(unescape(line[2:]) for line in case["lines"] if line.startswith("| ")).replace(b"a.example", host.encode())
    most = int(case["verdict"][5:]) if case["verdict"].startswith("pass") else 1
    with connect(*address, "http/1.1") as stream:
        stream.sendall(bytes_)
        stream.settimeout(3)
        passes = case["verdict"].startswith("pass")
        until(stream, lambda said: passes and len(re.findall(rb"HTTP/1\.1 [2-5]", said)) >= most)
    return most


def frame(kind, flags, payload, number=1):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", number) + payload


def literal(name, value):
    def text(raw):
        assert len(raw) < 127 + 128
        return (bytes([len(raw)]) if len(raw) < 127 else bytes([127, len(raw) - 127])) + raw
    return b"\x10" + text(name) + text(value)


def send_h2(case, *address):
    host = address[2].encode()

    def block(prefix):
        fields = [line[len(prefix):].partition(" =>") for line in case["lines"] if line.startswith(prefix)]
        return b"".join(literal(unescape(n), unescape(v.removeprefix(" ")).replace(b"a.example", host)) for n, _, v in fields)
    body = next((unescape(line[6:]).replace(b"a.example", host) for line in case["lines"] if line.startswith("body: ")), None)
    trailers = block("trailer: ")
    out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, b"", 0)
    out += frame(1, 4 | (body is None and not trailers), block("| "))
    if body is not None:
        out += frame(0, 0 if trailers else 1, body)
    if trailers:
        out += frame(1, 5, trailers)

    def done(said):
        at = 0
        while at + 9 <= len(said):
            size, kind, flags = int.from_bytes(said[at:at + 3], "big"), said[at + 3], said[at + 4]
            if kind in (3, 7) or (kind in (0, 1) and flags & 1):
                return True
            at += 9 + size
        return False
    with connect(*address, "h2") as stream:
        stream.sendall(out)
        stream.settimeout(3)
        until(stream, done)
    return 1


def journey(scene):
    ports = start_servers(scene)
    port, ca_file = start_gateway(scene, ports)
    work = [(send_h1, case) for case in cases("smuggling-h1.txt")] + [(send_h2, case) for case in cases("smuggling-h2.txt")]
    kit.check(len(work) > 250, f"{len(work)} cases for each of {len(HOSTS)} servers")
    for name, host in HOSTS.items():
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            most = sum(pool.map(lambda item: item[0](item[1], port, ca_file, host), work))
        log = scene.folder / f"{name}.seen"
        kit.wait_for(f"the log of {name}", log.exists)
        seen = log.read_text(errors="replace").splitlines()
        odd = [line for line in seen if re.search(r"smuggl|root|10\.0\.0\.1|b\.example", line)]
        kit.check(not odd, f"{name} saw {len(seen)} requests, none of them smuggled or with a header of the client's that is ours {odd[:3]}")
        kit.check(30 < len(seen) <= most, f"{name} saw at most the {most} that could pass")


if __name__ == "__main__":
    kit.main(journey, 600)
