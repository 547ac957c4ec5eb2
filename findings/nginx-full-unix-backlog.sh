#!/bin/bash
# nginx: an upstream whose accept queue is full costs a wait over TCP, and a 502 at once over a Unix socket.
#
# Expected: the same of both. A connection that nobody has accepted yet waits in the kernel, and proxy_connect_timeout (60 s)
# bounds the wait.
# Seen: Linux drops the handshake of TCP, which is sent again a second later, and all requests are answered once the process
# accepts again. connect() on a non-blocking Unix socket fails with EAGAIN, and nginx answers 502 within milliseconds;
# proxy_connect_timeout has no part in it, nor has fastcgi_connect_timeout.
# Why it matters: whoever moves an app from a port to a Unix socket turns a pause of the event loop into refusals, unless the
# backlog holds what comes meanwhile. Node's default is 511 connections, and net.core.somaxconn bounds it.
set -u
. "$(dirname "$0")/common.bash"
need nginx nginx
need curl curl
echo "backend: Node $(node --version), a backlog of 4, held up for three seconds"

cat >"$work/nginx.conf" <<CONF
daemon off; $nginx_user
pid $work/nginx.pid; error_log $work/error.log error;
events {}
http {
  access_log off; $nginx_temporary
  server {
    listen 127.0.0.1:$port;
    location /tcp { proxy_pass http://127.0.0.1:$((port + 1)); }
    location /unix { proxy_pass http://unix:$work/app.sock:/; }
  }
}
CONF
cat >"$work/backend.cjs" <<'JS'
const http = require('node:http')
const [, , where] = process.argv
const server = http.createServer((request, response) => {
  response.end('ok')
  if (!request.url.endsWith('hold')) return
  // The answer is sent first.
  setTimeout(() => { for (const end = Date.now() + 3000; Date.now() < end;); }, 100)
})
server.listen({ ...(where.startsWith('/') ? { path: where } : { port: Number(where), host: '127.0.0.1' }), backlog: 4 })
JS
start node "$work/backend.cjs" "$work/app.sock"
start node "$work/backend.cjs" "$((port + 1))"
until [ -S "$work/app.sock" ]; do sleep 0.1; done
chmod 666 "$work/app.sock"
listening "$((port + 1))"
start nginx -c "$work/nginx.conf" -e stderr
listening "$port"

nginx -v 2>&1
# asked WAY: twenty requests while the backend is held up; how many are answered 200 and 502.
asked() {
  local request clients=()
  curl -s -o /dev/null "http://127.0.0.1:$port/$1/hold"
  sleep 0.5
  for request in $(seq 20); do
    curl -s -o /dev/null -w '%{http_code}\n' "http://127.0.0.1:$port/$1/" >"$work/$1.$request" &
    clients+=($!)
  done
  wait "${clients[@]}"
  printf '%s of 200, %s of 502\n' "$(cat "$work/$1".* | grep -c 200)" "$(cat "$work/$1".* | grep -c 502)"
}
tcp=$(asked tcp) unix=$(asked unix)
echo "over TCP:            $tcp"
echo "over a Unix socket:  $unix"
grep -o 'connect() to unix:.* failed ([^)]*)' "$work/error.log" | sed "s|$work|…|" | sort | uniq -c
[ "$tcp" = '20 of 200, 0 of 502' ] && [ "${unix#*, }" != '0 of 502' ]
