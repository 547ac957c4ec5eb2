/**
 * `npm run bench -- scrape`: how long a scrape of the memory endpoint takes of the process, and how many collections it
 * forces. Real request and response objects without a network; an app whose heap has something in it.
 */
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { memoryStats, type MemoryStats } from 'express-responder/memory'
import { quantile } from './stats.js'

const SCRAPES = 2000
const WARM_UP = 200
/** Records that the app holds. */
const HELD = 500_000
const PATHS = ['memstats', 'metrics', 'history'] as const

interface Summary { gc: { forced: number; major: number } }
type Scrape = (path: string) => Promise<{ milliseconds: number; body: string }>

function scraper(stats: MemoryStats): Scrape {
  return (path) => new Promise((resolve) => {
    const request = new IncomingMessage(new Socket())
    request.method = 'GET'
    request.url = `/${path}`
    const response = new ServerResponse(request)
    const start = performance.now()
    response.end = (body: unknown): ServerResponse => {
      resolve({ milliseconds: performance.now() - start, body: String(body) })
      return response
    }
    stats(request, response)
  })
}

async function collections(scrape: Scrape): Promise<Summary['gc']> {
  for (let turn = 0; turn < 4; turn++) await new Promise(setImmediate)
  return (JSON.parse((await scrape('memstats')).body) as Summary).gc
}

export async function run(): Promise<void> {
  const held = Array.from({ length: HELD }, (_, index) => ({ index, name: `record ${String(index)}` }))
  const stats = memoryStats({ authorize: () => true })
  const scrape = scraper(stats)
  process.stdout.write(`Node ${process.version}, ${String(SCRAPES)} scrapes each; ${String(Math.round(process.memoryUsage().heapUsed / 1e6))} MB of heap in use, ${String(held.length)} records\n`)
  for (const path of PATHS) {
    for (let count = 0; count < WARM_UP; count++) await scrape(path)
    const before = await collections(scrape)
    const times: number[] = []
    for (let count = 0; count < SCRAPES; count++) times.push((await scrape(path)).milliseconds)
    const after = await collections(scrape)
    const at = (share: number): string => quantile(times, share).toFixed(3)
    process.stdout.write(`${path}: median ${at(0.5)} ms, 99 % below ${at(0.99)} ms, most ${at(1)} ms; ${String(after.forced - before.forced)} collections forced, ${String(after.major - before.major)} major ones\n`)
  }
  stats.close()
}
