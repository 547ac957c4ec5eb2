#!/bin/bash
# nginx: whether a small piece of a FastCGI response reaches the client as it is written depends on fastcgi_keep_conn.
#
# Expected: fastcgi_buffering decides it. With `on`, the default, nginx gathers the response either way.
# Seen: with fastcgi_buffering on and fastcgi_keep_conn off the second piece waits for the end of the response; with
# fastcgi_keep_conn on it comes at once, because nginx then keeps count of each record.
# Why it matters: an event stream that works in production stops when somebody takes away a line about connections.
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
  fastcgi_param REQUEST_METHOD \$request_method;
  fastcgi_param REQUEST_URI \$request_uri;
  server {
    listen 127.0.0.1:$port;
    location /kept { fastcgi_pass unix:$work/app.sock; fastcgi_keep_conn on; }
    location /closed { fastcgi_pass unix:$work/app.sock; }
  }
}
CONF
cat >"$work/backend.cjs" <<'JS'
require('node-fastcgi').createServer((req, res) => {
  res.write('first\n')
  setTimeout(() => res.write('second\n'), 300)
  setTimeout(() => res.end('third\n'), 2500)
}).listen(process.argv[2])
JS
start node "$work/backend.cjs" "$work/app.sock"
until [ -S "$work/app.sock" ]; do sleep 0.1; done
chmod 666 "$work/app.sock"
start nginx -c "$work/nginx.conf" -e stderr
listening "$port"

nginx -v 2>&1
# What has come after 1.5 seconds, between the second piece and the third.
kept=$(curl -sN --max-time 1.5 "http://127.0.0.1:$port/kept" | tr '\n' ' ')
closed=$(curl -sN --max-time 1.5 "http://127.0.0.1:$port/closed" | tr '\n' ' ')
echo "fastcgi_keep_conn on:  $kept"
echo "fastcgi_keep_conn off: $closed"
[[ $kept == *second* && $closed != *second* ]]
