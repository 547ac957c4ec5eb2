/** The moment in the chart that is read: by pointer, by keyboard as a slider, or the newest where neither says otherwise. */
import { setAll } from './dom.js'
import { nearest } from './timeline.js'

/** What the cursor moves over. */
export interface CursorOptions {
  /** Times of the samples that are drawn. */
  times: () => readonly number[]
  /** The time at a pixel of the window. */
  timeAt: (clientX: number) => number | undefined
  /** Another moment is to be read. */
  onMove: () => void
}

/** Samples that Page Up and Page Down pass. */
const PAGE = 60

/** The cursor in the chart. */
export class Cursor {
  readonly #host: HTMLElement
  readonly #options: CursorOptions
  #time: number | undefined
  /** It stays where it is: set by keyboard or touch, not by a pointer that passes over. */
  #held = false

  constructor(host: HTMLElement, options: CursorOptions) {
    this.#host = host
    this.#options = options
    host.addEventListener('keydown', (event) => { this.#key(event) })
    host.addEventListener('pointermove', (event) => { this.#point(event) })
    host.addEventListener('pointerdown', (event) => { this.#point(event) })
    host.addEventListener('pointerleave', ({ pointerType }) => { if (pointerType === 'mouse' && !this.#held) this.release() })
  }

  get held(): boolean {
    return this.#held
  }

  /** The sample that is read; -1 where there is none; undefined for the newest. */
  get index(): number | undefined {
    return this.#time === undefined ? undefined : nearest(this.#options.times(), this.#time)
  }

  /** Back to the newest sample. */
  release(): void {
    this.#time = undefined
    this.#held = false
    this.#options.onMove()
  }

  /** What assistive technology says. The value of the newest sample never changes: else every second would be announced. */
  describe(text: string): void {
    const [index, last] = [this.index, this.#options.times().length - 1]
    const share = index === undefined || last <= 0 ? 100 : Math.round((1000 * index) / last) / 10
    setAll(this.#host, { 'aria-valuenow': share, 'aria-valuetext': text })
  }

  #point({ clientX, pointerType }: PointerEvent): void {
    const time = this.#options.timeAt(clientX)
    if (time === undefined) return
    this.#time = time
    this.#held = pointerType !== 'mouse'
    this.#options.onMove()
  }

  #key(event: KeyboardEvent): void {
    const last = this.#options.times().length - 1
    const target = this.#target(event.key, this.index ?? last, last)
    if (target === undefined || event.ctrlKey || event.altKey || event.metaKey) return
    event.preventDefault()
    if (target >= last) {
      this.release()
      return
    }
    this.#time = this.#options.times()[Math.max(0, target)]
    this.#held = true
    this.#options.onMove()
  }

  #target(key: string, index: number, last: number): number | undefined {
    switch (key) {
      case 'ArrowLeft': case 'ArrowDown': return index - 1
      case 'ArrowRight': case 'ArrowUp': return index + 1
      case 'PageDown': return index - PAGE
      case 'PageUp': return index + PAGE
      case 'Home': return 0
      case 'End': case 'Escape': return last
      default: return undefined
    }
  }
}
