#!/bin/sh
# What mod_fcgid starts: /home/alice/public_html/app.fcgi, with mode 755 and line ends of Unix.
# The environment is empty but for what stands here.
export NODE_ENV=production
export HOME=/home/alice
export PATH=/usr/bin:/bin
cd /home/alice/app || exit 1
# exec: the signals that mod_fcgid sends must reach node, not this shell.
exec /usr/bin/node app.js
