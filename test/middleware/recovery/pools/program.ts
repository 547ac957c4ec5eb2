/**
 * An app whose requests share a client that answers by callbacks, and some of whose callbacks throw. The client connects
 * in the first request that asks for something. Its argument is a `PoolSetting` as JSON.
 */
import http from 'node:http'
import express, { type Response } from 'express'
import { recovery, type RecoveryOptions } from '../../../../middleware/recovery.js'
import { CLIENTS, refusedCommands, type ClientName, type Query } from './clients.js'

export interface PoolSetting {
  client: ClientName
  /** Whether its callbacks are bound by `recovery.callbacks()`. */
  bound: boolean
  /** Where the app listens. */
  path: string
  /** Where the server is that the client asks. */
  server: { host: string; port: number }
  intensity: NonNullable<RecoveryOptions['intensity']>
  trackPromises?: boolean
}

/** What the program tells of each recovery. */
export interface PoolReport {
  url: string
  outcome: string
  phase: string
}

const setting = JSON.parse(process.argv[2] ?? '') as PoolSetting
const connect = CLIENTS[setting.client]
let query: Query | undefined
const ask: Query = (callback) => {
  query ??= connect(setting.server, setting.bound)
  query(callback)
}

const refused = setting.client.includes('redis') ? await refusedCommands(setting.server) : {}

const app = express()
app.use(recovery({
  intensity: setting.intensity,
  trackPromises: setting.trackPromises ?? false,
  onRecover: ({ url, outcome, phase }) => process.send?.({ url, outcome, phase } satisfies PoolReport),
}))
const answer = (response: Response, text: string): void => {
  if (!response.headersSent) response.send(text)
}
app.get('/fine/:name', (request, response) => {
  ask(() => { ask(() => { answer(response, `fine ${request.params.name}`) }) })
})
// Has its answer already, and is open for long: whoever takes it for guilty answers it wrongly.
app.get('/slow/:name', (request, response) => {
  ask(() => undefined)
  setTimeout(() => { answer(response, `fine ${request.params.name}`) }, 700)
})
app.get('/fail/:name', () => {
  ask(() => { throw new Error('in the callback') })
})
app.get('/fail-later/:name', () => {
  ask(() => { ask(() => { setTimeout(() => { throw new Error('in a timer of the second callback') }, 1) }) })
})
app.get('/over/:name', (_request, response) => {
  response.send('over')
  ask(() => { throw new Error('nobody waits for this') })
})
app.get('/refused/:client', (request) => {
  refused[request.params.client]?.()
})
app.use(recovery.errors())
http.createServer(app).listen(setting.path, () => process.send?.('listening'))
process.on('disconnect', () => process.exit(0))
