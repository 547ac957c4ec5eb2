#!/bin/bash
# ws (npm): after one exception in a 'message' listener that connection reads nothing more, and stays open.
#
# Expected: where a program goes on after an exception, as with an 'uncaughtException' handler, one message is lost. A plain
# socket goes on to emit 'data' after a listener has thrown.
# Seen: ws parses in the write() of a stream of its own, whose callback the exception leaves out. So that stream takes no more
# bytes: later messages are not read, pings are not answered, and a close from the other side is neither answered nor told of.
# Nothing tells either side. Other connections are not concerned.
# Why it matters: one bad message leaves a client that is connected, hears nothing, and does not connect again.
set -u
. "$(dirname "$0")/common.bash"
(cd "$work" && npm install --silent --no-audit --no-fund --ignore-scripts ws@8.23.0 >/dev/null) || exit 2

cat >"$work/deaf.cjs" <<'JS'
const net = require('node:net')
const { once } = require('node:events')
const { setTimeout: wait } = require('node:timers/promises')
const { WebSocket, WebSocketServer } = require('ws')
process.on('uncaughtException', () => undefined)
const main = async () => {
  const received = []
  const hear = (text) => {
    received.push(text)
    if (text === 'first') throw new Error('of the first message')
  }
  const plain = net.createServer((socket) => socket.on('data', (data) => hear(String(data)))).listen(0, '127.0.0.1')
  await once(plain, 'listening')
  const client = net.connect(plain.address().port, '127.0.0.1')
  await once(client, 'connect')
  for (const text of ['first', 'second']) {
    client.write(text)
    await wait(300)
  }
  console.log(`net.Socket: ${received.splice(0).join(', ')}`)

  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  let closed = false
  server.on('connection', (socket) => socket.on('message', (data) => hear(String(data))).on('close', () => { closed = true }))
  await once(server, 'listening')
  const url = `ws://127.0.0.1:${server.address().port}`
  const deaf = new WebSocket(url)
  await once(deaf, 'open')
  for (const text of ['first', 'second']) {
    deaf.send(text)
    await wait(300)
  }
  let pong = false
  deaf.on('pong', () => { pong = true }).ping()
  await wait(500)
  const isOpen = deaf.readyState === WebSocket.OPEN
  deaf.close()
  await wait(1000)
  console.log(`ws 8.23.0: ${received.splice(0).join(', ')}; open: ${isOpen}, ping answered: ${pong}, close told of: ${closed}`)
  const other = new WebSocket(url)
  await once(other, 'open')
  other.send('of another')
  await wait(300)
  console.log(`another connection: ${received.join(', ')}`)
  process.exit()
}
main()
JS

echo "Node $(node --version)"
seen=$(node "$work/deaf.cjs")
echo "$seen"
[ "$seen" = 'net.Socket: first, second
ws 8.23.0: first; open: true, ping answered: false, close told of: false
another connection: of another' ]
