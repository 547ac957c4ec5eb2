#!/bin/sh
# Asks an app on a FastCGI socket directly, with no web server between: what does it answer?
# Needs cgi-fcgi (Debian package libfcgi-bin), and the right to connect to the socket.
#
# Usage: request.sh [/path?query]
uri=${1:-/}
case $uri in
  *\?*) query=${uri#*\?} ;;
  *) query= ;;
esac
exec env -i PATH="$PATH" \
  GATEWAY_INTERFACE=CGI/1.1 SERVER_PROTOCOL=HTTP/1.1 SERVER_NAME=localhost SERVER_PORT=80 \
  REQUEST_METHOD=GET REQUEST_URI="$uri" SCRIPT_NAME="${uri%%\?*}" QUERY_STRING="$query" \
  HTTP_HOST=localhost REMOTE_ADDR=127.0.0.1 \
  cgi-fcgi -bind -connect /run/app/app.sock
