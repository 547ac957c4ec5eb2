/** What HTTP has and FastCGI has not: Expect, 1xx, trailers, upgrades. */
import { describe, expect, it } from '@jest/globals'
import { once } from 'node:events'
import net from 'node:net'
import type { ServerResponse } from 'node:http'
import { seenBy, type Client, type Seen } from './support/client.js'
import { contract, observe } from './support/compare.js'
import { codeOf } from './support/journal.js'
import { TRANSPORTS } from './support/transports.js'
import { overFastCgi, headerOf } from './support/wire.js'

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
