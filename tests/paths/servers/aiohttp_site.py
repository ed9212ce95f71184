"""An aiohttp site whose middle is forbidden: `python aiohttp_site.py PORT`."""

import os
import sys

from aiohttp import web


def says(marker):
    async def answer(request):
        return web.Response(text=os.environ[marker])

    return answer


app = web.Application(middlewares=[web.normalize_path_middleware(merge_slashes=True)])
for prefix, marker in (("/admin", "SECRET"), ("/public", "OPEN"), ("", "OUTSIDE")):
    for rule in (prefix, prefix + "/{rest:.*}"):
        if rule:
            app.router.add_route("GET", rule, says(marker))
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
