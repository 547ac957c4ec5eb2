#!/bin/bash
# HAProxy tries a connection that is refused again on TCP, and not on a Unix socket.
#
# Expected: `retries` (3 by default, a second apart) means a server, however it is reached.
# Seen: with nobody listening a request to a TCP server fails after 3 seconds, one to a Unix socket at once, with the
# same `retries 3`.
# Why it matters: a short restart of the application is bridged on TCP, and is a burst of 503 on a Unix socket.
set -u
. "$(dirname "$0")/common.bash"
need haproxy haproxy

cat >"$work/haproxy.cfg" <<CONF
defaults
  mode http
  retries 3
  timeout connect 5s
  timeout client 10s
  timeout server 10s
frontend tcp
  bind 127.0.0.1:$port
  default_backend tcp
backend tcp
  use-fcgi-app a
  server app 127.0.0.1:$((port + 2)) proto fcgi
frontend unix
  bind 127.0.0.1:$((port + 1))
  default_backend unix
backend unix
  use-fcgi-app a
  server app unix@$work/app.sock proto fcgi
fcgi-app a
  docroot /
CONF
start haproxy -db -f "$work/haproxy.cfg"
listening "$port"; listening "$((port + 1))"

haproxy -v | head -1
tcp=$(curl -s -o /dev/null -w '%{http_code} %{time_total}' "http://127.0.0.1:$port/")
unix=$(curl -s -o /dev/null -w '%{http_code} %{time_total}' "http://127.0.0.1:$((port + 1))/")
echo "TCP, nobody listens:         status and seconds $tcp"
echo "Unix socket, nobody listens: status and seconds $unix"
awk -v tcp="${tcp#* }" -v unix="${unix#* }" 'BEGIN { exit !(tcp > 2.5 && unix < 1) }' && [ "${tcp% *}" = 503 ] && [ "${unix% *}" = 503 ]
