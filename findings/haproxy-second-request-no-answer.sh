#!/bin/bash
# Where a server goes away in the middle of a request, HAProxy answers 502 and logs it, if the request is the first of its client's
# connection. Any later one gets no answer, and no line in the log: the connection is closed.
#
# Expected: 502 and the termination state SH in the log, whichever request of a kept connection it is, as nginx and Apache do.
# Seen: the second request on a connection gets no byte, POST as GET, and the log of `option httplog` has nothing of it.
# Why it matters: who counts failures by status or by the log sees none. A client must be ready for it: many send GET again, no POST.
set -u
. "$(dirname "$0")/common.bash"
need haproxy haproxy

cat >"$work/server.mjs" <<'JS'
import net from 'node:net'
// Answers /ok. Ends the connection when it is asked for /gone.
net.createServer((socket) => {
  socket.on('error', () => undefined).on('data', (data) => {
    if (data.includes(' /gone')) socket.destroy()
    else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  })
}).listen(Number(process.argv[2]), '127.0.0.1')
JS
cat >"$work/client.mjs" <<'JS'
import net from 'node:net'
const [, , port, ...requests] = process.argv
const socket = net.connect(Number(port), '127.0.0.1')
const answers = []
socket.on('data', (data) => { answers.push(String(data).split('\r\n')[0]); next() })
socket.on('close', () => { console.log(`${requests.length} requests: ${answers.join(', ') || 'nothing'}, then closed`); process.exit() })
function next() {
  const [method, path] = (requests[answers.length] ?? '').split(':')
  if (path !== undefined) socket.write(`${method} ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n`)
}
next()
JS
cat >"$work/haproxy.cfg" <<CONF
global
  log stderr format raw local0
defaults
  log global
  mode http
  option httplog
  timeout connect 5s
  timeout client 2s
  timeout server 10s
listen a
  bind 127.0.0.1:$port
  server s 127.0.0.1:$((port + 1))
CONF
start node "$work/server.mjs" "$((port + 1))"
listening "$((port + 1))"
start haproxy -db -f "$work/haproxy.cfg"
log=$work/output.1
listening "$port"

haproxy -v | head -1
first=$(node "$work/client.mjs" "$port" 'POST:/gone?first')
second=$(node "$work/client.mjs" "$port" 'GET:/ok' 'POST:/gone?second')
third=$(node "$work/client.mjs" "$port" 'GET:/ok' 'GET:/gone?third')
# A line of its own, so that the log is known to have all that came before.
node "$work/client.mjs" "$port" 'POST:/gone?last' >/dev/null
for attempt in $(seq 50); do grep -q 'gone?last' "$log" && break; sleep 0.1; done
echo "POST that is the first:  $first; in the log: $(grep -c 'gone?first' "$log")"
echo "POST after an answer:    $second; in the log: $(grep -c 'gone?second' "$log")"
echo "GET after an answer:     $third; in the log: $(grep -c 'gone?third' "$log")"
[[ $first == *' 502 '* ]] && grep -q ' SH-- .*gone?first' "$log" &&
  [ "$second" = '2 requests: HTTP/1.1 200 OK, then closed' ] && [ "$third" = "$second" ] && ! grep -qE 'gone\?(second|third)' "$log"
