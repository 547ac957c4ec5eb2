/** Requests that are given up: by the client, by the app, by time. */
import { describe, expect, it } from '@jest/globals'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { finished, PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ErrorRequestHandler } from 'express'
import { responseOf, seenBy } from './support/client.js'
import { compare, contract, observe, type Stage } from './support/compare.js'
import { EXPRESSES, quietApp } from './support/flavours.js'
import { codeOf, type Journal } from './support/journal.js'
import { requestState, responseState } from './support/states.js'
import { TRANSPORTS } from './support/transports.js'

/** Notes all that happens to a request and its response. Errors are listened to, or they would end the process. */
function watch(req: IncomingMessage, res: ServerResponse, journal: Journal): void {
  for (const event of ['aborted', 'end', 'close', 'error']) {
    req.on(event, (error?: unknown) => {
      journal.note(`req ${event}`, [codeOf(error), requestState(req)])
    })
  }
  for (const event of ['finish', 'close', 'error']) {
    res.on(event, (error?: unknown) => {
      journal.note(`res ${event}`, [codeOf(error), responseState(res)])
    })
  }
}

const names = (entries: string[]): string[] => entries.map((entry) => entry.replace(/ [[{"].*/, ''))

/** A client that asks, waits for a sign of the app, and leaves. */
async function leaveAfter({ client, journal }: Stage, label: string, start: { method?: string; part?: string } = {}): Promise<void> {
  const { method = 'GET', part } = start
  const request = client.open({ method, headers: part === undefined ? {} : { 'Content-Length': 1000 } })
  if (part === undefined) request.end()
  else request.write(part)
  await journal.until(label)
  request.destroy()
}

/** Of whatever realm. */
function isSignal(value: unknown): value is AbortSignal {
  return typeof value === 'object' && value !== null && 'aborted' in value && 'addEventListener' in value
}

describe('the client leaves', () => {
  contract(
    'before there is an answer',
    {
      handle: (req, res, journal) => {
        watch(req, res, journal)
        journal.note('asked')
      },
      act: (stage) => leaveAfter(stage, 'asked'),
      until: ['req close', 'res close'],
    },
    ({ entries }) => {
      expect(names(entries)).toEqual(['asked', 'req aborted', 'res close', 'req error', 'req close'])
    },
  )

  contract(
    'before there is an answer, and nobody listens for errors',
    {
      handle: (req, res, journal) => {
        req.on('close', journal.noting('req close'))
        res.on('close', () => {
          journal.note('res close', req.socket.destroyed)
        })
        journal.note('asked')
      },
      act: (stage) => leaveAfter(stage, 'asked'),
      until: ['req close', 'res close'],
    },
    ({ entries }) => {
      expect(entries).toEqual(['asked', 'res close true', 'req close'])
    },
  )

  contract(
    'in the middle of the answer',
    {
      handle: (req, res, journal) => {
        watch(req, res, journal)
        res.write('begun', journal.noting('begun'))
      },
      act: (stage) => leaveAfter(stage, 'begun'),
      until: ['req close', 'res close'],
    },
    ({ entries }) => {
      expect(names(entries)).toEqual(['begun', 'req aborted', 'res close', 'req error', 'req close'])
    },
  )

  contract(
    'in the middle of its upload that is read',
    {
      handle: (req, res, journal) => {
        watch(req, res, journal)
        req.once('data', (chunk: Buffer) => {
          journal.note('some')
          expect(chunk).toHaveLength(3)
        })
      },
      act: (stage) => leaveAfter(stage, 'some', { method: 'POST', part: 'abc' }),
      until: ['req close', 'res close'],
    },
    ({ entries }) => {
      expect(names(entries)).toEqual(['some', 'req aborted', 'res close', 'req error', 'req close'])
    },
  )

  contract(
    'in the middle of its upload that is iterated',
    {
      handle: async (req, res, journal) => {
        res.on('close', journal.noting('res close'))
        try {
          for await (const chunk of req) journal.note('some', (chunk as Buffer).length)
          journal.note('done')
        } catch (error) {
          journal.note('caught', [codeOf(error), String(error)])
        }
      },
      act: (stage) => leaveAfter(stage, 'some', { method: 'POST', part: 'abc' }),
      until: ['caught', 'res close'],
    },
    ({ entries }) => {
      expect(names(entries)).toContain('caught')
    },
  )

  contract(
    'in the middle of its upload that goes through a pipeline',
    {
      handle: async (req, res, journal) => {
        res.on('close', journal.noting('res close'))
        const through = new PassThrough()
        through.once('data', journal.noting('some'))
        await pipeline(req, through).catch((error: unknown) => {
          journal.note('caught', [codeOf(error), String(error)])
        })
      },
      act: (stage) => leaveAfter(stage, 'some', { method: 'POST', part: 'abc' }),
      until: ['caught', 'res close'],
    },
    ({ entries }) => {
      expect(entries).toContain('caught ["ECONNRESET","Error: aborted"]')
    },
  )

  contract(
    'while a pipeline answers',
    {
      handle: async (_req, res, journal) => {
        const endless = new PassThrough()
        endless.write('begun')
        res.once('pipe', journal.noting('begun'))
        res.on('close', () => {
          journal.note('res close', res.writableFinished)
        })
        await pipeline(endless, res).catch((error: unknown) => {
          journal.note('caught', codeOf(error))
        })
        journal.note('source', endless.destroyed)
      },
      act: async ({ client }) => {
        const request = client.open()
        request.end()
        await responseOf(request)
        request.destroy()
      },
      until: ['caught', 'res close', 'source'],
    },
    ({ entries }) => {
      expect(entries).toContain('caught "ERR_STREAM_PREMATURE_CLOSE"')
    },
  )

  contract(
    'after the answer: no abort, if the body was read',
    {
      handle: (req, res, journal) => {
        req.resume()
        req.on('end', () => {
          watch(req, res, journal)
          res.end('whole')
        })
      },
      act: async ({ client }) => {
        const request = client.open()
        request.end()
        const seen = await seenBy(request)
        request.destroy()
        return seen
      },
      until: ['req close', 'res close'],
    },
    ({ entries }) => {
      expect([...names(entries)].sort()).toEqual(['req close', 'res close', 'res finish'])
    },
  )

  contract(
    'finished() tells both streams',
    {
      handle: (req, res, journal) => {
        finished(req, (error) => {
          journal.note('req finished', [codeOf(error), error?.message])
        })
        finished(res, (error) => {
          journal.note('res finished', [codeOf(error), error?.message])
        })
        journal.note('asked')
      },
      act: (stage) => leaveAfter(stage, 'asked'),
      until: ['req finished', 'res finished'],
    },
    ({ entries }) => {
      expect(names(entries)).toHaveLength(3)
    },
  )

  contract(
    'what can still be done with the response',
    {
      handle: (req, res, journal) => {
        req.on('error', () => undefined)
        res.on('error', (error) => {
          journal.note('res error', codeOf(error))
        })
        res.on('close', () => {
          journal.note('write', [
            res.write('x', (error) => {
              journal.note('write callback', codeOf(error))
            }),
          ])
          res.end('y', (error?: Error) => {
            journal.note('end callback', codeOf(error))
          })
          journal.note('state', responseState(res))
          journal.note('socket', req.socket.destroyed)
        })
        journal.note('asked')
      },
      act: (stage) => leaveAfter(stage, 'asked'),
      until: ['state', 'write callback'],
    },
    ({ entries }) => {
      expect(names(entries)).toContain('state')
    },
  )

  contract(
    'the request’s signal, where Node has one',
    {
      handle: (req, res, journal) => {
        const signal: unknown = Reflect.get(req, 'signal')
        journal.note('has', isSignal(signal))
        if (isSignal(signal)) {
          journal.note('before', signal.aborted)
          signal.addEventListener('abort', () => {
            journal.note('signal', signal.aborted)
          })
        }
        req.on('error', () => undefined)
        res.on('close', journal.noting('res close'))
        journal.note('asked')
      },
      act: (stage) => leaveAfter(stage, 'asked'),
      until: ['res close'],
    },
    ({ entries }) => {
      expect(entries).toContain('asked')
    },
  )

  contract(
    'the request’s signal is not aborted by an answer',
    {
      handle: (req, res, journal) => {
        const signal: unknown = Reflect.get(req, 'signal')
        req.resume()
        res.on('close', () => {
          setImmediate(() => {
            journal.note('aborted', typeof signal === 'object' && signal !== null ? Reflect.get(signal, 'aborted') : 'no signal')
          })
        })
        res.end('x')
      },
      until: ['aborted'],
    },
    ({ entries }) => {
      expect(entries[0]).toMatch(/aborted/)
    },
  )
})

describe.each(EXPRESSES)('the client leaves %s', (_name, factory) => {
  it('while a body parser reads: the error handler hears of it', async () => {
    await compare(
      {
        app: (journal) => {
          const app = quietApp(factory)
          app.use((_req, _res, next) => {
            journal.note('asked')
            next()
          })
          app.use(factory.text())
          const handler: ErrorRequestHandler = (error: Error, _req, res, next) => {
            journal.note('handler', [codeOf(error), String(error), Reflect.get(error, 'status')])
            if (res.headersSent) next(error)
          }
          return app.use(handler)
        },
        act: async ({ client, journal }) => {
          const request = client.open({ method: 'POST', headers: { 'Content-Length': 1000, 'Content-Type': 'text/plain' } })
          request.write('abc')
          await journal.until('asked')
          request.destroy()
        },
        until: ['handler'],
      },
      ({ entries }) => {
        expect(entries.at(-1)).toBe('handler ["ECONNABORTED","BadRequestError: request aborted",400]')
      },
    )
  })
})

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
