#!/bin/bash
# nginx and HAProxy tell a FastCGI application REMOTE_USER although neither has asked for a password.
#
# Expected: REMOTE_USER is the user that the web server has authenticated (RFC 3875, 4.1.11), so it is absent where
# no authentication is configured. Apache keeps to that.
# Seen: nginx's $remote_user and HAProxy's own REMOTE_USER are the name in any Basic Authorization header.
# Why it matters: an application that trusts REMOTE_USER lets every client choose who it is.
set -u
. "$(dirname "$0")/common.bash"
need nginx nginx
need haproxy haproxy
install_backend

cat >"$work/nginx.conf" <<CONF
daemon off; $nginx_user
pid $work/nginx.pid; error_log stderr error;
events {}
http {
  access_log off; $nginx_temporary
  server {
    listen 127.0.0.1:$port;
    location / {
      fastcgi_pass unix:$work/app.sock;
      fastcgi_param REQUEST_METHOD \$request_method;
      fastcgi_param REQUEST_URI \$request_uri;
      fastcgi_param REMOTE_USER \$remote_user;
    }
  }
}
CONF
cat >"$work/haproxy.cfg" <<CONF
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend f
  bind 127.0.0.1:$((port + 1))
  default_backend b
backend b
  use-fcgi-app a
  server app unix@$work/app.sock proto fcgi
fcgi-app a
  docroot /
CONF
cat >"$work/backend.cjs" <<'JS'
require('node-fastcgi').createServer((req, res) => {
  res.end(`REMOTE_USER=${req.socket.params?.REMOTE_USER ?? req.params?.REMOTE_USER ?? 'absent'}`)
}).listen(process.argv[2])
JS
start node "$work/backend.cjs" "$work/app.sock"
until [ -S "$work/app.sock" ]; do sleep 0.1; done
chmod 666 "$work/app.sock"
start nginx -c "$work/nginx.conf" -e stderr
start haproxy -db -f "$work/haproxy.cfg"
listening "$port"; listening "$((port + 1))"

nginx -v 2>&1; haproxy -v | head -1
by_nginx=$(curl -s -u nobody:checked-this "http://127.0.0.1:$port/")
by_haproxy=$(curl -s -u nobody:checked-this "http://127.0.0.1:$((port + 1))/")
echo "nginx, no auth_basic:     $by_nginx"
echo "HAProxy, no http-request auth: $by_haproxy"
[ "$by_nginx" = REMOTE_USER=nobody ] && [ "$by_haproxy" = REMOTE_USER=nobody ]
