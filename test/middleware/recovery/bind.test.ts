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

describe('recovery.callbacks()', () => {
  class Batch {
    readonly #calls: (() => void)[] = []
    get length(): number { return this.#calls.length }
    add(call: () => void): this { this.#calls.push(call); return this }
    exec(call: () => void): void { for (const each of [...this.#calls, call]) each() }
    // As with redis 3, whose batches have methods of their own that are others of their class.
    execute = this.exec // eslint-disable-line @typescript-eslint/unbound-method
  }
  class Statement extends EventEmitter {
    run(call: () => void): void { call() }
  }
  class Client {
    batch(): Batch { return new Batch() }
    ECHO(call: () => void): void { call() }
    answer(): Promise<string> { return Promise.resolve('answer') }
    statement(): Statement { return new Statement() }
  }
  const fail = (name: string) => (): never => { throw new Error(name) }
  const inRequest = <Value>(call: () => Value): Value => contexts.run(context, call)
  const failed = (): string[] => failures.splice(0).map(({ error }) => error.message)

  it('binds the callbacks of what a method returns, too: of a batch, of a statement', () => {
    failed()
    const client = recovery.callbacks(new Client())
    const batch = inRequest(() => client.batch().add(fail('in the batch')))
    const statement = inRequest(() => client.statement())
    expect([batch, statement]).toEqual([expect.any(Batch), expect.any(Statement)])
    inRequest(() => batch.add(fail('second')))
    inRequest(() => { batch.exec(fail('at its end')) })
    inRequest(() => { client.batch().execute(fail('of an own property')) })
    inRequest(() => { statement.run(fail('of the statement')) })
    inRequest(() => statement.on('event', fail('of a listener')))
    statement.emit('event')
    expect([batch.length, failed()]).toEqual([2, ['in the batch', 'second', 'at its end', 'of an own property', 'of the statement', 'of a listener']])
  })
  it('leaves others of their class, and promises, as they are', async () => {
    const client = recovery.callbacks(new Client())
    inRequest(() => client.batch())
    const promise = inRequest(() => client.answer())
    expect([Object.getPrototypeOf(new Batch()), Object.getPrototypeOf(promise), await promise]).toEqual([Batch.prototype, Promise.prototype, 'answer'])
    expect(() => { inRequest(() => { new Batch().exec(fail('not bound')) }) }).toThrow('not bound')
  })
  it('binds what a method returns of a class in native code, such as a statement of sqlite3, and no Map or list', () => {
    failed()
    const run = (call: () => void): void => { call() }
    const prototype = { constructor: function Native() { /* bound below: so it is shown as native code */ }.bind(undefined), run }
    const list = [1]
    const map = new Map([[1, 2]])
    const made = { native: (): typeof prototype => Object.create(prototype) as typeof prototype, list: () => list, map: () => map }
    const client = recovery.callbacks(made)
    const native = inRequest(() => client.native())
    inRequest(() => { native.run(fail('native')) })
    expect([failed(), inRequest(() => client.list()), inRequest(() => client.map())]).toEqual([['native'], list, map])
    expect([Object.getPrototypeOf(list) === Array.prototype, Object.getPrototypeOf(map) === Map.prototype]).toEqual([true, true])
  })
  it('binds methods whose names are in capitals, and no class', () => {
    failed()
    const client = recovery.callbacks(Object.assign(new Client(), { Type: Batch, DB: Batch }))
    inRequest(() => { client.ECHO(fail('in capitals')) })
    expect([failed(), client.Type, client.DB]).toEqual([['in capitals'], Batch, Batch])
  })
})
