"""nginx behind the gateway: what nginx answers must reach the client byte for byte, over one kept connection."""

import gzip
import http.client
import os
import random
import ssl

import kit

PASSWORD = "seven green lanterns in the harbour"
# Belong to one connection (RFC 9110, 7.6.1), so they may differ on the two sides of a gateway.
HOP = {"connection", "keep-alive", "transfer-encoding", "date"}

CONFIG = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr warn; {user}
events {{ worker_connections 64; }}
http {{
  types {{ text/html html; text/plain txt; application/octet-stream bin; }}
  default_type application/octet-stream; server_tokens on; gzip_static on; etag on; keepalive_requests 10000;
  log_format facts '$connection $connection_requests $status $request_method $request_uri';
  access_log {folder}/nginx.access facts;
  client_body_temp_path {folder}/tmp1; proxy_temp_path {folder}/tmp2; fastcgi_temp_path {folder}/tmp3;
  uwsgi_temp_path {folder}/tmp4; scgi_temp_path {folder}/tmp5;
  server {{
    listen 127.0.0.1:{port}; root {folder}/www;
    location /headers/ {{ alias {folder}/www/; add_header X-Twice one; add_header X-Twice two; add_header Set-Cookie "a=1; Path=/";
                          add_header Set-Cookie "b=2"; add_header X-Empty ""; add_header Server-Timing "x;dur=1"; }}
    location /old/ {{ return 301 /page.html; }}
    location /nothing {{ return 204; }}
    location /teapot {{ return 418; }}
  }}
}}
"""


def start_nginx(scene):
    www = scene.folder / "www"
    www.mkdir()
    (www / "page.html").write_text("<!doctype html><title>page</title>" + "words and words\n" * 500)
    (www / "page.html.gz").write_bytes(gzip.compress((www / "page.html").read_bytes(), mtime=0))
    (www / "blob.bin").write_bytes(random.Random(7).randbytes(3_000_001))
    (www / "empty.txt").write_bytes(b"")
    port = kit.free_port()
    config = scene.folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(CONFIG.format(folder=scene.folder, port=port, user=user))
    scene.start("nginx", [kit.program("nginx"), "-p", scene.folder, "-c", config, "-e", "stderr"])
    kit.wait_for("nginx to listen", lambda: kit.port_answers(port))
    return port


def ask(connection, method, target, headers):
    connection.request(method, target, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    kept = sorted((n.lower(), v) for n, v in answer.getheaders() if n.lower() not in HOP)
    return answer.status, kept, body


REQUESTS = [
    ("GET", "/page.html", {}),
    ("HEAD", "/page.html", {}),
    ("GET", "/page.html", {"Accept-Encoding": "gzip"}),
    ("GET", "/blob.bin", {}),
    ("GET", "/blob.bin", {"Range": "bytes=0-0"}),
    ("GET", "/blob.bin", {"Range": "bytes=1000-1999"}),
    ("GET", "/blob.bin", {"Range": "bytes=-17"}),
    ("GET", "/blob.bin", {"Range": "bytes=9999999-"}),
    ("HEAD", "/blob.bin", {"Range": "bytes=5-9"}),
    ("GET", "/empty.txt", {}),
    ("GET", "/headers/page.html", {}),
    ("GET", "/old/", {}),
    ("GET", "/nothing", {}),
    ("GET", "/teapot", {}),
    ("GET", "/missing", {}),
    ("OPTIONS", "/page.html", {}),
    ("DELETE", "/page.html", {}),
]


def same_on_both_ways(direct, through, cookie, host):
    for method, target, headers in REQUESTS:
        one = ask(direct, method, target, {"Host": host, **headers})
        two = ask(through, method, target, {"Host": host, "Cookie": cookie, **headers})
        kit.check(one == two, f"{method} {target} {headers or ''}: {one[0]}, {len(one[2])} bytes, the same both ways"
                  + ("" if one == two else f"\n  nginx:   {one[:2]}\n  gateway: {two[:2]}"))


def conditional(through, cookie, host):
    _, headers, whole = ask(through, "GET", "/blob.bin", {"Host": host, "Cookie": cookie})
    facts = dict(headers)
    status, headers, body = ask(through, "GET", "/blob.bin", {"Host": host, "Cookie": cookie, "If-None-Match": facts["etag"]})
    kit.check((status, body) == (304, b"") and dict(headers)["etag"] == facts["etag"], "If-None-Match gives 304 and the same ETag")
    status, _, body = ask(through, "GET", "/blob.bin",
                          {"Host": host, "Cookie": cookie, "If-Modified-Since": facts["last-modified"]})
    kit.check((status, body) == (304, b""), "If-Modified-Since gives 304")
    status, _, body = ask(through, "GET", "/blob.bin",
                          {"Host": host, "Cookie": cookie, "If-Range": facts["etag"], "Range": "bytes=7-70"})
    kit.check((status, body) == (206, whole[7:71]), "If-Range with the current ETag gives the range")
    status, _, body = ask(through, "GET", "/blob.bin",
                          {"Host": host, "Cookie": cookie, "If-Range": '"stale"', "Range": "bytes=7-70"})
    kit.check((status, body) == (200, whole), "If-Range with a stale ETag gives the whole")


def ranges(curl, whole):
    answer = curl("/blob.bin", "--range", "0-9,100-109")
    kit.check(answer.status == 206 and answer.header("content-type").startswith("multipart/byteranges"), "two ranges come as multipart")
    kit.check(whole[:10] in answer.body and whole[100:110] in answer.body, "with the bytes of both")
    kit.check(answer.version == "2", "over HTTP/2")


def connections_were_kept(scene):
    """nginx counts requests per connection: after the sequential requests of one client few connections may exist."""
    rows = [line.split() for line in (scene.folder / "nginx.access").read_text().splitlines()]
    ours = [row for row in rows if row[4].startswith("/kept")]
    connections = {row[0] for row in ours}
    kit.check(len(ours) == 50 and len(connections) == 1, f"50 requests in a row took {len(connections)} upstream connection")


def journey(scene):
    port = start_nginx(scene)
    gateway = kit.Gateway(scene, ["up", f"static.localhost=127.0.0.1:{port}"])
    authenticator = gateway.add_user("carol", PASSWORD)
    curl = kit.Curl(scene, gateway, "static.localhost")
    page = curl.sign_in("carol", PASSWORD, authenticator, "/page.html")
    kit.check(page.status == 200 and "words and words" in page.text, "nginx's page after sign-in")

    host = f"static.localhost:{gateway.port}"
    cookie = f"__Host-doorward={curl.cookies()['__Host-doorward']}"
    direct = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    trusting = ssl.create_default_context(cafile=str(gateway.ca_file))
    through = Through("static.localhost", gateway.port, context=trusting, timeout=20)
    same_on_both_ways(direct, through, cookie, host)
    conditional(through, cookie, host)
    ranges(curl, (scene.folder / "www" / "blob.bin").read_bytes())
    for number in range(50):
        ask(through, "GET", f"/kept?{number}", {"Host": host, "Cookie": cookie})
    connections_were_kept(scene)


class Through(http.client.HTTPSConnection):
    """HTTPS to the loopback address under the app's name: not every resolver knows names below localhost."""

    def connect(self):
        import socket
        plain = socket.create_connection(("127.0.0.1", self.port), self.timeout)
        self.sock = self._context.wrap_socket(plain, server_hostname=self.host)


if __name__ == "__main__":
    kit.main(journey, 120)
