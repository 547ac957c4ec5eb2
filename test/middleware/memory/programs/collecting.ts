/**
 * An app with the endpoint whose requests make garbage: answers some for itself, forces some collections, and prints what
 * the endpoint has counted, once all of it has been delivered, and what it had counted when V8 began to print lines of its own.
 */
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import express from 'express'
import { memoryStats } from '../../../../middleware/memory.js'
import { ProcessMonitor } from '../../../../middleware/memory/process-monitor.js'

const REQUESTS = 300
const stats = memoryStats({ authorize: () => true, gc: true })
const kept: unknown[] = []
const app = express().use('/debug', stats).use((_request, response) => {
  const rows = Array.from({ length: 2000 }, (_, index) => ({ index, text: [`row ${String(index)}`] }))
  kept.push(rows)
  if (kept.length > 40) kept.shift()
  response.json({ count: rows.length })
})
const server = http.createServer(app).listen(0, '127.0.0.1')
await once(server, 'listening')
const address = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`

const { gc } = ProcessMonitor.acquire()
await delivered()
const before = gc.summary()
// As on the command line, but not before there is anybody to count.
setFlagsFromString('--trace-gc')
for (let count = 0; count < REQUESTS; count++) {
  await (await fetch(address)).text()
  if (count % 100 === 50) await (await fetch(`${address}/debug/gc`, { method: 'POST' })).text()
}
await delivered()
process.stdout.write(`\ncounted ${JSON.stringify({ before, after: gc.summary() })}\n`, () => { process.exit(0) })

/** What is on its way to the log comes within some turns, in which nothing is allocated that would be worth a collection. */
async function delivered(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise(setImmediate)
}
