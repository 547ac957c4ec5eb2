/** Writing the head of a response, in every way that Node offers: what the client sees, and what the app is told. */
import { describe, expect, it } from '@jest/globals'
import { compare, contract } from './support/compare.js'
import { attempt, call, form, header } from './support/responses.js'

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
