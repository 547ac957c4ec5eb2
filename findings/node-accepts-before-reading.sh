#!/bin/bash
# Node.js 24.21: four clients have connected and sent their requests while the event loop was held up. Each handler then keeps the
# loop busy for 50 ms.
#
# Expected: since libuv 1.45 one connection is accepted in each turn of the loop, so that processes that share a listening socket take
# what they have time for: while the first handler runs, one connection has been accepted and three wait in the kernel, where
# another process can take them.
# Seen: a turn accepts the next connection before it reads from the one of the turn before. While a handler runs, a second connection
# has been accepted and not read: it waits for this process, whatever the others do, and is lost with it.
set -u -o pipefail
. "$(dirname "$0")/common.bash"
cd "$work" || exit 2
install_node 24.21.0
"$node" --print '`Node.js ${process.version}, libuv ${process.versions.uv}`'

cat >accept.js <<'PROGRAM'
const http = require('node:http')
const { Worker, isMainThread, workerData } = require('node:worker_threads')
const COUNT = 4
const path = 'app.sock'
if (isMainThread) {
  const sent = new Int32Array(new SharedArrayBuffer(4))
  const server = http.createServer((request, response) => {
    server.getConnections((error, open) => { seen.push(open) })
    for (const until = Date.now() + 50; Date.now() < until;);
    response.end()
  })
  const seen = []
  server.listen(path, () => {
    const worker = new Worker(__filename, { workerData: { sent } })
    worker.on('online', () => {
      while (Atomics.load(sent, 0) < COUNT) Atomics.wait(sent, 0, Atomics.load(sent, 0), 100)
    })
    worker.on('exit', () => {
      console.log(`open while the handlers run: ${seen.join(' ')}`)
      server.close()
    })
  })
} else {
  const { connect } = require('node:net')
  for (let index = 0; index < COUNT; index++) {
    const socket = connect(path)
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', () => {
      Atomics.add(workerData.sent, 0, 1)
      Atomics.notify(workerData.sent, 0)
    })
    socket.resume()
  }
}
PROGRAM
output=$("$node" accept.js)
echo "$output"
[[ $output == 'open while the handlers run: 2 '* ]]
