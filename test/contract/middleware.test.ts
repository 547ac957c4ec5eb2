/** Middleware that reaches into request and response, in the ways of the popular ones: it must do the same over both. */
import { describe, expect, it } from '@jest/globals'
import type { NextFunction, Request, RequestHandler, Response } from 'express'
import { gunzipSync, createGzip } from 'node:zlib'
import { createRequire } from 'node:module'
import { compare } from './support/compare.js'
import { EXPRESSES, quietApp, tellErrors } from './support/flavours.js'
import type { Journal } from './support/journal.js'
import type { IncomingMessage, ServerResponse } from 'node:http'

interface OnFinished {
  (message: IncomingMessage | ServerResponse, listener: (error: Error | null) => void): unknown
  isFinished(message: IncomingMessage | ServerResponse): boolean | undefined
}

/** Express brings it along; it has no types of its own. */
const onFinished: OnFinished = createRequire(createRequire(import.meta.url).resolve('express'))('on-finished') as OnFinished

/** As on-headers does it: a last word before the head is written. */
function onHeaders(res: Response, listener: () => void): void {
  const writeHead: unknown = Reflect.get(res, 'writeHead')
  let fired = false
  Reflect.set(res, 'writeHead', function (this: Response, ...args: unknown[]): unknown {
    if (!fired) {
      fired = true
      listener()
    }
    return typeof writeHead === 'function' ? (Reflect.apply(writeHead, this, args) as unknown) : undefined
  })
}

/** As response-time does it. */
const responseTime: RequestHandler = (_req, res, next) => {
  onHeaders(res, () => {
    res.setHeader('X-Response-Time', 'measured')
  })
  next()
}

/** As compression does it: write and end go into a stream, whose output goes into the real ones. */
const compression =
  (): RequestHandler =>
  (_req: Request, res: Response, next: NextFunction): void => {
    const [write, end] = [res.write.bind(res), res.end.bind(res)]
    const gzip = createGzip()
    let begun = false
    const begin = (): void => {
      if (begun) return
      begun = true
      res.removeHeader('Content-Length')
      res.setHeader('Content-Encoding', 'gzip')
      gzip.on('data', (chunk: Buffer) => {
        if (!write(chunk)) gzip.pause()
      })
      gzip.on('end', () => end())
      res.on('drain', () => gzip.resume())
    }
    onHeaders(res, begin)
    const ensureHead = (): void => {
      if (!res.headersSent) res.writeHead(res.statusCode)
    }
    Reflect.set(res, 'write', (chunk: string | Buffer) => {
      ensureHead()
      return gzip.write(chunk)
    })
    Reflect.set(res, 'end', (chunk?: string | Buffer) => {
      ensureHead()
      gzip.end(chunk)
      return res
    })
    next()
  }

/** As morgan does it: what a log line is made of, at the time when it is written. */
const logging =
  (journal: Journal): RequestHandler =>
  (req, res, next) => {
    Reflect.set(req, '_remoteAddress', req.ip)
    const log = (): void => {
      journal.note('log', {
        method: req.method,
        url: req.originalUrl,
        status: res.headersSent ? res.statusCode : undefined,
        length: res.getHeader('content-length'),
        remote: [req.ip, Reflect.get(req, '_remoteAddress'), req.socket.remoteAddress, Reflect.get(req, 'connection') === req.socket],
        version: `${String(req.httpVersionMajor)}.${String(req.httpVersionMinor)}`,
        agent: req.headers['user-agent'],
        user: req.headers.authorization,
      })
    }
    onFinished(res, (error) => {
      journal.note('res finished', error === null)
      log()
    })
    onFinished(req, (error) => {
      journal.note('req finished', error === null)
    })
    journal.note('is finished', [onFinished.isFinished(req), onFinished.isFinished(res)])
    next()
  }

/** As express-session and others do it: end is held back until something was stored. */
const savingSession: RequestHandler = (_req, res, next) => {
  const end: unknown = Reflect.get(res, 'end')
  let ended = false
  Reflect.set(res, 'end', function (this: Response, ...args: unknown[]): unknown {
    if (ended) return this
    ended = true
    setImmediate(() => {
      if (typeof end === 'function') Reflect.apply(end, this, args)
    })
    return this
  })
  next()
}

describe.each(EXPRESSES)('%s', (_name, factory) => {
  const withMiddleware = (...middleware: ((journal: Journal) => RequestHandler)[]) => (journal: Journal) => {
    const app = quietApp(factory)
    for (const make of middleware) app.use(make(journal))
    app.get('/text', (_req, res) => {
      res.send('text')
    })
    app.get('/empty', (_req, res) => {
      res.status(204).end()
    })
    app.get('/pieces', (_req, res) => {
      res.write('one,')
      setImmediate(() => {
        res.write('two,')
        res.end('three')
      })
    })
    app.get('/large', (_req, res) => {
      res.send(Buffer.alloc(400_000, 'large '))
    })
    app.get('/throw', () => {
      throw new Error('thrown')
    })
    app.post('/body', factory.json(), (req, res) => {
      res.json(req.body)
    })
    return tellErrors(app)
  }
  const paths = ['/text', '/empty', '/pieces', '/large', '/throw', '/nowhere']

  it.each(paths)('a last word before the head: %s', async (path) => {
    await compare({ app: withMiddleware(() => responseTime), act: ({ client }) => client.ask({ path }) }, ({ seen }) => {
      expect(JSON.stringify(seen)).toContain('"X-Response-Time","measured"')
    })
  })
  it.each(paths)('write and end go through a compressor: %s', async (path) => {
    await compare(
      {
        app: withMiddleware(() => compression()),
        act: async ({ client }) => {
          const seen = await client.ask({ path })
          const body = seen.body === '' ? '' : gunzipSync(Buffer.from(seen.body, 'latin1')).toString()
          return { ...seen, body, compressed: seen.body.length }
        },
      },
      ({ seen }) => {
        if (path === '/text') expect(seen).toMatchObject({ body: 'text' })
      },
    )
  })
  it.each(paths)('a log line when the response has finished: %s', async (path) => {
    await compare(
      { app: withMiddleware(logging), act: ({ client }) => client.ask({ path, headers: { 'User-Agent': 'test' } }), until: ['log', 'req finished'] },
      ({ entries }) => {
        expect(entries).toContain('res finished true')
      },
    )
  })
  it('a log line after a body was parsed', async () => {
    await compare(
      {
        app: withMiddleware(logging),
        act: ({ client }) => client.ask({ path: '/body', method: 'POST', body: '{"a":1}', headers: { 'Content-Type': 'application/json' } }),
        until: ['log', 'req finished'],
      },
      ({ seen }) => {
        expect(seen).toMatchObject({ body: '{"a":1}' })
      },
    )
  })
  it('a log line when the client leaves', async () => {
    await compare(
      {
        app: (journal) => {
          const app = quietApp(factory)
          app.use(logging(journal))
          app.use(() => {
            journal.note('asked')
          })
          return app
        },
        act: async ({ client, journal }) => {
          const request = client.open({ path: '/leave', headers: { 'User-Agent': 'test' } })
          request.end()
          await journal.until('asked')
          request.destroy()
        },
        until: ['log', 'req finished'],
      },
      ({ entries }) => {
        expect(entries.join()).toContain('res finished')
      },
    )
  })
  it.each(paths)('end is held back: %s', async (path) => {
    await compare({ app: withMiddleware(() => savingSession), act: ({ client }) => client.ask({ path }) }, ({ seen }) => {
      expect(seen).toMatchObject({ broken: undefined })
    })
  })
  it.each(paths)('all of them together: %s', async (path) => {
    await compare(
      {
        app: withMiddleware(logging, () => responseTime, () => compression(), () => savingSession),
        act: ({ client }) => client.ask({ path, headers: { 'User-Agent': 'test' } }),
        until: ['log'],
      },
      ({ seen }) => {
        expect(seen).toMatchObject({ broken: undefined })
      },
    )
  })
  it('an app within an app, with its own prototypes', async () => {
    await compare(
      {
        app: (journal) => {
          const [outer, inner] = [quietApp(factory), quietApp(factory)]
          inner.get('/page', (req, res) => {
            journal.note('inner', [req.baseUrl, req.originalUrl, req.app === inner])
            res.send('inner')
          })
          outer.use('/sub', inner)
          outer.use((req, res) => {
            res.status(404).send(String(req.app === outer))
          })
          return outer
        },
        act: async ({ client }) => [await client.ask({ path: '/sub/page' }), await client.ask({ path: '/sub/none' })],
      },
      ({ entries }) => {
        expect(entries).toEqual(['inner ["/sub","/sub/page",true]'])
      },
    )
  })
  it('prototypes that the app has extended', async () => {
    await compare(
      {
        app: () => {
          const app = quietApp(factory)
          Object.assign(app.request, {
            greeting(this: Request) {
              return `hello ${this.path}`
            },
          })
          Object.assign(app.response, {
            greet(this: Response, text: string) {
              return this.type('text').send(text)
            },
          })
          app.use((req, res) => {
            const text: unknown = Reflect.apply(Reflect.get(req, 'greeting') as () => string, req, [])
            Reflect.apply(Reflect.get(res, 'greet') as (text: unknown) => unknown, res, [text])
          })
          return app
        },
        act: ({ client }) => client.ask({ path: '/there' }),
      },
      ({ seen }) => {
        expect(seen).toMatchObject({ body: 'hello /there' })
      },
    )
  })
})
