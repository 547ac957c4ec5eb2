/** Node's head → a responder's head. */
import { describe, expect, it } from '@jest/globals'
import * as fc from 'fast-check'
import { ChunkedDecoder, earlyHintLinks, largestHeader, needsRewriting, rewriteHead, variableLines } from '../../lib/http/cgi-response.js'

const head = (...lines: string[]): string => `HTTP/1.1 200 OK\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`

describe('a head', () => {
  it.each(['Connection: close', 'keep-alive: timeout=5', 'TRANSFER-ENCODING: chunked', 'Trailer: X', 'TE: trailers', 'Upgrade: h2c', 'Status: 404', 'Proxy-Connection: x'])(
    'loses %s',
    (line) => {
      const text = head('Content-Type: text/plain', line, 'X-Kept: connection: close')
      expect(needsRewriting(text)).toBe(true)
      expect(rewriteHead(text, '', 'last')).toBe('Content-Type: text/plain\r\nX-Kept: connection: close\r\nStatus: 200 OK\r\n\r\n')
    },
  )

  it.each(['Content-Type: a', 'Cache-Control: no-store', 'Set-Cookie: a=b', 'Server: x', 'X-Connection: a', 'ETag: "status: 1"', 'Tea: x', 'Cont: a', 'Link: <a>'])('keeps %s as it is', (line) => {
    expect(needsRewriting(head(line))).toBe(false)
  })

  it('has its status after Location, for HAProxy', () => {
    expect(needsRewriting(head('Location: /a'))).toBe(true)
    expect(rewriteHead('HTTP/1.1 301 Moved\r\nLocation: /a\r\n\r\n', '', 'last')).toBe('Location: /a\r\nStatus: 301 Moved\r\n\r\n')
  })

  it('has it first where it is asked to, for lighttpd as an authorizer’s server', () => {
    expect(rewriteHead(head('A: b'), 'Variable-X: y\r\n', 'first')).toBe('Status: 200 OK\r\nA: b\r\nVariable-X: y\r\n\r\n')
  })

  it('tells of its largest header', () => {
    expect(largestHeader(head('A: b', 'Set-Cookie: 0123456789', 'C: d'))).toEqual({ name: 'Set-Cookie', length: 22 })
  })
})

describe('early hints', () => {
  it('give their Link', () => {
    expect(earlyHintLinks('HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nX: y\r\n\r\n')).toBe('Link: </a>; rel=preload\r\n')
    expect(earlyHintLinks('HTTP/1.1 100 Continue\r\n\r\n')).toBe('')
  })
})

describe('variables of an authorizer', () => {
  it('become headers', () => {
    expect(variableLines({ REMOTE_USER: 'ann', 'A-b': 'ü' })).toBe('Variable-REMOTE_USER: ann\r\nVariable-A-b: ü\r\n')
  })

  it.each([{ 'A B': 'c' }, { 'A:': 'c' }, { '': 'c' }, { A: 'b\r\nc' }, { A: '€' }])('%j is refused', (variables) => {
    expect(() => variableLines(variables as Record<string, string>)).toThrow(TypeError)
  })
})

describe('a chunked body', () => {
  it('loses its framing, cut at any place', () => {
    const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 5 })
    fc.assert(
      fc.property(chunks, fc.array(fc.nat(300)), (contents, cuts) => {
        const framed = Buffer.concat([
          ...contents.flatMap((content) => [Buffer.from(`${content.length.toString(16)}\r\n`), content, Buffer.from('\r\n')]),
          Buffer.from('0\r\nX-Trailer: dropped\r\n\r\n'),
        ])
        const decoder = new ChunkedDecoder()
        const edges = [0, ...cuts.filter((cut) => cut < framed.length).sort((a, b) => a - b), framed.length]
        const pieces = edges.slice(1).flatMap((edge, i) => decoder.decode(framed.subarray(edges[i], edge)))
        expect(Buffer.concat(pieces)).toEqual(Buffer.concat(contents))
      }),
    )
  })
})
