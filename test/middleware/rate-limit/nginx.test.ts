/** HTTP on a Unix socket behind nginx: what nginx tells of the client, and what it does not. */
import http from 'node:http'
import { once } from 'node:events'
import { afterEach, expect, it } from '@jest/globals'
import { rateLimit, type RateLimitOptions } from '../../../middleware/rate-limit.js'
import { describeIfInstalled } from '../../proxies/support/installed.js'
import { nginx } from '../../proxies/support/servers/nginx.js'
import { createWorkspace } from '../../proxies/support/workspace.js'
import { readResponse } from '../../support/http.js'
import { type Setup, startLimited } from './support.js'

const site = (more: string): string => `server {
  listen 127.0.0.1:8080;
  location / {
    proxy_pass http://unix:/run/app/app.sock;
    ${more}
  }
}`
const TELLS = 'proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;'
const server = (more: string): ReturnType<typeof nginx> => nginx('nginx, HTTP', 'nginx/minimal.conf', { edit: () => site(more) })

const closers: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** The statuses of requests through nginx, by the address that each comes from and the header that it sends. */
async function statuses(more: string, options: RateLimitOptions, setup: Setup, clients: [from: string, forged?: string][]): Promise<number[]> {
  const workspace = await createWorkspace()
  closers.push(() => workspace.remove())
  const logger = { error: () => undefined, warn: () => undefined }
  const app = await startLimited(rateLimit({ windowMs: 3_600_000, limit: 1, logger, ...options }), { ...setup, socketPath: workspace.socket })
  closers.push(() => { app.stop() })
  const running = await server(more).start(workspace)
  closers.push(() => running.stop())
  const answers: number[] = []
  for (const [localAddress, forged] of clients) {
    const headers = forged === undefined ? {} : { 'x-forwarded-for': forged }
    const request = http.get({ host: '127.0.0.1', port: running.port, localAddress, headers, agent: false })
    const [response] = await once(request, 'response') as [http.IncomingMessage]
    answers.push((await readResponse(response)).status)
  }
  return answers
}

describeIfInstalled(server(''), 'nginx to HTTP on a Unix socket', () => {
  const express: Setup = { carrier: 'Express 5 over HTTP' }
  it.each<[string, RateLimitOptions, Setup]>([
    ['Express, trust proxy 1', {}, { ...express, settings: { 'trust proxy': 1 } }],
    ['plain http, trustedProxies 1', { trustedProxies: 1 }, { carrier: 'plain http' }],
  ])('%s: each client counts alone, and none can be somebody else', async (_, options, setup) => {
    expect(await statuses(TELLS, options, setup, [
      ['127.0.0.1'], ['127.0.0.1'], ['127.0.0.1', '203.0.113.1'], ['127.0.0.2'], ['127.0.0.2', '203.0.113.2'], ['127.0.0.3', '127.0.0.1'],
    ])).toEqual([200, 429, 429, 200, 429, 200])
  })

  it.each([['told and not trusted', TELLS], ['not told', '']])('%s: all are refused, and nobody shares a count', async (_, more) => {
    expect(await statuses(more, {}, express, [['127.0.0.1'], ['127.0.0.2']])).toEqual([500, 500])
  })
})
