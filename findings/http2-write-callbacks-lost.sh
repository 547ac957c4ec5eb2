#!/bin/bash
# node:http2, 20.20 and 26.10: callbacks of writes to several streams of one session throw.
#
# Expected: 'uncaughtException' hears of each, as over HTTP/1.1, and as of each listener of a stream.
# Seen: the callbacks run one after another while Node sends what the session has to send, and only the exception of the last is told.
# Where code closes another stream at that moment, Node 26 sends from within close(), which throws what the callback has thrown.
# Why it matters: the failure of one request is missed, or ends up in the code of another one; an error tracker does not see it.
set -u
. "$(dirname "$0")/common.bash"

cat >"$work/lost.cjs" <<'JS'
const http = require('node:http')
const http2 = require('node:http2')
const { setTimeout: wait } = require('node:timers/promises')
const heard = []
process.on('uncaughtException', ({ message }) => heard.push(message))
let responses = []
const listener = (request, response) => {
  response.flushHeaders()
  responses.push(response)
}
const listen = (server) => new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)))
const failing = (message) => () => { throw new Error(message) }
// Lets callbacks of writes of all requests that are open throw, and says what was heard.
const failAll = async () => {
  await wait(200)
  responses.forEach((response, index) => response.write('x', failing(`callback ${index + 1}`)))
  await wait(200)
  return heard.splice(0).join(', ')
}
const main = async () => {
  const port = await listen(http.createServer(listener))
  for (let index = 0; index < 3; index++) http.get({ port, host: '127.0.0.1', agent: false }, (answer) => answer.resume())
  console.log(`HTTP/1.1: ${await failAll()}`)
  const session = http2.connect(`http://127.0.0.1:${await listen(http2.createServer(listener))}`)
  const ask = (count) => {
    responses = []
    for (let index = 0; index < count; index++) session.request().resume().on('error', () => undefined)
  }
  ask(3)
  console.log(`HTTP/2: ${await failAll()}`)
  ask(2)
  await wait(200)
  responses[0].write('x', failing('callback of the first stream'))
  responses[1].stream.on('error', () => undefined)
  try {
    responses[1].stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR)
    console.log('close() of the second stream throws nothing')
  } catch ({ message }) {
    console.log(`close() of the second stream throws: ${message}`)
  }
  process.exit()
}
main()
JS
status=0
check() {
  install_node "$1"
  local seen
  seen=$("$node" "$work/lost.cjs")
  echo "Node $("$node" --version)
$seen"
  [ "$seen" = "HTTP/1.1: callback 1, callback 2, callback 3
HTTP/2: callback 3
close() of the second stream throws$2" ] || status=1
}
check 20.20.2 ' nothing'
check 26.10.0 ': callback of the first stream'
exit "$status"
