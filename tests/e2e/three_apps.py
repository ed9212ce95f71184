"""One sign-in for three apps on three unrelated names, in Chromium: tabs side by side, and signing out everywhere."""

import pathlib
import sys
import time

import kit

PASSWORD = "correct horse battery staple"
HOSTS = ["one.localhost", "two.localhost", "three.home.arpa"]


def apps(scene):
    """One app process stands in for all three: what is tried is the names in front of it."""
    port = kit.free_port()
    scene.start("echo-app", [sys.executable, pathlib.Path(__file__).with_name("echo_app.py"), port])
    kit.wait_for("the app to listen", lambda: kit.port_answers(port))
    return [f"{host}=127.0.0.1:{port}" for host in HOSTS]


def open_tab(context, url):
    page = context.new_page()
    page.goto(url)
    return page


def journey(scene):
    gateway = kit.Gateway(scene, ["up", *apps(scene)])
    authenticator = gateway.add_user("alice", PASSWORD)
    base = {host: f"https://{host}:{gateway.port}" for host in HOSTS}
    browser = kit.Browser(scene, gateway.ca_file, ["--host-resolver-rules=MAP *.home.arpa 127.0.0.1"])
    first = browser.page(viewport={"width": 900, "height": 700})
    context = first.context

    # Two tabs are sent to sign in before anybody has; each must find its own way back.
    first.goto(base["two.localhost"] + "/deep?x=1")
    second = open_tab(context, base["three.home.arpa"] + "/other?y=%2F")
    for page in (first, second):
        kit.check(page.url.startswith(base["one.localhost"] + "/.doorward/login"), f"sent to the portal ({page.url[:60]})")
    first.screenshot(path=scene.outdir / "portal-sign-in.png")
    kit.sign_in(first, "alice", PASSWORD, authenticator)
    kit.check(first.url == base["two.localhost"] + "/deep?x=1", f"back where the first tab wanted to go ({first.url})")
    second.goto(base["three.home.arpa"] + "/other?y=%2F")
    second.wait_for_url("**/other*")
    kit.check(second.url == base["three.home.arpa"] + "/other?y=%2F", "the second tab is let in without another sign-in")
    third = open_tab(context, base["one.localhost"] + "/")
    kit.check(third.url == base["one.localhost"] + "/", "and so is the third app")

    pages = [first, second, third]
    for page in pages:
        page.locator("#state", has_text="open").wait_for()
    sessions = gateway.command("session", "list")["sessions"]
    kit.check(len(sessions) == 1, f"one sign-in is one session ({len(sessions)})")
    cookies = [(c["domain"], c["name"]) for c in context.cookies() if c["name"] == "__Host-doorward"]
    kit.check(sorted(domain for domain, _ in cookies) == sorted(HOSTS), f"each host has a cookie of its own ({cookies})")

    # A form that is filled in while the session lasts, and sent after its end.
    form = open_tab(context, base["two.localhost"] + "/letter")
    form.locator("input[name=words]").fill("dear all")
    other = open_tab(context, base["three.home.arpa"] + "/letter")
    other.locator("input[name=words]").fill("first")
    other.locator("form button").click()
    other.wait_for_url("**/send")

    # Signing out on one host: the sockets of all three close.
    last = open_tab(context, base["two.localhost"] + "/.doorward/logout")
    began = time.monotonic()
    last.locator("main form button[type=submit]").first.click()
    for page in pages:
        page.locator("#state", has_text="closed").wait_for(timeout=5_000)
    kit.check(time.monotonic() - began < 3, f"all three sockets closed {time.monotonic() - began:.2f} s after the click")
    for host, page in zip(HOSTS, (third, first, second)):
        page.goto(base[host] + "/again")
        page.wait_for_url("**/.doorward/login*")
        kit.check(page.url.startswith(base["one.localhost"]), f"{host} asks for a new sign-in")
    kit.check(gateway.command("session", "list")["sessions"] == [], "no session is left")
    form.locator("form button").click()
    form.wait_for_url("**/.doorward/login*")
    notice = form.locator("[role=status]").inner_text()
    kit.check("Nothing you typed was sent to the app" in notice, f"the sign-in page says so ({notice})")
    form.screenshot(path=scene.outdir / "not-sent.png")
    posts = [(e["request"]["host"], e["refusal"]) for e in gateway.access_log()
             if e["request"]["method"] == "POST" and e["request"]["uri"] == "/send"]
    kit.check([refusal for _, refusal in posts] == [None, "sign-in"], f"of two forms one reached the app ({posts})")
    kit.check(browser.hosts <= {*HOSTS, "", None}, f"no request went to another host {browser.hosts}")


if __name__ == "__main__":
    kit.main(journey, 120)
