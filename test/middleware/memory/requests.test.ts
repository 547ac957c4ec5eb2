/** How requests are counted that do not end as they should. */
import { once } from 'node:events'
import http, { type ServerResponse } from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { afterEach, describe, expect, it, jest } from '@jest/globals'
import { RequestCounter } from '../../../middleware/memory/requests.js'

const closers: (() => void)[] = []

afterEach(() => {
  for (const close of closers.splice(0)) close()
  jest.restoreAllMocks()
})

async function start(): Promise<{ counter: RequestCounter; port: number; arrived: (count: number) => Promise<ServerResponse[]> }> {
  const counter = new RequestCounter()
  const responses: ServerResponse[] = []
  const server = http.createServer((_request, response) => { responses.push(response) }).listen(0, '127.0.0.1')
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
    counter.disregard(response)
    counter.disregard(response)
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
