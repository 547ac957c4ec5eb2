#!/bin/bash
# Node.js 26.10 under --permission without --allow-net: a server that listens on a TCP port.
#
# Expected: listen() throws ERR_ACCESS_DENIED, as it does for the path of a Unix socket, or emits 'error', as it does for every other
# reason why nobody can listen. An app has no third place in which it could hear of it.
# Seen: the error is thrown in a callback of Node's own, after the name was looked up, also where the host is an address. Neither
# try/catch around listen() nor a listener for 'error' gets it: only 'uncaughtException', else the process ends.
set -u -o pipefail
. "$(dirname "$0")/common.bash"
cd "$work" || exit 2
install_node 26.10.0
"$node" --version

cat >listen.js <<'PROGRAM'
const net = require('node:net')
const heard = {}
let server
process.on('uncaughtException', (error) => { heard[server] = `uncaughtException ${error.code}` })
function listen(name, where) {
  server = name
  const listening = net.createServer().on('error', (error) => { heard[name] = `event ${error.code}` })
  try {
    listening.listen(where)
  } catch (error) {
    heard[name] = `thrown ${error.code}`
  }
}
listen('path', '/nowhere/app.sock')
listen('port', { host: '127.0.0.1', port: 0 })
setTimeout(() => { console.log(JSON.stringify(heard)) }, 200)
PROGRAM
output=$("$node" --permission --allow-fs-read='*' listen.js)
echo "$output"
[ "$output" = '{"path":"thrown ERR_ACCESS_DENIED","port":"uncaughtException ERR_ACCESS_DENIED"}' ]
