/** The slots, which p-limit holds. It starts nothing: a request starts in its own time, and p-limit waits for its end. */
import pLimit from 'p-limit'

export class Slots {
  readonly #limit: ReturnType<typeof pLimit>
  #most: number

  /** There may be none, too: p-limit cannot say so, and is only asked while one is free. */
  constructor(most: number) {
    this.#most = most
    this.#limit = pLimit(Math.max(1, most))
  }

  /** How many are held. It falls some microtasks after a slot's release. */
  get active(): number {
    return this.#limit.activeCount
  }

  get most(): number {
    return this.#most
  }

  set most(most: number) {
    this.#most = most
    this.#limit.concurrency = Math.max(1, most)
  }

  get free(): boolean {
    return this.#limit.activeCount < this.#most
  }

  /** Takes a slot. The function that comes back releases it, once; `freed` is called as soon as it can be had again. */
  take(freed: () => void): () => void {
    let release = doNothing
    const held = new Promise<void>((resolve) => { release = resolve })
    void this.#limit(() => held).then(freed)
    return release
  }
}

function doNothing(): void {
  // Replaced before anybody can call it.
}
