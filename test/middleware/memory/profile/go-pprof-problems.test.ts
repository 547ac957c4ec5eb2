/** What `go tool pprof` prints where the endpoint has no profile for it: the reason, and not the status alone. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { describeIfInstalled } from '../../../proxies/support/installed.js'
import { findProgram } from '../../../proxies/support/programs.js'
import { MemoryServer } from '../memory-server.js'

const go = findProgram('go')
const servers: MemoryServer[] = []

afterEach(() => {
  for (const server of servers.splice(0)) server.stop()
})

async function start(...args: Parameters<typeof MemoryServer.startWith>): Promise<MemoryServer> {
  const server = await MemoryServer.startWith(...args)
  servers.push(server)
  return server
}

describeIfInstalled({ package: 'golang-go', installed: go !== undefined }, 'go tool pprof', () => {
  let directory: string
  let server: MemoryServer
  let asked = (): void => undefined

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'pprof-'))
    server = await start('Express 5 over FastCGI', { authorize: ({ headers }) => { asked(); return headers['x-nobody'] === undefined } })
  })

  afterEach(() => {
    rmSync(directory, { recursive: true, force: true })
  })

  /** What it says of a path that it cannot have. */
  const complaint = async (path: string): Promise<string> => {
    const environment = { ...process.env, PPROF_TMPDIR: directory, HOME: directory, GOFLAGS: '' }
    const failed = promisify(execFile)(String(go), ['tool', 'pprof', '-top', `http://127.0.0.1:${String(server.port)}/debug/pprof/${path}`], { env: environment, cwd: directory })
    return failed.then(({ stdout }) => stdout, (error: unknown) => (error as { stderr: string }).stderr)
  }

  it.each([
    ['heap?seconds=301', '400 Bad Request - seconds=301: give one whole number from 1 to 300.'],
    ['allocs', '404 Not Found - V8 cannot tell what was allocated and collected since: '],
    ['goroutine', '404 Not Found - There is no goroutine. There are allocs, callsites, '],
  ])('%s', async (path, reason) => {
    expect(await complaint(path)).toContain(`server response: ${reason}`)
  })

  it('names what scrapers should ask for in place of allocs', async () => {
    expect(await complaint('allocs')).toMatch(/Ask for heap, .*: in Parca and Grafana Alloy give the profile "memory" the path of heap/)
  })

  it('opens the last profile once more, with its age among the comments', async () => {
    expect(await complaint('heap')).not.toContain('before it was sent')
    expect(await complaint('heap')).toMatch(/^Taken \d+ s before it was sent, for another request/m)
    expect(await complaint('heap?seconds=1')).toMatch(/server response: 429 .* This forces a collection, and so did heap just now\. Try again in \d+ seconds?\./)
  })

  it('one expensive operation at a time', async () => {
    const begun = new Promise<void>((resolve) => { asked = resolve })
    const { request } = server.request('GET', 'profile?seconds=300')
    await begun
    expect(await complaint('heap')).toContain('server response: 429 Too Many Requests - One expensive operation at a time: profile is running.')
    request.destroy()
  })
})

it.each([
  ['of Go\'s client, which accepts anything', {}, 'text/plain; charset=utf-8'],
  ['of curl', { Accept: '*/*' }, 'text/plain; charset=utf-8'],
  ['of a browser', { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }, 'text/plain; charset=utf-8'],
  ['of an image', { Accept: 'image/png' }, 'text/plain; charset=utf-8'],
  ['of JSON', { Accept: 'application/json' }, 'application/problem+json'],
  ['of problems', { Accept: 'application/problem+json, */*;q=0.1' }, 'application/problem+json'],
])('to the request %s', async (_name, headers, type) => {
  const server = await start('plain http', { authorize: () => false })
  for (const path of ['heap', 'profile', 'symbol', 'allocs', 'cmdline', 'goroutine']) {
    const answer = await server.get(path, headers)
    expect([answer.status, answer.headers['content-type'], answer.headers['cache-control']]).toEqual([403, type, 'no-store'])
    expect(answer.headers['x-go-pprof']).toBe(type.startsWith('text') ? '1' : undefined)
  }
  expect((await server.get('memstats', headers)).headers['content-type']).toBe('application/problem+json')
})
