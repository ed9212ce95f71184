"""Passkeys in Chromium, with the virtual authenticator of its DevTools: set an account up with one, add one, sign in by the button and from the browser's own
list, as second step without verification, proven once more, removed. Narrow, dark, without scripts; axe-core finds nothing.
"""

import kit

PASSWORD = "seven green lanterns in the harbour"
KEYS = "/.doorward/security/passkeys"


class Virtual:
    """A key of the browser's, plugged into one page."""

    def __init__(self, page, verifies, transport="internal"):
        self.cdp = page.context.new_cdp_session(page)
        self.cdp.send("WebAuthn.enable", {"enableUI": False})
        options = {"protocol": "ctap2", "transport": transport, "hasResidentKey": verifies, "hasUserVerification": verifies,
                   "isUserVerified": verifies, "automaticPresenceSimulation": False}
        self.ident = self.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]

    def touch(self, on=True):
        self.cdp.send("WebAuthn.setAutomaticPresenceSimulation", {"authenticatorId": self.ident, "enabled": on})

    def credentials(self):
        return self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.ident})["credentials"]


def add(scene, page, base, key, picture=None):
    """One more key for whoever is signed in."""
    page.goto(base + KEYS + "/add")
    page.locator("button#passkey").wait_for()
    if picture:
        kit.page_is_sound(page, picture, scene.outdir)
    key.touch()
    page.locator("button#passkey").click()
    page.wait_for_url(base + KEYS)
    key.touch(False)


def leave(page, base):
    page.goto(base + "/.doorward/logout")
    page.locator("main form[method=post] button").first.click()
    page.wait_for_load_state()


def by_button(scene, page, base, key):
    page.goto(base + "/headers?a=1")
    page.wait_for_url("**/.doorward/login*")
    page.locator("button#passkey").wait_for()
    kit.check("webauthn" in page.locator("#name").get_attribute("autocomplete"), "the field for the name offers passkeys")
    kit.page_is_sound(page, "passkey-sign-in", scene.outdir)
    kit.page_is_light(page, "passkey-sign-in")
    key.touch()  # a request that waits already does not notice
    page.locator("button#passkey").click()
    page.wait_for_url(base + "/headers?a=1")
    key.touch(False)
    kit.say("ok: signed in by the button, back at the page asked for")


def from_the_list(page, base, key):
    """Chromium answers a conditional request with a virtual key by itself, as if its entry in the list were chosen."""
    key.touch()
    page.goto(base + "/headers?b=2")
    page.wait_for_url(base + "/headers?b=2", timeout=15_000)
    key.touch(False)
    kit.say("ok: signed in from the list that the browser offers, nothing pressed")


def cancelled(page, base):
    """The dialog closes without a key: a quiet line, and the form is still there."""
    page.goto(base + "/.doorward/login")
    page.evaluate("void (navigator.credentials.get = () => Promise.reject(new DOMException('closed', 'NotAllowedError')))")
    page.locator("button#passkey").click()
    page.locator("[data-said]", has_text="No passkey was used").wait_for()
    kit.check(page.locator("[role=alert]").count() == 0, "a dialog that was closed is no error")


def second_step(scene, browser, gateway, base):
    """A security key that verifies nobody: password first, then the key instead of the code."""
    authenticator = gateway.add_user("bob", PASSWORD)
    page = browser.page(viewport={"width": 1000, "height": 720})
    key = Virtual(page, verifies=False, transport="usb")
    page.goto(base + "/")
    kit.sign_in(page, "bob", PASSWORD, authenticator)
    add(scene, page, base, key)
    kit.check("second step only" in page.locator("main").inner_text(), "a key that verifies nobody is a second step only")
    kit.check(page.locator("h2").first.inner_text() == "Security key", "and is called what it is")
    leave(page, base)
    page.goto(base + "/headers?c=3")
    page.locator("input[name=name]").fill("bob")
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("input[name=password]").press("Enter")
    page.wait_for_url("**/.doorward/login/code*")
    page.locator("button#passkey").wait_for()
    kit.page_is_sound(page, "passkey-second-step", scene.outdir)
    key.touch()
    page.locator("button#passkey").click()
    page.wait_for_url(base + "/headers?c=3")
    kit.say("ok: password and security key, no code")
    page.context.close()
    return authenticator


def without_scripts(browser, authenticator, base):
    page = browser.page(java_script_enabled=False)
    page.goto(base + "/headers?d=4")
    kit.check(page.locator("button#passkey").count() == 1 and not page.locator("button#passkey").is_visible(),
              "without scripts the button is not there")
    kit.sign_in(page, "bob", PASSWORD, authenticator)
    kit.check(page.url == base + "/headers?d=4", "and password and code sign in as ever")
    page.context.close()


def set_up(scene, browser, gateway, base):
    """A new account with a passkey from the first day: no authenticator app, no phone."""
    link = gateway.command("user", "add", "carol")["setup_link"]
    page = browser.page(viewport={"width": 1000, "height": 720})
    key = Virtual(page, verifies=True)
    page.goto(link)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("input[name=password]").press("Enter")
    page.locator("h2", has_text="Or use a passkey instead").wait_for()
    kit.page_is_sound(page, "passkey-set-up", scene.outdir)
    key.touch()
    page.locator("button#passkey").click()
    kit.save_recovery_codes(page)
    key.touch(False)
    page.wait_for_url(lambda url: "/.doorward/" not in url)
    page.goto(base + KEYS)
    kit.check("can replace your password" in page.locator("main").inner_text(), "set up with a passkey and no app")
    leave(page, base)
    by_button(scene, page, base, key)
    page.context.close()


def journey(scene):
    gateway = kit.Gateway(scene, ["demo", "--fresh"])
    authenticator = gateway.add_user("alice", PASSWORD)
    browser = kit.Browser(scene, gateway.ca_file)
    base = f"https://localhost:{gateway.port}"
    page = browser.page(viewport={"width": 1000, "height": 720})
    key = Virtual(page, verifies=True)

    page.goto(base + "/")
    kit.sign_in(page, "alice", PASSWORD, authenticator)
    add(scene, page, base, key, picture="passkey-add")
    kit.check(len(key.credentials()) == 1 and key.credentials()[0]["isResidentCredential"], "the browser holds one key that finds itself")
    kit.check("can replace your password" in page.locator("main").inner_text(), "it can replace the password")
    kit.page_is_sound(page, "passkeys", scene.outdir)

    leave(page, base)
    by_button(scene, page, base, key)
    leave(page, base)
    from_the_list(page, base, key)
    leave(page, base)
    cancelled(page, base)
    by_button(scene, page, base, key)

    set_up(scene, browser, gateway, base)
    bob = second_step(scene, browser, gateway, base)
    without_scripts(browser, bob, base)

    page.goto(base + KEYS)
    page.locator("summary").first.click()
    page.locator("form[action$=rename] input[name=name]").fill("Blue key")
    page.locator("form[action$=rename] button").click()
    page.locator("h2", has_text="Blue key").wait_for()
    page.locator("summary").first.click()
    page.locator("form[action$=remove] button").click()
    page.locator("main", has_text="You have none yet").wait_for()
    kit.say("ok: renamed and removed")
    kit.wait_for("the browser to drop a key that the list no longer has", lambda: not key.credentials())
    kit.say("ok: the browser dropped the key when the page told it which ones are still good")

    kit.check(browser.hosts <= {"localhost", "", None}, f"no request went to another host {browser.hosts}")
    kit.check(not browser.policy_complaints(), f"no error on any console {browser.policy_complaints() or ''}")
    gateway.keeps_secrets(PASSWORD, authenticator.key, bob.key)
    gateway.ends_well()


if __name__ == "__main__":
    kit.main(journey, 300)
