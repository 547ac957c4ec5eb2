/** A heap snapshot, on what carries the app, of a process whose heap is an app's: it takes a second for each 100 MB or so. */
import { fileURLToPath } from 'node:url'
import { expect, it } from '@jest/globals'
import { AppProcess } from './app-process.js'
import { PROTECTED } from './support.js'

const PROGRAM = fileURLToPath(new URL('programs/carrier.js', import.meta.url))

it.each(['Express 5 over HTTP', 'Express 5 over FastCGI'])('%s: POST snapshot sends one that Chrome can read', async (carrier) => {
  const app = await AppProcess.start({ snapshot: true }, PROGRAM, [carrier])
  try {
    const response = await fetch(`${app.origin}/debug/pprof/snapshot`, { method: 'POST' })
    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toMatchObject({ ...PROTECTED, 'forced-gc': 'true', 'content-type': 'application/json' })
    expect(response.headers.get('content-disposition')).toMatch(/^attachment; filename="\d+-\d+\.heapsnapshot"$/)
    const { snapshot } = await response.json() as { snapshot: { node_count: number } }
    expect(snapshot.node_count).toBeGreaterThan(1000)
  } finally {
    await app.stop()
  }
})
