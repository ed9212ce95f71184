"""An app with a page that keeps a WebSocket open, to stand behind the gateway: `echo_app.py PORT`."""

import asyncio
import sys

import tornado.web
import tornado.websocket

PAGE = """<!doctype html><html lang="en"><title>Echo</title><h1>Echo app</h1><p id="path"></p><p id="state">connecting</p>
<form method="post" action="/send"><label>Words <input name="words"></label> <button>Send</button></form>
<script src="/page.js"></script></html>"""
SCRIPT = """document.getElementById("path").textContent = location.pathname + location.search;
const socket = new WebSocket(`wss://${location.host}/echo`);
socket.onopen = () => { document.getElementById("state").textContent = "open"; };
socket.onclose = () => { document.getElementById("state").textContent = "closed"; };"""


class Echo(tornado.websocket.WebSocketHandler):
    def on_message(self, message):
        self.write_message(message)


class Script(tornado.web.RequestHandler):
    def get(self):
        self.set_header("Content-Type", "text/javascript")
        self.write(SCRIPT)


class Page(tornado.web.RequestHandler):
    def get(self):
        self.write(PAGE)

    def post(self):
        print(f"received {self.request.path}", flush=True)
        self.write(PAGE)


async def serve(port):
    tornado.web.Application([("/echo", Echo), ("/page.js", Script), (".*", Page)]).listen(port, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
