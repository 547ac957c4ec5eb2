/** Reading the request's body, in every way that Node and Express offer. */
import { describe, expect, it } from '@jest/globals'
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { PassThrough, Transform, Writable, finished } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import express from 'express'
import { compare, contract } from './support/compare.js'
import { EXPRESSES, quietApp, tellErrors } from './support/flavours.js'
import type { Journal } from './support/journal.js'
import { requestState } from './support/states.js'

const LARGE = Buffer.alloc(700_000, 'abcdefghij')
const digest = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex')

type Read = (req: IncomingMessage, journal: Journal) => Promise<Buffer>

const READS: Record<string, Read> = {
  'data events': (req) =>
    new Promise((resolve, reject) => {
      const chunks: Buffer[] = []
      req.on('data', (chunk: Buffer) => chunks.push(chunk))
      req.on('end', () => {
        resolve(Buffer.concat(chunks))
      })
      req.on('error', reject)
    }),
  'readable events': (req) =>
    new Promise((resolve) => {
      const chunks: Buffer[] = []
      req.on('readable', () => {
        for (;;) {
          const chunk = req.read() as Buffer | null
          if (chunk === null) break
          chunks.push(chunk)
        }
      })
      req.on('end', () => {
        resolve(Buffer.concat(chunks))
      })
    }),
  'async iterator': async (req) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  },
  pipe: (req) =>
    new Promise((resolve) => {
      const chunks: Buffer[] = []
      req.pipe(new PassThrough()).on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
        resolve(Buffer.concat(chunks))
      })
    }),
  pipeline: async (req) => {
    const chunks: Buffer[] = []
    const keep = new Writable({
      write(chunk: Buffer, _encoding, callback) {
        chunks.push(chunk)
        setImmediate(callback)
      },
    })
    await pipeline(req, keep)
    return Buffer.concat(chunks)
  },
  toArray: async (req) => Buffer.concat((await req.toArray()) as Buffer[]),
  'setEncoding and data': (req) =>
    new Promise((resolve) => {
      let text = ''
      req.setEncoding('utf8')
      req.on('data', (chunk: string) => (text += chunk))
      req.on('end', () => {
        resolve(Buffer.from(text))
      })
    }),
  'pause and resume at every chunk': (req) =>
    new Promise((resolve) => {
      const chunks: Buffer[] = []
      req.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        req.pause()
        setImmediate(() => req.resume())
      })
      req.on('end', () => {
        resolve(Buffer.concat(chunks))
      })
    }),
  'later, in a turn of its own': async (req) => {
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    return Buffer.concat((await req.toArray()) as Buffer[])
  },
}

const BODIES: [string, Buffer][] = [
  ['nothing', Buffer.alloc(0)],
  ['a few octets', Buffer.from('h\u00e4llo')],
  ['700 kB', LARGE],
]

function reply(req: IncomingMessage, res: ServerResponse, journal: Journal, body: Buffer): void {
  journal.note('read', [body.length, digest(body)])
  journal.note('after', requestState(req))
  res.end(digest(body))
}

describe.each(Object.entries(READS))('read by %s', (_name, read) => {
  describe.each(BODIES)('%s', (_size, body) => {
    describe.each([
      ['with its length', {}],
      ['of unknown length', { 'Transfer-Encoding': 'chunked' }],
    ])('%s', (_framing, headers) => {
      contract(
        'POST',
        {
          handle: async (req, res, journal) => {
            journal.note('before', req.readableFlowing)
            req.on('close', () => {
              journal.note('req close', requestState(req))
            })
            reply(req, res, journal, await read(req, journal))
          },
          act: ({ client }) => client.ask({ method: 'POST', body, headers }),
          until: ['req close'],
        },
        ({ seen }) => {
          expect(seen).toMatchObject({ status: 200, body: digest(body) })
        },
      )
    })
  })
})

describe('events of a request', () => {
  contract(
    'whose body is read: data, end, close, in relation to the response',
    {
      handle: (req, res, journal) => {
        journal.note('handler', requestState(req))
        for (const event of ['end', 'close', 'aborted', 'error']) {
          req.on(event, () => {
            journal.note(`req ${event}`, requestState(req))
          })
        }
        for (const event of ['finish', 'close', 'prefinish']) res.on(event, journal.noting(`res ${event}`))
        req.resume()
        req.on('end', () => {
          setImmediate(() => res.end('done'))
        })
      },
      act: ({ client }) => client.ask({ method: 'POST', body: 'abc' }),
      until: ['res close', 'req close'],
    },
    ({ entries }) => {
      expect(entries.map((entry) => entry.replace(/ \{.*/, ''))).toEqual(['handler', 'req end', 'req close', 'res prefinish', 'res finish', 'res close'])
    },
  )

  contract(
    'without a body that is read',
    {
      handle: (req, res, journal) => {
        journal.note('handler', requestState(req))
        process.nextTick(journal.noting('next tick'))
        for (const event of ['end', 'close']) {
          req.on(event, () => {
            journal.note(`req ${event}`, requestState(req))
          })
        }
        req.on('data', () => {
          journal.note('data')
        })
        req.on('end', () => res.end('done'))
      },
      until: ['req close'],
    },
    ({ entries }) => {
      expect(entries.join()).toMatch(/req end.*req close/)
    },
  )

  contract(
    'that nobody reads: end and close still come, after the response',
    {
      handle: (req, res, journal) => {
        for (const event of ['end', 'close']) {
          req.on(event, () => {
            journal.note(`req ${event}`, requestState(req))
          })
        }
        res.on('close', journal.noting('res close'))
        res.end('done')
      },
      act: ({ client }) => client.ask({ method: 'POST', body: 'abc' }),
      until: ['req close', 'res close'],
    },
    ({ entries }) => {
      expect(entries).toHaveLength(3)
    },
  )

  contract(
    'that nobody reads nor listens to: its state once the response has closed',
    {
      handle: (req, res, journal) => {
        res.on('close', () => {
          setImmediate(() => {
            setImmediate(() => {
              journal.note('settled', requestState(req))
            })
          })
        })
        res.end('done')
      },
      until: ['settled'],
    },
    ({ entries }) => {
      expect(entries[0]).toMatch(/"readableEnded":true/)
    },
  )

  contract(
    'that is listened to only after the response has finished',
    {
      handle: (req, res, journal) => {
        res.on('finish', () => {
          req.on('close', journal.noting('req close'))
          req.on('end', journal.noting('req end'))
          finished(req, (error) => {
            journal.note('req finished', error?.message)
          })
        })
        res.end('done')
      },
      until: ['req close'],
    },
    ({ entries }) => {
      expect(entries).toContain('req close')
    },
  )

  contract(
    'finished(req) and finished(res)',
    {
      handle: (req, res, journal) => {
        finished(req, (error) => {
          journal.note('req finished', error?.message)
        })
        finished(res, (error) => {
          journal.note('res finished', error?.message)
        })
        req.resume()
        res.end('done')
      },
      act: ({ client }) => client.ask({ method: 'POST', body: 'abc' }),
      until: ['req finished', 'res finished'],
    },
    ({ entries }) => {
      expect([...entries].sort()).toEqual(['req finished', 'res finished'])
    },
  )
})

describe.each(EXPRESSES)('body parsers of %s', (_name, factory) => {
  const app = (journal: Journal) => {
    const made = quietApp(factory)
    made.use(express.json({ limit: '1kb' }), express.urlencoded({ extended: false }), express.text(), express.raw({ limit: '2mb' }))
    made.use((req, res) => {
      const body: unknown = req.body
      journal.note('body', body instanceof Buffer ? [body.length, digest(body)] : body)
      res.json({ ok: true })
    })
    return tellErrors(made)
  }
  const cases: [string, string, string | Buffer, Record<string, string>][] = [
    ['json', 'application/json', '{"a":[1,2,"\u00e9"]}', {}],
    ['json of unknown length', 'application/json', '{"a":1}', { 'Transfer-Encoding': 'chunked' }],
    ['json that is none', 'application/json', '{"a":', {}],
    ['json over the limit', 'application/json', JSON.stringify('x'.repeat(2000)), {}],
    ['urlencoded', 'application/x-www-form-urlencoded', 'a=1&b=%C3%A9', {}],
    ['text', 'text/plain; charset=utf-8', 'h\u00e4llo', {}],
    ['text in latin1', 'text/plain; charset=iso-8859-1', Buffer.from('h\u00e4llo', 'latin1'), {}],
    ['raw', 'application/octet-stream', LARGE, {}],
    ['raw of unknown length', 'application/octet-stream', LARGE, { 'Transfer-Encoding': 'chunked' }],
    ['an encoding that is unknown', 'application/json', '{}', { 'Content-Encoding': 'nonsense' }],
    ['an empty body', 'application/json', '', {}],
    ['a type that none reads', 'image/png', 'abc', {}],
  ]
  it.each(cases)('%s', async (_what, type, body, headers) => {
    await compare(
      { app, act: ({ client }) => client.ask({ method: 'POST', path: '/x', body, headers: { 'Content-Type': type, ...headers } }) },
      ({ seen }) => {
        expect(seen).toMatchObject({ broken: undefined })
      },
    )
  })

  it('a multipart parser that pipes a body of unknown length', async () => {
    const body = Buffer.concat([Buffer.from('--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n'), LARGE, Buffer.from('\r\n--b--\r\n')])
    await compare(
      {
        app: (journal) => {
          const made = quietApp(factory)
          made.use((req, _res, next) => {
            const parser = new Transform({
              transform(chunk: Buffer, _encoding, callback) {
                callback(null, chunk)
              },
            })
            const chunks: Buffer[] = []
            parser.on('data', (chunk: Buffer) => chunks.push(chunk))
            parser.on('end', () => {
              req.unpipe(parser)
              journal.note('parsed', digest(Buffer.concat(chunks)))
              next()
            })
            req.pipe(parser)
          })
          made.use((_req, res) => {
            res.status(201).send('stored')
          })
          return made
        },
        act: ({ client }) =>
          client.ask({ method: 'POST', body, headers: { 'Content-Type': 'multipart/form-data; boundary=b', 'Transfer-Encoding': 'chunked' } }),
      },
      ({ entries, seen }) => {
        expect(entries).toEqual([`parsed "${digest(body)}"`])
        expect(seen).toMatchObject({ status: 201, body: 'stored' })
      },
    )
  })
})
