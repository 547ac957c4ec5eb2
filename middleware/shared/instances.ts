/** The open instances of each factory, such as `recovery()`, for its `uninstall()`. They are held weakly. */
import { stopWatching } from './request-lifetime.js'

interface Closable {
  close(): void
}

const all = new Set<Instances>()

/** The open instances of one factory. */
export class Instances {
  readonly #open = new Set<WeakRef<Closable>>()
  /**
   * The instance by its core, which has timers or listeners and may live longer: it keeps the instance alive, to be
   * closed.
   */
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
   * To be called once for each instance.
   *
   * @param core the object that does the work of the instance: as long as it lives, the instance can be closed
   * @returns a function, to be called when the instance is closed
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

  /** Closes all instances. If no factory has any left, what all middleware shares is put back, too. */
  closeAll(): void {
    for (const reference of this.#open) reference.deref()?.close()
    this.#open.clear()
    if ([...all].every(({ size }) => size === 0)) stopWatching()
  }
}
