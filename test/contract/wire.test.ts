/** What HTTP has and FastCGI has not, or has otherwise: 1xx, trailers, framing, upgrades; and apps that lie about lengths. */
import { describe, expect, it } from '@jest/globals'
import { once } from 'node:events'
import net from 'node:net'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { FastCgiError } from 'express-responder'
import { answerOf, seenBy, type Client, type Seen } from './support/client.js'
import { contract, observe, type AppScenario, type Observed } from './support/compare.js'
import { codeOf, type Journal } from './support/journal.js'
import { TRANSPORTS, type TransportOptions } from './support/transports.js'

const overFastCgi = (
  listener: RequestListener,
  more: Partial<AppScenario> & { options?: TransportOptions } = {},
): Promise<Observed & { seen: Seen }> =>
  observe(TRANSPORTS.fastcgi, {
    app: () => listener,
    prepare: (server, journal) => {
      server.on('warning', (error: FastCgiError) => {
        journal.note('warning', error.code)
      })
      server.on('clientError', (error: Error) => {
        journal.note('clientError', codeOf(error))
      })
    },
    ...more,
  }) as Promise<Observed & { seen: Seen }>

const headerOf = (seen: Seen, name: string): string[] =>
  seen.headers.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value)

describe('Expect', () => {
  const expecting = async (client: Client, value = '100-continue'): Promise<Seen> => {
    const request = client.open({ method: 'POST', headers: { Expect: value, 'Content-Length': 3 } })
    const seen = seenBy(request)
    request.on('continue', () => request.end('abc'))
    request.on('response', () => request.end())
    request.flushHeaders()
    return seen
  }

  contract(
    '100-continue: the app gets the request as any other',
    {
      handle: (req, res, journal) => {
        journal.note('expect', req.headers.expect)
        req.resume().on('end', () => res.end('ok'))
      },
      act: ({ client }) => expecting(client),
    },
    ({ seen }) => {
      expect(seen).toMatchObject({ status: 200, body: 'ok' })
    },
  )

  contract(
    'checkContinue listeners decide',
    {
      prepare: (server, journal) => {
        server.on('checkContinue', (req, res) => {
          journal.note('checkContinue', [req.headers.expect, res.headersSent])
          res.writeContinue(journal.noting('continued'))
          let length = 0
          req.on('data', (chunk: Buffer) => (length += chunk.length))
          req.on('end', () => res.end(`got ${String(length)}`))
        })
      },
      handle: (_req, res) => res.end('not asked'),
      act: ({ client }) => expecting(client),
      until: ['continued'],
    },
    ({ seen }) => {
      expect(seen).toMatchObject({ body: 'got 3' })
    },
  )

  contract(
    'any other expectation is answered with 417',
    { handle: (_req, res) => res.end('not asked'), act: ({ client }) => expecting(client, 'the-impossible') },
    ({ seen }) => {
      expect(seen).toMatchObject({ status: 417 })
    },
  )

  contract(
    'checkExpectation listeners decide',
    {
      prepare: (server, journal) => {
        server.on('checkExpectation', (req, res) => {
          journal.note('checkExpectation', req.headers.expect)
          res.end('as you like')
        })
      },
      handle: (_req, res) => res.end('not asked'),
      act: ({ client }) => expecting(client, 'the-impossible'),
    },
    ({ seen }) => {
      expect(seen).toMatchObject({ status: 200, body: 'as you like' })
    },
  )
})

describe('1xx does not reach the web server', () => {
  const informs: Record<string, (res: ServerResponse, note: () => void) => void> = {
    'writeContinue()': (res, note) => {
      res.writeContinue(note)
    },
    'writeProcessing()': (res, note) => {
      res.writeProcessing(note)
    },
    'writeEarlyHints()': (res, note) => {
      res.writeEarlyHints({ link: ['</a.css>; rel=preload', '</b.js>; rel=preload'], 'x-hint': '1' }, note)
    },
  }
  it.each(Object.entries(informs))('%s', async (_name, inform) => {
    const { seen, entries } = await observe(TRANSPORTS.fastcgi, {
      app: (journal) => (_req, res) => {
        inform(res, journal.noting('callback'))
        setImmediate(() => {
          res.setHeader('X-Final', '1')
          res.end('body')
        })
      },
      until: ['callback'],
    })
    expect(seen).toMatchObject({ status: 200, body: 'body', informational: [], headers: [['X-Final', '1'], ['Content-Length', '4']] })
    expect(entries).toEqual(['callback'])
  })

  it.each(Object.entries(informs).filter(([name]) => name !== 'writeEarlyHints()'))('%s after writeHead()', async (_name, inform) => {
    const { seen } = await overFastCgi((_req, res) => {
      res.writeHead(200, { 'Content-Length': 4 })
      try {
        inform(res, () => undefined)
      } catch {
        // Some versions of Node refuse it.
      }
      res.end('body')
    })
    expect(seen).toMatchObject({ status: 200, body: 'body', broken: undefined })
  })

  it('early hints join the final head where they are asked for', async () => {
    const { seen } = await overFastCgi(
      (_req, res) => {
        res.writeEarlyHints({ link: ['</a.css>; rel=preload', '</b.js>; rel=preload'] })
        res.writeEarlyHints({ link: '</c.js>; rel=preload' })
        res.end('body')
      },
      { options: { server: { earlyHints: 'fold' } } },
    )
    expect(headerOf(seen, 'link').join(', ')).toBe('</a.css>; rel=preload, </b.js>; rel=preload, </c.js>; rel=preload')
    expect(seen.body).toBe('body')
  })

  it.each([100, 101, 102, 103, 199])('a final status of %i is no answer that a web server can pass on', async (status) => {
    const { seen } = await overFastCgi((_req, res) => {
      res.writeHead(status)
      res.end()
    })
    expect(seen.status).toBe(500)
  })
})

describe('trailers', () => {
  it.each<[string, (res: ServerResponse) => void]>([
    [
      'announced by setHeader',
      (res) => {
        res.setHeader('Trailer', 'X-Sum')
        res.write('body')
        res.addTrailers({ 'X-Sum': '1' })
        res.end()
      },
    ],
    [
      'announced by writeHead',
      (res) => {
        res.writeHead(200, { Trailer: 'X-Sum' })
        res.write('body')
        res.addTrailers({ 'X-Sum': '1' })
        res.end()
      },
    ],
    [
      'not announced',
      (res) => {
        res.write('body')
        res.addTrailers([['X-Sum', '1']])
        res.end()
      },
    ],
    [
      'with Transfer-Encoding set by the app',
      (res) => {
        res.writeHead(200, { 'Transfer-Encoding': 'chunked', Trailer: 'X-Sum' })
        res.write('bo')
        res.addTrailers({ 'X-Sum': '1' })
        res.end('dy')
      },
    ],
  ])('%s are dropped, the body is whole', async (_name, respond) => {
    const { seen } = await overFastCgi((_req, res) => {
      respond(res)
    })
    expect(seen).toMatchObject({ status: 200, body: 'body', trailers: {}, broken: undefined })
    expect(headerOf(seen, 'trailer')).toEqual([])
  })
})

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

describe('upgrades', () => {
  const upgrade = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Key': 'a', 'Sec-WebSocket-Version': '13' }

  contract(
    'without a listener for it, a request with Upgrade is a request',
    {
      handle: (req, res, journal) => {
        journal.note('upgrade', [req.headers.upgrade, req.headers.connection])
        res.end('plain')
      },
      act: ({ client }) => client.ask({ headers: upgrade }),
    },
    ({ seen }) => {
      expect(seen).toMatchObject({ status: 200, body: 'plain' })
    },
  )

  // The gateway's own HTTP server has no listener for it either, so it passes the request on.
  it('with a listener for it, Upgrade is clearly refused', async () => {
    const { seen, entries } = await observe(TRANSPORTS.fastcgi, {
      app: (journal) => (_req, res) => {
        journal.note('asked')
        res.end('app')
      },
      prepare: (server, journal) => {
        server.on('upgrade', journal.noting('upgrade'))
        server.on('clientError', (error: Error) => {
          journal.note('clientError', codeOf(error))
        })
      },
      act: ({ client }) => client.ask({ headers: upgrade }),
    })
    expect((seen as Seen).body).toContain('FastCGI')
    expect(seen).toMatchObject({ status: 501 })
    expect(entries).toEqual(['clientError "ERR_FCGI_UPGRADE"'])
  })

  it('CONNECT never reaches the app', async () => {
    for (const transport of Object.values(TRANSPORTS)) {
      const { entries } = await observe(transport, {
        app: (journal) => (_req, res) => {
          journal.note('asked')
          res.end()
        },
        act: async ({ client }) => {
          const socket = net.connect(client.port, '127.0.0.1')
          socket.on('error', () => undefined)
          socket.write('CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n')
          socket.resume()
          await once(socket, 'close')
        },
      })
      expect(entries).toEqual([])
    }
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

/** Waits until a counter has stood still for many turns of the loop, with the other end having had its turns too. */
async function settled(counter: () => number): Promise<void> {
  let last = -1
  for (let same = 0; same < 200; ) {
    await new Promise((resolve) => setImmediate(resolve))
    same = counter() === last ? same + 1 : 0
    last = counter()
  }
}
