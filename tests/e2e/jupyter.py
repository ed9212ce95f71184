"""JupyterLab behind the gateway: sign in, run 6*7 in a kernel, end the session and see its socket close.

Once over HTTP/2, where Chromium opens WebSockets by RFC 8441, and once over HTTP/1.1 with Upgrade.
"""

import json
import os
import sys
import time

from playwright.sync_api import TimeoutError as PlaywrightTimeout

import kit

NOTEBOOK = {
    "cells": [{"cell_type": "code", "id": "first", "execution_count": None, "metadata": {}, "outputs": [], "source": ""}],
    "metadata": {"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}},
    "nbformat": 4, "nbformat_minor": 5,
}
PASSWORD = "seven green lanterns in the harbour"


def start_jupyter(scene):
    """JupyterLab without a token of its own on a free port, in a home of its own. Gives the port."""
    root = scene.folder / "notebooks"
    root.mkdir()
    for name in ("h2.ipynb", "h1.ipynb"):
        (root / name).write_text(json.dumps(NOTEBOOK))
    home = scene.folder / "jupyter-home"
    quiet = home / "settings" / "@jupyterlab" / "apputils-extension"
    quiet.mkdir(parents=True)
    (quiet / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    port = kit.free_port()
    scene.start("jupyter", [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0",
        "--IdentityProvider.token=", "--PasswordIdentityProvider.hashed_password=", "--ServerApp.allow_remote_access=True",
        f"--ServerApp.root_dir={root}", "--LabApp.extension_manager=readonly", "--LabApp.news_url=",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", *(["--allow-root"] if os.geteuid() == 0 else []),
    ], env={**os.environ, "HOME": str(home), "JUPYTER_CONFIG_DIR": str(home / "config"), "JUPYTER_DATA_DIR": str(home / "data"),
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"), "IPYTHONDIR": str(home / "ipython"), "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"), "JUPYTER_NO_CONFIG": "1"}, cwd=root)
    kit.wait_for("JupyterLab to listen", lambda: kit.port_answers(port), 60, every=0.1)
    return port


def run_a_cell(page, sockets):
    """Types 6*7 into the first cell and runs it; the answer comes over the kernel's WebSocket.

    JupyterLab may replace the kernel right after it has opened the notebook, and what was sent to the first one is lost:
    hence more than one try."""
    sockets.find("/channels", 60)
    idle = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook-ExecutionIndicator[data-status=idle]")
    idle.first.wait_for(state="attached", timeout=60_000)
    cell = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell").first
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.type("6*7")
    output = cell.locator(".jp-OutputArea-output")
    for _ in range(6):
        page.keyboard.press("Shift+Enter")
        try:
            output.first.wait_for(timeout=8_000)
            return output.first.inner_text().strip()
        except PlaywrightTimeout:
            kit.say("no answer of the kernel yet: the cell is run again")
            cell.locator(".cm-content").click()
    raise kit.Broken("the kernel does not answer")


def journey_in_browser(scene, gateway, authenticator, http2):
    version = "h2" if http2 else "http/1.1"
    browser = kit.Browser(scene, gateway.ca_file, [] if http2 else ["--disable-http2"])
    page = browser.page(viewport={"width": 1200, "height": 800})
    sockets = kit.Sockets(page)
    base = f"https://jupyter.localhost:{gateway.port}"
    # Without `reset` JupyterLab brings the other browser's notebook back beside this one, and the cell that is typed into need
    # not be the one that is run.
    page.goto(f"{base}/lab/tree/{'h2' if http2 else 'h1'}.ipynb?reset")
    kit.sign_in(page, "alice", PASSWORD, authenticator)
    kit.say(f"signed in, JupyterLab loads ({version})")
    kit.check(run_a_cell(page, sockets) == "42", f"a kernel computed 6*7 = 42 ({version})")
    page.screenshot(path=scene.outdir / f"jupyter-{version.replace('/', '-')}.png")
    channel = sockets.find("/channels")
    kit.check(sockets.protocols.get(page.url) in (version, None) and version in sockets.protocols.values(),
              f"the browser spoke {version}")
    opened = 200 if http2 else 101
    kit.check(sockets.status[channel] == opened, f"the kernel's WebSocket was opened with status {opened}")

    ended = gateway.command("session", "end", "--user", "alice")
    returned = time.monotonic()
    kit.check(ended["ended"] >= 1, "doorward session end found the session")
    late = sockets.closed_at(channel) - returned
    kit.check(late < 2, f"the kernel's WebSocket closed {late:+.2f} s after the command returned")
    status = page.evaluate("() => fetch('/api/kernels').then(r => r.status)")
    kit.check(status == 401, f"the page's next request is refused ({status})")
    page.goto(f"{base}/lab")
    page.wait_for_url("**/.doorward/login*")
    kit.check(page.locator("input[name=password]").count() == 1, "the next navigation meets sign-in")
    kit.check(browser.hosts <= {"jupyter.localhost", "", None}, f"no request went to another host {browser.hosts}")
    page.context.close()


def journey(scene):
    kit.check(kit.rfc_6238_vectors_hold(), "the authenticator of this test keeps to RFC 6238")
    port = start_jupyter(scene)
    gateway = kit.Gateway(scene, ["up", f"jupyter.localhost=127.0.0.1:{port}"])
    authenticator = gateway.add_user("alice", PASSWORD)
    kit.check(authenticator.agrees_with_oathtool(), "oathtool computes the same code")
    journey_in_browser(scene, gateway, authenticator, http2=True)
    journey_in_browser(scene, gateway, authenticator, http2=False)


if __name__ == "__main__":
    kit.main(journey, 300)
