/** Express 5 on Node's own HTTP server, with the prepared prototypes. */
import { createServer } from 'node:http'
import { prepared } from 'express-responder'
import { expressApp } from './app.js'
import { listen } from './listen.js'

const app = expressApp()
listen(createServer(prepared(app), app))
