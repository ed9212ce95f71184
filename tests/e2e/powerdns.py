"""A PowerDNS of the scenario's own on loopback: zones in SQLite, signed updates (RFC 2136), and its HTTP API."""

import json
import sqlite3
import subprocess
import urllib.request
from pathlib import Path

import kit

SCHEMA = Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")
API_KEY = "an API key of this scenario, and of no other"

CONFIG = """
launch=gsqlite3
gsqlite3-database={folder}/zones.sqlite3
local-address=127.0.0.1
local-port={port}
socket-dir={folder}
security-poll-suffix=
api=yes
api-key={api_key}
webserver=yes
webserver-address=127.0.0.1
webserver-port={api_port}
webserver-allow-from=127.0.0.1
{more}
"""


class PowerDns:
    """`more` are lines of its configuration, as an owner adds them; `{folder}` stands for its folder."""

    def __init__(self, scene, zones=("example.com",), more=""):
        self.port, self.api_port, self.api_key = kit.free_port(), kit.free_port(), API_KEY
        self.scene, self.folder = scene, scene.folder / f"powerdns{scene.count()}"
        self.folder.mkdir()
        self.process = None
        with sqlite3.connect(self.folder / "zones.sqlite3") as database:
            database.executescript(SCHEMA.read_text())
        self.write(more)
        for zone in zones:
            self.util("create-zone", zone, f"ns.{zone}")
            self.util("add-record", zone, "ns", "A", "5", "127.0.0.1")
        self.start()

    def write(self, more):
        """Its configuration, which it reads when it starts."""
        (self.folder / "pdns.conf").write_text(CONFIG.format(
            folder=self.folder, port=self.port, api_port=self.api_port, api_key=self.api_key,
            more=more.replace("{folder}", str(self.folder))))

    def start(self):
        self.process = self.scene.start(f"{self.folder.name}-{self.scene.count()}", [
            kit.program("pdns_server"), f"--config-dir={self.folder}", "--daemon=no", "--guardian=no", "--disable-syslog"])
        kit.wait_for("PowerDNS", lambda: kit.port_answers(self.port) and kit.port_answers(self.api_port))

    def restart(self, more):
        """The same with other lines."""
        self.process.stop()
        self.write(more)
        self.start()

    def util(self, *words):
        """`pdnsutil`, as an owner calls it: what it says."""
        done = subprocess.run([kit.program("pdnsutil"), f"--config-dir={self.folder}", *words], capture_output=True, text=True, timeout=30)
        if done.returncode:
            raise kit.Broken(f"pdnsutil {words}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def words(self, name):
        """What TXT records a name has."""
        return kit.dig(self.port, name)

    @property
    def api(self):
        """Where the API is."""
        return f"http://127.0.0.1:{self.api_port}/api/v1"

    def ask(self, path):
        """What the API says at a path, such as `/servers/localhost/zones/example.com.`"""
        request = urllib.request.Request(self.api + path, headers={"X-API-Key": self.api_key})
        return json.loads(urllib.request.urlopen(request, timeout=10).read())
