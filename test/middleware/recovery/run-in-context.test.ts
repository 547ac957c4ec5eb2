/** What runs in the context of a request finds it, and leaves nothing of it behind. */
import { expect, it } from '@jest/globals'
import { AsyncLocalStorage, createHook } from 'node:async_hooks'
import { contexts, type FailureContext } from '../../../middleware/recovery/context.js'
import { runInContext } from '../../../middleware/recovery/run-in-context.js'

function makeContext(): FailureContext {
  return { request: undefined, response: undefined, fail: () => true }
}

/** A function without arguments. */
function runIn<Result>(context: FailureContext, call: () => Result): Result {
  return runInContext(context, call, undefined, undefined, undefined)
}

it('runs in the context, with its arguments, and goes back to the one before', () => {
  const [outer, inner] = [makeContext(), makeContext()]
  const seen = runInContext(outer, (first: string, second: number, third: boolean) => {
    const within = runIn(inner, () => contexts.getStore())
    return [first, second, third, within === inner, contexts.getStore() === outer]
  }, 'a', 2, false)
  expect(seen).toEqual(['a', 2, false, true, true])
  expect(contexts.getStore()).toBeUndefined()
})

it('goes back to the one before when the function throws', () => {
  expect(() => { runIn(makeContext(), () => { throw new Error('of the app') }) }).toThrow('of the app')
  expect(contexts.getStore()).toBeUndefined()
})

it('keeps the stores that others have entered, such as a tracer', async () => {
  const tracer = new AsyncLocalStorage<string>()
  const context = makeContext()
  const later = tracer.run('span', () => runIn(context, async () => {
    const atOnce = tracer.getStore()
    await new Promise(setImmediate)
    return [atOnce, tracer.getStore(), contexts.getStore() === context]
  }))
  expect(await later).toEqual(['span', 'span', true])
})

it('holds no resource that async hooks would keep', async () => {
  const open = new Set<number>()
  const hook = createHook({
    init(id, type) { if (type === 'recovery') open.add(id) },
    destroy(id) { open.delete(id) },
  }).enable()
  for (let i = 0; i < 10; i++) runIn(makeContext(), () => undefined)
  await new Promise(setImmediate)
  await new Promise(setImmediate)
  hook.disable()
  expect(open.size).toBe(0)
})
