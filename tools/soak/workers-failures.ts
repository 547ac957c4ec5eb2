/**
 * What fails when workers and hosts are killed or stopped under load, and why; how large a worker that leaks gets, and how long a stuck
 * one stays. Part of `npm run soak -- workers`.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { spread } from '../../bench/stats.js'
import { Load } from '../../test/process/load.js'
import { servers } from '../../test/proxies/support/servers.js'
import { createWorkspace } from '../../test/proxies/support/workspace.js'
import { explain, type FailureKinds } from '../../test/workers/arrivals.js'
import { ANSWERING, Command, runCommand } from '../../test/workers/command.js'
import { Hosts, type Balancer } from '../../test/workers/hosts.js'
import { leakBehindNginx } from '../../test/workers/leak.js'
import { underLoad } from '../../test/workers/under-load.js'

const MEGABYTE = 1024 ** 2
/** The limit of workers that leak. */
const MAX_RSS = 150 * MEGABYTE
/** How long the load goes on before anything happens, in ms. */
const SETTLING = 500

interface Running {
  readonly command: Command
  readonly load: Load
  readonly socket: string
  /** Why its requests have failed. */
  readonly explained: (killed: ReadonlySet<number>, moments: readonly (readonly [number, number])[]) => FailureKinds
}

async function killingUnderLoad(work: (running: Running) => Promise<void>): Promise<void> {
  const arrivals = (directory: string): string => join(directory, 'arrivals')
  await underLoad({
    server: servers.nginx,
    args: [ANSWERING, '--workers', '2'],
    environment: ({ directory }) => ({ ARRIVALS: arrivals(directory) }),
    load: { hasIds: true },
  }, async ({ workspace, command, front, load }) => {
    await delay(SETTLING)
    const explained: Running['explained'] = (killed, moments) =>
      explain(load.failed.keys(), arrivals(workspace.directory), killed, front.logs(), (id) => load.wasOpen(id, moments))
    await work({ command, load, socket: workspace.socket, explained })
  })
}

function counts({ inFlight, onTheirWay, refused, unexplained }: FailureKinds): string {
  return `${String(inFlight.length)} in flight, ${String(onTheirWay.length)} on their way, ${String(refused.length)} refused, ${String(unexplained.length)} unexplained`
}

/** Kills workers at random. The exit status is 1 where a request failed that was not in flight on one of them. */
export async function kills(times: number): Promise<void> {
  await killingUnderLoad(async ({ command, load, socket, explained }) => {
    const workers = async (): Promise<{ worker: number, pid: number, state: string }[]> => {
      const { stdout } = await runCommand(['status', '--json', '--socket', socket])
      return (JSON.parse(stdout) as { workers: { worker: number, pid: number, state: string }[] }).workers
    }
    const killed = new Set<number>()
    const moments: [number, number][] = []
    for (let kill = 0; kill < times; kill++) {
      const ready = (await workers()).filter(({ state }) => state === 'ready')
      const victim = ready[Math.floor(Math.random() * ready.length)]
      if (victim === undefined) throw new Error('no worker to kill')
      const begin = performance.now()
      process.kill(victim.pid, 'SIGKILL')
      killed.add(victim.pid)
      await command.logged('worker died', kill)
      moments.push([begin, performance.now()])
      await command.logged('worker ready', kill)
    }
    await load.end()
    const kinds = explained(killed, moments)
    console.log(`${String(times)} kills: ${String(load.failures.length)} of ${String(load.requests)} requests failed: ${counts(kinds)}`)
    console.log(`workers at the end: ${JSON.stringify((await workers()).map(({ worker, state }) => `${String(worker)} ${state}`))}`)
    for (const id of kinds.unexplained) console.log(`  ${load.failed.get(id) ?? ''}`)
    if (kinds.refused.length + kinds.unexplained.length > 0) process.exitCode = 1
  })
}

/** Stops the whole while clients go on. The exit status is 1 where a request failed for which nginx had a connection. */
export async function stops(times: number): Promise<void> {
  let requests = 0
  let refused = 0
  for (let stop = 0; stop < times; stop++) {
    await killingUnderLoad(async ({ command, load, socket, explained }) => {
      const { code } = await command.stop()
      const isGone = !existsSync(socket)
      await load.end()
      const kinds = explained(new Set(), [])
      requests += load.requests
      refused += kinds.refused.length
      if (code === 0 && isGone && kinds.refused.length === load.failures.length) return
      console.log(`exit status ${String(code)}, socket ${isGone ? 'gone' : 'there'}: ${counts(kinds)}`)
      process.exitCode = 1
    })
  }
  console.log(`${String(times)} stops: ${String(requests)} requests; ${String(refused)} came when the socket was gone; of all others ${process.exitCode === 1 ? 'some' : '0'} failed`)
}

/** Lets workers leak 50 MB a minute. */
export async function leak(recycles: number): Promise<void> {
  const { requests, failures, peaks } = await leakBehindNginx({ workers: 2, megabytesPerMinute: 50, limit: MAX_RSS, recycles, pause: 50 })
  const { median, max } = spread(peaks.map((peak) => peak / MAX_RSS))
  console.log(`50 MB a minute: ${String(peaks.length)} workers replaced, the largest had × ${max.toFixed(3)} of max-rss (median ${median.toFixed(3)}); ` +
    `${String(failures.length)} of ${String(requests)} requests failed`)
  if (failures.length > 0 || max > 1.1) process.exitCode = 1
}

/** How long after `stuck-timeout` a stuck worker has been replaced by one that accepts. */
export async function stuck(times: number): Promise<void> {
  for (const seconds of [1, 5]) {
    for (const path of ['/stuck', '/stuck-native']) {
      const late: number[] = []
      const workspace = await createWorkspace()
      const command = new Command([ANSWERING, '--socket', workspace.socket, '--mode', '0666', '--stuck-timeout', `${String(seconds)}s`, '--emergency-restart', '1000'])
      try {
        await command.logged('listening')
        const front = await servers.nginx.start(workspace)
        const ask = (url: string, method = 'GET'): Promise<number> => fetch(`${front.origin}${url}`, { method, headers: { Host: 'app.example.com' } }).then(({ status }) => status, () => 0)
        for (let time = 0; time < times; time++) {
          await ask('/')
          const begin = performance.now()
          // nginx tries a GET again, and the next worker would be stuck, too.
          void ask(path, 'POST')
          await delay(100)
          // It comes while the only worker is stuck, and is answered by the one that takes its place.
          if (await ask('/') !== 200) throw new Error('not answered')
          late.push(performance.now() - begin - seconds * 1000)
        }
        await front.stop()
      } finally {
        await command.kill()
        await workspace.remove()
      }
      const { median, min, max } = spread(late)
      console.log(`stuck-timeout ${String(seconds)} s, ${path === '/stuck' ? 'JavaScript' : 'native code'}: a client that waits is answered ` +
        `${median.toFixed(0)} ms (${min.toFixed(0)} to ${max.toFixed(0)}) after it, ${String(times)} times`)
      if (max > 1000) process.exitCode = 1
    }
  }
}

/** Takes one of two hosts away, by a stop and by a kill. */
export async function hosts(times: number): Promise<void> {
  for (const balancer of ['haproxy', 'nginx'] as const) {
    for (const way of ['drained', 'killed'] as const) await takeAway(balancer, way, times)
  }
}

async function takeAway(balancer: Balancer, way: 'drained' | 'killed', times: number): Promise<void> {
  const running = await Hosts.start(balancer, '--drain-delay', '5s', '--workers', '2')
  const load = new Load(running.front.port, '/', { hasIds: true })
  const killed = new Set<number>()
  const moments: (readonly [number, number])[] = []
  try {
    await delay(SETTLING)
    for (let time = 0; time < times; time++) {
      const host = running.both[time % 2 === 0 ? 0 : 1]
      for (const pid of host.workers) if (way === 'killed') killed.add(pid)
      const begin = performance.now()
      if (way === 'killed') await host.running.killAll()
      else await host.running.stop()
      moments.push([begin, performance.now()])
      await delay(SETTLING)
      await host.start()
      await delay(3000)
    }
    await load.end()
    const kinds = explain(load.failed.keys(), running.arrivals, killed, running.front.logs(), (id) => load.wasOpen(id, moments))
    console.log(`${balancer}, a host ${way} ${String(times)} times: ${String(load.failures.length)} of ${String(load.requests)} requests failed: ${counts(kinds)}; ` +
      `at most ${String(running.mostAtOnce(killed))} ran at a time`)
    for (const id of [...kinds.refused, ...kinds.unexplained]) console.log(`  ${load.failed.get(id) ?? ''}`)
    if (way === 'drained' ? load.failures.length > 0 : kinds.refused.length + kinds.unexplained.length > 0) process.exitCode = 1
  } finally {
    await load.end()
    await running.stop()
  }
}
