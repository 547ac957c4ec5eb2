/** Express 5 with middleware of this package around the app, one or all, or with others' for the same four jobs. Arguments: address, http, prepared or fastcgi, middleware. */
import { createServer as createHttpServer } from 'node:http'
import express from 'express'
import type { Express } from 'express'
import { createServer, prepared } from 'express-responder'
import { concurrencyLimit } from 'express-responder/concurrency'
import { memoryStats } from 'express-responder/memory'
import { rateLimit } from 'express-responder/rate-limit'
import { recovery } from 'express-responder/recovery'
import { suite } from 'express-responder/suite'
import { expressApp } from './app.js'
import { listen } from './listen.js'
import { addErrorBoundary, addOthers } from './others.js'

/** So many that no client of the benchmark ever reaches it. */
const NEVER_REACHED = 1_000_000_000

const MIDDLEWARE: Readonly<Record<string, () => Express>> = {
  'nothing': () => expressApp(),
  'recovery': () => expressApp(
    (bare) => bare.use(recovery()),
    (whole) => whole.use(recovery.errors()),
  ),
  'fixed-limit': () => expressApp((bare) => bare.use(concurrencyLimit({ limit: 64 }))),
  'auto-limit': () => expressApp((bare) => bare.use(concurrencyLimit())),
  'rate-limit': () => expressApp((bare) => bare.use(rateLimit({ limit: NEVER_REACHED }))),
  'memory': () => expressApp((bare) => bare.use('/debug/pprof', memoryStats())),
  'all': () => expressApp(
    (bare) => {
      bare.use(recovery())
      bare.use('/debug/pprof', memoryStats())
      bare.use(rateLimit({ limit: NEVER_REACHED }))
      bare.use(concurrencyLimit())
    },
    (whole) => whole.use(recovery.errors()),
  ),
  'suite': () => {
    const guard = suite({ rateLimit: { limit: NEVER_REACHED }, memory: {} })
    return expressApp((bare) => bare.use(guard), (whole) => whole.use(guard.errors))
  },
  // No middleware: the routes are in an app that is mounted in another.
  'mounted': () => express().use(expressApp()),
  'others': () => expressApp((bare) => { addOthers(bare) }, addErrorBoundary),
}

const [, , , protocol, name = ''] = process.argv
const create = MIDDLEWARE[name]
if (create === undefined) throw new Error(`no such middleware: ${name}`)
const app = create()
if (protocol === 'fastcgi') listen(createServer(app))
else listen(protocol === 'prepared' ? createHttpServer(prepared(app), app) : createHttpServer(app))
