#!/bin/bash
# Apache's mod_proxy_fcgi: of two ProxyPass lines with different sockets and one name after the |, the second goes to the first's socket.
#
# Expected: "unix:/one.sock|fcgi://app/" and "unix:/two.sock|fcgi://app/" are two places: what stands before the | says where to connect.
# Seen: requests of the second line reach the application of the first, and Apache says nothing of it. With another name after
# the | each reaches its own.
# Why it matters: a second application in one virtual host is never asked, and the first gets its requests. Names that are copied from an
# example, such as localhost, are the usual ones.
set -u
. "$(dirname "$0")/common.bash"
need apache2 apache2
install_backend

modules=/usr/lib/apache2/modules
cat >"$work/apache.conf" <<CONF
ServerRoot $work
DefaultRuntimeDir $work
PidFile $work/apache.pid
ErrorLog "|/bin/cat"
LogLevel warn
ServerName localhost
User www-data
Group www-data
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule proxy_module $modules/mod_proxy.so
LoadModule proxy_fcgi_module $modules/mod_proxy_fcgi.so
Listen 127.0.0.1:$port
ProxyPass "/one/" "unix:$work/one.sock|fcgi://app/"
ProxyPass "/two/" "unix:$work/two.sock|fcgi://app/"
ProxyPass "/named/" "unix:$work/two.sock|fcgi://two/"
CONF
cat >"$work/backend.cjs" <<'JS'
require('node-fastcgi').createServer((req, res) => res.end(process.argv[3])).listen(process.argv[2])
JS
for name in one two; do
  start node "$work/backend.cjs" "$work/$name.sock" "$name"
  until [ -S "$work/$name.sock" ]; do sleep 0.1; done
  chmod 666 "$work/$name.sock"
done
start apache2 -D FOREGROUND -f "$work/apache.conf"
listening "$port"

apache2 -v | head -1
one=$(curl -s "http://127.0.0.1:$port/one/") two=$(curl -s "http://127.0.0.1:$port/two/") named=$(curl -s "http://127.0.0.1:$port/named/")
echo "unix:one.sock|fcgi://app/ reaches: $one"
echo "unix:two.sock|fcgi://app/ reaches: $two"
echo "unix:two.sock|fcgi://two/ reaches: $named"
[ "$one $two $named" = 'one one two' ]
