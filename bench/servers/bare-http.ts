/** A bare request listener on Node's own HTTP server. */
import { createServer } from 'node:http'
import { bareListener } from './app.js'
import { listen } from './listen.js'

listen(createServer(bareListener))
