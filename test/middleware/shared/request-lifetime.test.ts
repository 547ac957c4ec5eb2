/** When a request is over: for a cap where the response or the socket is not as Node's own server made it, for recovery where it is pipelined. */
import { EventEmitter, once } from 'node:events'
import http, { IncomingMessage, ServerResponse, type RequestListener } from 'node:http'
import { connect, Socket, type AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from '@jest/globals'
import { phaseOf } from '../../../middleware/recovery/failure.js'
import { concurrencyLimit, type ConcurrencyLimit, type ConcurrencyLimitOptions } from '../../../middleware/concurrency.js'

const caps: ConcurrencyLimit[] = []
const servers: http.Server[] = []

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close()
    server.closeAllConnections()
  }
  for (const cap of caps.splice(0)) cap.close()
})

function limit(options?: ConcurrencyLimitOptions): ConcurrencyLimit {
  const cap = concurrencyLimit({ limit: 1, queue: false, ...options })
  caps.push(cap)
  return cap
}

/** Sends a request on a connection that is kept, and waits for the answer. */
async function askKept(listener: RequestListener): Promise<void> {
  const server = http.createServer(listener).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  const agent = new http.Agent({ keepAlive: true })
  const [answer] = await once(http.get({ port: (server.address() as AddressInfo).port, agent }), 'response') as [IncomingMessage]
  await once(answer.resume(), 'end')
}

/** Turn after turn of the event loop until it holds. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate)
}

describe('on a connection that stays open, a slot is free again', () => {
  it('after a response that the app has made up for a request of Node\'s', async () => {
    const cap = limit()
    await askKept((request, response) => {
      const inner = new ServerResponse(request)
      inner.on('finish', () => response.end())
      cap(request, inner, () => { inner.end() })
      inner.emit('finish')
    })
    await until(() => cap.active === 0)
    expect(cap.accepted).toBe(1)
  })
  it('after a response that somebody has wrapped', async () => {
    const cap = limit()
    await askKept((request, response) => {
      const wrapped = new Proxy(response, {
        get: (target, name) => {
          const value: unknown = Reflect.get(target, name)
          return typeof value === 'function' ? value.bind(target) as unknown : value
        },
      })
      cap(request, wrapped, () => { wrapped.end() })
    })
    await until(() => cap.active === 0)
    expect(cap.accepted).toBe(1)
  })
})

describe('server-sent events, however their head is written', () => {
  it.each<[string, (response: ServerResponse) => void]>([
    ['in other letters', (response) => { response.writeHead(200, { 'Content-Type': 'Text/Event-Stream; charset=utf-8' }) }],
    ['as names and values in turn', (response) => { response.writeHead(200, ['Set-Cookie', ['a=b', 'c=d'], 'Content-Type', 'text/event-stream']) }],
    ['as pairs', (response) => { response.writeHead(200, [['Content-Type', 'text/event-stream']] as unknown as string[]) }],
    ['by setHeader()', (response) => { response.setHeader('Content-Type', 'TEXT/EVENT-STREAM').flushHeaders() }],
  ])('%s, free their slot', async (_how, write) => {
    const cap = limit()
    const request = new IncomingMessage(new Socket())
    const response = new ServerResponse(request)
    cap(request, response, () => { write(response) })
    await until(() => cap.active === 0)
    expect(cap.accepted).toBe(1)
  })
})

describe('requests made up by tests', () => {
  it.each([{ remoteAddress: '192.0.2.1' }, {}, null, undefined])('with the socket %j', async (socket) => {
    const cap = limit()
    const request = { method: 'GET', url: '/', headers: {}, httpVersionMajor: 1, socket } as unknown as IncomingMessage
    const response = new EventEmitter() as unknown as ServerResponse
    cap(request, response, () => undefined)
    expect(cap.active).toBe(1)
    response.emit('finish')
    await until(() => cap.active === 0)
  })
})

describe('a request that waits behind another on a pipelined connection', () => {
  it('is over when the client has left: what fails then fails after the response, and nobody is to be answered', async () => {
    const requests: (readonly [IncomingMessage, ServerResponse])[] = []
    const server = http.createServer((request, response) => { requests.push([request, response]) }).listen(0, '127.0.0.1')
    servers.push(server)
    await once(server, 'listening')
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
    client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(2))
    while (requests.length < 2) await once(server, 'request')
    expect(requests.map((each) => phaseOf(...each))).toEqual(['before-headers', 'before-headers'])
    const closed = requests[0] === undefined ? [] : once(requests[0][0].socket, 'close')
    client.destroy()
    await closed
    expect(requests.map((each) => phaseOf(...each))).toEqual(['after-response', 'after-response'])
  })
})

describe('while it waits', () => {
  it('a request that somebody else answers is not handled any more', async () => {
    const cap = limit({ queue: { max: 1, timeout: 600_000 } })
    const make = (): [IncomingMessage, ServerResponse] => {
      const request = new IncomingMessage(new Socket())
      return [request, new ServerResponse(request)]
    }
    const [first, second] = [make(), make()]
    let handled = 0
    cap(...first, () => { handled += 1 })
    cap(...second, () => { handled += 1 })
    expect([handled, cap.waiting]).toEqual([1, 1])
    second[1].end('too late')
    first[1].emit('finish')
    await until(() => cap.waiting === 0 && cap.active === 0)
    expect([handled, cap.abandoned]).toEqual([1, 1])
  })
})
