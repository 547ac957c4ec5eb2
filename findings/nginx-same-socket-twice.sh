#!/bin/bash
# nginx: an upstream that names its one socket twice stays unavailable for 10 seconds after a failure; named once, not.
#
# Expected: a second `server` line for the same socket is a second try, and so at worst without effect.
# Seen: nginx counts failures for each line (max_fails=1, fail_timeout=10s), and takes both out of service; a single line
# it never takes out. With max_fails=0 on both there is no difference.
# Why it matters: a restart of one second becomes an outage of ten.
set -u
. "$(dirname "$0")/common.bash"
need nginx nginx
install_backend

cat >"$work/nginx.conf" <<CONF
daemon off; $nginx_user
pid $work/nginx.pid; error_log stderr crit;
events {}
http {
  access_log off; $nginx_temporary
  fastcgi_param REQUEST_METHOD \$request_method;
  fastcgi_param REQUEST_URI \$request_uri;
  upstream once { server unix:$work/app.sock; }
  upstream twice { server unix:$work/app.sock; server unix:$work/app.sock; }
  upstream forgiving { server unix:$work/app.sock max_fails=0; server unix:$work/app.sock max_fails=0; }
  server {
    listen 127.0.0.1:$port;
    location /once { fastcgi_pass once; }
    location /twice { fastcgi_pass twice; }
    location /forgiving { fastcgi_pass forgiving; }
  }
}
CONF
cat >"$work/backend.cjs" <<'JS'
require('node-fastcgi').createServer((req, res) => res.end('ok')).listen(process.argv[2])
JS
start nginx -c "$work/nginx.conf" -e stderr
listening "$port"
status() {
  curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/$1"
}
for attempt in 1 2; do for name in once twice forgiving; do status "$name" >/dev/null; done; done
start node "$work/backend.cjs" "$work/app.sock"
until [ -S "$work/app.sock" ]; do sleep 0.1; done
chmod 666 "$work/app.sock"

nginx -v 2>&1
once=$(status once) twice=$(status twice) forgiving=$(status forgiving)
echo "after a restart, one server line:               $once"
echo "after a restart, the line twice:                $twice"
echo "after a restart, the line twice, max_fails=0:   $forgiving"
[ "$once $twice $forgiving" = '200 502 200' ]
