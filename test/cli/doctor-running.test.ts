/** The doctor before an app that runs: its server answers by diagnosticHandler(), and the app is asked nothing. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { describe, expect, it } from '@jest/globals'
import { createServer, type FastCgiError, type ServerOptions } from 'express-responder'
import type { ArrivalSource } from '../../lib/cli/doctor/arrival-source.js'
import { diagnose, type Diagnosis } from '../../lib/cli/doctor/diagnose.js'
import { HeldPieces, MARK_HEADER, diagnosticHandler, diagnosticMark, type Arrival } from '../../lib/server/diagnostics.js'
import { describeIfInstalled } from '../proxies/support/installed.js'
import { nginx } from '../proxies/support/servers/nginx.js'
import { servers } from '../proxies/support/servers.js'
import type { WebServer } from '../proxies/support/web-server.js'
import { createWorkspace } from '../proxies/support/workspace.js'
import { FastCgiClient } from '../support/fastcgi-client.js'
import { optionsFor } from './support/doctor.js'
import { behindProxy } from './support/proxied.js'

/** A server that can be asked by the doctor, and the urls that its app was given. */
function createAsked(trustsForwarded = false, options: ServerOptions = {}): { source: ArrivalSource, server: ReturnType<typeof createServer>, given: string[], warnings: string[] } {
  const token = randomBytes(16).toString('hex')
  const held = new HeldPieces()
  const arrivals: Arrival[] = []
  const given: string[] = []
  const answersDoctor = diagnosticHandler({ token, held, onArrival: (arrival) => arrivals.push(arrival) })
  const warnings: string[] = []
  const server = createServer(options, (request, response) => {
    if (answersDoctor(request, response)) return
    given.push(request.url ?? '')
    response.end('the app')
  })
  const source: ArrivalSource = {
    token,
    idleLimit: undefined,
    trustsForwarded,
    arrivals: () => Promise.resolve(arrivals),
    http: () => undefined,
    release: (name) => Promise.resolve(held.release(name)),
    close() {
      held.clear()
      return Promise.resolve()
    },
  }
  server.on('warning', ({ code }: FastCgiError) => warnings.push(code))
  return { source, server, given, warnings }
}

async function examineRunning(web: WebServer, ask = true, trustsForwarded = false, options: ServerOptions = {}): Promise<Diagnosis & { given: string[], warnings: string[] }> {
  const workspace = await createWorkspace()
  const { source, server, given, warnings } = createAsked(trustsForwarded, options)
  server.listen(workspace.socket)
  await once(server, 'listening')
  const running = await web.start(workspace)
  try {
    const openSource = ask ? (): Promise<ArrivalSource> => Promise.resolve(source) : undefined
    const diagnosis = await diagnose(optionsFor(workspace.socket, new URL(`${running.origin}/`), { listen: 'where-free', openSource }))
    return { ...diagnosis, given, warnings }
  } finally {
    await running.stop()
    server.closeAllConnections()
    server.close()
    await workspace.remove()
  }
}

const edited = (before: string, after: string): WebServer => nginx('nginx', 'nginx/app.conf', { edit: (text) => text.replace(before, after) })

describeIfInstalled(servers.nginx, 'the doctor before an app that runs', () => {
  it('finds nothing in the example, and gives the app no request but the one by which it asks the socket', async () => {
    const { findings, checked, given, warnings } = await examineRunning(servers.nginx)
    expect(findings).toEqual([])
    expect(checked[1]).toContain('15 requests')
    expect(given).toEqual(['/'])
    expect(warnings).toEqual([])
  })

  it.each([
    ['include express_params;', '', 'no-params', 'include express_params;'],
    ['keepalive 16;', '', 'keep-alive', 'keepalive 16;'],
    ['client_max_body_size 16m;', '', 'upload-size', 'client_max_body_size 16m;'],
    ['fastcgi_pass app;', 'fastcgi_pass_request_body off; fastcgi_pass app;', 'upload-lost', 'fastcgi_pass_request_body on;'],
    ['fastcgi_keep_conn on;', 'fastcgi_ignore_headers X-Accel-Buffering; keepalive_requests 1;', 'keep-conn', 'fastcgi_keep_conn on;'],
  ])('names the line where the example has not %s', async (before, after, code, line) => {
    const { findings } = await examineRunning(edited(before, after))
    expect(findings[0]).toMatchObject({ code, line })
  })

  it('does not blame the web server for a limit of the app\'s own', async () => {
    const { findings } = await examineRunning(servers.nginx, true, false, { limits: { bodyBytes: 1000 } })
    expect(findings).toEqual([])
  })

  it.each([[false, ['proxy-address']], [true, []]])('looks whether it takes the client\'s address from X-Forwarded-For itself: %s', async (trusts, codes) => {
    const { findings } = await examineRunning(behindProxy(''), true, trusts)
    expect(findings.map(({ code }) => code)).toEqual(codes)
  })

  it.each([true, false])('tells that HTTP comes to the socket, whether or not the app can be asked: %s', async (ask) => {
    const { findings } = await examineRunning(edited('fastcgi_pass app;', 'proxy_pass http://app;'), ask)
    expect(findings).toEqual([expect.objectContaining({ code: 'server-speaks-http', line: expect.stringContaining('fastcgi_pass unix:') })])
  })

  it('says what it has not seen where the app cannot be asked, and finds what the status tells', async () => {
    const right = await examineRunning(servers.nginx, false)
    expect([right.findings, right.unchecked]).toEqual([[], [expect.stringContaining('what arrives at the app')]])
    const wrong = await examineRunning(edited('/run/app/app.sock', '/run/app/other.sock'), false)
    expect(wrong.findings.map(({ code }) => code)).toEqual(['other-socket'])
  })
})

describe('diagnosticHandler()', () => {
  it('leaves requests to the app that have no mark, or one of another token', async () => {
    const { server, given } = createAsked()
    const workspace = await createWorkspace()
    server.listen(workspace.socket)
    await once(server, 'listening')
    const client = await FastCgiClient.connect(workspace.socket)
    const name = `HTTP_${MARK_HEADER.toUpperCase().replaceAll('-', '_')}`
    const foreign = diagnosticMark('0'.repeat(32), 'plain', 'first')
    for (const mark of ['', foreign, 'x'.repeat(100_000), '0'.repeat(32)]) {
      const answer = await client.request({ params: { REQUEST_METHOD: 'GET', REQUEST_URI: `/?doctor=${foreign}`, [name]: mark } })
      expect(answer.body.toString()).toBe('the app')
    }
    client.socket.destroy()
    server.close()
    await workspace.remove()
    expect(given).toHaveLength(4)
  })
})
