/** The open instances of each factory, such as `recovery()`, for its `uninstall()`, and as sources of status. They are held weakly. */
import { addStatusSource } from '../../shared/status-sources.js'
import { stopWatching } from './request-lifetime.js'

interface Closable {
  close(): void
}

const all = new Set<{ readonly size: number }>()

/** What collected instances leave behind. */
interface Remains {
  readonly reference: WeakRef<Closable>
  readonly forgetSource: () => void
}

/** The open instances of one factory. `Subject`: what its status is read from. */
export class Instances<Subject extends object> {
  readonly #open = new Set<WeakRef<Closable>>()
  /**
   * The instance by its core, which has timers or listeners and may live longer: it keeps the instance alive, to be
   * closed.
   */
  readonly #byCore = new WeakMap<object, Closable>()
  readonly #collected = new FinalizationRegistry<Remains>(({ reference, forgetSource }) => {
    this.#open.delete(reference)
    this.#sources.delete(forgetSource)
    forgetSource()
  })
  readonly #sources = new Set<() => void>()
  readonly #name: string
  readonly #tell: (subject: Subject) => unknown

  /**
   * @param name of the source of status that each instance is
   * @param tell its status; called only when somebody asks
   */
  constructor(name: string, tell: (subject: Subject) => unknown) {
    this.#name = name
    this.#tell = tell
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
   * @param subject what its status is read from; the instance keeps it alive
   * @returns a function, to be called when the instance is closed
   */
  add(instance: Closable, core: object, subject: Subject): () => void {
    this.#byCore.set(core, instance)
    const reference = new WeakRef(instance)
    this.#open.add(reference)
    const forgetSource = this.#addSource(subject)
    this.#collected.register(instance, { reference, forgetSource }, reference)
    return () => {
      this.#open.delete(reference)
      this.#sources.delete(forgetSource)
      forgetSource()
      this.#collected.unregister(reference)
    }
  }

  /** Closes all instances. If no factory has any left, what all middleware shares is put back, too. */
  closeAll(): void {
    for (const reference of this.#open) reference.deref()?.close()
    this.#open.clear()
    for (const forget of this.#sources) forget()
    this.#sources.clear()
    if ([...all].every(({ size }) => size === 0)) stopWatching()
  }

  #addSource(subject: Subject): () => void {
    const reference = new WeakRef(subject)
    const tell = this.#tell
    const forget = addStatusSource(this.#name, () => {
      const present = reference.deref()
      return present === undefined ? undefined : tell(present)
    })
    this.#sources.add(forget)
    return forget
  }
}
