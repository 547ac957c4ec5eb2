/**
 * `npm run bench:overload`: real servers, real nginx, clients that come at random times and leave after a second.
 * The capacity is measured before and after every wave, with no limiter: what the machine has left changes all the time.
 */
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { stop, type Running } from '../launch.js'
import { startNginx } from '../nginx.js'
import { serverKind } from '../roster.js'
import type { Seen, Wave } from './clients.js'
import { LIMITERS, type LimiterName } from './limiters.js'
import { runSituations } from './situations/run.js'

interface Setting {
  name: string
  protocol: 'http' | 'fastcgi'
  behindNginx: boolean
  newConnections: number
}

const SETTINGS: readonly Setting[] = [
  { name: 'HTTP, kept connections', protocol: 'http', behindNginx: false, newConnections: 0 },
  { name: 'HTTP, new connections', protocol: 'http', behindNginx: false, newConnections: 1 },
  { name: 'HTTP, partly new and partly kept', protocol: 'http', behindNginx: false, newConnections: 0.5 },
  { name: 'HTTP behind nginx, kept', protocol: 'http', behindNginx: true, newConnections: 0 },
  { name: 'FastCGI behind nginx, kept', protocol: 'fastcgi', behindNginx: true, newConnections: 0 },
]

const USAGE = `npm run bench:overload -- [--times 5] [--seconds 24] [--rounds 3] [--settings 1,3,5] [--limiters none,concurrencyLimit]
npm run bench:overload -- situations: what is refused below saturation (--help)

Settings: ${SETTINGS.map(({ name }, index) => `${String(index + 1)} ${name}`).join('; ')}.`
const CAPACITY_SECONDS = 2
const CAPACITY_CLIENTS = 8
/** Clients that have left are still being answered for a while, without a limiter. */
const REST = 1500

interface Options {
  times: number
  seconds: number
  rounds: number
  settings: readonly Setting[]
  limiters: readonly LimiterName[]
}

function parse(args: readonly string[]): Options {
  const given = new Map<string, string>()
  for (let index = 0; index < args.length; index += 2) given.set(args[index] ?? '', args[index + 1] ?? '')
  const chosen = given.get('--settings')?.split(',').map(Number)
  const limiters = given.get('--limiters')?.split(',')
  return {
    times: Number(given.get('--times') ?? 5),
    seconds: Number(given.get('--seconds') ?? 24),
    rounds: Number(given.get('--rounds') ?? 3),
    settings: SETTINGS.filter((_setting, index) => chosen?.includes(index + 1) ?? true),
    limiters: LIMITERS.filter((name) => limiters?.includes(name) ?? true),
  }
}

class Bench {
  readonly #options: Options
  readonly #directory: string
  readonly #clients = fork(fileURLToPath(new URL('clients.js', import.meta.url)))

  constructor(options: Options, directory: string) {
    this.#options = options
    this.#directory = directory
  }

  async run(): Promise<void> {
    try {
      for (const setting of this.#options.settings) await this.#measure(setting)
    } finally {
      this.#clients.disconnect()
      this.#clients.kill()
    }
  }

  async #measure(setting: Setting): Promise<void> {
    const servers = new Map<LimiterName, Running>()
    const stops: (() => Promise<void>)[] = []
    try {
      // Without a limiter the capacity is measured.
      for (const name of new Set<LimiterName>(['none', ...this.#options.limiters])) {
        const server = await this.#start(setting, name)
        servers.set(name, server)
        stops.unshift(() => server.stop())
      }
      const nginx = setting.behindNginx ? await startNginx(this.#directory, [...servers.values()]) : undefined
      if (nginx !== undefined) stops.unshift(() => nginx.stop())
      const front = (name: LimiterName): Wave['address'] => {
        const server = servers.get(name)
        if (server === undefined) throw new Error(`${name} does not run`)
        return nginx?.front(server) ?? server.address
      }
      const rounds = new Map<LimiterName, Round[]>(LIMITERS.map((name) => [name, []]))
      for (let round = 0; round < this.#options.rounds; round += 1) {
        for (const name of this.#options.limiters) rounds.get(name)?.push(await this.#round(setting, front(name), front('none')))
      }
      report(setting, this.#options, rounds)
    } finally {
      for (const end of stops) await end()
    }
  }

  async #round(setting: Setting, address: Wave['address'], plain: Wave['address']): Promise<Round> {
    const before = await this.#capacity(setting, plain)
    const rate = before * this.#options.times
    const seen = await this.#wave({ ...setting, address, rate, clients: 0, seconds: this.#options.seconds })
    await delay(REST)
    const after = await this.#capacity(setting, plain)
    return { seen, capacity: (before + after) / 2 }
  }

  async #capacity(setting: Setting, address: Wave['address']): Promise<number> {
    const seen = await this.#wave({ ...setting, address, rate: 0, clients: CAPACITY_CLIENTS, seconds: CAPACITY_SECONDS })
    return seen.answered.length / (CAPACITY_SECONDS * COUNTED)
  }

  async #wave({ address, seconds, rate, clients, newConnections }: Wave): Promise<Seen> {
    this.#clients.send({ address, seconds, rate, clients, newConnections } satisfies Wave)
    const [seen] = (await once(this.#clients, 'message')) as [Seen]
    return seen
  }

  async #start(setting: Setting, name: LimiterName): Promise<Running> {
    const socket = path.join(this.#directory, `${setting.protocol}-${name}-${String(setting.newConnections)}.sock`)
    await rm(socket, { force: true })
    const program = fileURLToPath(new URL('server.js', import.meta.url))
    const child = spawn(process.execPath, [program, socket, setting.protocol, name], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    const running: Running = {
      name: setting.protocol === 'http' ? 'express-http' : 'express-fastcgi',
      kind: serverKind(setting.protocol === 'http' ? 'express-http' : 'express-fastcgi'),
      address: { path: socket },
      pid: child.pid ?? 0,
      memory: () => Promise.reject(new Error('not measured here')),
      stop: () => stop(child),
    }
    await delay(REST)
    return running
  }
}

interface Round {
  seen: Seen
  capacity: number
}

/** The share of a wave that counts; see `clients.ts`. */
const COUNTED = 0.75

function report(setting: Setting, { times, seconds }: Options, rounds: ReadonlyMap<LimiterName, readonly Round[]>): void {
  const lines = [`\n${setting.name}, ${String(times)}×`, '', '| | goodput, % of capacity | p50 | p99 | p99 of rejections | capacity | generator busy |', '|---|---|---|---|---|---|---|']
  for (const [name, of] of rounds) {
    const goodput = of.map(({ seen, capacity }) => (100 * seen.answered.length) / (seconds * COUNTED) / capacity)
    const cells = [
      spread(goodput),
      spread(of.map(({ seen }) => percentile(seen.answered, 0.5))),
      spread(of.map(({ seen }) => percentile(seen.answered, 0.99))),
      spread(of.map(({ seen }) => percentile(seen.rejected, 0.99))),
      spread(of.map(({ capacity }) => capacity)),
      spread(of.map(({ seen }) => 100 * seen.busy)),
    ]
    lines.push(`| ${name} | ${cells.join(' | ')} |`)
  }
  process.stdout.write(`${lines.join('\n')}\n`)
}

/** The median, with least and most. */
function spread(values: readonly number[]): string {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b)
  const show = (value: number | undefined): string => (value === undefined ? '–' : value.toFixed(0))
  return sorted.length === 0 ? '–' : `${show(sorted[sorted.length >> 1])} (${show(sorted[0])}–${show(sorted.at(-1))})`
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
}

const args = process.argv.slice(2)
if (args[0] === 'situations') {
  await runSituations(args.slice(1))
} else if (args.includes('--help')) {
  process.stdout.write(`${USAGE}\n`)
} else {
  const directory = await mkdtemp(path.join(tmpdir(), 'overload-'))
  try {
    await new Bench(parse(args), directory).run()
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
