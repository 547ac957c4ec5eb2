/** What a factory has made and nobody has closed, for its `uninstall()`: it keeps none of it alive. */
import { stopWatching } from './request-lifetime.js'

interface Closable {
  close(): void
}

const all = new Set<Instances>()

export class Instances {
  readonly #open = new Set<WeakRef<Closable>>()
  readonly #collected = new FinalizationRegistry<WeakRef<Closable>>((reference) => { this.#open.delete(reference) })

  constructor() {
    all.add(this)
  }

  /** How many are open, or have not been collected yet. */
  get size(): number {
    return this.#open.size
  }

  /** To be called once for each; what is given back tells that it is closed. */
  add(instance: Closable): () => void {
    const reference = new WeakRef(instance)
    this.#open.add(reference)
    this.#collected.register(instance, reference, reference)
    return () => {
      this.#open.delete(reference)
      this.#collected.unregister(reference)
    }
  }

  /** Closes all; with the last ones of all factories, what the middlewares have in common is put back, too. */
  closeAll(): void {
    for (const reference of this.#open) reference.deref()?.close()
    this.#open.clear()
    if ([...all].every(({ size }) => size === 0)) stopWatching()
  }
}
