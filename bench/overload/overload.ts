/**
 * `npm run bench -- overload`: real servers, real nginx, clients that come at random times and leave after a second.
 * The capacity is measured before and after every wave, with no limiter: what the machine has left changes all the time.
 */
import { fork, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { stop, type Running } from '../launch.js'
import { nextMessage } from '../messages.js'
import { startNginx } from '../nginx.js'
import { serverKind } from '../roster.js'
import { quantile, spread } from '../stats.js'
import type { Seen, Wave } from './clients.js'
import { LIMITERS, type LimiterName } from './limiters.js'

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

const USAGE = `npm run bench -- overload [--times 5] [--seconds 24] [--rounds 3] [--settings 1,3,5] [--limiters none,concurrencyLimit]

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
    return await nextMessage(this.#clients) as Seen
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
      shown(goodput),
      shown(of.map(({ seen }) => quantile(seen.answered, 0.5))),
      shown(of.map(({ seen }) => quantile(seen.answered, 0.99))),
      shown(of.map(({ seen }) => quantile(seen.rejected, 0.99))),
      shown(of.map(({ capacity }) => capacity)),
      shown(of.map(({ seen }) => 100 * seen.busy)),
    ]
    lines.push(`| ${name} | ${cells.join(' | ')} |`)
  }
  process.stdout.write(`${lines.join('\n')}\n`)
}

/** The median, with least and most, of what was measured. */
function shown(values: readonly number[]): string {
  const known = values.filter((value) => !Number.isNaN(value))
  if (known.length === 0) return '–'
  const { median, min, max } = spread(known)
  return `${median.toFixed(0)} (${min.toFixed(0)}–${max.toFixed(0)})`
}

export async function run(args: readonly string[]): Promise<void> {
  if (args.includes('--help')) {
    process.stdout.write(`${USAGE}\n`)
    return
  }
  const directory = await mkdtemp(path.join(tmpdir(), 'overload-'))
  try {
    await new Bench(parse(args), directory).run()
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
