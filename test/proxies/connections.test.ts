/** What web servers do with connections and time: overload, aborts, dispatch, the end of a request. */
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from '@jest/globals'
import { FIRST_PART, LAST_PART, SECOND_PART, lastOf, pattern } from './support/app.js'
import { Exchange, ask, begin } from './support/client.js'
import { IN_PROCESS, forEachServer, newId } from './support/suite.js'
import { traits } from './support/traits.js'

/** Larger than what servers gather before they pass any of it on. */
const PORTION = pattern(256 * 1024)

forEachServer('connections through', ({ server, trait, site }) => {
  if (trait.aborts !== 'never') {
    it('Aborts: the app hears that a client went away in the middle of a response', async () => {
      const id = newId()
      const exchange = new Exchange(site().origin, { path: `/events/endless?id=${id}` })
      await site().events.wait(id, 'called')
      exchange.abort()
      const closed = await site().events.wait(id, 'closed')
      expect(closed.detail).toMatchObject({ finished: false })
    })
  }

  if (trait.aborts === 'at once') {
    it('Aborts: the app hears of it also while it writes nothing', async () => {
      const id = newId()
      const exchange = new Exchange(site().origin, { path: `/endless?silent=1&id=${id}` })
      await site().events.wait(id, 'called')
      exchange.abort()
      const closed = await site().events.wait(id, 'closed')
      expect(closed.detail).toMatchObject({ finished: false })
    })
  }

  it('Aborts: other requests are not disturbed', async () => {
    const [lost, kept] = [newId(), newId()]
    const first = new Exchange(site().origin, { path: `/events/endless?id=${lost}` })
    const second = new Exchange(site().origin, { path: `/wait?id=${kept}` })
    await site().events.wait(lost, 'called')
    await site().events.wait(kept, 'called')
    first.abort()
    if (trait.aborts !== 'never') await site().events.wait(lost, 'closed')
    site().events.release(kept)
    const answer = await second.answer
    expect(answer.body.toString()).toBe('released\n')
  })

  if (trait.uploads !== 'whole') {
    it('Dispatch at the end of PARAMS, not at the first STDIN', async () => {
      const id = newId()
      const exchange = begin(site().origin, {
        method: 'POST',
        path: `/uploads/arrival?id=${id}`,
        headers: [['Content-Length', String(2 * PORTION.length)]],
      })
      if (trait.uploads !== 'after a large portion') {
        await site().events.wait(id, 'called')
        expect(site().events.count(id, 'body')).toBe(0)
      }
      exchange.request.write(PORTION)
      await site().events.wait(id, 'body')
      exchange.request.end(PORTION)
      expect((await exchange.answer).body.equals(Buffer.concat([PORTION, PORTION]))).toBe(true)
    })
  }

  it('After an early answer STDIN is drained: the answer and the next request arrive', async () => {
    const body = Buffer.alloc(1024 * 1024)
    const id = newId()
    const answer = await ask(site().origin, { method: 'POST', path: `/uploads/refuse?id=${id}`, body })
    if (trait.earlyAnswers === 'kept') {
      expect(answer).toMatchObject({ status: 413, complete: true })
      expect(answer.body.toString()).toBe('too much\n')
    }
    const next = await ask(site().origin, '/status/200')
    expect(next.status).toBe(200)
  })

  if (trait.streamsResponses) {
    it('Streaming: the client has the first part before the app writes the last', async () => {
      const id = newId()
      const exchange = new Exchange(site().origin, { path: `/stream?id=${id}` })
      await exchange.received(FIRST_PART)
      site().events.release(id)
      // Some pass the first piece on with the head, and gather the others.
      await exchange.received(SECOND_PART)
      site().events.release(lastOf(id))
      const answer = await exchange.answer
      expect(answer).toMatchObject({ status: 200, complete: true })
      expect(answer.body.toString()).toBe(FIRST_PART + SECOND_PART + LAST_PART)
    })
  }

  it('Streaming: server-sent events arrive one by one', async () => {
    const id = newId()
    const exchange = new Exchange(site().origin, { path: `/sse?id=${id}` })
    await exchange.received('data: one\n\n')
    const { headers } = await exchange.head()
    expect(headers['content-type']).toMatch('text/event-stream')
    expect(headers['x-accel-buffering']).toBeUndefined()
    site().events.release(id)
    await exchange.received('data: two\n\n')
    site().events.release(lastOf(id))
    expect((await exchange.answer).body.toString()).toBe('data: one\n\ndata: two\n\ndata: three\n\n')
  })

  if (!server.startsApp) {
    it('The end in one write: connections are used again where the server keeps them', async () => {
      await ask(site().origin, '/status/200')
      const before = site().connections()
      const requests = 20
      for (let index = 0; index < requests; index++) {
        expect((await ask(site().origin, `/download?size=${String(index * 100)}`)).status).toBe(200)
      }
      const opened = site().connections() - before
      if (trait.keepsConnections) expect(opened).toBeLessThanOrEqual(1)
      else expect(opened).toBe(requests)
    })
  }
})

forEachServer(
  'limits behind',
  ({ trait, site }) => {
    it('OVERLOADED helps nobody: a refusal is a response with a status, and the server lives on', async () => {
      const refused = await ask(site().origin, { method: 'POST', path: '/echo', body: Buffer.alloc(2_000) })
      expect(refused).toMatchObject({ status: 413, complete: true })
      const many = Array.from({ length: 60 }, (_, index) => [`X-Many-${String(index)}`, 'v'] as const)
      const tooMany = await ask(site().origin, { path: '/echo', headers: many })
      expect(tooMany.status).toBe(431)
      const good = await ask(site().origin, { method: 'POST', path: '/json', body: '{}', headers: [['Content-Type', 'application/json']] })
      expect(good.status).toBe(200)
    })

    if (trait.multiplexes) {
      it('OVERLOADED helps nobody: 503 with Retry-After for more requests than a connection may have open', async () => {
        const ids = Array.from({ length: 3 }, newId)
        const exchanges: Exchange[] = []
        for (const id of ids) {
          const exchange = new Exchange(site().origin, { path: `/wait?id=${id}` })
          exchanges.push(exchange)
          await Promise.race([site().events.wait(id, 'called'), exchange.head()])
        }
        for (const id of ids) site().events.release(id)
        const answers = await Promise.all(exchanges.map(({ answer }) => answer))
        expect(answers.map(({ status }) => status)).toEqual([200, 200, 503])
        expect(answers[2]?.headers['retry-after']).toMatch(/^\d+$/)
      })
    }
  },
  { only: IN_PROCESS, app: { limits: { bodyBytes: 1_000, paramsCount: 60, requestsPerConnection: 2 } } },
)

forEachServer(
  'too many connections from',
  ({ site }) => {
    it('OVERLOADED helps nobody: over the connections there may be, the client gets an error and the others their answers', async () => {
      const id = newId()
      const first = new Exchange(site().origin, { path: `/wait?id=${id}` })
      await site().events.wait(id, 'called')
      const second = await ask(site().origin, '/status/200')
      expect(second.status === 0 || second.status >= 500).toBe(true)
      site().events.release(id)
      expect((await first.answer).body.toString()).toBe('released\n')
      // The web server closes its connection a moment after the answer where it does not keep it.
      let third = await ask(site().origin, '/status/200')
      for (let attempt = 0; third.status !== 200 && attempt < 100; attempt++) {
        await delay(50)
        third = await ask(site().origin, '/status/200')
      }
      expect(third.status).toBe(200)
    })
  },
  // On one connection for all, one connection is enough.
  { only: IN_PROCESS.filter((key) => !traits[key].multiplexes), app: { limits: { connections: 1 } } },
)
