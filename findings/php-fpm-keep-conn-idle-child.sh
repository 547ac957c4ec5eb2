#!/bin/bash
# php-fpm behind nginx with fastcgi_keep_conn: a child that is idle does not serve a request that waits.
#
# Expected: when a child has answered, it takes the next request, whichever connection it came on: kept connections save work.
# Seen: with one child, two requests at a time get one answer; the other is 504 after fastcgi_read_timeout, though the child has been idle
# for all that time. A child serves one connection until nginx closes it, and nginx keeps it. Without keep-conn both are answered.
# Why it matters: php-fpm's advice not to keep connections is no rule for FastCGI servers, and figures of php-fpm are those of new
# connections: with kept ones all clients but as many as there are children wait for nothing.
set -u
. "$(dirname "$0")/common.bash"
need nginx nginx
fpm=$(ls /usr/sbin/php-fpm* 2>/dev/null | head -1)
[ -n "$fpm" ] || { apt-get install -y --no-install-recommends php-fpm >/dev/null && fpm=$(ls /usr/sbin/php-fpm* | head -1); }

cat >"$work/fpm.conf" <<CONF
[global]
error_log = $work/fpm.log
daemonize = no
[www]
user = www-data
listen = $work/fpm.sock
listen.mode = 0666
pm = static
pm.max_children = 1
CONF
cat >"$work/sleep.php" <<'PHP'
<?php usleep(300000); echo 'answered';
PHP
cat >"$work/nginx.conf" <<CONF
daemon off;
$nginx_user
pid $work/nginx.pid;
error_log stderr crit;
events { }
http {
  access_log off;
  $nginx_temporary
  upstream php { server unix:$work/fpm.sock; keepalive 4; }
  server {
    listen 127.0.0.1:$port;
    fastcgi_read_timeout 3s;
    fastcgi_param SCRIPT_FILENAME $work/sleep.php;
    fastcgi_param REQUEST_METHOD \$request_method;
    location /kept { fastcgi_keep_conn on; fastcgi_pass php; }
    location /new { fastcgi_pass unix:$work/fpm.sock; }
  }
}
CONF
start "$fpm" --nodaemonize --fpm-config "$work/fpm.conf"
until [ -S "$work/fpm.sock" ]; do sleep 0.1; done
start nginx -c "$work/nginx.conf" -p "$work"
listening "$port"

# The statuses of two requests at a time, in order.
two() {
  for _ in 1 2; do curl -s -o /dev/null -w '%{http_code}\n' "http://127.0.0.1:$port/$1" & done | sort | tr '\n' ' '
}

nginx -v 2>&1
"$fpm" -v | head -1
new=$(two new) kept=$(two kept)
echo "two requests, one child, new connections: $new"
echo "two requests, one child, kept connections: $kept"
[ "$new$kept" = '200 200 200 504 ' ]
