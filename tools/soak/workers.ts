/**
 * Workers of the command behind web servers, under load: what reloads and kills lose. How much they do: `npm run bench -- workers`.
 *
 *   npm run soak -- workers reloads [--times 20] [server…]
 *   npm run soak -- workers kills [--times 100]
 *
 * The exit status is 1 where a reload has lost a request.
 */
import { parseArgs } from 'node:util'
import { spread } from '../../bench/stats.js'
import { h2o } from '../../test/process/h2o.js'
import { Load } from '../../test/process/load.js'
import { servers } from '../../test/proxies/support/servers.js'
import { createWorkspace, type Workspace } from '../../test/proxies/support/workspace.js'
import { ANSWERING, Command, runCommand } from '../../test/workers/command.js'
import { reloadBehind } from '../../test/workers/reloads.js'

const { nginx, nginxMinimal, apache, apacheMinimal, lighttpd, caddy, haproxy } = servers
const all = [nginx, nginxMinimal, apache, apacheMinimal, lighttpd, caddy, haproxy, h2o]

export async function run(args: readonly string[]): Promise<void> {
  const { values, positionals: [what, ...names] } = parseArgs({
    args: [...args], options: { times: { type: 'string' } }, allowPositionals: true,
  })
  if (what === 'reloads') await reloads(Number(values.times ?? 20), names)
  else if (what === 'kills') await kills(Number(values.times ?? 100))
  else throw new Error('say what: reloads or kills')
}

async function reloads(times: number, names: readonly string[]): Promise<void> {
  console.log('| Web server | reloads | requests | of them POST | failed | a reload took, ms: median (most) |')
  console.log('|---|---|---|---|---|---|')
  for (const server of all) {
    if (!server.installed || (names.length > 0 && !names.includes(server.name))) continue
    const { requests, posts, failures, stops } = await reloadBehind(server, times)
    const { median, max } = spread(stops)
    console.log(`| ${[server.name, times, requests, posts, failures.length, `${median.toFixed(0)} (${String(max)})`].join(' | ')} |`)
    for (const failure of failures.slice(0, 10)) console.log(`  ${failure}`)
    if (failures.length > 0) process.exitCode = 1
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

async function kills(times: number): Promise<void> {
  await behindNginx(2, async (port, command, workspace) => {
    const load = new Load(port)
    for (let kill = 0; kill < times; kill++) {
      const ready = (await workersOf(workspace)).filter(({ state }) => state === 'ready')
      const victim = ready[Math.floor(Math.random() * ready.length)]
      if (victim === undefined) throw new Error('no worker to kill')
      process.kill(victim.pid, 'SIGKILL')
      await command.logged('worker ready', kill)
    }
    await load.end()
    const kinds = new Map<string, number>()
    for (const failure of load.failures) {
      const kind = /: (\d{3}|.{1,60})/.exec(failure)?.[1] ?? failure
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
    }
    console.log(`${String(times)} kills: ${String(load.failures.length)} of ${String(load.requests)} requests failed: ${JSON.stringify([...kinds])}`)
    console.log(`workers at the end: ${JSON.stringify((await workersOf(workspace)).map(({ worker, state }) => `${String(worker)} ${state}`))}`)
  })
}
