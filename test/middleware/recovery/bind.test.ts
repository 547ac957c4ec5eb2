/** An emitter that binds its listeners is still an emitter. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { EventEmitter } from 'node:events'
import { contexts, RequestContext } from '../../../middleware/recovery/context.js'
import type { Failure } from '../../../middleware/recovery/failure.js'
import { recovery } from '../../../middleware/recovery.js'

const failures: Failure[] = []
let context: RequestContext

beforeAll(() => {
  const handler = { onLateFailure: (_context: RequestContext, failure: Failure) => failures.push(failure) > 0, onUnattributed: () => true }
  context = new RequestContext({} as never, new EventEmitter() as never, () => undefined, handler)
})
afterAll(() => {
  recovery.uninstall()
})

describe('recovery.emitter()', () => {
  it.each(['on', 'addListener', 'once', 'prependListener', 'prependOnceListener'] as const)('%s: runs as a part of the request, and can be removed', (add) => {
    const emitter = recovery.emitter(new EventEmitter())
    const seen: unknown[] = []
    const listener = (value: number): void => {
      seen.push(value, contexts.getStore() === context)
    }
    contexts.run(context, () => emitter[add]('event', listener))
    emitter.emit('event', 1)
    emitter.emit('event', 2)
    expect(seen).toEqual(add.toLowerCase().includes('once') ? [1, true] : [1, true, 2, true])
    contexts.run(context, () => emitter[add]('event', listener))
    emitter.off('event', listener)
    emitter.removeListener('event', listener)
    expect(emitter.listenerCount('event')).toBe(0)
  })
  it('what a listener throws is the failure of the request that added it; the others go on', () => {
    const emitter = recovery.emitter(recovery.emitter(new EventEmitter()))
    let others = 0
    contexts.run(context, () => emitter.on('event', () => { throw new Error('mine') }))
    emitter.on('event', () => others++)
    emitter.emit('event')
    expect([failures.map(({ error }) => error.message), others]).toEqual([['mine'], 1])
  })
  it('outside of a request it changes nothing', () => {
    const emitter = recovery.emitter(new EventEmitter())
    emitter.on('event', () => { throw new Error('of nobody') })
    expect(() => emitter.emit('event')).toThrow('of nobody')
    const fn = (): void => undefined
    expect(recovery.bind(fn)).toBe(fn)
  })
})
