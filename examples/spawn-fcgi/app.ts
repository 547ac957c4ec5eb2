/**
 * An app that a web server or spawn-fcgi starts: it listens on the socket that it inherits as descriptor 0, and
 * leaves with status 0 on SIGTERM, once open requests are answered. Compiled, it is the /srv/app/app.js of
 * start.sh, ../mod_fcgid/app.conf and ../lighttpd/spawn.conf.
 */
import { serve } from 'express-responder'
import { app } from '../hello/app.js'

await serve(app)
