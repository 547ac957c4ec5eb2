/** Whom the default cap lets through, over real connections: waiting handlers, slow clients and quick requests beside them. */
import { once } from 'node:events'
import { afterEach, describe, expect, it } from '@jest/globals'
import { concurrencyLimit, type ConcurrencyLimit } from '../../../middleware/concurrency.js'
import { CARRIERS, AppServer } from '../../support/app-server.js'

const WAITING = 150
const stops: (() => void)[] = []

afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

async function start(carrier: (typeof CARRIERS)[number]): Promise<{ cap: ConcurrencyLimit; app: AppServer }> {
  const cap = concurrencyLimit()
  const app = await AppServer.start({ carrier, middleware: cap })
  stops.push(() => { app.stop() }, () => { cap.close() })
  return { cap, app }
}

function block(milliseconds: number): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

describe.each(CARRIERS)('%s', (carrier) => {
  it('handlers that wait, however many, and another one beside them', async () => {
    const { cap, app } = await start(carrier)
    const waiting = Array.from({ length: WAITING }, (_value, index) => app.open(`/wait/${String(index)}`).answer)
    await app.entered(WAITING)
    const quick = app.open('/quick').answer
    const visits = await app.entered(WAITING + 1)
    visits[WAITING]?.response.end('quick')
    expect((await quick).status).toBe(200)
    for (const { response } of visits.slice(0, WAITING)) response.end('at last')
    expect(new Set((await Promise.all(waiting)).map(({ status }) => status))).toEqual(new Set([200]))
    expect(cap.rejectedShare).toBe(0)
  })

  it('who comes after the loop was held up, again and again', async () => {
    const { cap, app } = await start(carrier)
    for (let index = 0; index < 4; index++) {
      const long = app.open('/long').answer
      const visits = await app.entered(2 * index + 1)
      block(400)
      visits[2 * index]?.response.end('long')
      expect((await long).status).toBe(200)
      const next = app.open('/next').answer
      const later = await app.entered(2 * index + 2)
      later[2 * index + 1]?.response.end('next')
      expect((await next).status).toBe(200)
    }
    expect(cap.rejectedShare).toBe(0)
  })

  it('uploads that trickle, and others beside them', async () => {
    const { cap, app } = await start(carrier)
    const sockets = Array.from({ length: 40 }, () => app.connect())
    for (const socket of sockets) {
      await once(socket, 'connect')
      socket.write('POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nsome')
    }
    await app.entered(sockets.length)
    const quick = app.open('/quick').answer
    const visits = await app.entered(sockets.length + 1)
    visits.at(-1)?.response.end('quick')
    expect([(await quick).status, cap.rejectedShare]).toEqual([200, 0])
  })
})
