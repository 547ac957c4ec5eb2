/** Express 5 on this adapter, with recovery around the app. */
import { createServer } from 'express-responder'
import { recovery } from 'express-responder/recovery'
import { expressApp } from './app.js'
import { listen } from './listen.js'

const app = expressApp(
  (bare) => bare.use(recovery()),
  (whole) => whole.use(recovery.errors()),
)
listen(createServer(app))
