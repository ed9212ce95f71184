"""A Flask site whose middle is forbidden, for waitress and for Werkzeug's own server (`python flask_site.py PORT`)."""

import os
import sys

from flask import Flask, request

app = Flask(__name__, static_folder=None)


def serve(name, marker, *rules):
    for number, rule in enumerate(rules):
        app.add_url_rule(rule, f"{name}{number}", lambda rest="": (os.environ[marker], {"Content-Type": "text/plain"}))


serve("admin", "SECRET", "/admin", "/admin/", "/admin/<path:rest>")
serve("public", "OPEN", "/public/", "/public/<path:rest>")


@app.route("/")
@app.route("/<path:rest>")
def otherwise(rest=""):
    """By what Flask itself takes the path for: `/public//x` fits no rule above and is still below `/public/`."""
    below = request.path == "/public" or request.path.startswith("/public/")
    return os.environ["OPEN" if below else "OUTSIDE"], {"Content-Type": "text/plain"}


if __name__ == "__main__":
    from werkzeug.serving import WSGIRequestHandler, run_simple

    WSGIRequestHandler.protocol_version = "HTTP/1.1"
    run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True)
