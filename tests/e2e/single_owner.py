"""One owner: the set-up without a password, signing in by a code, by a passkey and by a recovery code; without scripts, dark, narrow."""

import kit
from passkeys import Virtual, add, leave


def set_up(scene, gateway, page, base):
    page.goto(gateway.ready["setup_link"])
    page.locator("input[name=code]").wait_for()
    kit.check(page.locator("input[type=password]").count() == 0, "the set-up asks for no password")
    kit.page_is_sound(page, "owner-setup", scene.outdir)
    uri = page.locator("a[href^='otpauth:']").first.get_attribute("href")
    kit.check(uri in kit.qr_codes(page, scene), "the picture holds the same URI as the link")
    owner = kit.Authenticator(uri)
    page.locator("input[name=code]").fill(owner.fresh())
    page.locator("input[name=code]").press("Enter")
    codes = kit.save_recovery_codes(page)
    page.wait_for_url(base + "/")
    return owner, codes


def by_code(page, base, owner, picture=None, outdir=None):
    page.goto(base + "/?a=1")
    page.wait_for_url("**/.doorward/login*")
    kit.check(page.locator("input:visible:not([type=checkbox])").count() == 1, "the sign-in page has one field")
    kit.check(page.evaluate("document.activeElement.name") == "code", "and it has the focus")
    if picture:
        kit.page_is_sound(page, picture, outdir)
        kit.page_is_light(page, picture)
        page.locator("input[name=code]").fill("000000")
        page.locator("input[name=code]").press("Enter")
        page.locator("[role=alert]").wait_for()
        kit.page_is_sound(page, picture + "-wrong", outdir)
    page.locator("input[name=code]").fill(owner.fresh())
    page.locator("input[name=code]").press("Enter")
    page.wait_for_url(base + "/?a=1")
    kit.say("ok: the code alone signs in, and leads to the page asked for")


def by_passkey(page, base, key):
    page.goto(base + "/?b=2")
    page.wait_for_url("**/.doorward/login*")
    page.locator("button#passkey").wait_for()
    kit.check("webauthn" in page.locator("#code").get_attribute("autocomplete"), "the field for the code offers passkeys")
    key.touch()
    page.locator("button#passkey").click()
    page.wait_for_url(base + "/?b=2")
    key.touch(False)
    kit.say("ok: the passkey signs in")


def by_recovery_code(scene, browser, base, code):
    page = browser.page(java_script_enabled=False)
    page.goto(base + "/?c=3")
    page.locator("a", has_text="Use a recovery code").click()
    page.wait_for_url("**/.doorward/login/recovery*")
    page.screenshot(path=scene.outdir / "owner-recovery.png", full_page=True)
    page.locator("input[name=code]").fill(code)
    page.locator("input[name=code]").press("Enter")
    page.wait_for_url("**/.doorward/login/recovered*")
    page.locator("main form button").click()
    page.locator("input[name=code]").wait_for()
    kit.check("Step 1 of 2" in page.locator("main").inner_text(), "without scripts: a recovery code leads to a new authenticator")
    page.context.close()


def journey(scene):
    upstream, site = kit.free_port(), scene.folder / "site"
    site.mkdir()
    scene.start("app", [kit.sys.executable, "-m", "http.server", "--bind", "127.0.0.1", upstream], cwd=site)
    kit.wait_for("the app", lambda: kit.port_answers(upstream))
    gateway = kit.Gateway(scene, ["up", f"localhost={upstream}", "--single-owner"])
    base = f"https://localhost:{gateway.port}"
    browser = kit.Browser(scene, gateway.ca_file)
    page = browser.page(viewport={"width": 1000, "height": 720})
    owner, codes = set_up(scene, gateway, page, base)
    page.goto(base + "/.doorward/security")
    kit.check("password" not in page.locator("main").inner_text().lower(), "the security page speaks of no password")
    kit.page_is_sound(page, "owner-security", scene.outdir)
    leave(page, base)
    by_code(page, base, owner, "owner-sign-in", scene.outdir)
    key = Virtual(page, verifies=True)
    add(scene, page, base, key)
    leave(page, base)
    by_passkey(page, base, key)
    plain = browser.page(java_script_enabled=False)
    by_code(plain, base, owner)
    page.goto(base + "/.doorward/help")
    kit.page_is_sound(page, "owner-help", scene.outdir)
    by_recovery_code(scene, browser, base, codes[0])
    page.goto(base + "/")
    kit.check("/.doorward/login" in page.url, "which ended every other session")
    gateway.command("user", "add", "mallory", code=1)
    kit.check(browser.hosts <= {"localhost", "", None}, f"no request went to another host {browser.hosts}")
    kit.check(not browser.policy_complaints(), f"no error on any console {browser.policy_complaints() or ''}")
    gateway.keeps_secrets(owner.key, *codes)
    gateway.ends_well()


if __name__ == "__main__":
    kit.main(journey, 300)
