/**
 * Runs functions in the context of a request, as `contexts.run()` does, and from Node 24 on at half its cost. There each
 * change of a store makes a frame, which takes two microseconds and 370 bytes: `run()` makes one to enter the context and
 * one to leave it. A resource of its own goes back to the frame that it found.
 */
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import { contexts, type FailureContext } from './context.js'

/** It is destroyed when its function returns. So hooks that keep something for each resource keep it no longer. */
const MANUAL_DESTROY = { requireManualDestroy: true }

/** By `hasRef`, jest's detectOpenHandles sees that it keeps no process alive. */
class Scope extends AsyncResource {
  constructor() {
    super('recovery', MANUAL_DESTROY)
  }

  hasRef(): boolean {
    return false
  }
}

/** One call in a context. It holds its arguments: a list of them would be made twice, here and by Node. */
class CallScope<First, Second, Third, Result> extends Scope {
  readonly context: FailureContext | undefined
  readonly call: (first: First, second: Second, third: Third) => Result
  readonly first: First
  readonly second: Second
  readonly third: Third

  constructor(context: FailureContext | undefined, call: (first: First, second: Second, third: Third) => Result, first: First, second: Second, third: Third) {
    super()
    this.context = context
    this.call = call
    this.first = first
    this.second = second
    this.third = third
  }

  enter(): Result {
    contexts.enterWith(this.context)
    return this.call(this.first, this.second, this.third)
  }
}

/** Node's own: the method is replaced by one that records the errors of bound functions. */
// eslint-disable-next-line @typescript-eslint/unbound-method -- called with its resource
const { runInAsyncScope } = AsyncResource.prototype
/** The one function that is run in all scopes. */
// eslint-disable-next-line @typescript-eslint/unbound-method -- called with its scope
const { enter } = CallScope.prototype

/** Whether stores are kept in frames: then a resource finds at its second use what it had at its first. */
const hasFrames = ((): boolean => {
  const probe = new AsyncLocalStorage<boolean>()
  const scope = new Scope()
  scope.runInAsyncScope(() => { probe.enterWith(true) })
  const isKept = scope.runInAsyncScope(() => probe.getStore() === true)
  probe.disable()
  scope.emitDestroy()
  return !isKept
})()

/** Calls a function with three arguments, in a context. */
export function runInContext<First, Second, Third, Result>(
  context: FailureContext | undefined, call: (first: First, second: Second, third: Third) => Result, first: First, second: Second, third: Third,
): Result {
  if (!hasFrames) return contexts.run(context, call, first, second, third)
  if (contexts.getStore() === context) return call(first, second, third)
  const scope = new CallScope(context, call, first, second, third)
  try {
    return runInAsyncScope.call(scope, enter, scope) as Result
  } finally {
    scope.emitDestroy()
  }
}
