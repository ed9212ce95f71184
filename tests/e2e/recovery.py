"""Without the phone: recovery codes from the set-up to the new authenticator, and the pages for people who cannot get in.

Every page in light, dark and at 320 px, by axe-core, and the way through them with scripts off.
"""

import kit

PASSWORD = "seven green lanterns in the harbour"


def set_up(scene, gateway, page, base):
    """From the set-up link into the app; gives authenticator and codes, after a look at everything one can do with them."""
    page.goto(gateway.ready["setup_link"])
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("input[name=password]").press("Enter")
    page.locator("input[name=code]").wait_for()
    authenticator = kit.Authenticator(page.locator("a[href^='otpauth:']").first.get_attribute("href"))
    page.locator("input[name=code]").fill(authenticator.fresh())
    page.locator("input[name=code]").press("Enter")
    page.locator(".codes").wait_for()
    first = kit.recovery_codes(page)
    page.goto(gateway.ready["setup_link"] + "?step=2")
    kit.check(page.locator(".codes").count() == 0, "the codes are shown once: the page, opened again, has none")
    kit.page_is_sound(page, "recovery-codes-again", scene.outdir)
    page.locator("button[value=new]").click()
    page.locator(".codes").wait_for()
    codes = kit.recovery_codes(page)
    kit.check(not set(first) & set(codes), "but new ones")
    kit.page_is_sound(page, "recovery-codes", scene.outdir)
    with page.expect_download() as waiting:
        page.locator("button[value=download]").click()
    name = waiting.value.suggested_filename
    kit.check(name.startswith("doorward-recovery-localhost-") and name.endswith(".txt"), f"the download is called {name}")
    text = open(waiting.value.path(), encoding="utf-8").read()
    kit.check(all(code in text for code in codes), "and holds every code")
    page.locator(".codes li").first.click()
    selected = page.evaluate("getSelection().toString()").split()
    kit.check(selected == codes, "one click selects all of them")
    page.emulate_media(media="print")
    shown = [line for line in page.locator("main").inner_text().splitlines() if line.strip()]
    kit.check(shown[1:] == codes and "localhost" in shown[0], f"printed is a card with nothing but the codes {shown[:1]}")
    page.screenshot(path=scene.outdir / "recovery-codes-print.png")
    page.emulate_media(media="screen")
    kit.check(kit.save_recovery_codes(page) == codes, "those are the ones to save")
    page.wait_for_url(base + "/")
    return authenticator, codes


def by_recovery_code(scene, page, base, name, code, sound=False):
    page.wait_for_url("**/.doorward/login*")
    page.locator("input[name=name]").fill(name)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("input[name=password]").press("Enter")
    page.wait_for_url("**/.doorward/login/code*")
    page.locator("a", has_text="Use a recovery code").click()
    page.wait_for_url("**/.doorward/login/recovery*")
    if sound:
        kit.page_is_sound(page, "recovery", scene.outdir)
        kit.page_is_light(page, "recovery")
        page.locator("input[name=code]").fill("03-XXXX")
        page.locator("input[name=code]").press("Enter")
        page.locator("[role=alert]").wait_for()
        kit.check(page.title().startswith("Error: "), "what cannot be a code is told in the title too")
        kit.page_is_sound(page, "recovery-error", scene.outdir)
    page.locator("input[name=code]").fill(code)
    page.locator("input[name=code]").press("Enter")
    page.wait_for_url("**/.doorward/login/recovered*")


def journey(scene):
    gateway = kit.Gateway(scene, ["demo", "--fresh"])
    browser = kit.Browser(scene, gateway.ca_file)
    base = f"https://localhost:{gateway.port}"
    page = browser.page(viewport={"width": 1000, "height": 720})
    authenticator, codes = set_up(scene, gateway, page, base)
    name = gateway.command("session", "list")["sessions"][0]["user"]
    kit.check(gateway.command("user", "show", name)["recovery_codes"] == 10, "user show counts them")

    lost = browser.page(java_script_enabled=False, viewport={"width": 320, "height": 640})
    lost.goto(base + "/headers?a=1")
    lost.locator("a", has_text="Can't sign in?").click()
    kit.check("doorward user link" in lost.content(), "the help page says what the owner does")
    lost.go_back()
    typed = codes[2].lower().replace("-", " ").replace("0", "o").replace("1", "l")
    by_recovery_code(scene, lost, base, name, typed)
    kit.check(lost.locator("h1").inner_text() == "You used a recovery code. 9 left.", "without scripts, at 320 px: signed in")
    lost.locator("a", has_text="Continue").click()
    lost.wait_for_url(base + "/headers?a=1")
    lost.context.close()
    page.goto(base + "/.doorward/login")
    kit.check("/.doorward/login" in page.url, "every other session has ended")

    page.goto(base + "/.doorward/help")
    kit.page_is_sound(page, "help", scene.outdir)
    beside = browser.page(viewport={"width": 1000, "height": 720})
    beside.goto(base + "/.doorward/login")
    by_recovery_code(scene, beside, base, name, codes[0], sound=True)
    kit.page_is_sound(beside, "recovered", scene.outdir)
    beside.goto(base + "/.doorward/security/recovery")
    kit.check("8 of 10 left." in beside.locator("main").inner_text(), "the security page counts and lists them")
    kit.page_is_sound(beside, "security-recovery", scene.outdir)
    beside.go_back()
    beside.locator("main form button").click()
    beside.locator("input[name=code]").wait_for()
    new = kit.Authenticator(beside.locator("a[href^='otpauth:']").first.get_attribute("href"))
    kit.check(new.key != authenticator.key, "a new authenticator takes the place of the lost one")
    beside.locator("input[name=code]").fill(new.fresh())
    beside.locator("input[name=code]").press("Enter")
    newer = kit.save_recovery_codes(beside)
    kit.check(not set(newer) & set(codes), "with new codes")
    beside.wait_for_url(lambda url: "/.doorward/setup" not in url)
    beside.goto(base + "/")
    kit.check("through the door" in beside.locator("h1").inner_text(), "and leads into the app")

    reset = gateway.command("user", "totp", "reset", name)
    kit.check(reset["ended"] == 1 and reset["setup_link"], "the owner takes it away, and gets a set-up link")
    beside.goto(base + "/.doorward/login")
    kit.check("/.doorward/login" in beside.url, "which counts at once")
    kit.check(not browser.policy_complaints(), f"no error on any console {browser.policy_complaints() or ''}")
    gateway.keeps_secrets(PASSWORD, authenticator.key, new.key, *codes, *newer)
    gateway.ends_well()


if __name__ == "__main__":
    kit.main(journey, 300)
