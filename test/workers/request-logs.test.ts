/** The access log and the slow log of a real server. */
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import express from 'express'
import supertest from 'supertest'
import { createServer, gateway, type FastCgiServer } from 'express-responder'
import { readStatusSources } from '../../shared/status-sources.js'
import { reopenLogs } from '../../lib/workers/log-writer.js'
import { openRequestLogs, type RequestLogOptions, type RequestLogs } from '../../lib/workers/request-logs.js'

let directory: string
let logs: RequestLogs | undefined
let server: FastCgiServer | undefined

beforeEach(() => { directory = mkdtempSync(join(tmpdir(), 'logs-')) })

afterEach(async () => {
  server?.close()
  await logs?.close()
  logs = server = undefined
  rmSync(directory, { recursive: true })
})

const file = (name: string): string => join(directory, name)

/** A FastCGI server whose requests are logged, asked through the gateway. */
async function serving(options: RequestLogOptions, app = express()): Promise<ReturnType<typeof supertest>> {
  app.get('/users/:id', (request, response) => { response.send(`user ${request.params.id}`) })
  app.get('/empty', (_request, response) => { response.status(204).end() })
  logs = openRequestLogs(options)
  server = createServer(app)
  server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => { logs?.observe(request, response) })
  server.listen(0)
  await once(server, 'listening')
  return supertest(gateway(server))
}

async function written(name: string): Promise<string[]> {
  await logs?.close()
  logs = undefined
  return readFileSync(file(name), 'utf8').split('\n').slice(0, -1)
}

describe('the access log', () => {
  it('is Apache\'s combined log by default', async () => {
    const client = await serving({ accessLog: file('access.log') })
    await client.get('/users/7?a=b').set('User-Agent', 'the "best"\\ one').set('Referer', 'http://example.com/')
    const [line] = await written('access.log')
    expect(line).toMatch(/^127\.0\.0\.1 - - \[\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET \/users\/7\?a=b HTTP\/1\.1" 200 6 "http:\/\/example\.com\/" "the \\"best\\"\\\\ one"$/)
  })

  it.each([
    ['%>s %b %B', '204 - 0', '/empty'],
    ['$status $body_bytes_sent $request_method $uri $args', '200 6 GET /users/7 a=b', '/users/7?a=b'],
    ['%m %U%q %{route}x', 'GET /users/7?a=b /users/:id', '/users/7?a=b'],
    ['$route|$remote_user|$http_x_given', '/users/:id|-|a\\x22b\\x5Cc\\xE4', '/users/7'],
    ['%{X-Given}i', 'a\\"b\\\\c\\xe4', '/users/7'],
    ['escape=json {"given":"$http_x_given","none":"$http_none"}', '{"given":"a\\"b\\\\cä","none":""}', '/users/7'],
    ['%{Content-Type}o $sent_http_content_length', 'text/html; charset=utf-8 6', '/users/7'],
    ['%404{X-Given}i %!404{route}x %% $arg_a', '- /users/:id % b', '/users/7?a=b'],
    ['%h%l%u', '127.0.0.1--', '/users/7'],
  ])('writes %j as %j', async (accessLogFormat, expected, path) => {
    const client = await serving({ accessLog: file('access.log'), accessLogFormat })
    await client.get(path).set('X-Given', 'a"b\\c\u00e4')
    expect(await written('access.log')).toEqual([expected])
  })

  it('has times, CPU and memory in their units', async () => {
    const client = await serving({ accessLog: file('access.log'), accessLogFormat: '%D %T %{ms}T $request_time $process_cpu_time $loop_time $rss $heap_used %P $msec %{%F}t' })
    await client.get('/users/7')
    const [line = ''] = await written('access.log')
    const [micros, seconds, millis, time, cpu, loop, rss, heap, pid, msec, day] = line.split(' ')
    expect(Number(micros)).toBeGreaterThan(0)
    expect(Math.abs(Number(micros) / 1000 - Number(millis))).toBeLessThanOrEqual(0.5)
    expect(seconds).toBe(String(Math.floor(Number(millis) / 1000)))
    expect(Math.abs(Number(time) * 1000 - Number(millis))).toBeLessThanOrEqual(1)
    expect([cpu, loop].every((text) => /^\d+\.\d{6}$/.test(text ?? ''))).toBe(true)
    expect(Number(rss)).toBeGreaterThan(Number(heap))
    expect(pid).toBe(String(process.pid))
    expect(Number(msec)).toBeCloseTo(Date.now() / 1000, -2)
    expect(day).toMatch(/^\d{4}-\d\d-\d\d$/)
  })

  it('says 499 where the client has left before there was an answer', async () => {
    const app = express()
    const begun = new Promise<ServerResponse>((resolve) => { app.get('/hang', (_request, response) => { resolve(response) }) })
    await serving({ accessLog: file('access.log'), accessLogFormat: '%s %X $request_completion' }, app)
    const front = gateway(server ?? createServer(app)).listen(0)
    await once(front, 'listening')
    const leaving = new AbortController()
    const asked = fetch(`http://127.0.0.1:${String((front.address() as { port: number }).port)}/hang`, { signal: leaving.signal }).catch(() => undefined)
    const response = await begun
    const closed = once(response, 'close')
    leaving.abort()
    await Promise.all([asked, closed])
    front.close()
    expect(await written('access.log')).toEqual(['499 X '])
  })

  it('cannot be forged by what a client sends', async () => {
    const client = await serving({ accessLog: file('access.log') })
    await client.get('/%0a%1b[2J').set('User-Agent', 'x\u009b2J\u00ff\ty')
    const lines = await written('access.log')
    expect(lines).toHaveLength(1)
    // eslint-disable-next-line no-control-regex
    expect(lines[0]).not.toMatch(/[^\x20-\x7e]/)
    expect(lines[0]).toContain('x\\x9b2J\\xff\\ty')
  })

  it('goes on in a new file once the old one was moved away and the logs are opened anew', async () => {
    const client = await serving({ accessLog: file('access.log'), accessLogFormat: '$uri' })
    await client.get('/users/1')
    renameSync(file('access.log'), file('access.log.1'))
    reopenLogs()
    while (!existsSync(file('access.log'))) await new Promise(setImmediate)
    await client.get('/users/2')
    expect([...await written('access.log'), ...readFileSync(file('access.log.1'), 'utf8').split('\n')].filter(Boolean).sort()).toEqual(['/users/1', '/users/2'])
    expect(readFileSync(file('access.log'), 'utf8')).toContain('/users/2')
  })

  it.each([
    ['%{Referer}j', 'there is no %{Referer}j; the nearest is %{…}'],
    ['%z', 'there is no %z; the nearest is %'],
    ['$remote_adr', 'there is no $remote_adr; the nearest is $remote_addr'],
    ['$body_byte_sent', 'the nearest is $body_bytes_sent'],
    ['%{cpus}x', 'there is no %{cpus}x'],
    ['%{%Q}t', 'there is no %{%Q}t'],
    ['%^ti', 'there is no %^ti'],
    ['%', 'there is no %;'],
    ['combine', 'it has no directive'],
    ['', 'give common, combined, json'],
    ['%h\n%u', 'leave line breaks out'],
    ['escape=none $uri', 'there is no escape=none'],
    ['$constructor', 'there is no $constructor'],
  ])('refuses the format %j when the program starts', (accessLogFormat, remedy) => {
    expect(() => openRequestLogs({ accessLogFormat })).toThrow(expect.objectContaining({ code: 'ERR_FCGI_OPTION', message: expect.stringContaining(remedy) }))
    expect(() => openRequestLogs({ accessLogFormat })).toThrow('option accessLogFormat')
  })

  it('refuses a file that cannot be opened, with the remedy', () => {
    expect(() => openRequestLogs({ accessLog: file('none/access.log') })).toThrow(expect.objectContaining({ code: 'ERR_FCGI_LOG_FILE', message: expect.stringMatching(/^option accessLog: .*\(ENOENT\)\. Make its directory/) }))
  })

  it('is none where there is neither log', () => {
    expect(openRequestLogs({})).toBeUndefined()
  })
})

describe('the slow log', () => {
  it('tells of a request once while it still runs, with its route, and once more at its end', async () => {
    const app = express()
    const begun: ServerResponse[] = []
    app.get('/reports/:year', (_request, response) => { begun.push(response) })
    const client = await serving({ slowLog: 50, slowLogFile: file('slow.log') }, app)
    const answer = client.get('/reports/2026?token=secret').then((given) => given.status)
    const quick = client.get('/users/1').then((given) => given.status)
    while (!existsSync(file('slow.log')) || !readFileSync(file('slow.log'), 'utf8').includes('so far')) await new Promise((resolve) => setTimeout(resolve, 5))
    expect(readStatusSources()['slowRequests']).toEqual([{ threshold: 50, total: 1, running: [expect.objectContaining({ method: 'GET', path: '/reports/2026', route: '/reports/:year' })] }])
    begun[0]?.end('done')
    expect(await Promise.all([answer, quick])).toEqual([200, 200])
    const lines = await written('slow.log')
    expect(lines).toEqual([
      expect.stringMatching(/^\[.*\] \[pid \d+\] slow request: "GET \/reports\/2026\?token=secret", route \/reports\/:year, runs for 0\.\d{3} s so far$/),
      expect.stringMatching(/slow request: "GET \/reports\/2026\?token=secret", route \/reports\/:year, took 0\.\d{3} s, status 200$/),
    ])
    expect(readStatusSources()['slowRequests']).toBeUndefined()
  })

  it('tells at its end of a request that has blocked the event loop', async () => {
    const app = express()
    app.get('/block', (_request, response) => {
      const until = performance.now() + 60
      while (performance.now() < until);
      response.end('done')
    })
    const client = await serving({ slowLog: 50, slowLogFile: file('slow.log') }, app)
    await client.get('/block')
    const lines = await written('slow.log')
    expect(lines.at(-1)).toMatch(/"GET \/block", route \/block, took 0\.\d{3} s, status 200$/)
    expect(lines.length).toBeLessThanOrEqual(2)
  })

  it.each([[0], [-5], [NaN], [Infinity]])('refuses a threshold of %p', (slowLog) => {
    expect(() => openRequestLogs({ slowLog })).toThrow('option slowLog')
  })
})
