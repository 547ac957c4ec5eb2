/**
 * Restarts the app by `replace` behind every web server, under load, and prints what was lost.
 *
 * Usage: node dist/test/process/run-restarts.js [--times 10] [server…]; ends with status 1 where a request failed.
 */
import { parseArgs } from 'node:util'
import { h2o } from './h2o.js'
import { restartBehind } from './restarts.js'
import { servers } from '../proxies/support/servers.js'

const { nginx, nginxMinimal, apache, apacheMinimal, lighttpd, caddy, haproxy } = servers
const all = [nginx, nginxMinimal, apache, apacheMinimal, lighttpd, caddy, haproxy, h2o]

const { values, positionals } = parseArgs({ options: { times: { type: 'string', default: '10' } }, allowPositionals: true })
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
  const sorted = stops.toSorted((one, other) => one - other)
  const time = `${String(sorted[Math.floor(sorted.length / 2)])} (${String(sorted.at(-1))})`
  console.log(`| ${[server.name, processes - 1, requests, posts, failures.length, time].join(' | ')} |`)
  for (const failure of failures.slice(0, 10)) console.log(`  ${failure}`)
  failed += failures.length
}
process.exitCode = failed === 0 ? 0 : 1
