/** Four projects as users have them: CommonJS and ESM, in JavaScript and TypeScript. */

export interface Project {
  readonly name: string
  /** Files by their paths. */
  readonly files: Readonly<Record<string, string>>
  /** Whether `tsc` makes `app.js` from it. */
  readonly typescript: boolean
}

/** The same in all four; `app` answers `/` with who asked how. */
const ROUTES = `
const app = express()
app.use(express.json())
app.get('/', (req, res) => {
  res.json({ interface: params(req)?.GATEWAY_INTERFACE, secure: req.secure, ip: req.ip })
})
app.post('/echo', (req, res) => {
  res.status(201).json(req.body)
})
`

const OPTIONS = `{ socket: process.argv[2], limits: { bodyBytes: 1024 } }`

/** Without top-level await, as CommonJS needs it. */
const SERVE_THEN = `
serve(app, ${OPTIONS}).then(() => console.log('listening'))
`

const SERVE_AWAIT = `
await serve(app, ${OPTIONS})
console.log('listening')
`

/** Uses types as a user would, so that wrong ones do not compile. */
const TYPED = `
const server = createServer(app)
const errors: string[] = []
server.on('clientError', (error) => errors.push(error.message))
const configured: number = server.configuration.limits.bodyBytes
const variables: Readonly<Record<string, string>> | undefined = params(new http.IncomingMessage(new net.Socket()))
const options: ServerOptions = { timeouts: { idle: configured }, earlyHints: 'fold' }
const other: http.Server = http.createServer(prepared(app), app)
const front: http.Server = gateway(createServer(app, options))
if (variables !== undefined || other.listening || front.listening) throw new Error('not yet')
`

const TSCONFIG = JSON.stringify({
  compilerOptions: { module: 'nodenext', target: 'es2022', strict: true, types: ['node'] },
})

const manifest = (type: 'commonjs' | 'module'): string => JSON.stringify({ name: 'app', private: true, type })

const typescript = (start: string): string => `
import http from 'node:http'
import net from 'node:net'
import express from 'express'
import { createServer, gateway, params, prepared, serve, type ServerOptions } from 'express-responder'
${ROUTES}
${TYPED}
${start}
`

export const PROJECTS: readonly Project[] = [
  {
    name: 'CommonJS JavaScript',
    typescript: false,
    files: {
      'package.json': manifest('commonjs'),
      'app.js': `'use strict'
const express = require('express')
const { params, serve } = require('express-responder')
${ROUTES}${SERVE_THEN}`,
    },
  },
  {
    name: 'ESM JavaScript',
    typescript: false,
    files: {
      'package.json': manifest('module'),
      'app.js': `import express from 'express'
import { params, serve } from 'express-responder'
${ROUTES}${SERVE_AWAIT}`,
    },
  },
  {
    name: 'CommonJS TypeScript',
    typescript: true,
    files: { 'package.json': manifest('commonjs'), 'tsconfig.json': TSCONFIG, 'app.ts': typescript(`void ${SERVE_THEN.trim()}`) },
  },
  {
    name: 'ESM TypeScript',
    typescript: true,
    files: { 'package.json': manifest('module'), 'tsconfig.json': TSCONFIG, 'app.ts': typescript(SERVE_AWAIT) },
  },
]
