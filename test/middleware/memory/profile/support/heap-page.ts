/** A parser for the text form of Go's heap page, as strict as Go is regular: what deviates from its grammar is an error. */

export interface HeapRecord {
  samples: number
  bytes: number
  addresses: string[]
  frames: { address: string; name: string; offset: string; file: string; line: number }[]
}

export interface HeapPage {
  header: { samples: number; bytes: number; rate: number }
  records: HeapRecord[]
  /** As they are written, by Go's name. */
  stats: Map<string, string>
  /** What follows on Go's page, without the leading `# `. */
  notes: string[]
}

/** The lines of the MemStats block in Go's order (runtime/pprof, writeHeapInternal). */
export const STATS = [
  'Alloc', 'TotalAlloc', 'Sys', 'Lookups', 'Mallocs', 'Frees', 'HeapAlloc', 'HeapSys', 'HeapIdle', 'HeapInuse', 'HeapReleased',
  'HeapObjects', 'Stack', 'MSpan', 'MCache', 'BuckHashSys', 'GCSys', 'OtherSys', 'NextGC', 'LastGC', 'PauseNs', 'PauseEnd', 'NumGC',
  'NumForcedGC', 'GCCPUFraction', 'DebugGC', 'MaxRSS',
]

const FIGURES = String.raw`(\d+): (\d+) \[(\d+): (\d+)\] @`
const HEADER = new RegExp(String.raw`^heap profile: ${FIGURES} heap/(\d+)$`)
const RECORD = new RegExp(String.raw`^${FIGURES}((?: 0x[0-9a-f]+)+)$`)
const FRAME = /^#\t(0x[0-9a-f]+)\t+([^\t]+)\+(0x[0-9a-f]+)\t+([^\t]+):(\d+)$/
const WHOLE = String.raw`(?:\d+|none)`
const VALUES: Readonly<Record<string, RegExp>> = {
  Stack: new RegExp(`^${WHOLE} / ${WHOLE}$`),
  MSpan: new RegExp(`^${WHOLE} / ${WHOLE}$`),
  MCache: new RegExp(`^${WHOLE} / ${WHOLE}$`),
  PauseNs: /^\[\d+(?: \d+){255}\]$/,
  PauseEnd: /^\[\d+(?: \d+){255}\]$/,
  GCCPUFraction: /^\d(?:\.\d+)?(?:e-\d+)?$/,
  DebugGC: /^(?:true|false)$/,
}

export function parseHeapPage(text: string): HeapPage {
  const lines = text.split('\n')
  const take = (what: string, pattern: RegExp): RegExpExecArray => {
    const line = lines.shift() ?? ''
    const found = pattern.exec(line)
    if (found === null) throw new Error(`${what} expected: ${line}`)
    return found
  }
  const [, samples, bytes, allocations, allocated, rate] = take('header', HEADER)
  if (samples !== allocations || bytes !== allocated) throw new Error('the brackets must repeat what is in use')
  const records: HeapRecord[] = []
  while (lines[0] !== '') records.push(parseRecord(take))
  take('empty line', /^$/)
  take('heading', /^# runtime\.MemStats$/)
  const stats = new Map(STATS.map((name) => [name, take(name, new RegExp(`^# ${name} = (.*)$`))[1] ?? '']))
  for (const [name, value] of stats) {
    if (!(VALUES[name] ?? new RegExp(`^${WHOLE}$`)).test(value)) throw new Error(`${name} is no value of Go's: ${value}`)
  }
  const notes = lines.slice(0, -1).map((line) => /^(?:|# ?(.*))$/.exec(line)?.[1] ?? (line === '' ? '' : fail(line)))
  if (lines.at(-1) !== '') throw new Error('the last line must end')
  return { header: { samples: Number(samples), bytes: Number(bytes), rate: Number(rate) }, records, stats, notes }
}

function parseRecord(take: (what: string, pattern: RegExp) => RegExpExecArray): HeapRecord {
  const [, samples, bytes, , , list = ''] = take('record', RECORD)
  const addresses = list.trim().split(' ')
  const frames = addresses.map((expected) => {
    const [, address = '', name = '', offset = '', file = '', line] = take('frame', FRAME)
    if (address !== expected) throw new Error(`${address} stands where ${expected} should`)
    return { address, name, offset, file, line: Number(line) }
  })
  take('empty line', /^$/)
  return { samples: Number(samples), bytes: Number(bytes), addresses, frames }
}

function fail(line: string): never {
  throw new Error(`no comment: ${line}`)
}
