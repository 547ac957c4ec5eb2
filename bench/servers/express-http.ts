/** Express 5 on Node's own HTTP server. */
import { createServer } from 'node:http'
import { expressApp } from './app.js'
import { listen } from './listen.js'

listen(createServer(expressApp()))
