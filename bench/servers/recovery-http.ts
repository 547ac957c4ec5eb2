/** Express 5 on Node's own HTTP server, with recovery around the app. */
import { createServer } from 'node:http'
import { recovery } from 'express-responder/recovery'
import { expressApp } from './app.js'
import { listen } from './listen.js'

const app = expressApp(
  (bare) => bare.use(recovery()),
  (whole) => whole.use(recovery.errors()),
)
listen(createServer(app))
