/** Requests that the app gives up, and those whose time is over. */
import { describe, expect, it } from '@jest/globals'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { seenBy } from './support/client.js'
import { contract, observe } from './support/compare.js'
import type { Journal } from './support/journal.js'
import { TRANSPORTS } from './support/transports.js'
import { watch } from './support/leaving.js'

describe('the app gives up', () => {
  contract(
    'res.destroy() in the middle of the answer',
    {
      handle: (req, res, journal) => {
        watch(req, res, journal)
        res.write('begun', () => {
          res.destroy()
          journal.note('destroyed', [res.destroyed, req.destroyed, req.socket.destroyed])
        })
      },
      until: ['req close', 'res close'],
    },
    ({ seen }) => {
      expect(seen).toMatchObject({ status: 200, broken: 'ECONNRESET' })
    },
  )

  contract(
    'res.destroy(error) in the middle of the answer',
    {
      prepare: (server) => {
        server.on('clientError', () => undefined)
      },
      handle: (req, res, journal) => {
        watch(req, res, journal)
        res.write('begun', () => {
          res.destroy(Object.assign(new Error('given up'), { code: 'MINE' }))
        })
      },
      until: ['req close', 'res close'],
    },
    ({ seen }) => {
      expect(seen).toMatchObject({ broken: 'ECONNRESET' })
    },
  )

  contract(
    'req.destroy() in the middle of the answer',
    {
      handle: (req, res, journal) => {
        watch(req, res, journal)
        res.write('begun', () => {
          req.destroy()
        })
      },
      until: ['req close', 'res close'],
    },
    ({ seen }) => {
      expect(seen).toMatchObject({ broken: 'ECONNRESET' })
    },
  )

  contract(
    'req.destroy(error) in the middle of the answer',
    {
      prepare: (server) => {
        server.on('clientError', () => undefined)
      },
      handle: (req, res, journal) => {
        watch(req, res, journal)
        res.write('begun', () => {
          req.destroy(Object.assign(new Error('given up'), { code: 'MINE' }))
        })
      },
      until: ['req close', 'res close'],
    },
    ({ seen }) => {
      expect(seen).toMatchObject({ broken: 'ECONNRESET' })
    },
  )

  contract(
    'req.socket.destroy() in the middle of the answer',
    {
      handle: (req, res, journal) => {
        watch(req, res, journal)
        res.write('begun', () => {
          req.socket.destroy()
        })
      },
      until: ['req close', 'res close'],
    },
    ({ seen }) => {
      expect(seen).toMatchObject({ broken: 'ECONNRESET' })
    },
  )

  contract(
    'destroying after the answer has left harms nothing',
    {
      handle: (req, res, journal) => {
        res.on('finish', () => {
          setImmediate(() => {
            res.destroy()
            req.destroy()
            journal.note('destroyed', [res.destroyed, req.destroyed, req.readableAborted, Reflect.get(req, 'aborted')])
          })
        })
        req.resume()
        res.end('whole')
      },
      until: ['destroyed'],
    },
    ({ seen }) => {
      expect(seen).toMatchObject({ body: 'whole' })
    },
  )

  describe('before there is a head', () => {
    const giveUps: Record<string, (req: IncomingMessage, res: ServerResponse) => unknown> = {
      'res.destroy()': (_req, res) => res.destroy(),
      'req.destroy()': (req) => req.destroy(),
      'req.socket.destroy()': (req) => req.socket.destroy(),
      'a head that was written but has not left': (_req, res) => {
        res.writeHead(200)
        res.destroy()
      },
    }
    // A web server that gets no head answers in ways of its own, so there the adapter says 500: a difference by intention.
    it.each(Object.entries(giveUps))('%s: HTTP hangs up, FastCGI says 500', async (_name, giveUp) => {
      const scenario = {
        app: (journal: Journal) => (req: IncomingMessage, res: ServerResponse) => {
          res.on('close', journal.noting('res close'))
          req.on('close', journal.noting('req close'))
          giveUp(req, res)
        },
        until: ['res close', 'req close'],
      }
      const overHttp = await observe(TRANSPORTS.http, scenario)
      expect(overHttp.seen).toMatchObject({ status: 0, broken: 'ECONNRESET' })
      const overFastCgi = await observe(TRANSPORTS.fastcgi, scenario)
      expect(overFastCgi.seen).toMatchObject({ status: 500, broken: undefined })
      expect(overFastCgi.entries.sort()).toEqual(overHttp.entries.sort())
    })
  })
})

describe('time', () => {
  contract(
    'res.setTimeout calls back, and the app may answer',
    {
      handle: (_req, res, journal) => {
        const same = res.setTimeout(20, (...args: unknown[]) => {
          journal.note('timeout', args[0] === res.socket)
          res.statusCode = 503
          res.end('too slow')
        })
        journal.note('chained', same === res)
      },
    },
    ({ seen }) => {
      expect(seen).toMatchObject({ status: 503, body: 'too slow' })
    },
  )

  contract(
    'req.setTimeout calls back while the body is incomplete',
    {
      handle: (req, res, journal) => {
        const same = req.setTimeout(20, (...args: unknown[]) => {
          journal.note('timeout', args[0] === req.socket)
          res.statusCode = 408
          res.end('too slow')
        })
        journal.note('chained', same === req)
      },
      act: async ({ client }) => {
        const request = client.open({ method: 'POST', headers: { 'Content-Length': 5 } })
        request.write('abc')
        const seen = await seenBy(request)
        request.destroy()
        return seen
      },
    },
    ({ seen }) => {
      expect(seen).toMatchObject({ status: 408, body: 'too slow' })
    },
  )

  contract(
    'a timeout that nobody listens to breaks the answer off',
    {
      handle: (_req, res, journal) => {
        res.write('begun')
        res.setTimeout(20)
        res.on('close', () => {
          journal.note('res close', res.writableFinished)
        })
      },
      until: ['res close'],
    },
    ({ seen }) => {
      expect(seen).toMatchObject({ broken: 'ECONNRESET' })
    },
  )

  contract(
    'server.setTimeout and its event',
    {
      prepare: (server, journal) => {
        server.setTimeout(20, (socket) => {
          journal.note('server timeout', typeof socket.destroy)
          socket.destroy()
        })
      },
      handle: (_req, res, journal) => {
        res.write('begun')
        res.on('close', journal.noting('res close'))
      },
      until: ['res close'],
    },
    ({ entries }) => {
      expect(entries).toEqual(['server timeout "function"', 'res close'])
    },
  )

  contract(
    'setTimeout(0) takes it back, and an answer ends it',
    {
      handle: (req, res, journal) => {
        res.setTimeout(30, journal.noting('timeout'))
        req.socket.setTimeout(0)
        setTimeout(() => {
          res.setTimeout(30, journal.noting('timeout'))
          res.end('x')
        }, 60)
        res.on('close', () => {
          setTimeout(journal.noting('over'), 60)
        })
      },
      until: ['over'],
    },
    ({ entries }) => {
      expect(entries).toEqual(['over'])
    },
  )

  it('a timeout of one request is not left to the next on the same connection', async () => {
    const { entries } = await observe(TRANSPORTS.fastcgi, {
      app: (journal) => (req, res) => {
        if (req.url === '/first') {
          res.setTimeout(30, journal.noting('timeout'))
          res.end('first')
          return
        }
        setTimeout(() => res.end('second'), 80)
      },
      act: async ({ client, journal }) => {
        await client.ask({ path: '/first' })
        journal.note((await client.ask({ path: '/second' })).body)
      },
    })
    expect(entries).toEqual(['second'])
  })
})
