"""A Tornado site whose middle is forbidden: `python tornado_site.py PORT`."""

import asyncio
import logging
import os
import sys

import tornado.web


class Says(tornado.web.RequestHandler):
    def initialize(self, marker):
        self.marker = marker

    def get(self, *_rest):
        self.write(os.environ[self.marker])


async def main():
    logging.getLogger("tornado").setLevel(logging.CRITICAL)
    app = tornado.web.Application(
        [
            (r"/admin(/.*)?", Says, {"marker": "SECRET"}),
            (r"/public(/.*)?", Says, {"marker": "OPEN"}),
            (r".*", Says, {"marker": "OUTSIDE"}),
        ]
    )
    app.listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()


asyncio.run(main())
