/**
 * Workers of the command behind web servers, under load: what reloads, kills and stops lose, how large one that leaks gets, how long a
 * stuck one stays. How much they do: `npm run bench -- workers`.
 *
 *   npm run soak -- workers reloads [--times 20] [--light] [server…]     each also with the usual closing, as a control
 *   npm run soak -- workers kills [--times 100]
 *   npm run soak -- workers stops [--times 20]
 *   npm run soak -- workers leak [--times 4]
 *   npm run soak -- workers stuck [--times 10]
 *   npm run soak -- workers hosts [--times 10]
 *
 * The exit status is 1 where a request was lost that should not, a figure is over its target, or the control behind nginx or HAProxy has
 * lost none.
 */
import { parseArgs } from 'node:util'
import { spread } from '../../bench/stats.js'
import { h2o } from '../../test/process/h2o.js'
import { servers } from '../../test/proxies/support/servers.js'
import { USUAL_CLOSING, reloadBehind } from '../../test/workers/reloads.js'
import { hosts, kills, leak, stops, stuck } from './workers-failures.js'

const { nginx, nginxMinimal, apache, apacheMinimal, lighttpd, caddy, haproxy } = servers
const all = [nginx, nginxMinimal, apache, apacheMinimal, lighttpd, caddy, haproxy, h2o]
/** Behind these the usual closing is known to lose requests: a load that loses none with it shows nothing. */
const CONTROLS = new Set([nginx, haproxy])

export async function run(args: readonly string[]): Promise<void> {
  const { values, positionals: [what, ...names] } = parseArgs({
    args: [...args], options: { times: { type: 'string' }, light: { type: 'boolean', default: false } }, allowPositionals: true,
  })
  if (what === 'reloads') await reloads(Number(values.times ?? 20), names, values.light)
  else if (what === 'kills') await kills(Number(values.times ?? 100))
  else if (what === 'stops') await stops(Number(values.times ?? 20))
  else if (what === 'leak') await leak(Number(values.times ?? 4))
  else if (what === 'stuck') await stuck(Number(values.times ?? 10))
  else if (what === 'hosts') await hosts(Number(values.times ?? 10))
  else throw new Error('say what: reloads, kills, stops, leak, stuck or hosts')
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
