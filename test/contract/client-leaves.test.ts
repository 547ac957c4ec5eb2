/** Requests whose client leaves: before the answer, in the middle of it, while it uploads. */
import { describe, expect, it } from '@jest/globals'
import { finished, PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ErrorRequestHandler } from 'express'
import { responseOf, seenBy } from './support/client.js'
import { compare, contract } from './support/compare.js'
import { EXPRESSES, quietApp } from './support/flavours.js'
import { codeOf } from './support/journal.js'
import { responseState } from './support/states.js'
import { watch, names, leaveAfter, isSignal } from './support/leaving.js'

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
