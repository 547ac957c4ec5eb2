#!/bin/bash
# nginx: over HTTPS fastcgi_keep_conn does not pass on small pieces of a FastCGI response as they are written; over HTTP it does.
#
# Expected: what reaches a client at once over HTTP does so over HTTPS, too: one server block, one location, two listen lines.
# Seen: over HTTPS the pieces wait until 16 kB have come together or the response ends, because nginx's TLS buffer is flushed only where the
# response is not buffered. A smaller ssl_buffer_size does not help. `fastcgi_buffering off` does.
# Why it matters: a stream that works behind HTTP in a test stands still in production.
set -u
. "$(dirname "$0")/common.bash"
need nginx nginx
need openssl openssl
install_backend

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost \
  -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
secure=$((port + 1))
cat >"$work/nginx.conf" <<CONF
daemon off; $nginx_user
pid $work/nginx.pid; error_log stderr error;
events {}
http {
  access_log off; $nginx_temporary
  fastcgi_param REQUEST_METHOD \$request_method;
  fastcgi_param REQUEST_URI \$request_uri;
  ssl_certificate $work/cert.pem; ssl_certificate_key $work/key.pem;
  server {
    listen 127.0.0.1:$port;
    listen 127.0.0.1:$secure ssl;
    fastcgi_keep_conn on;
    location /buffered { fastcgi_pass unix:$work/app.sock; }
    location /unbuffered { fastcgi_pass unix:$work/app.sock; fastcgi_buffering off; }
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
come() { curl -skN --max-time 1.5 "$1" | tr '\n' ' '; }
http=$(come "http://127.0.0.1:$port/buffered") https=$(come "https://127.0.0.1:$secure/buffered") off=$(come "https://127.0.0.1:$secure/unbuffered")
echo "HTTP, fastcgi_keep_conn on:                          $http"
echo "HTTPS, fastcgi_keep_conn on:                         $https"
echo "HTTPS, fastcgi_keep_conn on, fastcgi_buffering off:  $off"
[[ $http == *second* && $https != *first* && $off == *second* ]]
