/** The benchmark's requests, and how it finds the end of a response. */
import { describe, expect, it } from '@jest/globals'
import { CASES } from '../../bench/cases.js'
import { FastCgiResponseReader, HttpResponseReader, caseRequest, checkResponse } from '../../bench/wire.js'
import type { ResponseReader } from '../../bench/wire.js'
import { decodePairs } from '../../lib/fastcgi/params.js'
import { RecordReader, RecordType, encodeEndRequest, encodeRecord } from '../../lib/fastcgi/record.js'

const HEAD = 'Content-Type: text/plain\r\nContent-Length: 12\r\n\r\n'
const BODY = 'Hello World!'
const HTTP_ANSWER = Buffer.from(`HTTP/1.1 200 OK\r\n${HEAD}${BODY}`)

function fastCgiAnswer(head: string, appStatus = 0): Buffer {
  return Buffer.concat([
    encodeRecord(RecordType.STDOUT, 1, Buffer.from(head + BODY)),
    encodeRecord(RecordType.STDOUT, 1),
    encodeEndRequest(1, { appStatus, protocolStatus: 0 }),
  ])
}

/** Gives a reader its bytes cut in two at every place; it must find the end at the last byte and not before. */
function expectEndFound(reader: ResponseReader, answer: Buffer, end: number): void {
  for (let cut = 1; cut < end; cut += 1) {
    reader.reset()
    const ends = [answer.subarray(0, cut), answer.subarray(cut)].map((piece) => reader.read(piece, piece.length))
    expect(ends).toEqual([false, true])
  }
}

describe('the requests', () => {
  it('carry the same body over HTTP and FastCGI', () => {
    const http = caseRequest('http', 'upload', true)
    expect(http.length - http.indexOf('\r\n\r\n') - 4).toBe(CASES.upload.requestOctets)
    let octets = 0
    let length: string | undefined
    new RecordReader({
      onRecord: (type, _id, chunk, start, end) => {
        if (type === RecordType.STDIN) octets += end - start
        if (type === RecordType.PARAMS && end > start) length = new Map(decodePairs(chunk, start, end)).get('CONTENT_LENGTH')
        return true
      },
      onBadVersion: () => undefined,
    }).read(caseRequest('fastcgi', 'upload', true))
    expect(octets).toBe(CASES.upload.requestOctets)
    expect(length).toBe(String(CASES.upload.requestOctets))
  })

  it('ask for the connection to be closed where it is not kept', () => {
    expect(caseRequest('http', 'hello', false).toString()).toContain('\r\nConnection: close\r\n')
    expect(caseRequest('http', 'hello', true).toString()).not.toContain('Connection:')
  })
})

describe('the response readers', () => {
  it('find the end wherever the bytes are cut', () => {
    const fastCgi = fastCgiAnswer(`Status: 200 OK\r\n${HEAD}`)
    expectEndFound(new FastCgiResponseReader(BODY.length), fastCgi, fastCgi.length)
    expectEndFound(new HttpResponseReader(BODY.length), HTTP_ANSWER, HTTP_ANSWER.length)
  })

  it('refuse a failure and a body that is too short', () => {
    const failed = fastCgiAnswer(`Status: 200 OK\r\n${HEAD}`, 1)
    expect(() => new FastCgiResponseReader(BODY.length).read(failed, failed.length)).toThrow('appStatus')
    expect(() => new FastCgiResponseReader(100_000).read(fastCgiAnswer(HEAD), fastCgiAnswer(HEAD).length)).toThrow('only')
    const error = Buffer.from('HTTP/1.1 502 Bad Gateway\r\n\r\n')
    expect(() => new HttpResponseReader(BODY.length).read(error, error.length)).toThrow('502')
  })
})

describe('checkResponse', () => {
  it('accepts a whole answer, with or without a Status', () => {
    checkResponse('http', 'hello', HTTP_ANSWER)
    checkResponse('fastcgi', 'hello', fastCgiAnswer(HEAD))
    checkResponse('fastcgi', 'hello', fastCgiAnswer(`Status: 200 OK\r\n${HEAD}`))
  })

  it('refuses another status and another length', () => {
    expect(() => {
      checkResponse('fastcgi', 'hello', fastCgiAnswer(`Status: 404 Not Found\r\n${HEAD}`))
    }).toThrow('404')
    expect(() => {
      checkResponse('http', 'json', HTTP_ANSWER)
    }).toThrow('a body of 12 octets')
  })
})
