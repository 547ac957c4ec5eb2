/** Probes in front of the app, and the signal at which logs are opened anew. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from '@jest/globals'
import express from 'express'
import supertest from 'supertest'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, gateway } from 'express-responder'
import { concurrencyLimit } from 'express-responder/middleware'
import { createProbes, type Probes } from '../../lib/workers/probes.js'

let state: 'starting' | 'ready' | 'draining' = 'ready'

afterEach(() => {
  state = 'ready'
  concurrencyLimit.uninstall()
})

function serving(app = express()): { client: ReturnType<typeof supertest>; probes: Probes } {
  const probes = createProbes(() => state)
  app.use((request, response) => { response.send(`app: ${request.url}`) })
  const server = createServer(app)
  server.removeAllListeners('request')
  server.on('request', (request: IncomingMessage, response: ServerResponse) => { if (!probes.handle(request, response)) app(request, response) })
  return { client: supertest(gateway(server)), probes }
}

describe('probes', () => {
  it('are answered before the app, and counted', async () => {
    const { client, probes } = serving()
    expect(await client.get('/livez')).toMatchObject({ status: 200, text: 'ok\n', headers: { 'cache-control': 'no-store' } })
    expect(await client.get('/readyz?verbose')).toMatchObject({ status: 200, text: 'ok\n' })
    expect(await client.head('/readyz')).toMatchObject({ status: 200 })
    expect(probes.count).toBe(3)
  })

  it.each(['/livezy', '/readyz/x', '/lives', '/r', '/', '/api/livez'])('leave %s to the app', async (path) => {
    const { client, probes } = serving()
    expect((await client.get(path)).text).toBe(`app: ${path}`)
    expect(probes.count).toBe(0)
  })

  it('leave a POST to the app', async () => {
    expect((await serving().client.post('/livez')).text).toBe('app: /livez')
  })

  it.each(['starting', 'draining'] as const)('are not ready while %s, and alive', async (present) => {
    state = present
    const { client } = serving()
    expect(await client.get('/readyz')).toMatchObject({ status: 503, text: `${present}\n` })
    expect(await client.get('/readyz?exclude=capped')).toMatchObject({ status: 503 })
    expect(await client.get('/livez')).toMatchObject({ status: 200 })
  })

  it('are not ready while a cap turns requests away, and ready again', async () => {
    const app = express()
    const held: ServerResponse[] = []
    app.use(concurrencyLimit({ limit: 1, queue: false }))
    const begun = new Promise<void>((resolve) => {
      app.get('/hold', (_request, response) => {
        held.push(response)
        resolve()
      })
    })
    const { client } = serving(app)
    const answer = client.get('/hold').then((given) => given.status)
    await begun
    expect(await client.get('/readyz')).toMatchObject({ status: 503, text: 'capped\n' })
    expect(await client.get('/readyz?exclude=capped')).toMatchObject({ status: 200 })
    held[0]?.end()
    expect(await answer).toBe(200)
    expect(await client.get('/readyz')).toMatchObject({ status: 200 })
  })
})

describe('SIGUSR1', () => {
  it('opens the logs anew, neither ends the process nor opens the debugger, also once nobody wants it any more', async () => {
    const child = spawn(process.execPath, [fileURLToPath(new URL('programs/reopens.js', import.meta.url))], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    let complaints = ''
    child.stderr?.on('data', (chunk) => { complaints += String(chunk) })
    const hears = async (): Promise<unknown> => ((await once(child, 'message')) as [unknown])[0]
    expect(await hears()).toBe('listens')
    child.kill('SIGUSR1')
    expect(await hears()).toBe('reopened')
    child.send('forget')
    expect(await hears()).toBe('forgot')
    child.kill('SIGUSR1')
    child.send('end')
    expect(await once(child, 'exit')).toEqual([0, null])
    expect(complaints).toBe('')
  })
})
