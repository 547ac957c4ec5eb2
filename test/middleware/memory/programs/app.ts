/**
 * An Express app with the memory endpoint on /debug/pprof, as a process of its own: one that may stand still. Everybody may
 * ask. Its argument is the endpoint's other options, as JSON. Sends its port when it listens.
 *
 * GET /catalogue loads entries that stay, 150,000 (some 40 MB) or as many as `?entries=` says; each GET /remember leaks some
 * 300 KB.
 */
import type { AddressInfo } from 'node:net'
import express from 'express'
import { memoryStats, type MemoryStatsOptions } from '../../../../middleware/memory.js'

class CatalogueEntry {
  readonly title: string
  readonly numbers: number[]

  constructor(index: number) {
    this.title = `entry ${String(index)}`
    this.numbers = Array.from({ length: 10 }, (_, position) => index + position / 2)
  }
}

const catalogue: CatalogueEntry[] = []
const remembered: { index: number }[][] = []

const app = express()
app.use('/debug/pprof', memoryStats({ authorize: () => true, ...JSON.parse(process.argv[2] ?? '{}') as MemoryStatsOptions }))
app.get('/catalogue', function loadCatalogue(request, response) {
  const entries = Number(request.query['entries'] ?? 150_000)
  for (let index = 0; index < entries; index++) catalogue.push(new CatalogueEntry(index))
  response.json(catalogue.length)
})
app.get('/remember', function remember(_request, response) {
  const visit: { index: number }[] = []
  for (let index = 0; index < 12_000; index++) visit.push({ index })
  remembered.push(visit)
  response.json(remembered.length)
})

const server = app.listen(0, '127.0.0.1', () => {
  process.send?.({ port: (server.address() as AddressInfo).port })
})
process.once('disconnect', () => process.exit())
