/** A response emits 'close' after its 'finish', in the order that Node's HTTP server has. */
import { describe, expect, it } from '@jest/globals'
import { createServer, type ServerResponse } from 'node:http'
import { callSent, settleAfterwards } from '../../lib/server/sent-callback.js'
import { encodeRequest } from '../support/fastcgi-client.js'
import { close, fetchFrom, listen } from '../support/http.js'
import { nginxParams } from '../support/nginx-params.js'
import { start } from './support/started.js'

const nextTick = (): Promise<void> => new Promise((resolve) => { process.nextTick(resolve) })

/** Notes what happens to a response, and in which order. */
function observe(response: ServerResponse, note: (text: string) => void): void {
  response.on('finish', () => {
    note('first listener')
    process.nextTick(() => { note('tick of the first listener') })
    void Promise.resolve().then(() => { note('promise of the first listener') })
  })
  response.on('finish', () => { note('second listener') })
  response.on('close', () => { note(`close, finished: ${String(response.writableFinished)}`) })
  response.on('close', () => setImmediate(() => { note('later') }))
}

it('what a response tells of its end comes in the same order as over HTTP', async () => {
  const overHttp: string[] = []
  let told = (): void => undefined
  const toldLater = new Promise<void>((resolve) => { told = resolve })
  const http = await listen(createServer((_request, response) => {
    observe(response, (text) => {
      overHttp.push(text)
      if (text === 'later') told()
    })
    response.end('answer')
  }))
  await fetchFrom(http)
  await toldLater
  await close(http)
  const { connect, journal } = await start((notes) => (_request, response) => {
    observe(response, (text) => { notes.note(text) })
    response.end('answer')
  })
  const client = await connect()
  client.expect(1)
  await client.send(encodeRequest({ requestId: 1, params: nginxParams() }))
  await journal.until('later')
  expect(journal.entries).toEqual(overHttp)
  expect(overHttp).toHaveLength(6)
})

describe('the callback of a write', () => {
  const response = {} as Parameters<typeof settleAfterwards>[1]

  it('closes what it has finished when it returns', () => {
    const order: string[] = []
    callSent(() => {
      settleAfterwards({ settle: () => order.push('closed') }, response)
      order.push('called')
    }, null)
    expect(order).toEqual(['called', 'closed'])
  })

  it('closes all that it has finished, and each once', async () => {
    const order: number[] = []
    callSent(() => { for (const one of [1, 2, 3]) settleAfterwards({ settle: () => order.push(one) }, response) }, null)
    await nextTick()
    callSent(() => undefined, null)
    expect(order.sort()).toEqual([1, 2, 3])
  })

  it('closes what it has finished although it throws', async () => {
    const order: string[] = []
    expect(() => {
      callSent(() => {
        settleAfterwards({ settle: () => order.push('closed') }, response)
        throw new Error('of a listener')
      }, null)
    }).toThrow('of a listener')
    await nextTick()
    expect(order).toEqual(['closed'])
  })
})
