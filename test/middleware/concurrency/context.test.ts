/** In whose context the cap's own timers run: in nobody's. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { expect, it } from '@jest/globals'
import { concurrencyLimit, type ConcurrencyLimit } from '../../../middleware/concurrency.js'

function arrive(cap: ConcurrencyLimit): void {
  const request = new IncomingMessage(new Socket())
  cap(request, new ServerResponse(request), () => undefined)
}

it('what is told of a request is not told in the context of another', async () => {
  const context = new AsyncLocalStorage<string>()
  const cap = concurrencyLimit({ limit: 2, maxHold: 5 })
  const contexts: (string | undefined)[] = []
  cap.events.on('leak', () => { contexts.push(context.getStore()) })
  context.run('first', () => { arrive(cap) })
  context.run('second', () => { arrive(cap) })
  while (cap.leaked < 2) await once(cap.events, 'leak')
  expect(contexts).toEqual([undefined, undefined])
  cap.close()
})
