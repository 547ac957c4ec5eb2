/** What a level or a line leaves of stretches of a course, from sums that are made once. */

const { max } = Math

/** What the best line through so many points leaves, of their sums. */
export function leftByLine(rows: number, x: number, y: number, xx: number, xy: number, yy: number): number {
  const [spread, shared] = [xx - x * x / rows, xy - x * y / rows]
  return max(0, yy - y * y / rows - (spread > 0 ? shared * shared / spread : 0))
}

/** Sums of squares that a level or a line leaves of any stretch of values. */
export class RunningSums {
  readonly rows: number
  readonly #y: Float64Array
  readonly #xy: Float64Array
  readonly #yy: Float64Array

  constructor(values: Float64Array) {
    const rows = this.rows = values.length
    this.#y = new Float64Array(rows + 1)
    this.#xy = new Float64Array(rows + 1)
    this.#yy = new Float64Array(rows + 1)
    const origin = values[0] ?? 0
    for (let row = 0; row < rows; row++) {
      const value = (values[row] ?? 0) - origin
      this.#y[row + 1] = (this.#y[row] ?? 0) + value
      this.#xy[row + 1] = (this.#xy[row] ?? 0) + row * value
      this.#yy[row + 1] = (this.#yy[row] ?? 0) + value * value
    }
  }

  /** The mean, less the first of all values. */
  mean(from: number, to: number): number {
    return ((this.#y[to] ?? 0) - (this.#y[from] ?? 0)) / (to - from)
  }

  level(from: number, to: number): number {
    const y = (this.#y[to] ?? 0) - (this.#y[from] ?? 0)
    return (this.#yy[to] ?? 0) - (this.#yy[from] ?? 0) - y * y / (to - from)
  }

  line(from: number, to: number): number {
    const rows = to - from
    const x = rows * (from + to - 1) / 2
    const xx = rows * (rows * rows - 1) / 12 + x * x / rows
    return leftByLine(rows, x, (this.#y[to] ?? 0) - (this.#y[from] ?? 0), xx, (this.#xy[to] ?? 0) - (this.#xy[from] ?? 0), (this.#yy[to] ?? 0) - (this.#yy[from] ?? 0))
  }
}
