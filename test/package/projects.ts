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

const LISTEN = `
const server = createServer(app, { limits: { bodyBytes: 1024 } })
server.listen(process.argv[2], () => console.log('listening'))
process.once('SIGTERM', () => server.close())
`

/** Uses types as a user would, so that wrong ones do not compile. */
const TYPED = `
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

const TYPESCRIPT = `
import http from 'node:http'
import net from 'node:net'
import express from 'express'
import { createServer, gateway, params, prepared, type ServerOptions } from 'express-responder'
${ROUTES.replace('?.GATEWAY_INTERFACE', "?.['GATEWAY_INTERFACE']")}
${LISTEN.replace('process.argv[2]', "process.argv[2] ?? ''")}
${TYPED}
`

export const PROJECTS: readonly Project[] = [
  {
    name: 'CommonJS JavaScript',
    typescript: false,
    files: {
      'package.json': manifest('commonjs'),
      'app.js': `'use strict'
const express = require('express')
const { createServer, params } = require('express-responder')
${ROUTES}${LISTEN}`,
    },
  },
  {
    name: 'ESM JavaScript',
    typescript: false,
    files: {
      'package.json': manifest('module'),
      'app.js': `import express from 'express'
import { createServer, params } from 'express-responder'
${ROUTES}${LISTEN}`,
    },
  },
  {
    name: 'CommonJS TypeScript',
    typescript: true,
    files: { 'package.json': manifest('commonjs'), 'tsconfig.json': TSCONFIG, 'app.ts': TYPESCRIPT },
  },
  {
    name: 'ESM TypeScript',
    typescript: true,
    files: { 'package.json': manifest('module'), 'tsconfig.json': TSCONFIG, 'app.ts': TYPESCRIPT },
  },
]
