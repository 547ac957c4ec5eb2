#!/bin/bash
# node:http2, compatibility API: the response to a HEAD says that it is finished before it has begun.
#
# Expected: response.writableFinished as over HTTP/1.1: false until end() was called and everything was flushed.
# Seen: true from the start for HEAD, while headersSent and writableEnded are false and a status can still be set and sent.
# The HTTP/2 stream of such a request has its writable side ended from the start, and the response passes that on.
# Why it matters: middleware that asks writableFinished whether it may still answer (error handlers, timeouts, limits) never
# answers such a request, and its client waits for ever.
set -u
. "$(dirname "$0")/common.bash"

cat >"$work/head.cjs" <<'JS'
const http = require('node:http')
const http2 = require('node:http2')
const listener = (request, response) => {
  const before = `writableFinished ${response.writableFinished}, writableEnded ${response.writableEnded}, headersSent ${response.headersSent}`
  response.statusCode = 404
  response.end(() => console.log(`HTTP/${request.httpVersion} ${request.method}: ${before}`))
}
const listen = (server) => new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)))
const main = async () => {
  const first = http.createServer(listener)
  const port = await listen(first)
  for (const method of ['GET', 'HEAD']) {
    await new Promise((resolve) => http.request({ port, method, agent: false }, (answer) => answer.resume().on('end', resolve)).end())
  }
  const second = http2.createServer(listener)
  const session = http2.connect(`http://127.0.0.1:${await listen(second)}`)
  for (const method of ['GET', 'HEAD']) {
    await new Promise((resolve) => {
      const asked = session.request({ ':method': method })
      asked.on('response', (headers) => { if (headers[':status'] !== 404) console.log('another status') })
      asked.resume().on('close', resolve).end()
    })
  }
  session.close(); first.close(); second.close()
}
main()
JS
status=0
for version in 20.19.0 24.11.1; do
  (cd "$work" && npm install --silent --no-audit --no-fund "node@$version" >/dev/null) || exit 2
  echo "Node $("$work/node_modules/.bin/node" --version)"
  seen=$("$work/node_modules/.bin/node" "$work/head.cjs")
  echo "$seen"
  [ "$seen" = 'HTTP/1.1 GET: writableFinished false, writableEnded false, headersSent false
HTTP/1.1 HEAD: writableFinished false, writableEnded false, headersSent false
HTTP/2.0 GET: writableFinished false, writableEnded false, headersSent false
HTTP/2.0 HEAD: writableFinished true, writableEnded false, headersSent false' ] || status=1
done
exit "$status"
