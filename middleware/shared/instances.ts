/** What a factory has made and nobody has closed, for its `uninstall()`: it keeps none of it alive. */
import { stopWatching } from './request-lifetime.js'

interface Closable {
  close(): void
}

const all = new Set<Instances>()

/** Of one factory. */
export class Instances {
  readonly #open = new Set<WeakRef<Closable>>()
  /** What has timers or listeners of its own may outlive the function that was mounted, and must be found all the same. */
  readonly #byCore = new WeakMap<object, Closable>()
  readonly #collected = new FinalizationRegistry<WeakRef<Closable>>((reference) => { this.#open.delete(reference) })

  constructor() {
    all.add(this)
  }

  /** How many are open, or have not been collected yet. */
  get size(): number {
    return this.#open.size
  }

  /**
   * To be called once for each.
   *
   * @param core what does its work: as long as that lives, it can be closed
   * @returns to be called when it is closed
   */
  add(instance: Closable, core: object): () => void {
    this.#byCore.set(core, instance)
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
