"""A plain HTTP/1.1 app to stand behind the gateway: counts uploads, makes downloads, ticks events, echoes what it saw."""

import hashlib
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BLOCK = bytes(range(256)) * 256


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body, kind="application/json", status=200):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        if self.path.startswith("/download/"):
            return self.download(int(self.path.rsplit("/", 1)[1]))
        if self.path == "/events":
            return self.events()
        seen = {"path": self.path, "method": self.command, "headers": [[n.lower(), v] for n, v in self.headers.items()]}
        return self.answer(json.dumps(seen).encode())

    do_HEAD = do_GET

    def download(self, size):
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(size))
        self.end_headers()
        while size > 0:
            self.wfile.write(BLOCK[:min(size, len(BLOCK))])
            size -= len(BLOCK)

    def events(self):
        """Three events; each later one leaves only when the test asks for it, so that no buffering can hide."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for count in range(3):
            if not self.server.ticks.acquire(timeout=20):
                return
            line = f"data: tick {count}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def do_POST(self):
        if self.path == "/tick":
            self.server.ticks.release()
            return self.answer(b"{}")
        digest, received = hashlib.sha256(), 0
        for part in self.parts():
            digest.update(part)
            received += len(part)
        facts = {"received": received, "sha256": digest.hexdigest(), "expect": self.headers.get("Expect"),
                 "framing": self.headers.get("Transfer-Encoding") or "length"}
        return self.answer(json.dumps(facts).encode())

    do_PUT = do_POST

    def parts(self):
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return
        left = int(self.headers.get("Content-Length", 0))
        while left > 0:
            part = self.rfile.read(min(left, 1 << 16))
            if not part:
                return
            left -= len(part)
            yield part

    def log_message(self, form, *facts):
        print(f"{time.time():.3f} {form % facts}", file=sys.stderr, flush=True)


def serve():
    """Starts the app on a free port in a thread. Gives the server; its `ticks` release events."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), App)
    server.daemon_threads = True
    server.ticks = threading.Semaphore(0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
