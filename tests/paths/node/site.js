// Node sites whose middle is forbidden: `node site.js KIND PORT`. Libraries are looked for where NODE_PATH says.
'use strict';
const http = require('http');
const path = require('path');

const [kind, port] = [process.argv[2], Number(process.argv[3])];
const { SECRET, OPEN, OUTSIDE } = process.env;

function express(name) {
  const app = require(name)();
  app.use('/admin', (_req, res) => res.send(SECRET));
  app.use('/public', (_req, res) => res.send(OPEN));
  app.use((_req, res) => res.send(OUTSIDE));
  app.use((_fault, _req, res, _next) => res.status(400).send('unreadable'));
  return http.createServer(app);
}

// For apps that make a path of the target by themselves.
function own(read) {
  return http.createServer((req, res) => {
    let text = OUTSIDE;
    try {
      const name = read(req.url);
      if (name === '/admin' || name.startsWith('/admin/')) text = SECRET;
      if (name === '/public' || name.startsWith('/public/')) text = OPEN;
    } catch (_fault) {
      res.statusCode = 400;
      text = 'unreadable';
    }
    res.end(text);
  });
}

function koa() {
  const Koa = require('koa');
  const Router = require('@koa/router');
  const router = new Router();
  for (const [rule, text] of [['/admin', SECRET], ['/admin/(.*)', SECRET], ['/public', OPEN], ['/public/(.*)', OPEN], ['/(.*)', OUTSIDE]]) {
    router.all(rule, (context) => { context.body = text; });
  }
  return http.createServer(new Koa().use(router.routes()).callback());
}

function fastify(options) {
  const ready = {};
  const app = require('fastify')({ ...options, serverFactory: (handler) => { ready.server = http.createServer(handler); return ready.server; } });
  for (const [rule, text] of [['/admin', SECRET], ['/admin/*', SECRET], ['/public', OPEN], ['/public/*', OPEN], ['/*', OUTSIDE]]) {
    app.get(rule, async () => text);
  }
  app.ready();
  return ready.server;
}

// What hand-written servers do: take off the query, decode, tidy.
const withoutQuery = (url) => url.split('?')[0];
const tidy = (text) => path.posix.normalize(text.replace(/\\/g, '/'));

const kinds = {
  express4: () => express('express4'),
  express5: () => express('express5'),
  fastify: () => fastify({}),
  'fastify-lax': () => fastify({ ignoreDuplicateSlashes: true, ignoreTrailingSlash: true, caseSensitive: false }),
  koa,
  whatwg: () => own((url) => new URL(url, 'http://site.example').pathname),
  'whatwg-decoded': () => own((url) => decodeURIComponent(new URL(url, 'http://site.example').pathname)),
  normalised: () => own((url) => tidy(decodeURIComponent(withoutQuery(url)))),
  'normalised-twice': () => own((url) => tidy(decodeURIComponent(tidy(decodeURIComponent(withoutQuery(url)))))),
  'windows-like': () => own((url) => tidy(decodeURIComponent(withoutQuery(url))).normalize('NFKC').toLowerCase()
    .split('/').map((name) => name.split('::')[0].replace(/[. ]+$/, '')).join('/')),
};
kinds[kind]().listen(port, '127.0.0.1');
