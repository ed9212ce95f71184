"""The first five minutes: `doorward demo`, from the set-up link to an ended session, in Chromium.

Every page of ours is looked at in light, dark and at 320 px, by axe-core, by keyboard alone and with scripts off.
"""

import re
import time

import kit

PASSWORD = "seven green lanterns in the harbour"


def focus(page, field):
    """Reaches a field with the Tab key alone."""
    for _ in range(25):
        if page.evaluate("document.activeElement && (document.activeElement.name || document.activeElement.id)") == field:
            return
        page.keyboard.press("Tab")
    raise kit.Broken(f"the Tab key does not reach {field}")


def set_up(scene, gateway, page, base):
    """The set-up link: password, authenticator app, into the app. Gives the authenticator."""
    kit.check(bool(gateway.ready["setup_link"]), "the ready line carries a set-up link")
    answer = page.goto(gateway.ready["setup_link"])
    kit.check(answer.status == 200 and "no-store" in answer.headers.get("cache-control", ""), "the set-up page is never stored")
    kit.page_is_sound(page, "setup-password", scene.outdir)
    page.goto(gateway.ready["setup_link"])
    kit.check(page.locator("input[name=password]").count() == 1, "opening the link twice does not consume it")
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("input[name=password]").press("Enter")
    page.locator("input[name=code]").wait_for()
    kit.page_is_sound(page, "setup-code", scene.outdir)
    uri = page.locator("a[href^='otpauth:']").first.get_attribute("href")
    authenticator = kit.Authenticator(uri)
    kit.check(uri in kit.qr_codes(page, scene), "the picture holds the same URI as the link")
    grouped = re.sub(r"\s", "", page.locator("main").inner_text())
    kit.check(authenticator.key.rstrip("=") in grouped, "the key can be read from the page without a camera")
    kit.check(authenticator.agrees_with_oathtool(), "oathtool computes the same code")
    page.locator("input[name=code]").fill(authenticator.fresh())
    page.locator("input[name=code]").press("Enter")
    kit.save_recovery_codes(page, scene)
    page.wait_for_url(base + "/")
    kit.check("through the door" in page.locator("h1").inner_text(), "the set-up ends in the app")
    beside = page.context.new_page()
    gone = beside.goto(gateway.ready["setup_link"])
    kit.check(gone.status == 404, "the used link is 404")
    beside.screenshot(path=scene.outdir / "used-link.png")
    beside.close()
    return authenticator


def the_app_works(scene, gateway, page, sockets):
    """WebSocket, upload and events of the sample app through the gateway; /admin/ for nobody."""
    socket = sockets.find("/echo")
    kit.check(sockets.protocols.get(page.url) == "h2", "the page came by HTTP/2")
    kit.check(sockets.status[socket] == 200, "the WebSocket was opened over HTTP/2 (RFC 8441: status 200, not 101)")
    page.locator("#ws-input").fill("ping through the door")
    page.locator("#ws-send").click()
    page.locator("#ws-log", has_text="echo: ping through the door").wait_for()
    kit.say("ok: the WebSocket answers")
    page.locator("#upload-file").set_input_files({"name": "a.bin", "mimeType": "application/octet-stream", "buffer": b"x" * 3_000_000})
    page.locator("#upload-form button").click()
    page.locator("#upload-result", has_text="3000000 bytes received").wait_for()
    kit.say("ok: 3 MB were uploaded")
    page.locator("#sse-log", has_text=re.compile("tick ([2-9]|\\d\\d)")).wait_for()
    kit.say("ok: events arrive one by one")
    seen = page.locator("#headers", has_text="host:").inner_text().lower()
    kit.check("__host-doorward" not in seen, "the app does not see our cookie")
    kit.check(f"localhost:{gateway.port}" in seen, "the app sees the host of the browser")
    kit.page_is_sound(page, "app", scene.outdir)


def admin_is_for_nobody(scene, page, base):
    beside = page.context.new_page()
    for path in ("/%61dmin/", "/Admin/x", "/admin", "/admin/"):
        answer = beside.goto(base + path)
        kit.check(answer.status == 404 and "SAMPLE-ADMIN-AREA" not in beside.content(), f"{path} answers 404 to a signed-in person")
    kit.page_is_sound(beside, "not-found", scene.outdir)
    beside.close()


def sign_out(scene, page, base):
    page.goto(base + "/.doorward/logout")
    kit.page_is_sound(page, "sign-out", scene.outdir)
    page.locator("main form[method=post] button").first.click()
    page.wait_for_load_state()
    page.screenshot(path=scene.outdir / "signed-out.png")
    names = [c["name"] for c in page.context.cookies()]
    kit.check("__Host-doorward" not in names, "the session cookie is gone")


WORKER_CHANGES = """() => new Promise(done => {
  navigator.serviceWorker.addEventListener('controllerchange', () => done(true));
  setTimeout(() => done(false), 5000);
})"""


def through_the_worker_to_sign_in(page, base):
    """Ruling 14: the app's worker answers navigations from its cache; ours replaces it, and then nobody is kept outside.

    Chromium asks for the worker's script about a second after a page it answered has loaded, so the first navigation may
    still be the cached page; once the worker has changed, it must not be."""
    for navigation in (1, 2, 3):
        page.goto(base + "/")
        if "/.doorward/login" in page.url:
            kit.say(f"ok: the page behind the service worker leads to sign-in (navigation {navigation})")
            return
        changed = page.evaluate(WORKER_CHANGES)
        kit.say(f"navigation {navigation} was answered from the cache of the app's worker; replaced since: {changed}")
    raise kit.Broken("the app's worker keeps people from signing in")


def by_keyboard_alone(page, authenticator, base, name):
    """No pointer: Tab, typing and Enter."""
    page.wait_for_url("**/.doorward/login*")
    focus(page, "name")
    page.keyboard.type(name)
    focus(page, "password")
    page.keyboard.type("not the password at all")
    page.keyboard.press("Enter")
    page.locator("[role=alert]").wait_for()
    kit.check(page.title().startswith("Error: Sign in — "), f"a wrong password is told in title and alert ({page.title()})")
    kit.check(page.locator("input[name=name]").input_value() == name, "the name that was typed stays")
    kit.check(page.locator("input[name=password]").input_value() == "", "the password does not")
    focus(page, "password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/.doorward/login/code*")
    focus(page, "code")
    code = authenticator.fresh()
    page.keyboard.type(f"{code[:3]} {code[3:]}")
    page.keyboard.press("Enter")
    page.wait_for_url(base + "/")
    kit.say("ok: signed in by keyboard alone, code typed as two groups")


def without_scripts(scene, browser, gateway, authenticator, base, name):
    """The whole sign-in with JavaScript off, in a context of its own; it returns to the page that was asked for."""
    page = browser.page(java_script_enabled=False)
    page.goto(base + "/headers?a=1&b=%2F")
    kit.sign_in(page, name, PASSWORD, authenticator)
    kit.check(page.url == base + "/headers?a=1&b=%2F", "without scripts: sign-in returns to the page asked for, byte for byte")
    page.context.close()


def ending_closes_the_socket(gateway, page, sockets, base, name):
    before = set(sockets.open)
    page.goto(base + "/")
    socket = sockets.find("/echo", but=before)
    ended = gateway.command("session", "end", "--user", name)
    returned = time.monotonic()
    kit.check(ended["ended"] >= 1, "doorward session end found the session")
    late = sockets.closed_at(socket) - returned
    kit.check(late < 2, f"the open WebSocket closed {late:+.2f} s after the command returned")
    through_the_worker_to_sign_in(page, base)


def journey(scene):
    kit.check(kit.rfc_6238_vectors_hold(), "the authenticator of this test keeps to RFC 6238")
    gateway = kit.Gateway(scene, ["demo", "--fresh"])
    browser = kit.Browser(scene, gateway.ca_file)
    base = f"https://localhost:{gateway.port}"
    page = browser.page(viewport={"width": 1000, "height": 720})
    sockets = kit.Sockets(page)

    page.goto(base + "/")
    kit.check("/.doorward/login" in page.url, "a stranger is led to sign-in")
    kit.check("to continue to Sample app, localhost" in page.locator("main").inner_text(), "which says for which app")
    kit.page_is_sound(page, "sign-in", scene.outdir)
    authenticator = set_up(scene, gateway, page, base)
    name = gateway.command("session", "list")["sessions"][0]["user"]
    the_app_works(scene, gateway, page, sockets)
    admin_is_for_nobody(scene, page, base)

    session = next(c["value"] for c in page.context.cookies() if c["name"] == "__Host-doorward")
    page.locator("#sw-status", has_text="active").wait_for()
    page.goto(base + "/")
    kit.check(page.evaluate("!!navigator.serviceWorker.controller"), "the sample app's service worker controls the page")
    sign_out(scene, page, base)
    through_the_worker_to_sign_in(page, base)
    by_keyboard_alone(page, authenticator, base, name)
    without_scripts(scene, browser, gateway, authenticator, base, name)
    ending_closes_the_socket(gateway, page, sockets, base, name)

    page.locator("input[name=name]").fill(name)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("input[name=password]").press("Enter")
    page.wait_for_url("**/.doorward/login/code*")
    kit.page_is_sound(page, "code", scene.outdir)
    kit.check(browser.hosts <= {"localhost", "", None}, f"no request went to another host {browser.hosts}")
    kit.check(not browser.policy_complaints(), f"no error on any console {browser.policy_complaints() or ''}")
    token = gateway.ready["setup_link"].rsplit("/", 1)[1]
    gateway.keeps_secrets(token, PASSWORD, authenticator.key, session)
    gateway.ends_well()


if __name__ == "__main__":
    kit.main(journey, 300)
