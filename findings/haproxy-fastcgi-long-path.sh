#!/bin/bash
# HAProxy answers 500 to a path of 6,000 bytes in front of a FastCGI application, and passes a header of 10,000.
#
# Expected: what fits into tune.bufsize (16384) as an HTTP request fits as a FastCGI request; too long is a 414 or 400.
# Seen: the path stands three times among the params (REQUEST_URI, SCRIPT_NAME and SCRIPT_FILENAME or PATH_INFO), all of
# which must fit into one buffer. HAProxy answers 500 itself; the application is not asked.
# Why it matters: a long token in the path is an error that no log of the application shows.
set -u
. "$(dirname "$0")/common.bash"
need haproxy haproxy
install_backend

configure() {
  cat <<CONF
global
  tune.bufsize $1
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend f
  bind 127.0.0.1:$2
  default_backend b
backend b
  use-fcgi-app a
  server app unix@$work/app.sock proto fcgi
fcgi-app a
  docroot /
CONF
}
configure 16384 "$port" >"$work/default.cfg"
configure 32768 "$((port + 1))" >"$work/larger.cfg"
cat >"$work/backend.cjs" <<'JS'
require('node-fastcgi').createServer((req, res) => res.end('ok')).listen(process.argv[2])
JS
start node "$work/backend.cjs" "$work/app.sock"
until [ -S "$work/app.sock" ]; do sleep 0.1; done
start haproxy -db -f "$work/default.cfg"
start haproxy -db -f "$work/larger.cfg"
listening "$port"; listening "$((port + 1))"

haproxy -v | head -1
text() { head -c "$1" /dev/zero | tr '\0' x; }
status() { curl -s -o /dev/null -w '%{http_code}' -H "X-Long: ${3-}" "http://127.0.0.1:$1/$2"; }
header=$(status "$port" '' "$(text 10000)") short=$(status "$port" "$(text 5000)") long=$(status "$port" "$(text 6000)")
larger=$(status "$((port + 1))" "$(text 6000)")
echo "tune.bufsize 16384 (default), header of 10000: $header"
echo "tune.bufsize 16384 (default), path of 5000:   $short"
echo "tune.bufsize 16384 (default), path of 6000:   $long"
echo "tune.bufsize 32768, path of 6000:             $larger"
[ "$header $short $long $larger" = '200 200 500 200' ]
