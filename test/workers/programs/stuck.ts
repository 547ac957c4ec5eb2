/**
 * An app whose event loop gets stuck in many ways, and the watch over it; reports go to descriptor 3. argv: the path of its socket,
 * the timeout in milliseconds, then words: `recovery` runs the app under recovery(), `thread` starts a busy thread of the app's own.
 *
 * What is stuck goes on once the file exists that the query names; without one it stays.
 */
import { execSync } from 'node:child_process'
import { pbkdf2Sync } from 'node:crypto'
import { existsSync } from 'node:fs'
import { request as httpRequest, createServer as createHttpServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Worker } from 'node:worker_threads'
import express, { Router, type Request } from 'express'
import { createServer } from 'express-responder'
import { recovery } from 'express-responder/middleware'
import { OPEN_REQUESTS } from '../../../lib/server/request-counts.js'
import { watchEventLoop } from '../../../lib/workers/stuck-loop.js'

const [, , path = '', timeout = '', ...words] = process.argv
let traps = 0

function fileOf({ query: { file } }: Request): string {
  return typeof file === 'string' ? file : ''
}

function spin(file: string): void {
  while (!existsSync(file)) {
    // Stuck.
  }
}

async function pause(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 5))
}

/** Knows nothing of a request. */
async function report(file: string): Promise<void> {
  await pause()
  spin(file)
}

const router = Router()
router.get('/sync/:id', (req, res) => {
  spin(fileOf(req))
  res.send('done')
})
router.get('/await/:id', async (req, res) => {
  await pause()
  spin(fileOf(req))
  res.send('done')
})
router.get('/timer/:id', (req, res) => {
  const file = fileOf(req)
  setTimeout(() => {
    spin(file)
    res.send('done')
  }, 5)
})
router.get(/^\/nested\/\d+$/, async (req, res) => {
  await report(fileOf(req))
  res.send('done')
})

const app = express()
if (words.includes('recovery')) app.use(recovery())
app.use('/api', router)
app.get('/wait', (_req, res) => {
  setTimeout(() => res.send('waited'), 1 << 30)
})
app.get('/exec', (req, res) => {
  execSync(`while [ ! -e "${fileOf(req)}" ]; do sleep 0.05; done`)
  res.send('done')
})
app.get('/exec-again', (req, res) => {
  while (!existsSync(fileOf(req))) execSync('sleep 0.2')
  res.send('done')
})
app.get('/derive', (_req, res) => {
  res.send(pbkdf2Sync('a', 'b', 2 ** 31 - 1, 64, 'sha512'))
})
app.get('/regex', (_req, res) => {
  res.send(String(/^(?:a+)+$/.test(`${'a'.repeat(40)}b`)))
})
app.get('/deep', (req, res) => {
  const deeper = (depth: number): number => {
    if (depth === 0) spin(fileOf(req))
    return depth === 0 ? 0 : deeper(depth - 1) + 1
  }
  res.send(String(deeper(2000)))
})
app.get('/strings', (req, res) => {
  const large = 'x'.repeat(200 * 1024 ** 2)
  spin(fileOf(req))
  res.send(String(large.length))
})
/** Variables that are nobody's business: what runs code when it is looked at, and the response of a client. */
app.get('/traps', (req, res) => {
  const trap = (): never => {
    traps++
    throw new Error('a trap was run')
  }
  const outgoing = httpRequest({ port: 1, host: '127.0.0.1' }).on('error', () => undefined)
  const watched = [
    new Proxy({}, { get: trap, getOwnPropertyDescriptor: trap, ownKeys: trap, getPrototypeOf: trap }),
    { get req() { return trap() }, get request() { return trap() } },
  ]
  const look = ([proxy, getters]: unknown[]): void => {
    spin(fileOf(req))
    res.send(String(traps + Number(proxy === getters)))
  }
  look([...watched, outgoing])
})
/** Another session of the inspector holds the process, as a developer's debugger does at a breakpoint. */
app.get('/breakpoint', (req, res) => {
  const script = `
    const { Session } = require('node:inspector')
    const session = new Session()
    session.connectToMainThread()
    session.on('Debugger.paused', () => require('node:fs').writeSync(2, 'paused by a debugger\\n'))
    const timer = setInterval(() => {
      if (!require('node:fs').existsSync(require('node:worker_threads').workerData)) return
      clearInterval(timer)
      session.post('Debugger.resume')
      session.disconnect()
    }, 20)
    session.post('Debugger.enable')
    session.post('Debugger.pause')`
  const thread = new Worker(script, { eval: true, workerData: fileOf(req) })
  thread.once('exit', () => res.send('done'))
})
/** An HTTP server of the app's own: its requests are found like others. */
const http = createHttpServer((request: IncomingMessage, response) => {
  spin(new URL(request.url ?? '', 'http://test').searchParams.get('file') ?? '')
  response.end('done')
})
app.get('/port', (_req, res) => {
  res.send(String((http.address() as AddressInfo).port))
})
app.get('/job', (req, res) => {
  const file = fileOf(req)
  res.on('finish', () => setTimeout(spin, 5, file))
  res.send('done')
})

if (words.includes('thread')) {
  // eslint-disable-next-line no-new
  new Worker('for (;;);', { eval: true }).unref()
}
const server = createServer(app)
watchEventLoop({ timeout: Number(timeout), report: 3, openRequests: () => server[OPEN_REQUESTS]() })
http.listen(0, '127.0.0.1', () => {
  server.listen(path, () => {
    console.log('listening')
  })
})
