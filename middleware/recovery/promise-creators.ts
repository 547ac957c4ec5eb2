/**
 * Records which request has made each promise, to attribute unhandled rejections. Node 20 and 22 report such a
 * rejection in the context in which the promise was made. From Node 24 on it is the context in which the promise was
 * rejected: with a client of Redis that is the context of its connection.
 *
 * It costs some 70 ns an `await`: 2.1 µs for a handler with 30 of them, which is 8 % of a small request. So it is an
 * option. The creator is stored in a private field of the promise, which other code cannot see. It refers to the
 * request weakly: a promise may be kept for ever.
 */
import v8 from 'node:v8'
import { contexts, RequestContext, type FailureHandler } from './context.js'

interface PromiseCreator {
  readonly context: WeakRef<RequestContext>
  readonly handler: FailureHandler
}

/** Gives back the object that it is constructed with, so that a subclass adds its private fields to that. */
const Given = function given(promise: object): object {
  return promise
} as unknown as new (promise: object) => object

class PromiseTag extends Given {
  readonly #creator: PromiseCreator

  constructor(promise: object, creator: PromiseCreator) {
    super(promise)
    this.#creator = creator
  }

  static creatorOf(promise: object): PromiseCreator | undefined {
    return #creator in promise ? promise.#creator : undefined
  }
}

/** The creator of the last promise. The next promise is mostly of the same request. */
let lastCreator: PromiseCreator | undefined
let stop: (() => void) | undefined

/** Of `node:v8`; undefined on Deno, where an import by name would fail to link. */
const { promiseHooks } = v8 as Partial<Pick<typeof v8, 'promiseHooks'>>

/** Begins to watch promises. Without effect where there are no promise hooks: nobody hears of late failures there anyway. */
export function watchPromises(): void {
  stop ??= promiseHooks?.onInit(onInit) as (() => void) | undefined
}

/** Ends it: the creators of promises that are made from now on are not recorded. */
export function unwatchPromises(): void {
  stop?.()
  stop = undefined
  lastCreator = undefined
}

/**
 * The request that has made a promise; undefined where that was not recorded. `context` is undefined once collected.
 */
export function creatorOf(promise: unknown): { context: RequestContext | undefined; handler: FailureHandler } | undefined {
  const creator = typeof promise === 'object' && promise !== null ? PromiseTag.creatorOf(promise) : undefined
  return creator === undefined ? undefined : { context: creator.context.deref(), handler: creator.handler }
}

function onInit(promise: object): void {
  const context = contexts.getStore()
  if (!(context instanceof RequestContext)) return
  if (lastCreator?.context.deref() !== context) lastCreator = { context: new WeakRef(context), handler: context.handler }
  new PromiseTag(promise, lastCreator)
}
