/**
 * Restarts the app by `replace` behind every web server, under load, and prints what was lost.
 *
 *   npm run soak -- restarts [--times 10] [server…]
 *
 * The exit status is 1 where a request failed.
 */
import { parseArgs } from 'node:util'
import { spread } from '../../bench/stats.js'
import { h2o } from '../../test/process/h2o.js'
import { restartBehind } from '../../test/process/restarts.js'
import { servers } from '../../test/proxies/support/servers.js'

const { nginx, nginxMinimal, apache, apacheMinimal, lighttpd, caddy, haproxy } = servers
const all = [nginx, nginxMinimal, apache, apacheMinimal, lighttpd, caddy, haproxy, h2o]

export async function run(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args: [...args], options: { times: { type: 'string', default: '10' } }, allowPositionals: true })
  const times = Number(values.times)
  if (!Number.isInteger(times) || times < 1) throw new Error('--times: give a whole number of at least 1')

  console.log('| Web server | restarts | requests | of them POST | failed | old process ended after, ms: median (most) |')
  console.log('|---|---|---|---|---|---|')
  let failed = 0
  for (const server of all) {
    if (positionals.length > 0 && !positionals.includes(server.name)) continue
    if (!server.installed) {
      console.log(`| ${server.name} | not installed: apt-get install ${server.package} | | | | |`)
      continue
    }
    const { requests, posts, failures, processes, stops } = await restartBehind(server, times)
    const { median, max } = spread(stops)
    const time = `${median.toFixed(0)} (${String(max)})`
    console.log(`| ${[server.name, processes - 1, requests, posts, failures.length, time].join(' | ')} |`)
    for (const failure of failures.slice(0, 10)) console.log(`  ${failure}`)
    failed += failures.length
  }
  if (failed > 0) process.exitCode = 1
}
