#!/bin/bash
# Apache: over LimitRequestBody a program of mod_fcgid is given an empty body in place of the upload.
#
# Expected: 413, and the program is not asked. So it is with Apache's other handlers.
# Seen: the program is asked, CONTENT_LENGTH is 0, and its answer (here 200) reaches the client.
# Why it matters: the upload is lost, and nobody is told.
set -u
. "$(dirname "$0")/common.bash"
need apache2 apache2
[ -e /usr/lib/apache2/modules/mod_fcgid.so ] || apt-get install --quiet --yes --no-install-recommends libapache2-mod-fcgid >/dev/null 2>&1
install_backend

modules=/usr/lib/apache2/modules
mkdir "$work/run" && chmod 777 "$work/run"
cat >"$work/apache.conf" <<CONF
ServerRoot $work
PidFile $work/apache.pid
ErrorLog $work/error.log
ServerName localhost
User www-data
Group www-data
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule alias_module $modules/mod_alias.so
LoadModule fcgid_module $modules/mod_fcgid.so
DefaultRuntimeDir $work
FcgidIPCDir $work/run
FcgidProcessTableFile $work/run/shm
FcgidMaxRequestLen 100000
Listen 127.0.0.1:$port
ScriptAliasMatch "^" "$work/app.fcgi"
<Directory $work>
  SetHandler fcgid-script
  Options +ExecCGI
  Require all granted
  LimitRequestBody 1000
</Directory>
CONF
cat >"$work/backend.cjs" <<'JS'
require('node-fastcgi').createServer((req, res) => {
  let length = 0
  req.on('data', (chunk) => { length += chunk.length })
  req.on('end', () => res.end(`the program has read ${length} bytes`))
}).listen({ fd: 0 })
JS
printf '#!/bin/sh\nexec %s %s\n' "$(command -v node)" "$work/backend.cjs" >"$work/app.fcgi"
chmod 755 "$work/app.fcgi"
start apache2 -DFOREGROUND -f "$work/apache.conf"
listening "$port"

apache2 -v | head -1
dpkg-query --show libapache2-mod-fcgid 2>/dev/null
ask() {
  head -c "$1" /dev/zero | curl -s -w ' (status %{http_code})' --data-binary @- "http://127.0.0.1:$port/"
}
within=$(ask 900)
over=$(ask 1100)
echo "900 bytes, LimitRequestBody 1000:  $within"
echo "1100 bytes, LimitRequestBody 1000: $over"
[ "$within" = 'the program has read 900 bytes (status 200)' ] && [ "$over" = 'the program has read 0 bytes (status 200)' ]
