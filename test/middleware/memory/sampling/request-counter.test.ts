/** How requests are counted that do not end as they should. */
import { once } from 'node:events'
import http, { type Server, type ServerResponse } from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { afterEach, describe, expect, it, jest } from '@jest/globals'
import { createServer } from '../../../../lib/index.js'
import { RequestCounter } from '../../../../middleware/memory/sampling/request-counter.js'
import { encodeRequest, FastCgiClient } from '../../../support/fastcgi-client.js'
import { nginxParams } from '../../../support/nginx-params.js'

const closers: (() => void)[] = []

afterEach(() => {
  for (const close of closers.splice(0)) close()
  jest.restoreAllMocks()
})

async function start(create: (listener: http.RequestListener) => Server = http.createServer): Promise<{
  counter: RequestCounter
  port: number
  arrived: (count: number) => Promise<ServerResponse[]>
}> {
  const counter = new RequestCounter()
  const responses: ServerResponse[] = []
  const server = create((_request, response) => { responses.push(response) }).listen(0, '127.0.0.1')
  closers.push(() => { counter.close(); server.close(); server.closeAllConnections() })
  await once(server, 'listening')
  const arrived = async (count: number): Promise<ServerResponse[]> => {
    while (responses.length < count) await once(server, 'request')
    return responses
  }
  return { counter, port: (server.address() as AddressInfo).port, arrived }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate)
}

const REQUEST = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'

describe('requests on a pipelined connection', () => {
  it('are over when they are answered, each once', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockReturnValue()
    const { counter, port, arrived } = await start()
    const socket = net.connect(port, '127.0.0.1').resume()
    closers.push(() => { socket.destroy() })
    socket.write(REQUEST.repeat(30))
    const responses = await arrived(30)
    expect([counter.inFlight, counter.over]).toEqual([30, 0])
    for (const response of [...responses].reverse()) response.end('ok')
    await until(() => counter.inFlight === 0)
    socket.destroy()
    await once(socket, 'close')
    await new Promise(setImmediate)
    expect([counter.inFlight, counter.over]).toEqual([0, 30])
    expect(warn).not.toHaveBeenCalled()
  })

  it('are over when the client leaves, those that wait behind others too', async () => {
    const { counter, port, arrived } = await start()
    const socket = net.connect(port, '127.0.0.1')
    socket.write(REQUEST.repeat(3))
    const responses = await arrived(3)
    socket.destroy()
    await until(() => counter.inFlight === 0)
    for (const response of responses) response.end('too late')
    await new Promise(setImmediate)
    expect([counter.inFlight, counter.over]).toEqual([0, 3])
  })
})

describe('a request that is disregarded', () => {
  it('is neither in flight nor over', async () => {
    const { counter, port, arrived } = await start()
    const answer = fetch(`http://127.0.0.1:${String(port)}`)
    const [response] = await arrived(1)
    if (response === undefined) throw new Error('no request came')
    counter.exclude(response.req, response)
    counter.exclude(response.req, response)
    response.end('ok')
    await (await answer).text()
    expect([counter.inFlight, counter.over]).toEqual([0, 0])
  })
})

it('one that began before counting did is not counted', async () => {
  const { counter, port, arrived } = await start()
  const answer = fetch(`http://127.0.0.1:${String(port)}`)
  const [response] = await arrived(1)
  const later = new RequestCounter()
  closers.push(() => { later.close() })
  response?.end('ok')
  await (await answer).text()
  await until(() => counter.over === 1)
  expect([later.inFlight, later.over]).toEqual([0, 0])
})

describe('requests over FastCGI', () => {
  const params = nginxParams()

  async function begin(client: FastCgiClient, id: number): Promise<void> {
    client.expect(id)
    await client.send(encodeRequest({ requestId: id, params }))
  }

  it('are in flight until they are answered, given up by the web server, or broken off by the app', async () => {
    const { counter, port, arrived } = await start(createServer)
    const client = await FastCgiClient.connect(port)
    closers.push(() => { client.socket.destroy() })
    for (const id of [1, 2, 3]) await begin(client, id)
    const [first, , third] = await arrived(3)
    expect([counter.inFlight, counter.over]).toEqual([3, 0])
    first?.end('ok')
    await client.response(1)
    await until(() => counter.inFlight === 2)
    await client.abort(2)
    await until(() => counter.inFlight === 1)
    third?.destroy()
    await until(() => counter.inFlight === 0)
    expect([counter.inFlight, counter.over]).toEqual([0, 3])
  })

  it('are over when the connection is gone', async () => {
    const { counter, port, arrived } = await start(createServer)
    const client = await FastCgiClient.connect(port)
    for (const id of [1, 2]) await begin(client, id)
    const responses = await arrived(2)
    client.socket.destroy()
    await until(() => counter.inFlight === 0)
    for (const response of responses) response.end('too late')
    await new Promise(setImmediate)
    expect([counter.inFlight, counter.over]).toEqual([0, 2])
  })

  it('that are disregarded are neither in flight nor over', async () => {
    const { counter, port, arrived } = await start(createServer)
    const client = await FastCgiClient.connect(port)
    closers.push(() => { client.socket.destroy() })
    for (const id of [1, 2]) await begin(client, id)
    const [first, second] = await arrived(2)
    if (first === undefined) throw new Error('no request came')
    counter.exclude(first.req, first)
    counter.exclude(first.req, first)
    expect([counter.inFlight, counter.over]).toEqual([1, 0])
    first.end('ok')
    second?.end('ok')
    await client.response(1)
    await client.response(2)
    await until(() => counter.inFlight === 0)
    expect([counter.inFlight, counter.over]).toEqual([0, 1])
  })

  it('that were over before counting began are not counted, those still open are in flight', async () => {
    const { port, arrived } = await start(createServer)
    const client = await FastCgiClient.connect(port)
    closers.push(() => { client.socket.destroy() })
    await begin(client, 1)
    const [first] = await arrived(1)
    first?.end('ok')
    await client.response(1)
    await begin(client, 2)
    await arrived(2)
    const later = new RequestCounter()
    closers.push(() => { later.close() })
    await begin(client, 3)
    const [, second, third] = await arrived(3)
    expect([later.inFlight, later.over]).toEqual([2, 0])
    second?.end('ok')
    third?.end('ok')
    await until(() => later.inFlight === 0)
    expect([later.inFlight, later.over]).toEqual([0, 2])
  })
})
