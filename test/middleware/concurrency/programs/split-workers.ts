/**
 * Worker processes of node:cluster behind one port, which share a cap. argv: the cap, how many workers, how many requests.
 * Every handler tells the primary process that it runs and that it is over, and ends when that says so: first once all
 * that may run do, then at once. To the parent: how many were answered, and the most that ran at once.
 */
import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { concurrencyLimit } from '../../../../middleware/concurrency.js'

export interface Report {
  answered: number
  most: number
}

const [limit = 0, workers = 0, requests = 0] = process.argv.slice(2).map(Number)

if (cluster.isPrimary) await lead()
else work()

function work(): void {
  const running: http.ServerResponse[] = []
  const cap = concurrencyLimit({ limit, split: 'environment', queue: { max: requests, timeout: 600_000 } })
  const server = http.createServer((request, response) => {
    cap(request, response, () => {
      running.push(response)
      process.send?.('runs')
      response.on('finish', () => { process.send?.('over') })
    })
  })
  process.on('message', () => running.shift()?.end())
  server.listen(0, '127.0.0.1')
}

async function lead(): Promise<void> {
  const held: Worker[] = []
  let [running, most, filled] = [0, 0, false]
  const started = Array.from({ length: workers }, (_, worker) => cluster.fork({ EXPRESS_RESPONDER_WORKERS: workers, EXPRESS_RESPONDER_WORKER: worker }))
  for (const worker of started) {
    worker.on('message', (news: 'runs' | 'over') => {
      running += news === 'runs' ? 1 : -1
      most = Math.max(most, running)
      if (news === 'runs') held.push(worker)
      filled ||= running >= limit
      while (filled && held.length > 0) held.shift()?.send('end')
    })
  }
  const addresses = await Promise.all(started.map(async (worker) => (await once(worker, 'listening') as [AddressInfo])[0]))
  const port = addresses[0]?.port ?? 0
  const answers = await Promise.all(Array.from({ length: requests }, () => get(port)))
  process.send?.({ answered: answers.filter((status) => status === 200).length, most } satisfies Report)
  for (const worker of started) worker.kill()
  process.disconnect()
}

async function get(port: number): Promise<number | undefined> {
  const [response] = await once(http.get({ port, host: '127.0.0.1', agent: false }), 'response') as [http.IncomingMessage]
  response.resume()
  await once(response, 'end')
  return response.statusCode
}
