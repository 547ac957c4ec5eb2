/**
 * Reads OpenMetrics 1.0 strictly, by the grammar and the rules of the specification: what it refuses, a scraper may refuse. Only the kinds that
 * this package writes.
 */

export interface Sample {
  name: string
  labels: Record<string, string>
  value: number
}

export interface Family {
  type: string
  help: string | undefined
  unit: string | undefined
  samples: Sample[]
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/g

export function readOpenMetrics(text: string): Map<string, Family> {
  if (!text.endsWith('\n# EOF\n')) throw new Error('does not end with # EOF and a line feed')
  const families = new Map<string, Family>()
  const seen = new Set<string>()
  let current: [name: string, family: Family] | undefined
  for (const line of text.slice(0, -'# EOF\n'.length).split('\n').slice(0, -1)) {
    const descriptor = /^# (TYPE|HELP|UNIT) (\S+) (.*)$/.exec(line)
    if (descriptor === null) {
      readSample(line, current ?? ['', newFamily()], seen)
      continue
    }
    const [, kind = '', name = '', value = ''] = descriptor
    if (current?.[0] !== name) {
      if (families.has(name)) throw new Error(`the lines of ${name} do not stand together`)
      current = [name, newFamily()]
      families.set(...current)
    }
    describeFamily(current, kind, value)
  }
  return families
}

function newFamily(): Family {
  return { type: 'unknown', help: undefined, unit: undefined, samples: [] }
}

function describeFamily([name, family]: [string, Family], kind: string, value: string): void {
  if (family.samples.length > 0) throw new Error(`${kind} of ${name} comes after its samples`)
  if (kind === 'UNIT' && !name.endsWith(`_${value}`)) throw new Error(`the name of ${name} does not end with its unit`)
  if (kind === 'TYPE') family.type = value
  else if (kind === 'UNIT') family.unit = value
  else family.help = value
}

function readSample(line: string, [family, { type, samples }]: [string, Family], seen: Set<string>): void {
  const [, name = '', labelText = '', value = ''] = SAMPLE.exec(line) ?? []
  if (name === '') throw new Error(`not a line of OpenMetrics: ${line}`)
  if (name !== (type === 'counter' ? `${family}_total` : family)) throw new Error(`${name} is no sample of the ${type} ${family}`)
  const labels = Object.fromEntries([...labelText.matchAll(LABEL)].map(([, label = '', given = '']) => [label, given.replace(/\\(.)/g, (_, letter) => letter === 'n' ? '\n' : String(letter))]))
  const series = `${name} ${JSON.stringify(Object.entries(labels).sort())}`
  if (seen.has(series)) throw new Error(`twice: ${series}`)
  seen.add(series)
  if (type === 'counter' && !(Number(value) >= 0)) throw new Error(`a counter below 0: ${line}`)
  samples.push({ name, labels, value: Number(value) })
}
