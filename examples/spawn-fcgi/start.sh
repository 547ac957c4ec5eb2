#!/bin/sh
# Starts an Express app with spawn-fcgi, which makes the socket and hands it on as descriptor 0.
# -n stays in the foreground, so that systemd, runit or a container sees the program end.
# Run as root, add `-u app -g app -U app -G www-data` to drop to a user of its own.
exec spawn-fcgi -n -s /run/app/app.sock -M 0660 -- /usr/bin/node /srv/app/app.js
