/** AsyncLocalStorage: what one request entered must not be seen by another, more than HTTP lets it. */
import { describe, expect, it } from '@jest/globals'
import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import http, { type RequestListener } from 'node:http'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer } from 'express-responder'
import { encodeRequest, FastCgiClient } from '../support/fastcgi-client.js'
import { nginxParams } from '../support/nginx-params.js'
import { Journal } from './support/journal.js'
import { compare, contract } from './support/compare.js'

const storage = new AsyncLocalStorage<string>()

/** Enters a context of its own, and tells which it found. */
const entering =
  (journal: Journal): RequestListener =>
  (req, res) => {
    journal.note(`${req.url ?? ''} found`, storage.getStore())
    storage.enterWith(req.url ?? '')
    setImmediate(() => {
      journal.note(`${req.url ?? ''} later`, storage.getStore())
      res.end()
    })
  }

const expectApart = (entries: string[]): void => {
  for (const url of ['/1', '/2', '/3']) {
    expect(entries).toContain(`${url} later "${url}"`)
  }
}

/** Three requests on one kept connection of FastCGI, one after the other or all in one write. */
async function overFastCgi(together: boolean): Promise<string[]> {
  const journal = new Journal()
  const directory = mkdtempSync(join(tmpdir(), 'context-'))
  const server = createServer(entering(journal))
  server.listen(join(directory, 's'))
  await once(server, 'listening')
  const client = await FastCgiClient.connect(join(directory, 's'))
  const requests = [1, 2, 3].map((id) => encodeRequest({ requestId: id, params: nginxParams({ url: `/${String(id)}` }) }))
  for (const id of [1, 2, 3]) client.expect(id)
  if (together) await client.send(...requests)
  for (const [index, bytes] of requests.entries()) {
    if (!together) await client.send(bytes)
    await client.response(index + 1)
  }
  await client.destroy()
  const closed = once(server, 'close')
  server.close()
  await closed
  rmSync(directory, { recursive: true, force: true })
  return journal.entries
}

/** The same over HTTP, without a gateway between; all in one write is what HTTP calls pipelining. */
async function overHttp(together: boolean): Promise<string[]> {
  const journal = new Journal()
  const server = http.createServer(entering(journal))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const socket = net.connect(typeof address === 'object' && address !== null ? address.port : 0, '127.0.0.1')
  const requests = [1, 2, 3].map((id) => `GET /${String(id)} HTTP/1.1\r\nHost: a\r\n\r\n`)
  if (together) socket.write(requests.join(''))
  for (const [index, request] of requests.entries()) {
    if (!together) socket.write(request)
    await journal.until(`/${String(index + 1)} later`)
  }
  socket.destroy()
  const closed = once(server, 'close')
  server.close()
  await closed
  return journal.entries
}

describe('enterWith in one request', () => {
  // Node 20 and 22 let the next request on a connection find it, over HTTP too; later ones do not.
  it.each([
    ['the next on the same kept connection', false],
    ['another that came in the same write', true],
  ])('is found by %s no more than over HTTP', async (_what, together) => {
    const fastcgi = await overFastCgi(together)
    expectApart(fastcgi)
    const http1 = await overHttp(together)
    const found = fastcgi.filter((entry) => entry.includes('found'))
    expect(found).toHaveLength(3)
    for (const entry of found) if (!entry.endsWith(' found')) expect(http1).toContain(entry)
  })
})

contract(
  'the context of a handler lasts through its events',
  {
    handle: (req, res, journal) => {
      storage.run('context', () => {
        req.on('data', () => {
          journal.note('data', storage.getStore() !== undefined)
        })
        req.on('end', () => {
          res.end('b')
        })
        setImmediate(() => {
          journal.note('immediate', storage.getStore())
        })
        void Promise.resolve().then(() => {
          journal.note('promise', storage.getStore())
        })
      })
    },
    act: ({ client }) => client.ask({ method: 'POST', body: 'abc' }),
    until: ['immediate'],
  },
  ({ entries }) => {
    expect(entries).toContain('immediate "context"')
  },
)

describe('a context that is run around next()', () => {
  it.each(['Express 4', 'Express 5'])('%s: is there in handlers, after a body parser too', async (name) => {
    const { EXPRESSES, quietApp } = await import('./support/flavours.js')
    const factory = EXPRESSES.find(([known]) => known === name)?.[1]
    if (factory === undefined) throw new Error(name)
    await compare(
      {
        app: (journal) => {
          const app = quietApp(factory)
          app.use((_req, _res, next) => {
            storage.run('outer', () => {
              next()
            })
          })
          app.use(factory.json())
          app.use((_req, res) => {
            journal.note('handler', storage.getStore())
            res.on('finish', () => {
              journal.note('finish', storage.getStore() !== 'another')
            })
            res.json({})
          })
          return app
        },
        act: ({ client }) => client.ask({ method: 'POST', body: '{}', headers: { 'Content-Type': 'application/json' } }),
        until: ['finish'],
      },
      ({ entries }) => {
        expect(entries[0]).toBe('handler "outer"')
      },
    )
  })
})
