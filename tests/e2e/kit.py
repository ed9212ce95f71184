"""What every scenario shares: processes with an end, the gateway, codes, a browser that trusts the local CA.

Nothing here waits without a limit, and nothing waits for a fixed time: `wait_for` asks again until the condition holds.
Whatever a scenario starts is stopped by its own process id, also when the scenario fails or is killed.
"""

import base64
import ctypes
import gzip
import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse
from pathlib import Path

FULL = os.environ.get("DOORWARD_TESTS") == "full"
HERE = Path(__file__).resolve().parent
STARTED = time.monotonic()


class Broken(AssertionError):
    """What the scenario proves does not hold."""


def say(text):
    print(f"[{time.monotonic() - STARTED:6.1f} s] {text}", flush=True)


def check(condition, text):
    """One claim: a line when it holds, the end of the scenario when it does not."""
    if not condition:
        raise Broken(text)
    say(f"ok: {text}")


def wait_for(what, condition, seconds=20.0, every=0.02):
    """The first truthy answer of `condition`; `Broken` after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise Broken(f"waited {seconds:g} s in vain: {what}")
        time.sleep(every)


def free_port():
    """A port free a moment ago, for programs that cannot be asked for port 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def port_answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def program(name):
    """Where a program stands; missing is an error, never a skipped test."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin")
    if not found:
        raise Broken(f"{name} is not installed (tests/run installs it)")
    return found


def dig(port, name, kind="TXT"):
    """What the name server on a port says of a name."""
    done = subprocess.run([program("dig"), "+short", "+tcp", "@127.0.0.1", "-p", str(port), name, kind],
                          capture_output=True, text=True, timeout=10, check=True)
    return [line.strip('"') for line in done.stdout.split()]


# ---------------------------------------------------------------- processes


def _die_with_parent():
    """In the child: the kernel sends SIGTERM if the scenario disappears (prctl PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class Process:
    """A program in a process group of its own, with its two outputs in files."""

    def __init__(self, name, argv, folder, env=None, cwd=None):
        self.name = name
        self.out = Path(folder) / f"{name}.out"
        self.err = Path(folder) / f"{name}.err"
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.child = subprocess.Popen(
                [str(a) for a in argv], stdout=out, stderr=err, stdin=subprocess.DEVNULL, cwd=cwd,
                env=env, start_new_session=True, preexec_fn=_die_with_parent,
            )

    def alive(self):
        return self.child.poll() is None

    def stop(self, seconds=15):
        """SIGTERM, a bounded wait, then SIGKILL for the group. Gives the exit code."""
        if self.alive():
            self.child.terminate()
            try:
                self.child.wait(seconds)
            except subprocess.TimeoutExpired:
                say(f"{self.name} did not end on SIGTERM within {seconds} s")
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return self.child.wait(5)

    def lines(self):
        """The complete lines of standard output so far."""
        text = self.out.read_text(errors="replace")
        return text.split("\n")[:-1]

    def tail(self, count=60):
        for file in (self.out, self.err):
            last = file.read_text(errors="replace").splitlines()[-count:]
            print(f"---- last lines of {file.name}", *last, sep="\n", flush=True)


class Gateway:
    """A running doorward and the commands that speak to it."""

    def __init__(self, scene, arguments, https=0, http=0):
        self.scene = scene
        self.data_dir = scene.folder / "data"
        self.process = scene.start("doorward", [
            scene.binary, *arguments, "--json", "--data-dir", self.data_dir,
            "--listen", f"127.0.0.1:{https}", "--listen-http", f"127.0.0.1:{http}",
        ])
        self.ready = wait_for("the ready line of doorward", self._ready_line, 60)
        self.port = int(self.ready["https"][0].rsplit(":", 1)[1])
        self.http_port = int(self.ready["http"][0].rsplit(":", 1)[1])
        self.ca_file = Path(self.ready["ca_file"])
        say(f"doorward is ready on port {self.port}")

    def _ready_line(self):
        for line in self.process.lines():
            if line.startswith("{") and '"ready"' in line:
                answer = json.loads(line)
                if answer.get("event") == "ready":
                    return answer
        if not self.process.alive():
            raise Broken(f"doorward ended at once with exit code {self.process.child.returncode}")
        return None

    def command(self, *arguments, code=0):
        """Runs `doorward ARGUMENTS --json` on the same data directory and gives the parsed answer."""
        done = subprocess.run(
            [self.scene.binary, *[str(a) for a in arguments], "--json", "--data-dir", str(self.data_dir)],
            capture_output=True, text=True, timeout=30,
        )
        if done.returncode != code:
            raise Broken(f"doorward {' '.join(map(str, arguments))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip().startswith("{") else done.stdout

    def add_user(self, name, password):
        """A user with password and authenticator, made on the command line."""
        file = self.scene.folder / f"{name}.password"
        file.write_text(password + "\n")
        file.chmod(0o600)
        answer = self.command("user", "add", name, "--password-file", file, "--totp")
        return Authenticator(answer["otpauth"])

    def access_log(self):
        """The access log lines on standard output, parsed."""
        parsed = []
        for line in self.process.lines():
            if line.startswith("{"):
                parsed.append(json.loads(line))
        return [entry for entry in parsed if entry.get("event") != "ready"]


    def keeps_secrets(self, *secrets):
        """Neither the access log nor the program's own lines may hold any of these."""
        lines = [line for line in self.process.lines() if '"ready"' not in line]
        said = "\n".join(lines) + self.process.err.read_text(errors="replace")
        check(len(lines) > 10, f"the access log has lines ({len(lines)})")
        check(not [s for s in secrets if s in said], f"none of {len(secrets)} secrets is in the logs")

    def ends_well(self):
        """SIGTERM with connections open: an orderly end, soon."""
        began = time.monotonic()
        code = self.process.stop(seconds=20)
        check(code == 0, f"doorward ended on SIGTERM with code {code} after {time.monotonic() - began:.1f} s")


# ---------------------------------------------------------------- one-time codes


class Authenticator:
    """RFC 6238 from an otpauth URI. Gives every step once, as the gateway accepts every step once."""

    def __init__(self, uri):
        parts = urllib.parse.urlsplit(uri)
        if (parts.scheme, parts.netloc) != ("otpauth", "totp"):
            raise Broken(f"not an otpauth URI: {parts.scheme}://{parts.netloc}")
        facts = dict(urllib.parse.parse_qsl(parts.query))
        self.label = urllib.parse.unquote(parts.path.lstrip("/"))
        self.issuer = facts.get("issuer")
        self.key = facts["secret"]
        self.algorithm = facts.get("algorithm", "SHA1").lower()
        self.digits = int(facts.get("digits", 6))
        self.period = int(facts.get("period", 30))
        self.last_step = 0

    def code(self, step):
        seed = base64.b32decode(self.key + "=" * (-len(self.key) % 8))
        mac = hmac.new(seed, struct.pack(">Q", step), getattr(hashlib, self.algorithm)).digest()
        at = mac[-1] & 15
        number = struct.unpack(">I", mac[at:at + 4])[0] & 0x7FFFFFFF
        return str(number % 10**self.digits).zfill(self.digits)

    def fresh(self):
        """A code that was not used yet and is accepted now. One step either way is accepted, so three sign-ins
        in a row need no waiting; a step about to leave the window is not chosen."""
        def lowest():
            now = time.time()
            current = int(now // self.period)
            oldest = current - 1 if self.period - now % self.period > 10 else current
            step = max(self.last_step + 1, oldest)
            return step if step <= current + 1 else None

        step = wait_for("a code that was not used yet", lowest, 2 * self.period, every=0.2)
        self.last_step = step
        return self.code(step)

    def agrees_with_oathtool(self):
        """Another implementation must compute the same code."""
        step = int(time.time() // self.period)
        other = subprocess.run(
            [program("oathtool"), f"--totp={self.algorithm}", "--base32", f"--digits={self.digits}",
             f"--time-step-size={self.period}s", f"--now=@{step * self.period}", "-"],
            input=self.key, capture_output=True, text=True, timeout=10, check=True,
        ).stdout.strip()
        return other == self.code(step)


def rfc_6238_vectors_hold():
    """The table of RFC 6238, appendix B: a wrong authenticator here would prove nothing."""
    key = base64.b32encode(b"12345678901234567890").decode()
    ours = Authenticator(f"otpauth://totp/x?secret={key}&digits=8")
    table = {59: "94287082", 1111111109: "07081804", 1234567890: "89005924", 20000000000: "65353130"}
    return all(ours.code(at // 30) == code for at, code in table.items())


# ---------------------------------------------------------------- curl


class Answer:
    """One answer as curl saw it: the last status line and headers, the body, curl's own figures."""

    def __init__(self, head, body, figures):
        last = [block for block in head.replace("\r\n", "\n").split("\n\n") if block.strip()][-1].split("\n")
        self.interim = len(re.findall(r"^HTTP/\S+ 1\d\d", head, re.M))
        self.status = int(last[0].split()[1])
        self.headers = [(n.strip().lower(), v.strip()) for n, v in (line.split(":", 1) for line in last[1:] if ":" in line)]
        self.body = body
        self.version = figures["http_version"]
        self.url = figures["url_effective"]

    def header(self, name):
        return next((v for n, v in self.headers if n == name), None)

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")


class Curl:
    """curl with the local CA, a cookie jar and names led to the loopback address."""

    def __init__(self, scene, gateway, host, version="--http2"):
        self.scene, self.gateway, self.host, self.version = scene, gateway, host, version
        scene.counter += 1
        self.jar = scene.folder / f"jar{scene.counter}"
        self.base = f"https://{host}:{gateway.port}"

    def arguments(self):
        to = f"{self.host}:{self.gateway.port}:127.0.0.1"
        return [program("curl"), "--silent", "--show-error", self.version, "--cacert", str(self.gateway.ca_file),
                "--cookie", str(self.jar), "--cookie-jar", str(self.jar), "--resolve", to, "--max-time", "120"]

    def __call__(self, target, *extra, code=0):
        """Asks for `target` (a path, or a whole URL) and gives the `Answer`."""
        self.scene.counter += 1
        body = self.scene.folder / f"body{self.scene.counter}"
        head = self.scene.folder / f"head{self.scene.counter}"
        url = target if "://" in target else self.base + target
        done = subprocess.run(
            [*self.arguments(), "--output", str(body), "--dump-header", str(head), "--write-out", "%{json}",
             *[str(e) for e in extra], url], capture_output=True, text=True, timeout=150,
        )
        if done.returncode != code:
            raise Broken(f"curl {url}: exit code {done.returncode}\n{done.stderr}")
        if code:
            return None
        return Answer(head.read_text("latin-1"), body.read_bytes() if body.exists() else b"", json.loads(done.stdout))

    def submit(self, answer, fields):
        """Fills the form of a page as a browser without scripts would, and posts it."""
        form = Form(answer)
        form.fields.update(fields)
        data = [part for name, value in form.fields.items() for part in ("--data-urlencode", f"{name}={value}")]
        return self(form.action, *data, "--header", f"Origin: {self.base}", "--header", f"Referer: {answer.url}",
                    *self.navigation())

    def navigation(self):
        """The headers by which a browser says that a person navigates."""
        return ["--header", "Accept: text/html,application/xhtml+xml,*/*;q=0.8", "--header", "Sec-Fetch-Dest: document",
                "--header", "Sec-Fetch-Mode: navigate", "--header", "Sec-Fetch-Site: same-origin"]

    def follow(self, answer):
        """Follows redirects and refreshing pages until a page stands still. Loops end after ten steps."""
        for _ in range(10):
            onward = answer.header("location") if answer.status in (301, 302, 303, 307, 308) else None
            refresh = re.search(r"""http-equiv=["']?refresh["']?[^>]*content=["'][^"'>]*url=([^"'>]+)""", answer.text, re.I)
            onward = onward or (unescape(refresh.group(1)) if refresh else None)
            if not onward:
                return answer
            answer = self(urllib.parse.urljoin(answer.url, onward), *self.navigation())
        raise Broken(f"more than ten redirects, the last to {answer.url}")

    def sign_in(self, name, password, authenticator, target="/"):
        """The whole sign-in without any script. Gives the page it ends on."""
        page = self.follow(self(target, *self.navigation()))
        check("/.doorward/login" in page.url, f"{target} leads to sign-in")
        page = self.follow(self.submit(page, {"name": name, "password": password}))
        check("/.doorward/login/code" in page.url, "the right password leads to the second step")
        return self.follow(self.submit(page, {"code": authenticator.fresh()}))

    def cookies(self):
        """Names and values of the jar."""
        rows = [line.removeprefix("#HttpOnly_").split("\t") for line in self.jar.read_text().splitlines() if "\t" in line]
        return {row[5]: row[6] for row in rows}


def unescape(text):
    import html
    return html.unescape(text)


class Form:
    """The one form of a page that posts: where to, and the fields with their values."""

    def __init__(self, answer):
        forms = re.findall(r"<form\b([^>]*)>(.*?)</form>", answer.text, re.S | re.I)
        posting = [(head, inner) for head, inner in forms if re.search(r"""method=["']?post""", head, re.I)]
        if not posting:
            raise Broken(f"no form on {answer.url} (status {answer.status}):\n{answer.text[:1500]}")
        head, inner = max(posting, key=lambda pair: len(re.findall(r"<input\b", pair[1], re.I)))
        action = re.search(r"""action=["']([^"']*)["']""", head)
        self.action = urllib.parse.urljoin(answer.url, unescape(action.group(1)) if action else "")
        self.fields = {}
        for tag in re.findall(r"<input\b[^>]*>", inner, re.I):
            facts = {k.lower(): unescape(v) for k, v in re.findall(r"""([\w-]+)=["']([^"']*)["']""", tag)}
            if "name" in facts and facts.get("type") not in ("checkbox", "radio", "submit"):
                self.fields[facts["name"]] = facts.get("value", "")


# ---------------------------------------------------------------- the browser


class Browser:
    """Debian's Chromium under Playwright, in a home of its own that trusts the local CA."""

    def __init__(self, scene, ca_file, arguments=()):
        from playwright.sync_api import sync_playwright

        self.scene = scene
        self.home = scene.folder / f"home{scene.count()}"
        trust(self.home, ca_file)
        self.playwright = scene.once("playwright", lambda: sync_playwright().start(), lambda p: p.stop())
        # Playwright starts Chromium with --no-sandbox, which root needs; only pages of these tests are opened.
        flags = ["--disable-background-networking", "--disable-component-update", "--no-first-run", *arguments]
        self.chromium = self.playwright.chromium.launch(
            executable_path=program("chromium"), headless=True, args=flags, timeout=60_000,
            env={**os.environ, "HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / ".config"),
                 "XDG_CACHE_HOME": str(self.home / ".cache"), "XDG_DATA_HOME": str(self.home / ".local/share")},
        )
        scene.at_end(self.chromium.close)
        self.hosts, self.complaints = set(), []

    def page(self, **options):
        """A page in a fresh context (own cookies), watched for foreign requests and console errors."""
        context = self.chromium.new_context(**options)
        context.set_default_timeout(20_000)
        page = context.new_page()
        self.scene.pages.append(page)
        context.on("request", lambda r: self.hosts.add(urllib.parse.urlsplit(r.url).hostname))
        context.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        context.on("weberror", lambda e: self.complaints.append(str(e.error)))
        return page

    def policy_complaints(self):
        """What the browser refused because of a Content-Security-Policy, and errors of scripts."""
        return [c for c in self.complaints if not c.startswith("Failed to load resource") and "WebSocket connection" not in c]


def trust(home, ca_file):
    """Makes Chromium started with this home trust the CA: NSS reads $HOME/.pki/nssdb."""
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    certutil = program("certutil")
    for step in (["-N", "--empty-password"], ["-A", "-t", "C,,", "-n", "local ca", "-i", str(ca_file)]):
        subprocess.run([certutil, "-d", f"sql:{database}", *step], check=True, capture_output=True, timeout=30)


class Sockets:
    """WebSockets of a page as the DevTools protocol reports them: how they were opened and when they closed."""

    def __init__(self, page):
        self.session = page.context.new_cdp_session(page)
        self.page = page
        self.open, self.closed, self.status, self.asked, self.protocols = {}, {}, {}, {}, {}
        on = self.session.on
        on("Network.webSocketCreated", lambda e: self.open.__setitem__(e["requestId"], e["url"]))
        on("Network.webSocketClosed", lambda e: self.closed.__setitem__(e["requestId"], e["timestamp"]))
        on("Network.webSocketWillSendHandshakeRequest", lambda e: self.asked.__setitem__(e["requestId"], e["request"]["headers"]))
        on("Network.webSocketHandshakeResponseReceived", lambda e: self.status.__setitem__(e["requestId"], e["response"]["status"]))
        on("Network.responseReceived", lambda e: self.protocols.__setitem__(e["response"]["url"], e["response"].get("protocol")))
        self.session.send("Network.enable")

    def find(self, part, seconds=30, but=()):
        """The newest socket that is open, was answered, whose URL contains `part`, and that is none of `but`.

        A page that is left takes its sockets with it without a word, so they look open for ever: after a navigation, give
        those of before."""
        def newest():
            self.page.evaluate("0")  # lets queued events in
            fit = [i for i, url in self.open.items() if part in url and i in self.status and i not in self.closed and i not in but]
            return fit[-1] if fit else None
        return wait_for(f"an open WebSocket with {part} in its URL", newest, seconds, every=0.1)

    def closed_at(self, ident, seconds=10):
        """When the socket closed, on the clock of `time.monotonic`."""
        def known():
            self.page.evaluate("0")
            return self.closed.get(ident)
        return wait_for("the WebSocket to close", known, seconds, every=0.02)


def sign_in(page, name, password, authenticator):
    """The two sign-in pages, from wherever the browser was sent to /.doorward/login."""
    page.wait_for_url("**/.doorward/login*")
    page.locator("input[name=name]").fill(name)
    page.locator("input[name=password]").fill(password)
    page.locator("input[name=password]").press("Enter")
    page.wait_for_url("**/.doorward/login/code*")
    page.locator("input[name=code]").fill(authenticator.fresh())
    page.locator("input[name=code]").press("Enter")
    page.wait_for_url(lambda url: "/.doorward/" not in url)


def recovery_codes(page):
    """The codes on the page that shows them."""
    return page.locator(".codes li").all_inner_texts()


def save_recovery_codes(page, scene=None):
    """Looks at the recovery codes, and goes on only after the tick. Gives them."""
    page.locator(".codes").wait_for()
    if scene:
        page_is_sound(page, "recovery-codes", scene.outdir)
    codes = recovery_codes(page)
    check(len(codes) == 10 and len(set(codes)) == 10, "ten recovery codes are shown")
    page.locator("button[value=done]").click()
    page.locator("[role=alert]").wait_for()
    check(recovery_codes(page) == codes, "without the tick the same codes are shown again, with what is missing")
    page.locator("input[name=saved]").check()
    page.locator("button[value=done]").click()
    page.locator(".codes").wait_for(state="detached")
    return codes


WELL_FORMED = """() => {
  const wrong = [];
  const shown = e => e.type !== 'hidden' && !e.hidden;
  if (document.querySelectorAll('h1').length !== 1) wrong.push('not exactly one h1');
  if (document.querySelectorAll('main').length !== 1) wrong.push('not exactly one main');
  if (!document.documentElement.lang) wrong.push('no lang on html');
  if (!document.title.trim()) wrong.push('no title');
  if (!document.querySelector('meta[name=viewport]')) wrong.push('no viewport');
  for (const e of [...document.querySelectorAll('input, select, textarea')].filter(shown))
    if (![...(e.labels || [])].some(l => l.textContent.trim())) wrong.push('no label for ' + (e.name || e.type));
  for (const e of document.querySelectorAll('button'))
    if (!e.textContent.trim() && !e.getAttribute('aria-label')) wrong.push('a button without a name');
  if (document.querySelector('script:not([src]), style, [style], [onclick]')) wrong.push('inline script or style');
  return wrong;
}"""


def page_is_sound(page, name, folder):
    """Structure, axe-core without findings in both themes, no sideways scrolling at 320 px; pictures of it all."""
    from axe_playwright_python.sync_playwright import Axe

    wrong = page.evaluate(WELL_FORMED)
    check(not wrong, f"{name}: one h1, main, language, labels {wrong or ''}")
    before = page.viewport_size
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.screenshot(path=folder / f"{name}-{theme}.png", full_page=True)
        found = [f"{v['id']}: {v['nodes'][0]['html']}" for v in Axe().run(page).response["violations"]]
        check(not found, f"{name}, {theme}: axe-core finds nothing {found or ''}")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 320, "height": 640})
    page.screenshot(path=folder / f"{name}-320.png", full_page=True)
    wide = page.evaluate("document.documentElement.scrollWidth")
    check(wide <= 320, f"{name}: fits into 320 px ({wide})")
    page.set_viewport_size(before)


def page_is_light(page, name):
    """The page with all that it asks for, compressed as a proxy might: 14 KB arrive in one round trip. We send it uncompressed."""
    answers = []

    def keep(answer):
        answers.append(answer)

    page.on("response", keep)
    page.reload(wait_until="networkidle")
    page.remove_listener("response", keep)
    parts = [answer.body() for answer in answers]
    weight = sum(len(gzip.compress(part, 9)) for part in parts)
    check(weight <= 14 * 1024, f"{name}: {weight} bytes compressed, {sum(map(len, parts))} as sent, in {len(parts)} parts")


def qr_codes(page, scene):
    """What a phone's camera would read from the page, in both themes."""
    import zxingcpp
    from PIL import Image

    read = []
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        picture = scene.folder / f"qr{scene.count()}.png"
        page.screenshot(path=picture, full_page=True)
        read.append({code.text for code in zxingcpp.read_barcodes(Image.open(picture))})
    page.emulate_media(color_scheme="light")
    return read[0] & read[1]


# ---------------------------------------------------------------- the frame of a scenario


class Scene:
    """A scenario's folder, processes and pages; everything ends with it."""

    def __init__(self, binary, outdir):
        self.binary = str(Path(binary).resolve())
        self.outdir = Path(outdir).resolve()
        self.outdir.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="doorward-e2e-"))
        self.pages, self.processes, self.endings, self.shared, self.counter = [], [], [], {}, 0

    def count(self):
        self.counter += 1
        return self.counter

    def start(self, name, argv, **options):
        process = Process(name, argv, self.folder, **options)
        self.processes.append(process)
        self.endings.append(process.stop)
        return process

    def at_end(self, action):
        self.endings.append(action)

    def once(self, key, make, end):
        if key not in self.shared:
            self.shared[key] = make()
            self.endings.append(lambda: end(self.shared[key]))
        return self.shared[key]

    def show_failure(self):
        for process in self.processes:
            process.tail()
        for number, page in enumerate(self.pages):
            try:
                page.screenshot(path=self.outdir / f"failure-{number}.png", timeout=5_000)
                print(f"---- page {number}: {page.url}\n{page.locator('body').inner_text(timeout=2_000)[:600]}", flush=True)
            except Exception as fault:  # a page may be gone already; the first failure is the one to show
                print(f"---- page {number}: {fault}", flush=True)

    def close(self):
        for ending in reversed(self.endings):
            try:
                ending()
            except Exception as fault:
                say(f"while ending: {fault}")
        shutil.rmtree(self.folder, ignore_errors=True)


def main(journey, seconds):
    """Runs `journey(scene)` for the arguments BINARY OUTDIR within `seconds`. The exit code is the answer."""
    if len(sys.argv) != 3:
        sys.exit(f"usage: {Path(sys.argv[0]).name} BINARY OUTDIR")

    def late(_signal, _frame):
        raise Broken(f"the scenario took longer than {seconds} s")

    def ended(_signal, _frame):
        raise SystemExit(143)

    signal.signal(signal.SIGALRM, late)
    signal.signal(signal.SIGTERM, ended)
    signal.alarm(seconds)
    scene = Scene(sys.argv[1], sys.argv[2])
    try:
        journey(scene)
        say("all claims hold")
        code = 0
    except Exception:
        signal.alarm(60)
        print(traceback.format_exc(), flush=True)
        scene.show_failure()
        code = 1
    finally:
        signal.alarm(60)
        scene.close()
    sys.exit(code)
