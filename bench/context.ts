/** What every mode of the benchmark works with. */
import type { Generator } from './generator.js'
import type { BenchOptions } from './options.js'

export interface BenchContext {
  options: BenchOptions
  /** For the sockets and files of this run; removed at its end. */
  directory: string
  generator: Generator
  print: (text: string) => void
}
