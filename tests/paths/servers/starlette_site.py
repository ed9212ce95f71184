"""A Starlette site whose middle is forbidden, for uvicorn and hypercorn."""

import os

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route


def says(marker):
    async def answer(scope, receive, send):
        await PlainTextResponse(os.environ[marker])(scope, receive, send)

    return answer


async def otherwise(request):
    return PlainTextResponse(os.environ["OPEN" if request.url.path == "/public" else "OUTSIDE"])


app = Starlette(
    routes=[
        Mount("/admin", says("SECRET")),
        Mount("/public", says("OPEN")),
        Route("/{rest:path}", otherwise),
    ]
)
