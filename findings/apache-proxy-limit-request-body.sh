#!/bin/bash
# Apache: LimitRequestBody does not hold for what mod_proxy_fcgi passes on.
#
# Expected: the directive is of Apache's core, and larger bodies are 413 whoever handles the request.
# Seen: a file that Apache serves itself answers 413; the application gets the whole body.
# Why it matters: the limit stands in the configuration, and the application is open to uploads of any size.
set -u
. "$(dirname "$0")/common.bash"
need apache2 apache2
install_backend

modules=/usr/lib/apache2/modules
cat >"$work/apache.conf" <<CONF
ServerRoot $work
PidFile $work/apache.pid
ErrorLog $work/error.log
ServerName localhost
User www-data
Group www-data
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule proxy_module $modules/mod_proxy.so
LoadModule proxy_fcgi_module $modules/mod_proxy_fcgi.so
DefaultRuntimeDir $work
Listen 127.0.0.1:$port
DocumentRoot $work/files
<Directory $work/files>
  Require all granted
</Directory>
LimitRequestBody 1000
ProxyPass "/app/" "fcgi://127.0.0.1:$((port + 1))/"
CONF
mkdir "$work/files"
echo file >"$work/files/file.txt"
cat >"$work/backend.cjs" <<'JS'
require('node-fastcgi').createServer((req, res) => {
  let length = 0
  req.on('data', (chunk) => { length += chunk.length })
  req.on('end', () => res.end(`the application has read ${length} bytes`))
}).listen(Number(process.argv[2]), '127.0.0.1')
JS
start node "$work/backend.cjs" "$((port + 1))"
start apache2 -DFOREGROUND -f "$work/apache.conf"
listening "$((port + 1))"; listening "$port"

apache2 -v | head -1
ask() {
  head -c 5000 /dev/zero | curl -s -w ' (status %{http_code})' --data-binary @- "http://127.0.0.1:$port$1" | tail -1
}
file=$(ask /file.txt)
app=$(ask /app/)
echo "5000 bytes, LimitRequestBody 1000, to a file:         ${file##*(}"
echo "5000 bytes, LimitRequestBody 1000, to mod_proxy_fcgi: $app"
[ "${file##*(}" = 'status 413)' ] && [ "$app" = 'the application has read 5000 bytes (status 200)' ]
