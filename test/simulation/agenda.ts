/** What is to happen at which time, earliest first: a binary heap. Equal times keep the order of entry. */

interface Entry {
  time: number
  order: number
  run: () => void
}

export class Agenda {
  readonly #heap: Entry[] = []
  #order = 0

  add(time: number, run: () => void): void {
    const entry = { time, order: this.#order, run }
    this.#order += 1
    let index = this.#heap.push(entry) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = this.#heap[parent]
      if (above === undefined || !isBefore(entry, above)) break
      this.#heap[index] = above
      index = parent
    }
    this.#heap[index] = entry
  }

  /** The time of the next entry; Infinity where there is none. */
  get next(): number {
    return this.#heap[0]?.time ?? Infinity
  }

  /** Takes the next entry out. */
  take(): (() => void) | undefined {
    const first = this.#heap[0]
    const last = this.#heap.pop()
    if (first === undefined || last === undefined) return undefined
    if (this.#heap.length > 0) this.#sink(last)
    return first.run
  }

  #sink(entry: Entry): void {
    const heap = this.#heap
    let index = 0
    for (;;) {
      const left = heap[2 * index + 1]
      const right = heap[2 * index + 2]
      if (left === undefined) break
      const takesRight = right !== undefined && isBefore(right, left)
      const child = takesRight ? right : left
      if (!isBefore(child, entry)) break
      heap[index] = child
      index = 2 * index + (takesRight ? 2 : 1)
    }
    heap[index] = entry
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.time < b.time || (a.time === b.time && a.order < b.order)
}
