#!/bin/bash
# Caddy: active health checks with `transport fastcgi` never reach a host, and every host counts as healthy.
#
# Expected: `health_uri` asks each host by the transport of its reverse_proxy, and leaves out those that do not answer 200.
# Seen: the host is never asked. Each question ends within Caddy with a logged 'active health check panicked', which it
# survives, and requests go to the host all the same. Over HTTP the same lines work.
# Why it matters: a host that says it is not ready still gets its share of the requests.
set -u
. "$(dirname "$0")/common.bash"
need caddy caddy
install_backend

cat >"$work/backend.cjs" <<'JS'
// Says by /ready that it is not ready, and counts how often it was asked.
const host = () => {
  let asked = 0
  return (req, res) => {
    if (req.url === '/ready') {
      asked++
      res.writeHead(503)
      res.end()
    } else {
      res.end(`asked ${asked} times`)
    }
  }
}
require('node-fastcgi').createServer(host()).listen(Number(process.argv[2]), '127.0.0.1')
require('node:http').createServer(host()).listen(Number(process.argv[2]) + 1, '127.0.0.1')
JS
start node "$work/backend.cjs" "$((port + 2))"

site() {
  printf 'http://127.0.0.1:%s {\n\treverse_proxy 127.0.0.1:%s {\n\t\thealth_uri /ready\n\t\thealth_interval 500ms\n\t\ttransport %s\n\t}\n}\n' "$1" "$2" "$3"
}
{ printf '{\n\tadmin off\n}\n'; site "$port" "$((port + 2))" fastcgi; site "$((port + 1))" "$((port + 3))" http; } >"$work/Caddyfile"
listening "$((port + 2))"; listening "$((port + 3))"
HOME=$work start caddy run --config "$work/Caddyfile" --adapter caddyfile
listening "$port"; listening "$((port + 1))"
sleep 3

caddy version
fastcgi=$(curl -s -w ' (status %{http_code})' "http://127.0.0.1:$port/")
http=$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$((port + 1))/")
said=$(grep -c 'active health check panicked' "$work/output.1")
echo "a host that is not ready, over HTTP:    status $http"
echo "a host that is not ready, over FastCGI: $fastcgi; Caddy logged $said failed questions of its own"
[ "$http" = 503 ] && [ "$fastcgi" = 'asked 0 times (status 200)' ] && [ "$said" -gt 0 ]
