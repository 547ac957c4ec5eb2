#!/bin/bash
# Caddy: `read_timeout` of `transport fastcgi` ends a response that lasts longer in all, though it is never silent.
#
# Expected: the longest silence, as with nginx's fastcgi_read_timeout, Apache's timeout and HAProxy's timeout server.
# Seen: with `read_timeout 2s` a response that says something every 200 ms breaks off after 2 seconds.
# Why it matters: with any such limit every event stream and every long download is cut off.
set -u
. "$(dirname "$0")/common.bash"
need caddy caddy
install_backend

cat >"$work/backend.cjs" <<'JS'
// 20 pieces, one every 200 ms: four seconds in all.
require('node-fastcgi').createServer((req, res) => {
  let count = 0
  const timer = setInterval(() => {
    res.write('piece\n')
    if (++count === 20) {
      clearInterval(timer)
      res.end()
    }
  }, 200)
}).listen(Number(process.argv[2]), '127.0.0.1')
JS
start node "$work/backend.cjs" "$((port + 2))"

site() {
  printf 'http://127.0.0.1:%s {\n\treverse_proxy 127.0.0.1:%s {\n\t\tflush_interval -1\n\t\ttransport fastcgi {\n\t\t\troot /\n\t\t\t%s\n\t\t}\n\t}\n}\n' "$1" "$((port + 2))" "$2"
}
{ printf '{\n\tadmin off\n}\n'; site "$port" 'read_timeout 2s'; site "$((port + 1))" 'dial_timeout 2s'; } >"$work/Caddyfile"
HOME=$work start caddy run --config "$work/Caddyfile" --adapter caddyfile
listening "$((port + 2))"; listening "$port"; listening "$((port + 1))"

caddy version
with=$(curl -s "http://127.0.0.1:$port/" | grep -c piece)
without=$(curl -s "http://127.0.0.1:$((port + 1))/" | grep -c piece)
echo "a piece every 200 ms, no read_timeout: $without of 20 pieces"
echo "a piece every 200 ms, read_timeout 2s: $with of 20 pieces"
[ "$without" -eq 20 ] && [ "$with" -gt 4 ] && [ "$with" -lt 13 ]
