/** Stores of old, which answer by a callback, as stores of today. */
import type { IncrementResponse, Options, Store } from 'express-rate-limit'

export function modernStore(store: Options['store']): Store {
  if ('increment' in store) return store
  return {
    increment: (key) => new Promise<IncrementResponse>((resolve, reject) => {
      store.incr(key, (error, totalHits, resetTime) => {
        if (error === undefined || (error as unknown) === null) resolve({ totalHits, resetTime })
        else reject(error)
      })
    }),
    decrement: (key) => { store.decrement(key) },
    resetKey: (key) => { store.resetKey(key) },
  }
}
