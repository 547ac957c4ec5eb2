/** What FastCGI frames otherwise than HTTP: framing set by the app, lengths that are wrong, HTTP/1.0, backpressure. */
import { describe, expect, it } from '@jest/globals'
import { once } from 'node:events'
import net from 'node:net'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { answerOf, seenBy } from './support/client.js'
import { contract, observe } from './support/compare.js'
import { codeOf, type Journal } from './support/journal.js'
import { TRANSPORTS } from './support/transports.js'
import { overFastCgi, settled } from './support/wire.js'

describe('framing set by the app', () => {
  contract(
    'Transfer-Encoding: chunked',
    {
      handle: (_req, res, journal) => {
        res.setHeader('Transfer-Encoding', 'chunked')
        res.write('a'.repeat(20_000), journal.noting('callback'))
        res.write(Buffer.alloc(70_000, 'b'))
        res.end('c')
      },
      until: ['callback'],
    },
    ({ seen }) => {
      expect(seen).toMatchObject({ body: 'a'.repeat(20_000) + 'b'.repeat(70_000) + 'c' })
    },
  )
  contract(
    'Transfer-Encoding: chunked with end(text) only',
    { handle: (_req, res) => res.writeHead(200, { 'transfer-encoding': 'chunked' }).end('hello') },
    ({ seen }) => {
      expect(seen).toMatchObject({ body: 'hello' })
    },
  )
  contract(
    'Transfer-Encoding: chunked without a body',
    { handle: (_req, res) => res.writeHead(200, { 'transfer-encoding': 'chunked' }).end() },
    ({ seen }) => {
      expect(seen).toMatchObject({ body: '' })
    },
  )
  contract(
    'removeHeader of what Node would add',
    {
      handle: (_req, res) => {
        res.removeHeader('Connection')
        res.removeHeader('Transfer-Encoding')
        res.removeHeader('Date')
        res.end('hello')
      },
    },
    ({ seen }) => {
      expect(seen).toMatchObject({ body: 'hello' })
    },
  )
  contract(
    'removeHeader of Content-Length',
    {
      handle: (_req, res) => {
        res.removeHeader('Content-Length')
        res.end('hello')
      },
    },
    ({ seen }) => {
      expect(seen).toMatchObject({ body: 'hello' })
    },
  )
  contract(
    'useChunkedEncodingByDefault and shouldKeepAlive',
    {
      handle: (_req, res, journal) => {
        res.shouldKeepAlive = false
        journal.note('chunked', [res.useChunkedEncodingByDefault, res.chunkedEncoding, res.strictContentLength])
        res.write('hel')
        res.end('lo')
      },
    },
    ({ seen }) => {
      expect(seen).toMatchObject({ body: 'hello' })
    },
  )

  it('headers of one hop, and Status, are stripped', async () => {
    const { seen } = await overFastCgi((_req, res) => {
      res.setHeader('Connection', 'close, X-Hop')
      res.setHeader('Keep-Alive', 'timeout=5')
      res.setHeader('Proxy-Connection', 'keep-alive')
      res.setHeader('Upgrade', 'h2c')
      res.setHeader('TE', 'trailers')
      res.setHeader('Status', '500 Broken')
      res.setHeader('X-Kept', 'connection: close')
      res.end('body')
    })
    expect(seen).toMatchObject({ status: 200, body: 'body' })
    expect(seen.headers).toEqual([['X-Kept', 'connection: close'], ['Content-Length', '4']])
  })

  it('strictContentLength throws as over HTTP', async () => {
    const app = (journal: Journal) => (_req: IncomingMessage, res: ServerResponse) => {
      res.strictContentLength = true
      res.writeHead(200, { 'Content-Length': 3 })
      try {
        res.write('too long')
      } catch (error) {
        journal.note('threw', codeOf(error))
      }
      res.destroy()
    }
    for (const transport of Object.values(TRANSPORTS)) {
      expect((await observe(transport, { app })).entries).toEqual(['threw "ERR_HTTP_CONTENT_LENGTH_MISMATCH"'])
    }
  })
})

describe('a Content-Length that is wrong', () => {
  it('too much is cut off, with a warning', async () => {
    const { seen, entries } = await overFastCgi((_req, res) => {
      res.setHeader('Content-Length', 3)
      res.write('ab')
      res.write('cd')
      res.end('ef')
    })
    expect(seen).toMatchObject({ status: 200, body: 'abc', broken: undefined })
    expect(new Set(entries)).toEqual(new Set(['warning "ERR_FCGI_CONTENT_LENGTH"']))
  })
  it('too little breaks the answer off, with a warning', async () => {
    const { seen, entries } = await overFastCgi((_req, res) => {
      res.setHeader('Content-Length', 10)
      res.write('ab')
      setImmediate(() => res.end('cd'))
    })
    expect(seen.broken).toBe('ECONNRESET')
    expect(entries).toEqual(['warning "ERR_FCGI_CONTENT_LENGTH"'])
  })
  it('too little at once, before anything has left: still no whole answer', async () => {
    const { seen } = await overFastCgi((_req, res) => {
      res.writeHead(200, { 'Content-Length': 10 })
      res.end('abcd')
    })
    expect(seen.broken ?? seen.status).not.toBe(200)
  })
  it('the next request is not disturbed by either', async () => {
    const bodies: string[] = []
    await overFastCgi(
      (req, res) => {
        if (req.url !== '/good') res.setHeader('Content-Length', req.url === '/long' ? 1 : 100)
        res.end('good')
      },
      {
        act: async ({ client }) => {
          for (const path of ['/long', '/good', '/short', '/good']) bodies.push((await client.ask({ path })).body)
        },
      },
    )
    expect([bodies[1], bodies[3]]).toEqual(['good', 'good'])
  })
})

describe('HTTP/1.0', () => {
  const ask10 = async (port: number): Promise<string> => {
    const socket = net.connect(port, '127.0.0.1')
    socket.write('GET /old HTTP/1.0\r\nHost: old.example\r\n\r\n')
    let text = ''
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    await once(socket, 'close')
    return text.replace(/\r\nDate: [^\r]*/, '').replace(/\r\nConnection: [^\r]*/, '')
  }
  contract(
    'a request of it',
    {
      handle: (req, res, journal) => {
        journal.note('version', [req.httpVersion, req.httpVersionMajor, req.httpVersionMinor])
        res.write('a')
        res.end('b')
      },
      act: ({ client }) => ask10(client.port),
    },
    ({ entries, seen }) => {
      expect(entries).toEqual(['version ["1.0",1,0]'])
      expect(seen).toMatch(/^HTTP\/1.1 200 OK\r\n/)
    },
  )
})

describe('backpressure', () => {
  it('a response stops when the client does not read, and goes on to its end when it does', async () => {
    for (const transport of Object.values(TRANSPORTS)) {
      const total = 64 * 1024 ** 2
      const chunk = Buffer.alloc(64 * 1024, 'p')
      let written = 0
      const { seen } = await observe(transport, {
        app: (journal) => (_req, res) => {
          const more = (): void => {
            while (written < total) {
              written += chunk.length
              if (!res.write(chunk)) {
                journal.note('waits')
                return
              }
            }
            res.end()
          }
          res.on('drain', more)
          more()
        },
        act: async ({ client }) => {
          const request = client.open()
          request.end()
          const response = await answerOf(request)
          await settled(() => written)
          const stalledAt = written
          let length = 0
          response.on('data', (part: Buffer) => (length += part.length))
          await once(response, 'end')
          return { stalled: stalledAt < total / 2, length }
        },
      })
      expect(seen).toEqual({ stalled: true, length: total })
    }
  })

  it('an upload stops when the app does not read, and goes on to its end when it does', async () => {
    for (const transport of Object.values(TRANSPORTS)) {
      const total = 64 * 1024 ** 2
      let sent = 0
      const { seen } = await observe(transport, {
        app: (journal) => (req, res) => {
          req.once('readable', () => {
            journal.note('asked')
            void journal.until('go').then(() => {
              let length = 0
              req.on('data', (part: Buffer) => (length += part.length))
              req.on('end', () => res.end(String(length)))
            })
          })
        },
        act: async ({ client, journal }) => {
          const request = client.open({ method: 'POST', headers: { 'Content-Length': total } })
          const seenAll = seenBy(request)
          const chunk = Buffer.alloc(64 * 1024, 'u')
          const more = (): void => {
            while (sent < total) {
              sent += chunk.length
              if (!request.write(chunk)) return
            }
            request.end()
          }
          request.on('drain', more)
          more()
          await journal.until('asked')
          await settled(() => sent)
          const stalled = sent < total / 2
          journal.note('go')
          return { stalled, body: (await seenAll).body }
        },
      })
      expect(seen).toEqual({ stalled: true, body: String(total) })
    }
  })
})
