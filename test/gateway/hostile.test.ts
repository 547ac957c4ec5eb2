/** The gateway in front of an application that misbehaves: what the client is told of it. */
import { once } from 'node:events'
import { afterEach, describe, expect, it } from '@jest/globals'
import { gateway, type FastCgiError, type GatewayOptions } from 'express-responder'
import { encodeEndRequest, encodeRecord, encodeUnknownType, RecordType } from '../../lib/fastcgi/record.js'
import { close, fetchFrom, listen, type HttpRequest, type HttpResponse } from '../support/http.js'
import { ScriptedApplication, type ScriptedRequest } from '../support/scripted-application.js'

const cleanups: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

interface Outcome {
  response: HttpResponse | undefined
  /** What the client's request failed with, where it got no response. */
  failure: string | undefined
  errors: string[]
  application: ScriptedApplication
}

/** Asks once, and tells what came of it. */
async function ask(script: (asked: ScriptedRequest) => unknown, request: HttpRequest = {}, options?: GatewayOptions): Promise<Outcome> {
  const application = await ScriptedApplication.start(script)
  const server = await listen(gateway(application.path, options))
  cleanups.push(() => close(server), () => application.stop())
  const errors: string[] = []
  server.on('upstreamError', (error: FastCgiError) => errors.push(error.code))
  let response: HttpResponse | undefined
  let failure: string | undefined
  try {
    response = await fetchFrom(server, request)
  } catch (error) {
    failure = (error as NodeJS.ErrnoException).code
  }
  return { response, failure, errors, application }
}

const HEAD = 'Status: 200 OK\r\nContent-Type: text/plain\r\n'

describe('an answer that is wrong before its head is whole: 502 with the reason', () => {
  const cases: [name: string, code: string, script: (asked: ScriptedRequest) => void][] = [
    ['no answer at all, closed', 'ERR_FCGI_UPSTREAM_CLOSED', ({ connection }) => connection.socket.destroy()],
    ['half a head, closed', 'ERR_FCGI_UPSTREAM_CLOSED', (asked) => asked.connection.socket.end(asked.stdout('Status: 200 OK\r\n'))],
    ['half a record, closed', 'ERR_FCGI_UPSTREAM_CLOSED', (asked) => asked.connection.socket.end(asked.stdout(HEAD).subarray(0, 20))],
    ['END_REQUEST alone', 'ERR_FCGI_UPSTREAM_RECORD', (asked) => {
      asked.send(encodeEndRequest(1, { appStatus: 0, protocolStatus: 0 }))
    }],
    ['no STDOUT but its end', 'ERR_FCGI_UPSTREAM_HEAD', (asked) => {
      asked.send(asked.end())
    }],
    ['a head without its end', 'ERR_FCGI_UPSTREAM_HEAD', (asked) => {
      asked.send(asked.stdout(HEAD), asked.end())
    }],
    ['an empty head', 'ERR_FCGI_UPSTREAM_HEAD', (asked) => {
      asked.reply('', 'x')
    }],
    ['a body and no head', 'ERR_FCGI_UPSTREAM_HEAD', (asked) => {
      asked.send(asked.stdout('<html>\nhello\n\n'), asked.end())
    }],
    ['an HTTP status line', 'ERR_FCGI_UPSTREAM_HEAD', (asked) => {
      asked.reply('HTTP/1.1 200 OK\r\nContent-Type: text/plain')
    }],
    ['1xx', 'ERR_FCGI_UPSTREAM_HEAD', (asked) => {
      asked.reply('Status: 103 Early Hints\r\nLink: </a>')
    }],
    ['a status that is no number', 'ERR_FCGI_UPSTREAM_HEAD', (asked) => {
      asked.reply('Status: fine')
    }],
    ['a status of four digits', 'ERR_FCGI_UPSTREAM_HEAD', (asked) => {
      asked.reply('Status: 2000')
    }],
    ['two statuses', 'ERR_FCGI_UPSTREAM_HEAD', (asked) => {
      asked.reply('Status: 200 OK\r\nStatus: 404 Not Found')
    }],
    ['two Content-Lengths', 'ERR_FCGI_UPSTREAM_HEAD', (asked) => {
      asked.reply(`${HEAD}Content-Length: 1\r\nContent-Length: 1`, 'a')
    }],
    ['a negative Content-Length', 'ERR_FCGI_UPSTREAM_HEAD', (asked) => {
      asked.reply(`${HEAD}Content-Length: -1`, 'a')
    }],
    ['a header name with a space', 'ERR_FCGI_UPSTREAM_HEAD', (asked) => {
      asked.reply(`${HEAD}X Y: 1`, 'a')
    }],
    ['a header that is continued on the next line', 'ERR_FCGI_UPSTREAM_HEAD', (asked) => {
      asked.reply(`${HEAD}X: 1\r\n 2`, 'a')
    }],
    ['a CR in a header', 'ERR_FCGI_UPSTREAM_HEAD', (asked) => {
      asked.reply(`${HEAD}X: 1\r2`, 'a')
    }],
    ['a NUL in a header', 'ERR_FCGI_UPSTREAM_HEAD', (asked) => {
      asked.reply(`${HEAD}X: 1\x002`, 'a')
    }],
    ['chunk framing', 'ERR_FCGI_UPSTREAM_HEAD', (asked) => {
      asked.reply(`${HEAD}Transfer-Encoding: chunked`, '1\r\na\r\n0\r\n\r\n')
    }],
    ['Connection', 'ERR_FCGI_UPSTREAM_HEAD', (asked) => {
      asked.reply(`${HEAD}Connection: close`, 'a')
    }],
    ['a head that is too large', 'ERR_FCGI_UPSTREAM_HEAD', (asked) => {
      asked.reply(`${HEAD}X: ${'x'.repeat(70_000)}`, 'a')
    }],
    ['a head that does not end', 'ERR_FCGI_UPSTREAM_HEAD', (asked) => {
      asked.send(asked.stdout(`${HEAD}X: ${'x'.repeat(70_000)}`))
    }],
    ['a record of another version', 'ERR_FCGI_BAD_VERSION', (asked) => {
      asked.send(Buffer.from('HTTP/1.1 200 OK\r\n\r\n'))
    }],
    ['a record for another id', 'ERR_FCGI_UPSTREAM_RECORD', (asked) => {
      asked.send(encodeRecord(RecordType.STDOUT, 2, Buffer.from(`${HEAD}\r\n`)))
    }],
    ['an END_REQUEST for another id', 'ERR_FCGI_UPSTREAM_RECORD', (asked) => {
      asked.send(encodeEndRequest(2, { appStatus: 0, protocolStatus: 0 }))
    }],
    ['a management record that nobody asked for', 'ERR_FCGI_UPSTREAM_RECORD', (asked) => {
      asked.send(encodeUnknownType(1))
    }],
    ['a record that only web servers send', 'ERR_FCGI_UPSTREAM_RECORD', (asked) => {
      asked.send(encodeRecord(RecordType.STDIN, 1, Buffer.from('x')))
    }],
    ['an END_REQUEST that is too short', 'ERR_FCGI_UPSTREAM_RECORD', (asked) => {
      asked.send(encodeRecord(RecordType.END_REQUEST, 1, Buffer.alloc(4)))
    }],
    ['OVERLOADED', 'ERR_FCGI_UPSTREAM_STATUS', (asked) => {
      asked.send(encodeEndRequest(1, { appStatus: 0, protocolStatus: 2 }))
    }],
    ['a protocol status that there is not', 'ERR_FCGI_UPSTREAM_RECORD', (asked) => {
      asked.send(asked.end({ protocolStatus: 9 }))
    }],
    ['an application status without a head', 'ERR_FCGI_UPSTREAM_STATUS', (asked) => {
      asked.send(asked.end({ appStatus: 1 }))
    }],
    ['a body with 204', 'ERR_FCGI_CONTENT_LENGTH', (asked) => {
      asked.reply('Status: 204 No Content', 'x')
    }],
    ['a body with 304', 'ERR_FCGI_CONTENT_LENGTH', (asked) => {
      asked.reply('Status: 304 Not Modified\r\nContent-Length: 1', 'x')
    }],
    ['a body where Content-Length says 0', 'ERR_FCGI_CONTENT_LENGTH', (asked) => {
      asked.reply('Status: 200 OK\r\nContent-Length: 0', 'x')
    }],
    ['204 without END_REQUEST, closed', 'ERR_FCGI_UPSTREAM_CLOSED', (asked) => asked.connection.socket.end(asked.stdout('Status: 204 No Content\r\n\r\n'))],
  ]

  it.each(cases)('%s', async (_name, code, script) => {
    const { response, errors, application } = await ask(script)
    expect(response).toMatchObject({ status: 502, statusMessage: 'Bad Gateway', complete: true })
    expect(String(response?.body)).toMatch(new RegExp(`^502 Bad Gateway\n${code}: .+\n$`))
    expect(errors).toEqual([code])
    await (await application.connection(0)).whenClosed()
    expect(application.connections).toHaveLength(1)
  })

  it('a body in answer to HEAD: 502, ERR_FCGI_CONTENT_LENGTH', async () => {
    const { response, errors } = await ask((asked) => {
      asked.reply(`${HEAD}Content-Length: 1`, 'x')
    }, { method: 'HEAD' })
    expect(response?.status).toBe(502)
    expect(errors).toEqual(['ERR_FCGI_CONTENT_LENGTH'])
  })

  it('an application that is not there', async () => {
    const server = await listen(gateway('/nonexistent/app.sock'))
    cleanups.push(() => close(server))
    const { status, body } = await fetchFrom(server)
    expect(status).toBe(502)
    expect(String(body)).toMatch(/^502 Bad Gateway\nERR_FCGI_UPSTREAM_CONNECT: .*ENOENT.*\/nonexistent\/app.sock/)
  })

  it('an application that says nothing: 504', async () => {
    const { response, errors } = await ask(() => undefined, {}, { timeout: 20 })
    expect(response).toMatchObject({ status: 504, statusMessage: 'Gateway Timeout' })
    expect(errors).toEqual(['ERR_FCGI_UPSTREAM_TIMEOUT'])
  })
})

describe('an answer that goes wrong after its head: the client sees that it is not whole', () => {
  const cases: [name: string, code: string, script: (asked: ScriptedRequest) => void][] = [
    ['closed without END_REQUEST', 'ERR_FCGI_UPSTREAM_CLOSED', (asked) => asked.connection.socket.end(asked.stdout(`${HEAD}\r\nhalf`))],
    ['closed after the end of STDOUT', 'ERR_FCGI_UPSTREAM_CLOSED', (asked) => {
      asked.connection.socket.end(Buffer.concat([asked.stdout(`${HEAD}\r\nall`), encodeRecord(RecordType.STDOUT, 1)]))
    }],
    ['all of Content-Length, but closed without END_REQUEST', 'ERR_FCGI_UPSTREAM_CLOSED', (asked) => {
      asked.connection.socket.end(asked.stdout(`${HEAD}Content-Length: 3\r\n\r\nall`))
    }],
    ['less than Content-Length', 'ERR_FCGI_CONTENT_LENGTH', (asked) => {
      asked.reply(`${HEAD}Content-Length: 4`, 'abc')
    }],
    ['more than Content-Length', 'ERR_FCGI_CONTENT_LENGTH', (asked) => {
      asked.reply(`${HEAD}Content-Length: 2`, 'abc')
    }],
    ['more than Content-Length, in a record of its own', 'ERR_FCGI_CONTENT_LENGTH', (asked) => {
      asked.send(asked.stdout(`${HEAD}Content-Length: 2\r\n\r\nab`), asked.stdout('c'), asked.end())
    }],
    ['an application status', 'ERR_FCGI_UPSTREAM_STATUS', (asked) => {
      asked.send(asked.stdout(`${HEAD}\r\nall`), asked.end({ appStatus: 1 }))
    }],
    ['an application status after all of Content-Length', 'ERR_FCGI_UPSTREAM_STATUS', (asked) => {
      asked.send(asked.stdout(`${HEAD}Content-Length: 3\r\n\r\nall`), asked.end({ appStatus: 0xffffffff }))
    }],
    ['END_REQUEST before the end of STDOUT', 'ERR_FCGI_UPSTREAM_RECORD', (asked) => {
      asked.send(asked.stdout(`${HEAD}\r\nall`), encodeEndRequest(1, { appStatus: 0, protocolStatus: 0 }))
    }],
    ['STDOUT after its end', 'ERR_FCGI_UPSTREAM_RECORD', (asked) => {
      asked.send(asked.stdout(`${HEAD}\r\nall`), encodeRecord(RecordType.STDOUT, 1), asked.stdout('more'), asked.end())
    }],
    ['a record for another id in between', 'ERR_FCGI_UPSTREAM_RECORD', (asked) => {
      asked.send(asked.stdout(`${HEAD}\r\nhalf`), encodeRecord(RecordType.STDOUT, 3, Buffer.from('other')), asked.end())
    }],
    ['garbage in between', 'ERR_FCGI_BAD_VERSION', (asked) => {
      asked.send(asked.stdout(`${HEAD}\r\nhalf`), Buffer.alloc(8, 0x20), asked.end())
    }],
    ['a record after END_REQUEST', 'ERR_FCGI_UPSTREAM_RECORD', (asked) => {
      asked.send(asked.stdout(`${HEAD}\r\nall`), asked.end(), asked.stdout('more'))
    }],
  ]

  it.each(cases)('%s', async (_name, code, script) => {
    const { response, failure, errors, application } = await ask(script)
    expect(failure === 'ECONNRESET' || response?.complete === false).toBe(true)
    expect(response?.status ?? 200).toBe(200)
    expect(errors).toEqual([code])
    await (await application.connection(0)).whenClosed()
  })

  it('keeps what had come before it broke off', async () => {
    let proceed: () => void = () => undefined
    const { response } = await ask((asked) => {
      asked.send(asked.stdout(`${HEAD}Content-Length: 10\r\n\r\nhalf`))
      proceed = () => asked.connection.socket.end()
      setImmediate(() => {
        proceed()
      })
    })
    expect(response).toMatchObject({ status: 200, complete: false })
    expect(String(response?.body)).toBe('half')
  })

  it('an application that stalls in the middle of an answer: broken off, ERR_FCGI_UPSTREAM_TIMEOUT', async () => {
    const { response, failure, errors } = await ask((asked) => {
      asked.send(asked.stdout(`${HEAD}\r\nhalf`))
    }, {}, { timeout: 1000 })
    expect(failure === 'ECONNRESET' || response?.complete === false).toBe(true)
    expect(errors).toEqual(['ERR_FCGI_UPSTREAM_TIMEOUT'])
  })
})

describe('answers that are unusual and right', () => {
  it.each<[name: string, script: (asked: ScriptedRequest) => void, expected: object]>([
    ['no Status: 200', (asked) => {
      asked.reply('Content-Type: text/plain', 'hello')
    }, { status: 200, statusMessage: 'OK', body: Buffer.from('hello') }],
    ['Location without Status: 302', (asked) => {
      asked.reply('Location: https://example.test/')
    }, { status: 302, statusMessage: 'Found' }],
    ['Location with Status', (asked) => {
      asked.reply('Status: 201 Created\r\nLocation: /made')
    }, { status: 201, statusMessage: 'Created' }],
    ['Status without a reason', (asked) => {
      asked.reply('Status: 404')
    }, { status: 404, statusMessage: 'Not Found' }],
    ['Status with a reason of its own', (asked) => {
      asked.reply('Status: 299 Fine: yes')
    }, { status: 299, statusMessage: 'Fine: yes' }],
    ['Status last, in another case', (asked) => {
      asked.reply('Content-Type: text/plain\r\nstatus: 203 X')
    }, { status: 203 }],
    ['lines that end in LF alone', (asked) => {
      asked.send(asked.stdout('Status: 200 OK\nContent-Type: text/plain\n\nhello'), asked.end())
    }, { status: 200, body: Buffer.from('hello') }],
    ['an empty body', (asked) => {
      asked.reply('Status: 200 OK\r\nContent-Length: 0')
    }, { status: 200, body: Buffer.alloc(0) }],
    ['204', (asked) => {
      asked.reply('Status: 204 No Content')
    }, { status: 204, body: Buffer.alloc(0) }],
    ['304 with a Content-Length', (asked) => {
      asked.reply('Status: 304 Not Modified\r\nContent-Length: 5')
    }, { status: 304, body: Buffer.alloc(0) }],
    ['octets beyond ASCII in a header', (asked) => {
      asked.reply('Status: 200 OK\r\nX-Name: caf\xe9')
    }, { status: 200, headers: expect.objectContaining({ 'x-name': 'caf\xe9' }) }],
  ])('%s', async (_name, script, expected) => {
    const { response, errors } = await ask(script)
    expect(response).toMatchObject({ complete: true, ...expected })
    expect(errors).toEqual([])
  })

  it('octet by octet, each in a record of its own', async () => {
    const { response } = await ask((asked) => {
      const octets = Buffer.from(`${HEAD}Content-Length: 5\r\n\r\nhello`)
      asked.send(...Array.from(octets, (octet) => asked.stdout(Buffer.of(octet))), asked.end())
    })
    expect(response).toMatchObject({ status: 200, complete: true, body: Buffer.from('hello') })
  })

  it('octet by octet, each in a write of its own', async () => {
    const { response } = await ask((asked) => {
      const { socket } = asked.connection
      for (const octet of Buffer.concat([asked.stdout(`${HEAD}Content-Length: 5\r\n\r\nhello`), asked.end()])) socket.write(Buffer.of(octet))
    })
    expect(response).toMatchObject({ status: 200, complete: true, body: Buffer.from('hello') })
  })

  it('HEAD with the Content-Length that GET would have', async () => {
    const { response } = await ask((asked) => {
      asked.reply(`${HEAD}Content-Length: 5`)
    }, { method: 'HEAD' })
    expect(response).toMatchObject({ status: 200, complete: true, body: Buffer.alloc(0) })
    expect(response?.headers['content-length']).toBe('5')
  })

  it('STDERR goes to the event, not to the client', async () => {
    const application = await ScriptedApplication.start((asked) => {
      asked.send(encodeRecord(RecordType.STDERR, 1, Buffer.from('warned')), encodeRecord(RecordType.STDERR, 1))
      asked.reply(HEAD.trim(), 'hello')
    })
    const server = await listen(gateway(application.path))
    cleanups.push(() => close(server), () => application.stop())
    const warned = once(server, 'stderr')
    const { status, body } = await fetchFrom(server)
    expect(status).toBe(200)
    expect(String(body)).toBe('hello')
    expect(String((await warned)[0])).toBe('warned')
  })
})
