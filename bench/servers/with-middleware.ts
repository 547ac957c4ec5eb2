/** Express 5 with one of this package's middleware around the app. Arguments: address, http or fastcgi, middleware. */
import { createServer as createHttpServer } from 'node:http'
import type { Express } from 'express'
import { createServer } from 'express-responder'
import { concurrencyLimit } from 'express-responder/concurrency'
import { recovery } from 'express-responder/recovery'
import { expressApp } from './app.js'
import { listen } from './listen.js'

const MIDDLEWARE: Readonly<Record<string, () => Express>> = {
  'recovery': () => expressApp(
    (bare) => bare.use(recovery()),
    (whole) => whole.use(recovery.errors()),
  ),
  'fixed-limit': () => expressApp((bare) => bare.use(concurrencyLimit({ limit: 64 }))),
  'auto-limit': () => expressApp((bare) => bare.use(concurrencyLimit())),
}

const [, , , protocol, name = ''] = process.argv
const create = MIDDLEWARE[name]
if (create === undefined) throw new Error(`no such middleware: ${name}`)
listen(protocol === 'fastcgi' ? createServer(create()) : createHttpServer(create()))
