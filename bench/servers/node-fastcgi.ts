/** Express 5 on node-fastcgi as it ships. */
import { createRequire } from 'node:module'
import type { RequestListener } from 'node:http'
import type { Server } from 'node:net'
import { expressApp } from './app.js'
import { listen } from './listen.js'

interface NodeFastCgi {
  createServer: (responder: RequestListener) => Server
}

const { createServer } = createRequire(import.meta.url)('node-fastcgi') as NodeFastCgi
listen(createServer(expressApp()))
