#!/bin/bash
# nginx: fastcgi_cache_lock makes requests for one URL wait for each other also where nothing may be cached.
#
# Expected: the lock is about filling the cache. A response that says `Cache-Control: no-store` fills nothing, so
# the second client is served beside the first.
# Seen: the second client waits until the first response has ended, or fastcgi_cache_lock_timeout (5 seconds).
# Why it matters: the second client of an event stream, or of a slow page, stands still for 5 seconds.
set -u
. "$(dirname "$0")/common.bash"
need nginx nginx
install_backend

cat >"$work/nginx.conf" <<CONF
daemon off; $nginx_user
pid $work/nginx.pid; error_log stderr error;
events {}
http {
  access_log off; $nginx_temporary
  fastcgi_cache_path $work/cache keys_zone=zone:1m;
  fastcgi_param REQUEST_METHOD \$request_method;
  fastcgi_param REQUEST_URI \$request_uri;
  server {
    listen 127.0.0.1:$port;
    fastcgi_pass_request_headers on;
    fastcgi_cache zone;
    fastcgi_cache_key \$request_uri;
    location /locked { fastcgi_pass unix:$work/app.sock; fastcgi_cache_lock on; }
    location /free { fastcgi_pass unix:$work/app.sock; }
  }
}
CONF
cat >"$work/backend.cjs" <<'JS'
require('node-fastcgi').createServer((req, res) => {
  res.setHeader('Cache-Control', 'no-store')
  setTimeout(() => res.end('done'), 2000)
}).listen(process.argv[2])
JS
start node "$work/backend.cjs" "$work/app.sock"
until [ -S "$work/app.sock" ]; do sleep 0.1; done
chmod 666 "$work/app.sock"
start nginx -c "$work/nginx.conf" -e stderr
listening "$port"

nginx -v 2>&1
# Seconds that the second of two clients waits, who come together.
second() {
  curl -s -o /dev/null "http://127.0.0.1:$port$1" &
  local first=$!
  sleep 0.2
  curl -s -o /dev/null -w '%{time_total}' "http://127.0.0.1:$port$1"
  wait "$first"
}
free=$(second /free)
locked=$(second /locked)
echo "no-store, without fastcgi_cache_lock: $free s"
echo "no-store, with fastcgi_cache_lock on: $locked s"
awk -v free="$free" -v locked="$locked" 'BEGIN { exit !(free < 3 && locked > 3.3) }'
