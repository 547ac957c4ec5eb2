/** Writing the body of a response, in every way that Node offers: what the client sees, and what the app is told. */
import { describe } from '@jest/globals'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { codeOf } from './support/journal.js'
import { attempt, call, form } from './support/responses.js'

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
