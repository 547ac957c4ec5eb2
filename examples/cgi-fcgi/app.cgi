#!/usr/bin/cgi-fcgi -f
# A CGI program for hosts that allow nothing better: it hands its request to the running Express app
# and copies the answer. Make it executable; apache.conf maps every URL onto it.
-bind -connect /run/app/app.sock
