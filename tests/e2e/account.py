"""Chromium on the security pages: every page, re-authentication, two tabs, keyboard only, scripts off; codes by oathtool."""

import re
import subprocess
import time

import kit

NAME = "alice"
PASSWORD = "violet otter mends 7 kettles"
# For so long a proof is enough.
SUDO = 120
OTHER = "amber badger counts 9 lanterns"
ISSUER = "Example home"
# What people choose from: each algorithm with each length.
RECIPES = [(algorithm, digits) for algorithm in ("SHA1", "SHA256", "SHA512") for digits in (6, 8)]


class Oath(kit.Authenticator):
    """The same steps, every code by oathtool: a program that shares no line with the gateway."""

    def code(self, step):
        done = subprocess.run(
            [kit.program("oathtool"), f"--totp={self.algorithm}", "--base32", f"--digits={self.digits}",
             f"--time-step-size={self.period}s", f"--now=@{step * self.period}", "-"],
            input=self.key, capture_output=True, text=True, timeout=10, check=True,
        )
        return done.stdout.strip()


def configuration(scene, upstream):
    kinds = "\n".join(
        f'[[auth.totp.configuration]]\nname = "{algorithm} {digits}"\nalgorithm = "{algorithm}"\ndigits = {digits}\n'
        for algorithm, digits in RECIPES[1:]
    )
    file = scene.folder / "gateway.toml"
    file.write_text(
        f'name = "{ISSUER}"\ndata_dir = "{scene.folder / "data"}"\n[listen]\nhttps = ["127.0.0.1:0"]\nhttp = ["127.0.0.1:0"]\n'
        f'[session]\nsudo_timeout = "{SUDO}s"\n{kinds}\n[[app]]\nhost = "localhost"\nupstream = "http://127.0.0.1:{upstream}"\n'
    )
    return file


class Running(kit.Gateway):
    """A gateway from a file."""

    def __init__(self, scene, file):
        self.scene = scene
        self.data_dir = scene.folder / "data"
        self.process = scene.start("doorward", [scene.binary, "run", "-c", file, "--json"])
        self.ready = kit.wait_for("the ready line of doorward", self._ready_line, 60)
        self.port = int(self.ready["https"][0].rsplit(":", 1)[1])
        self.ca_file = kit.Path(self.ready["ca_file"])


class Person:
    def __init__(self, scene, base, authenticator):
        self.scene, self.base, self.authenticator = scene, base, authenticator

    def sign_in(self, page):
        page.goto(self.base + "/.doorward/login")
        page.locator("input[name=name]").fill(NAME)
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("input[name=password]").press("Enter")
        page.wait_for_url("**/.doorward/login/code*")
        page.locator("input[name=code]").fill(self.authenticator.fresh())
        page.locator("input[name=code]").press("Enter")
        page.wait_for_url(lambda url: "/.doorward/" not in url)

    def confirm(self, page):
        """Only where it is asked for."""
        if "/.doorward/confirm" in page.url:
            page.locator("input[name=code]").fill(self.authenticator.fresh())
            page.locator("input[name=code]").press("Enter")
            page.wait_for_url("**/.doorward/security**")

    def enter(self, page, fields, done):
        """Fills a form in and sends it; once more if its time ran out meanwhile, which leads back to the very form."""
        for _ in range(2):
            for name, value in fields.items():
                page.locator(f"input[name={name}]").fill(value)
            page.locator(f"input[name={name}]").press("Enter")
            page.wait_for_url(re.compile(f"{done}|/confirm"))
            if "/confirm" not in page.url:
                return
            self.confirm(page)
        raise kit.Broken(f"asked for a proof twice on the way to {done}")

    def remove(self, page):
        for _ in range(2):
            page.locator("button", has_text="Remove").click()
            page.wait_for_url(re.compile("done=removed|/confirm"))
            if "/confirm" not in page.url:
                return
            self.confirm(page)
        raise kit.Broken("asked for a proof twice to remove one")

    def go(self, page, path):
        page.goto(self.base + "/.doorward/" + path)
        self.confirm(page)


def every_page(person, page):
    for path, name in (("", "home"), ("security", "security"), ("security/sessions", "sessions"),
                       ("security/authenticators", "authenticators"), ("security/authenticators/add", "authenticator-add"),
                       ("security/password", "password"), ("security/activity", "activity")):
        person.go(page, path)
        kit.page_is_sound(page, name, person.scene.outdir)


def enrol(person, page, number, algorithm, digits):
    """Adds an authenticator of this kind, signs in by oathtool's code in a browser of its own, and takes it away again."""
    person.go(page, "security/authenticators/add")
    page.locator("input[name=name]").fill(f"{algorithm} {digits}")
    page.locator(f"input[name=configuration][value='{number}']").check()
    page.locator("main form button").click()
    page.locator("input[name=code]").wait_for()
    uri = page.locator("a[href^='otpauth:']").get_attribute("href")
    new = Oath(uri)
    kit.check((new.algorithm, new.digits, new.issuer) == (algorithm.lower(), digits, ISSUER), f"{algorithm}, {digits} digits as chosen")
    if number == 0:
        kit.page_is_sound(page, "authenticator-scan", person.scene.outdir)
        kit.check(uri in kit.qr_codes(page, person.scene), "the picture holds the same URI as the link")
        page.locator("input[name=code]").fill("1")
        page.locator("input[name=code]").press("Enter")
        page.locator("[role=alert]").wait_for()
        kit.page_is_sound(page, "authenticator-wrong-code", person.scene.outdir)
    person.enter(page, {"code": new.fresh()}, "done=added")
    kit.check("Your authenticator app is on" in page.locator("[role=status]").inner_text(), f"{algorithm}, {digits}: added by oathtool's code")
    page.locator("section", has_text=f"{algorithm} {digits}").locator("a").click()
    person.confirm(page)
    if number == 0:
        kit.page_is_sound(page, "authenticator-change", person.scene.outdir)
    return new


def all_kinds(person, page, browser):
    for number, (algorithm, digits) in enumerate(RECIPES):
        new = enrol(person, page, number, algorithm, digits)
        beside = browser.page()
        Person(person.scene, person.base, new).sign_in(beside)
        kit.check(beside.url == person.base + "/", f"{algorithm}, {digits} digits: signed in by oathtool's code")
        beside.context.close()
        person.remove(page)


def two_tabs(person, page):
    """A form that was left open while another tab finished the same."""
    person.go(page, "security/authenticators/add")
    page.locator("main form button").click()
    page.locator("input[name=code]").wait_for()
    second = page.context.new_page()
    second.goto(page.url)
    person.confirm(second)
    new = Oath(page.locator("a[href^='otpauth:']").get_attribute("href"))
    code = new.fresh()
    for tab in (page, second):
        person.enter(tab, {"code": code}, "done=")
    kit.check("done=late" in second.url and "done=added" in page.url, "of two tabs one adds it")
    kit.check(second.locator("section").count() == 2, "and only once")
    second.close()
    return new


def the_last_one_stays(person, page):
    person.go(page, "security/authenticators")
    while page.locator("section").count() > 1:
        page.locator("section a").last.click()
        person.confirm(page)
        person.remove(page)
    page.locator("section a").first.click()
    person.confirm(page)
    kit.check("this site asks everybody for one" in page.locator("#remove").inner_text(), "the last one stays, and the page says why")
    kit.page_is_sound(page, "authenticator-last", person.scene.outdir)


def asked_anew(person, page):
    """Later: the list offers nothing but the question, and the answer leads back to the very page."""
    end = time.monotonic() + SUDO + 1
    kit.wait_for("the proof to be too old", lambda: time.monotonic() > end, SUDO + 10, every=0.5)
    page.goto(person.base + "/.doorward/security/password")
    kit.check("/.doorward/confirm" in page.url, "an old proof is asked for anew")
    kit.page_is_sound(page, "confirm", person.scene.outdir)
    person.confirm(page)
    kit.check(page.url.endswith("/security/password"), "and leads back")


def password_by_keyboard(person, page):
    def focus(name):
        for _ in range(40):
            if page.evaluate("document.activeElement.name") == name:
                return
            page.keyboard.press("Tab")
        raise kit.Broken(f"the keyboard does not reach {name}")

    person.go(page, "security/password")
    focus("current")
    page.keyboard.type("not the password at all")
    focus("new")
    page.keyboard.type(OTHER)
    page.keyboard.press("Enter")
    page.locator("[role=alert]").wait_for()
    kit.check(page.title().startswith("Error: Change password"), "a wrong password is told in title and alert")
    kit.page_is_sound(page, "password-error", person.scene.outdir)
    focus("current")
    page.keyboard.type(PASSWORD)
    focus("new")
    page.keyboard.type(OTHER)
    page.keyboard.press("Enter")
    page.wait_for_url("**/security?done=password")
    kit.say("ok: the password was changed by keyboard alone")


def without_scripts(person, browser):
    """Signed in elsewhere without scripts, then ended from here."""
    page = browser.page(java_script_enabled=False)
    Person(person.scene, person.base, person.authenticator).sign_in(page)
    person.go(page, "security/sessions")
    kit.check(page.locator("section").count() >= 2, "without scripts: the sessions are listed")
    return page


def journey(scene):
    upstream, site = kit.free_port(), scene.folder / "site"
    site.mkdir()
    scene.start("app", [kit.sys.executable, "-m", "http.server", "--bind", "127.0.0.1", upstream], cwd=site)
    kit.wait_for("the app", lambda: kit.port_answers(upstream))
    gateway = Running(scene, configuration(scene, upstream))
    first = gateway.add_user(NAME, PASSWORD)
    base = f"https://localhost:{gateway.port}"
    person = Person(scene, base, Oath(f"otpauth://totp/x?secret={first.key}"))
    browser = kit.Browser(scene, gateway.ca_file)
    page = browser.page(viewport={"width": 1000, "height": 720})
    person.sign_in(page)
    every_page(person, page)
    all_kinds(person, page, browser)
    two_tabs(person, page)
    the_last_one_stays(person, page)
    beside = without_scripts(person, browser)
    person.go(page, "security/sessions")
    if page.locator("a", has_text="Confirm that it's you").count():
        page.locator("a", has_text="Confirm that it's you").click()
        person.confirm(page)
    kit.page_is_sound(page, "sessions-two", scene.outdir)
    page.locator("button", has_text="End all other sessions").click()
    page.wait_for_url(re.compile("done=others-ended|/confirm"))
    if "/confirm" in page.url:
        person.confirm(page)
        page.locator("button", has_text="End all other sessions").click()
        page.wait_for_url("**/sessions?done=others-ended")
    beside.goto(base + "/.doorward/security")
    kit.check("/.doorward/login" in beside.url, "the other browser is signed out")
    asked_anew(person, page)
    password_by_keyboard(person, page)
    page.goto(base + "/.doorward/security/activity")
    kit.check("The password was changed" in page.locator("main").inner_text(), "the activity tells of it")
    kit.page_is_sound(page, "activity-full", scene.outdir)
    kit.check(browser.hosts <= {"localhost", "", None}, f"no request went to another host {browser.hosts}")
    kit.check(not browser.policy_complaints(), f"no error on any console {browser.policy_complaints() or ''}")
    gateway.keeps_secrets(PASSWORD, OTHER, first.key)
    gateway.ends_well()


if __name__ == "__main__":
    kit.main(journey, 600)
