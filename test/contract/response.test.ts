/** Writing a response, in every way that Node offers: what the client sees, and what the app is told. */
import { describe, expect, it } from '@jest/globals'
import type { ServerResponse } from 'node:http'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { compare, contract, type Observed } from './support/compare.js'
import { EXPRESSES, quietApp, tellErrors } from './support/flavours.js'
import { codeOf, type Journal } from './support/journal.js'
import { responseState } from './support/states.js'

type Write = (res: ServerResponse, journal: Journal) => unknown

/** Notes what a call throws. */
function attempt(journal: Journal, label: string, act: () => unknown): void {
  try {
    act()
    journal.note(label, 'did not throw')
  } catch (error) {
    journal.note(label, codeOf(error) ?? String(error))
  }
}

/** Calls a method with arguments that its types do not allow. */
function call(target: object, method: string, args: readonly unknown[]): unknown {
  const found: unknown = Reflect.get(target, method)
  return typeof found === 'function' ? Reflect.apply(found, target, args) : undefined
}

/** A response of some form; `seen` is part of what a client of HTTP sees. */
function form(name: string, write: Write, seen: object, ask: { method?: string } = {}): void {
  contract(
    name,
    { handle: (_req, res, journal) => write(res, journal), act: ({ client }) => client.ask(ask) },
    (over) => {
      expect(over.seen).toMatchObject({ broken: undefined, ...seen })
    },
  )
}

const header = ({ seen }: Observed, name: string): string[] => {
  const { headers } = seen as { headers: [string, string][] }
  return headers.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value)
}

describe('end', () => {
  form('end()', (res) => res.end(), { status: 200, body: '' })
  form('end(text)', (res) => res.end('hello'), { body: 'hello' })
  form('end(bytes)', (res) => res.end(Buffer.from([0, 255, 10])), { body: '\0\u00ff\n' })
  form('end(Uint8Array)', (res) => res.end(new Uint8Array([65, 66])), { body: 'AB' })
  form('end(text, encoding)', (res) => res.end('caf\u00e9', 'latin1'), { body: 'caf\u00e9' })
  form('end(base64)', (res) => res.end('aGVsbG8=', 'base64'), { body: 'hello' })
  form('end(hex)', (res) => res.end('616263', 'hex'), { body: 'abc' })
  form('end(utf16le)', (res) => res.end('ab', 'utf16le'), { body: 'a\0b\0' })
  form('end of astral text', (res) => res.end('\u{1F600}'), { body: Buffer.from('\u{1F600}').toString('latin1') })
  form('end of a lone surrogate', (res) => res.end('\ud800'), { body: Buffer.from('\ufffd').toString('latin1') })
  form('end(empty text)', (res) => res.end(''), { body: '' })
  form('end(null)', (res) => res.end(null), { body: '' })
  form('end(callback)', (res, journal) => res.end(journal.noting('ended')), { body: '' })
  form('end(text, callback)', (res, journal) => res.end('x', journal.noting('ended')), { body: 'x' })
  form('end(text, encoding, callback)', (res, journal) => res.end('x', 'utf8', journal.noting('ended')), { body: 'x' })
  form(
    'end twice',
    (res, journal) => {
      res.end('once', journal.noting('first'))
      attempt(journal, 'second', () => {
        res.end('twice', (error?: Error) => {
          journal.note('second callback', codeOf(error))
        })
      })
      res.on('error', (error) => {
        journal.note('error', codeOf(error))
      })
    },
    { body: 'once' },
  )
  form(
    'end twice without more',
    (res, journal) => {
      res.end('once')
      attempt(journal, 'second', () => {
        res.end((error?: Error) => {
          journal.note('second callback', codeOf(error))
        })
      })
    },
    { body: 'once' },
  )
  form(
    'end after finish',
    (res, journal) => {
      res.on('finish', () => {
        res.end((error?: Error) => {
          journal.note('late callback', codeOf(error))
        })
      })
      res.end('once')
    },
    { body: 'once' },
  )
  form(
    'write after end',
    (res, journal) => {
      res.on('error', (error) => {
        journal.note('error', codeOf(error))
      })
      res.end('whole')
      attempt(journal, 'write', () => {
        const returned = res.write('more', (error) => {
          journal.note('callback', codeOf(error))
        })
        journal.note('returned', returned)
      })
    },
    { body: 'whole' },
  )
  form('large text', (res) => res.end('\u00e9'.repeat(100_000)), { body: Buffer.from('\u00e9'.repeat(100_000)).toString('latin1') })
  form('large bytes', (res) => res.end(Buffer.alloc(300_001, 'abc')), { body: 'abc'.repeat(100_001).slice(0, 300_001) })
  for (const size of [5461, 5462, 16_384, 16_385, 65_400, 65_528, 65_529, 65_535, 65_536, 131_056, 131_057]) {
    form(`a body of ${String(size)} octets`, (res) => res.end(Buffer.alloc(size, 'q')), { body: 'q'.repeat(size) })
    form(`a text of ${String(size)} characters`, (res) => res.end('q'.repeat(size)), { body: 'q'.repeat(size) })
  }
})

describe('write', () => {
  form(
    'write and end',
    (res) => {
      res.write('a')
      res.write(Buffer.from('b'))
      res.end('c')
    },
    { body: 'abc' },
  )
  form(
    'many small writes of all kinds',
    (res) => {
      for (let i = 0; i < 500; i++) res.write(i % 2 === 0 ? `${String(i)}\u00e9,` : Buffer.from(`${String(i)},`))
      res.end()
    },
    { status: 200 },
  )
  form(
    'writes of mixed size',
    (res) => {
      for (let i = 1; i < 40; i++) res.write(i % 3 === 0 ? Buffer.alloc(i * 997, 'x') : 'y'.repeat(i * 1009))
      res.end('z')
    },
    { status: 200 },
  )
  form(
    'callbacks are called later, in order, all before finish',
    (res, journal) => {
      res.on('finish', journal.noting('finish'))
      res.on('prefinish', journal.noting('prefinish'))
      res.write('a', journal.noting('callback a'))
      res.write('b', journal.noting('callback b'))
      journal.note('written')
      process.nextTick(journal.noting('next tick'))
      res.end('c', journal.noting('callback end'))
      journal.note('ended')
    },
    { body: 'abc' },
  )
  form(
    'callbacks of writes in turns of their own',
    (res, journal) => {
      res.write('a', () => {
        journal.note('callback a')
        setImmediate(() => {
          res.write('b', () => {
            journal.note('callback b')
            res.end('c', journal.noting('callback end'))
          })
          journal.note('b written')
        })
      })
      journal.note('a written')
    },
    { body: 'abc' },
  )
  form(
    'what it returns',
    (res, journal) => {
      journal.note('small', res.write('a'))
      journal.note('large', res.write(Buffer.alloc(200_000)))
      journal.note('state', [res.writableNeedDrain, res.writableHighWaterMark, res.writableObjectMode])
      res.on('drain', () => {
        journal.note('drain', res.writableNeedDrain)
        res.end('b')
      })
    },
    { status: 200 },
  )
  form(
    'empty writes',
    (res, journal) => {
      journal.note('returned', [res.write(''), res.headersSent])
      res.write(Buffer.alloc(0), journal.noting('callback'))
      res.end('x')
    },
    { body: 'x' },
  )
  form(
    'what cannot be written',
    (res, journal) => {
      attempt(journal, 'undefined', () => call(res, 'write', [undefined]))
      attempt(journal, 'null', () => call(res, 'write', [null]))
      attempt(journal, 'number', () => call(res, 'write', [1]))
      attempt(journal, 'object', () => call(res, 'end', [{}]))
      res.end()
    },
    { status: 200 },
  )
  form(
    'cork and uncork',
    (res, journal) => {
      res.cork()
      res.write('a', journal.noting('callback a'))
      res.write('b')
      journal.note('corked', res.writableCorked)
      res.cork()
      res.write('c')
      res.uncork()
      journal.note('half', res.writableCorked)
      setImmediate(() => {
        journal.note('still corked')
        res.uncork()
        journal.note('uncorked', res.writableCorked)
        res.write('d')
        res.end('e')
      })
    },
    { body: 'abcde' },
  )
  form(
    'end while corked',
    (res, journal) => {
      res.cork()
      res.write('a')
      res.end('b', journal.noting('callback'))
      journal.note('corked', res.writableCorked)
    },
    // Some versions of Node lose what is corked.
    { status: 200 },
  )
  form(
    'setDefaultEncoding is not there, as on every response',
    (res, journal) => {
      journal.note('types', [typeof res.setDefaultEncoding, typeof res.pipe, res.writableObjectMode, typeof res.writableHighWaterMark])
      res.end()
    },
    { status: 200 },
  )
})

describe('head', () => {
  form('writeHead(status)', (res) => res.writeHead(201).end('x'), { status: 201, statusMessage: 'Created' })
  form('writeHead(status, message)', (res) => res.writeHead(202, 'Fine By Me').end('x'), { status: 202, statusMessage: 'Fine By Me' })
  form('writeHead(status, headers)', (res) => res.writeHead(200, { 'X-A': '1', 'Content-Type': 'text/plain' }).end('x'), { status: 200 })
  form('writeHead(status, message, headers)', (res) => res.writeHead(299, 'Odd', { 'X-A': '1' }).end('x'), { status: 299, statusMessage: 'Odd' })
  form('writeHead(status, flat array)', (res) => res.writeHead(200, ['X-A', '1', 'X-A', '2', 'Content-Length', '1']).end('x'), { body: 'x' })
  form(
    'writeHead(status, array of pairs)',
    (res) => {
      call(res, 'writeHead', [200, [['X-A', '1'], ['X-A', '2']]])
      res.end('x')
    },
    { body: 'x' },
  )
  form(
    'writeHead adds to headers that were set',
    (res) => {
      res.setHeader('X-Set', 'a')
      res.setHeader('X-Both', 'a')
      res.writeHead(200, { 'x-both': 'b', 'X-New': 'c' })
      res.end('x')
    },
    { body: 'x' },
  )
  form(
    'writeHead twice',
    (res, journal) => {
      res.writeHead(200)
      attempt(journal, 'second', () => res.writeHead(500))
      attempt(journal, 'setHeader', () => res.setHeader('X-Late', '1'))
      journal.note('sent', res.headersSent)
      res.end('x')
    },
    { status: 200 },
  )
  form(
    'bad status codes and messages',
    (res, journal) => {
      attempt(journal, '99', () => res.writeHead(99))
      attempt(journal, '1000', () => res.writeHead(1000))
      attempt(journal, 'NaN', () => res.writeHead(Number.NaN))
      attempt(journal, 'message', () => res.writeHead(200, 'a\r\nb'))
      res.statusMessage = ''
      res.writeHead(200).end('x')
    },
    { status: 200 },
  )
  form(
    'statusCode and statusMessage',
    (res) => {
      res.statusCode = 418
      res.statusMessage = "I'm a teapot, really"
      res.end('x')
    },
    { status: 418, statusMessage: "I'm a teapot, really" },
  )
  form(
    'a latin1 statusMessage',
    (res) => {
      res.statusMessage = 'caf\u00e9'
      res.end()
    },
    { status: 200 },
  )
  for (const status of [200, 203, 204, 206, 226, 300, 304, 400, 404, 451, 499, 500, 503, 599, 600, 999]) {
    form(
      `status ${String(status)}`,
      (res) => {
        res.statusCode = status
        res.end('body')
      },
      { status },
    )
  }
  form(
    'headers of all kinds',
    (res, journal) => {
      res.setHeader('Set-Cookie', ['a=1; Path=/', 'b=2; HttpOnly'])
      res.setHeader('X-Array', ['1', '2'])
      res.setHeader('X-Number', 7)
      res.setHeader('x-lower', 'l')
      res.setHeader('X-Empty', '')
      res.appendHeader('Set-Cookie', 'c=3')
      res.appendHeader('X-Appended', 'a')
      res.appendHeader('X-Appended', ['b', 'c'])
      res.setHeaders(new Map([['X-Map', 'm']]))
      res.setHeader('X-Gone', 'g')
      res.removeHeader('X-Gone')
      res.setHeader('Link', '</a>; rel=preload')
      res.setHeader('Content-Type', 'text/html; charset=utf-8')
      journal.note('names', [res.getHeaderNames(), res.hasHeader('x-ARRAY'), res.getHeader('x-number'), Object.getPrototypeOf(res.getHeaders())])
      res.end('x')
    },
    { body: 'x' },
  )
  contract(
    'Set-Cookie stays apart, latin1 values stay latin1',
    {
      handle: (_req, res) => {
        res.setHeader('Set-Cookie', ['a=1, x', 'b=2'])
        res.setHeader('X-Latin1', 'caf\u00e9')
        res.end(Buffer.from('x'))
      },
    },
    (over) => {
      expect(header(over, 'set-cookie')).toEqual(['a=1, x', 'b=2'])
      expect(header(over, 'x-latin1')).toEqual(['caf\u00e9'])
    },
  )
  form(
    'a latin1 value before a text, which Node encodes alike',
    (res) => {
      res.setHeader('X-Latin1', 'caf\u00e9')
      res.end('\u00e4')
    },
    { status: 200 },
  )
  form(
    'header names and values that are refused',
    (res, journal) => {
      attempt(journal, 'name', () => res.setHeader('a b', '1'))
      attempt(journal, 'value', () => res.setHeader('X-A', 'a\r\nX-B: 1'))
      attempt(journal, 'utf8', () => res.setHeader('X-A', '\u4e16'))
      attempt(journal, 'undefined', () => call(res, 'setHeader', ['X-A', undefined]))
      attempt(journal, 'writeHead', () => res.writeHead(200, { 'X-A': 'a\nb' }))
      res.end('x')
    },
    { status: 200 },
  )
  form(
    'sendDate left out',
    (res) => {
      res.sendDate = false
      res.end('x')
    },
    { body: 'x' },
  )
  form(
    'flushHeaders, then a body',
    (res, journal) => {
      res.setHeader('X-A', '1')
      journal.note('before', res.headersSent)
      res.flushHeaders()
      journal.note('after', res.headersSent)
      res.flushHeaders()
      setImmediate(() => res.end('later'))
    },
    { body: 'later' },
  )
  form(
    'a head of 30 kB',
    (res) => {
      for (let i = 0; i < 15; i++) res.setHeader(`X-Large-${String(i)}`, 'v'.repeat(1000))
      res.end('x')
    },
    { status: 200, body: 'x' },
  )
  it('flushHeaders reaches the client before there is a body', async () => {
    await compare(
      {
        app: (journal) => (_req, res) => {
          res.flushHeaders()
          void journal.until('the client has the head').then(() => res.end('body'))
        },
        act: async ({ client, journal }) => {
          const request = client.open()
          request.on('response', () => {
            journal.note('the client has the head')
          })
          const { seenBy } = await import('./support/client.js')
          const seen = seenBy(request)
          request.end()
          return seen
        },
      },
      ({ seen }) => {
        expect(seen).toMatchObject({ body: 'body' })
      },
    )
  })
  it('each write reaches the client without waiting for the next', async () => {
    await compare(
      {
        app: (journal) => async (_req, res) => {
          for (const piece of ['one', 'two', 'three']) {
            res.write(piece)
            await journal.until(`got ${piece}`)
          }
          res.end()
        },
        act: async ({ client, journal }) => {
          const request = client.open()
          request.on('response', (response) => {
            response.on('data', (chunk: Buffer) => {
              journal.note(`got ${chunk.toString()}`)
            })
          })
          request.end()
          await new Promise((resolve) => request.on('close', resolve))
        },
      },
      ({ entries }) => {
        expect(entries).toEqual(['got one', 'got two', 'got three'])
      },
    )
  })
})

describe('responses without a body', () => {
  for (const [method, status] of [
    ['HEAD', 200],
    ['HEAD', 404],
    ['GET', 204],
    ['GET', 304],
    ['POST', 204],
  ] as const) {
    form(
      `${method} ${String(status)} that the app gives a body`,
      (res, journal) => {
        res.statusCode = status
        journal.note('write', res.write('dropped', journal.noting('callback')))
        res.end('too', journal.noting('ended'))
      },
      { status, body: '' },
      { method },
    )
    form(
      `${method} ${String(status)} with end(text)`,
      (res) => {
        res.statusCode = status
        res.end('dropped')
      },
      { status, body: '' },
      { method },
    )
  }
  form(
    'HEAD with a Content-Length',
    (res) => {
      res.setHeader('Content-Length', 12345)
      res.end()
    },
    { body: '' },
    { method: 'HEAD' },
  )
  form(
    'HEAD, piped',
    (res) => {
      Readable.from(['a', 'b']).pipe(res)
    },
    { body: '' },
    { method: 'HEAD' },
  )
})

describe('piped responses', () => {
  form('pipe', (res) => Readable.from(['a', 'b', 'c']).pipe(res), { body: 'abc' })
  form('pipeline', (res) => pipeline(Readable.from([Buffer.alloc(100_000, 'a'), Buffer.alloc(100_000, 'b')]), res), { status: 200 })
  form(
    'pipe of much more than the buffers hold',
    (res) => {
      let left = 64
      const source = new Readable({
        read() {
          this.push(left-- > 0 ? Buffer.alloc(65_536, 'm') : null)
        },
      })
      source.pipe(res)
    },
    { body: 'm'.repeat(64 * 65_536) },
  )
  form(
    'a second pipe after the first had to wait for drain',
    (res, journal) => {
      const many = (letter: string): Readable => Readable.from(Array.from({ length: 30 }, () => Buffer.alloc(50_000, letter)))
      const first = many('1')
      first.pipe(res, { end: false })
      first.on('end', () => {
        journal.note('first', res.listenerCount('drain'))
        many('2').pipe(res)
      })
    },
    { body: '1'.repeat(1_500_000) + '2'.repeat(1_500_000) },
  )
  form(
    'through a transform',
    (res) => {
      const through = new PassThrough()
      through.pipe(res)
      through.write('a')
      setImmediate(() => through.end('b'))
    },
    { body: 'ab' },
  )
  form(
    'a source that fails breaks the response off',
    (res, journal) => {
      const source = Readable.from(
        (function* () {
          yield 'some'
          throw new Error('source')
        })(),
      )
      return pipeline(source, res).catch((error: unknown) => {
        journal.note('pipeline', String(error))
        if (!res.destroyed) res.end()
      })
    },
    { broken: 'ECONNRESET' },
  )
})

describe('events of a response', () => {
  contract(
    'states through its life',
    {
      handle: (_req, res, journal) => {
        journal.note('new', responseState(res))
        for (const event of ['prefinish', 'finish', 'close', 'pipe', 'unpipe', 'socket', 'error']) {
          res.on(event, () => {
            journal.note(event, responseState(res))
          })
        }
        res.write('a', () => {
          journal.note('write callback', responseState(res))
        })
        journal.note('written', responseState(res))
        setImmediate(() => {
          res.end('b', () => {
            journal.note('end callback', responseState(res))
          })
          journal.note('ended', responseState(res))
          process.nextTick(() => {
            journal.note('next tick', responseState(res))
          })
        })
      },
      until: ['close'],
    },
    ({ entries }) => {
      const names = entries.map((entry) => entry.replace(/ \{.*/, ''))
      expect(names.slice(0, 5)).toEqual(['new', 'written', 'write callback', 'prefinish', 'ended'])
      expect(new Set(names.slice(5, 8))).toEqual(new Set(['finish', 'end callback', 'next tick']))
      expect(names.slice(8)).toEqual(['close'])
    },
  )
  contract(
    'when they come, against ticks, promises and immediates',
    {
      handle: (_req, res, journal) => {
        for (const event of ['prefinish', 'finish', 'close']) res.on(event, journal.noting(event))
        queueMicrotask(journal.noting('microtask before'))
        process.nextTick(journal.noting('tick before'))
        res.end('hello')
        journal.note('returned')
        queueMicrotask(journal.noting('microtask after'))
        process.nextTick(journal.noting('tick after'))
        setImmediate(journal.noting('immediate'))
      },
      until: ['close', 'immediate'],
    },
    ({ entries }) => {
      expect(entries).toContain('close')
    },
  )
  contract(
    'detached and attached: res.socket and req.socket afterwards',
    {
      handle: (req, res, journal) => {
        const { socket } = req
        res.on('finish', () => {
          journal.note('finish', [res.socket === null, Reflect.get(res, 'connection') === null, req.socket === socket, socket.remoteAddress])
        })
        res.on('close', () => {
          journal.note('close', [res.socket === null, req.socket === socket, socket.remoteAddress, socket.destroyed])
        })
        res.end('x')
      },
      until: ['close'],
    },
    ({ entries }) => {
      expect(entries).toHaveLength(2)
    },
  )
})

describe.each(EXPRESSES)('responses of %s', (_name, factory) => {
  const app = () => {
    const made = quietApp(factory)
    made.get('/send', (_req, res) => {
      res.send('text')
    })
    made.get('/json', (_req, res) => {
      res.status(201).json({ a: '\u00e9' })
    })
    made.get('/buffer', (_req, res) => {
      res.send(Buffer.from('bytes'))
    })
    made.get('/status', (_req, res) => {
      res.sendStatus(404)
    })
    made.get('/redirect', (_req, res) => {
      res.redirect('/elsewhere?a=\u00e9')
    })
    made.get('/cookie', (_req, res) => {
      res.cookie('a', 'b', { httpOnly: true }).cookie('c', { d: 1 }).clearCookie('e').send()
    })
    made.get('/file', (_req, res) => {
      res.sendFile('package.json', { root: process.cwd() })
    })
    made.get('/attachment', (_req, res) => {
      res.attachment('\u00e9.txt').type('txt').send('x')
    })
    made.get('/vary', (req, res) => {
      res.vary('Accept').format({ html: () => res.send('<p>'), json: () => res.json(1), default: () => res.status(406).send(req.path) })
    })
    made.get('/links', (_req, res) => {
      res.links({ next: 'http://n.example/' }).append('Warning', 'x').end()
    })
    made.get('/throw', () => {
      throw new Error('thrown')
    })
    made.get('/late', (_req, res, next) => {
      res.write('begun')
      setImmediate(() => {
        next(new Error('too late'))
      })
    })
    made.get('/locals', (_req, res) => {
      res.locals['a'] = 1
      res.json(res.locals)
    })
    return made
  }
  const paths = ['/send', '/json', '/buffer', '/status', '/redirect', '/cookie', '/attachment', '/vary', '/links', '/locals', '/nowhere', '/file']
  it.each(paths)('GET %s', async (path) => {
    await compare({ app, act: ({ client }) => client.ask({ path }) }, ({ seen }) => {
      expect(seen).toMatchObject({ broken: undefined })
    })
  })
  it.each(paths)('HEAD %s', async (path) => {
    await compare({ app, act: ({ client }) => client.ask({ path, method: 'HEAD' }) }, ({ seen }) => {
      expect(seen).toMatchObject({ body: '', broken: undefined })
    })
  })
  it.each(['/send', '/json', '/file'])('conditional GET %s', async (path) => {
    await compare(
      {
        app,
        act: async ({ client }) => {
          const first = await client.ask({ path })
          const etag = first.headers.find(([name]) => name === 'ETag')?.[1] ?? ''
          return [first, await client.ask({ path, headers: { 'If-None-Match': etag } })]
        },
      },
      ({ seen }) => {
        expect(seen).toMatchObject([{ broken: undefined }, { status: 304, body: '' }])
      },
    )
  })
  it('a range of a file', async () => {
    await compare({ app, act: ({ client }) => client.ask({ path: '/file', headers: { Range: 'bytes=2-5' } }) }, ({ seen }) => {
      expect(seen).toMatchObject({ status: 206 })
    })
  })
  it('an error that is thrown', async () => {
    await compare({ app: () => tellErrors(app()), act: ({ client }) => client.ask({ path: '/throw' }) }, ({ seen }) => {
      expect(seen).toMatchObject({ status: 500, body: 'Error: thrown' })
    })
  })
  it('an error after the response has begun breaks it off', async () => {
    await compare({ app, act: ({ client }) => client.ask({ path: '/late' }) }, ({ seen }) => {
      expect(seen).toMatchObject({ status: 200, body: 'begun', broken: 'ECONNRESET' })
    })
  })
})
