/**
 * Where requests wait for a slot. Pure: one line for each priority, in order of arrival, and from any place in it
 * a request leaves at once, however many wait.
 */

export const PRIORITIES = ['high', 'normal', 'low'] as const
export type Priority = (typeof PRIORITIES)[number]

export interface Guest {
  readonly priority: Priority
}

interface Place<Waiting> {
  readonly guest: Waiting
  readonly since: number
  older: Place<Waiting> | undefined
  newer: Place<Waiting> | undefined
}

/** A doubly linked list. */
class Line<Waiting> {
  oldest: Place<Waiting> | undefined
  newest: Place<Waiting> | undefined

  append(place: Place<Waiting>): void {
    place.older = this.newest
    if (this.newest === undefined) this.oldest = place
    else this.newest.newer = place
    this.newest = place
  }

  remove({ older, newer }: Place<Waiting>): void {
    if (older === undefined) this.oldest = newer
    else older.newer = newer
    if (newer === undefined) this.newest = older
    else newer.older = older
  }
}

export class WaitingRoom<Waiting extends Guest> {
  readonly #places = new Map<Waiting, Place<Waiting>>()
  readonly #lines: Readonly<Record<Priority, Line<Waiting>>> = { high: new Line(), normal: new Line(), low: new Line() }

  get size(): number {
    return this.#places.size
  }

  /** When the one who has waited longest came; undefined where nobody waits. */
  get oldestSince(): number | undefined {
    return this.#oldest()?.since
  }

  enter(guest: Waiting, now: number): void {
    const place: Place<Waiting> = { guest, since: now, older: undefined, newer: undefined }
    this.#places.set(guest, place)
    this.#lines[guest.priority].append(place)
  }

  /** Whether it was waiting. */
  leave(guest: Waiting): boolean {
    const place = this.#places.get(guest)
    if (place === undefined) return false
    this.#places.delete(guest)
    this.#lines[guest.priority].remove(place)
    return true
  }

  /** Takes who is next: of the highest priority the newest, or the oldest. */
  take(newestFirst: boolean): Waiting | undefined {
    for (const priority of PRIORITIES) {
      const line = this.#lines[priority]
      const place = newestFirst ? line.newest : line.oldest
      if (place !== undefined) return this.#remove(place)
    }
    return undefined
  }

  /** Takes who makes room for a newcomer: the oldest of the lowest priority, unless all are above the newcomer. */
  takeFor(newcomer: Guest): Waiting | undefined {
    for (let rank = PRIORITIES.length - 1; rank >= PRIORITIES.indexOf(newcomer.priority); rank--) {
      const priority = PRIORITIES[rank]
      const place = priority === undefined ? undefined : this.#lines[priority].oldest
      if (place !== undefined) return this.#remove(place)
    }
    return undefined
  }

  /** Takes one that came at `time` or before. */
  takeSince(time: number): Waiting | undefined {
    const place = this.#oldest()
    return place !== undefined && place.since <= time ? this.#remove(place) : undefined
  }

  #oldest(): Place<Waiting> | undefined {
    const { high, normal, low } = this.#lines
    return older(older(high.oldest, normal.oldest), low.oldest)
  }

  #remove(place: Place<Waiting>): Waiting {
    this.leave(place.guest)
    return place.guest
  }
}

function older<Waiting>(one: Place<Waiting> | undefined, other: Place<Waiting> | undefined): Place<Waiting> | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return one.since <= other.since ? one : other
}
