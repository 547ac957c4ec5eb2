/**
 * Workers of the command behind web servers, under load: what reloads, kills and stops lose, how much more two do than one, what one
 * that joins later gets, how large one that leaks gets, how long a stuck one stays.
 *
 *   npm run soak -- workers reloads [--times 20] [--light] [server…]     each also with the usual closing, as a control
 *   npm run soak -- workers kills [--times 100]
 *   npm run soak -- workers stops [--times 20]
 *   npm run soak -- workers leak [--times 4]
 *   npm run soak -- workers stuck [--times 10]
 *   npm run soak -- workers hosts [--times 10]
 *   npm run soak -- workers scaling [--seconds 8]
 *
 * The exit status is 1 where a request was lost that should not, a figure is over its target, or the control behind nginx or HAProxy has
 * lost none.
 */
import { Agent, get } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { spread } from '../../bench/stats.js'
import { h2o } from '../../test/process/h2o.js'
import { servers } from '../../test/proxies/support/servers.js'
import { createWorkspace, type Workspace } from '../../test/proxies/support/workspace.js'
import { ANSWERING, Command, runCommand } from '../../test/workers/command.js'
import { USUAL_CLOSING, reloadBehind } from '../../test/workers/reloads.js'
import { hosts, kills, leak, stops, stuck } from './workers-failures.js'

const { nginx, nginxMinimal, apache, apacheMinimal, lighttpd, caddy, haproxy } = servers
const all = [nginx, nginxMinimal, apache, apacheMinimal, lighttpd, caddy, haproxy, h2o]
/** Behind these the usual closing is known to lose requests: a load that loses none with it shows nothing. */
const CONTROLS = new Set([nginx, haproxy])
/** Clients of the closed loop. */
const CLIENTS = 16
/** How long a load runs before it counts, in ms. */
const WARM_UP = 5000

export async function run(args: readonly string[]): Promise<void> {
  const { values, positionals: [what, ...names] } = parseArgs({
    args: [...args], options: { times: { type: 'string' }, seconds: { type: 'string', default: '8' }, light: { type: 'boolean', default: false } }, allowPositionals: true,
  })
  if (what === 'reloads') await reloads(Number(values.times ?? 20), names, values.light)
  else if (what === 'kills') await kills(Number(values.times ?? 100))
  else if (what === 'stops') await stops(Number(values.times ?? 20))
  else if (what === 'leak') await leak(Number(values.times ?? 4))
  else if (what === 'stuck') await stuck(Number(values.times ?? 10))
  else if (what === 'hosts') await hosts(Number(values.times ?? 10))
  else if (what === 'scaling') await scaling(Number(values.seconds) * 1000)
  else throw new Error('say what: reloads, kills, stops, leak, stuck, hosts or scaling')
}

async function reloads(times: number, names: readonly string[], light: boolean): Promise<void> {
  console.log('| Web server | reloads | requests | of them POST | failed | a reload took, ms: median (most) | failed with the usual closing |')
  console.log('|---|---|---|---|---|---|---|')
  for (const server of all) {
    if (!server.installed || (names.length > 0 && !names.includes(server.name))) continue
    const { requests, posts, failures, stops } = await reloadBehind(server, times, { light })
    const { median, max } = spread(stops)
    const control = await reloadBehind(server, times, { light, options: USUAL_CLOSING })
    const lost = `${String(control.failures.length)} of ${String(control.requests)}`
    console.log(`| ${[server.name, times, requests, posts, failures.length, `${median.toFixed(0)} (${String(max)})`, lost].join(' | ')} |`)
    for (const failure of failures.slice(0, 10)) console.log(`  ${failure}`)
    if (failures.length > 0 || (CONTROLS.has(server) && control.failures.length === 0)) process.exitCode = 1
  }
}

/** Runs `work` with the command behind nginx. */
async function behindNginx(workers: number, work: (port: number, command: Command, workspace: Workspace) => Promise<void>): Promise<void> {
  const workspace = await createWorkspace()
  const command = new Command([ANSWERING, '--socket', workspace.socket, '--mode', '0666', '--workers', String(workers)])
  try {
    await command.logged('listening')
    const front = await nginx.start(workspace)
    try {
      await work(front.port, command, workspace)
    } finally {
      await front.stop()
    }
  } finally {
    await command.kill()
    await workspace.remove()
  }
}

interface Shown {
  readonly worker: number
  readonly pid: number
  readonly state: string
}

async function workersOf(workspace: Workspace): Promise<Shown[]> {
  const { stdout } = await runCommand(['status', '--json', '--socket', workspace.socket])
  return (JSON.parse(stdout) as { workers: Shown[] }).workers
}

interface Measured {
  readonly perSecond: number
  readonly p99: number
  /** Requests by process. */
  readonly shares: readonly number[]
}

/** A closed loop of clients, each with a connection of its own to the web server. */
async function measure(port: number, path: string, time: number): Promise<Measured> {
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS })
  const counts = new Map<string, number>()
  const times: number[] = []
  const begin = performance.now() + WARM_UP
  const end = begin + time
  const client = async (): Promise<void> => {
    while (performance.now() < end) {
      const sent = performance.now()
      const process = await new Promise<string>((resolve, reject) => {
        get({ host: '127.0.0.1', port, path, agent, headers: { Host: 'app.example.com' } }, (response) => {
          response.resume().on('end', () => {
            resolve(String(response.headers['x-process']))
          })
        }).on('error', reject)
      })
      if (sent < begin) continue
      counts.set(process, (counts.get(process) ?? 0) + 1)
      times.push(performance.now() - sent)
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, client))
  agent.destroy()
  times.sort((one, other) => one - other)
  return { perSecond: times.length / time * 1000, p99: times[Math.floor(times.length * 0.99)] ?? NaN, shares: [...counts.values()] }
}

async function scaling(time: number): Promise<void> {
  for (const path of ['/work?10', '/work?2']) {
    const rates: number[] = []
    for (const workers of [1, 2]) {
      await behindNginx(workers, async (port) => {
        const { perSecond, p99, shares } = await measure(port, path, time)
        rates.push(perSecond)
        console.log(`${path}: ${String(workers)} workers: ${perSecond.toFixed(0)} a second, p99 ${p99.toFixed(0)} ms, by process ${shares.join(' : ')}`)
      })
    }
    console.log(`${path}: × ${((rates[1] ?? NaN) / (rates[0] ?? NaN)).toFixed(2)}`)
  }
  await behindNginx(2, async (port, command, workspace) => {
    const [, late] = await workersOf(workspace)
    if (late === undefined) throw new Error('no second worker')
    const before = measure(port, '/work?2', 2000)
    await delay(1000)
    process.kill(late.pid, 'SIGKILL')
    await command.logged('worker ready')
    await before
    const { perSecond, p99, shares } = await measure(port, '/work?2', 10_000)
    console.log(`a worker that joins: ${perSecond.toFixed(0)} a second, p99 ${p99.toFixed(0)} ms, by process ${shares.join(' : ')}`)
  })
}
