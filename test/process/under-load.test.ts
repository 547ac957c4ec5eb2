/** SIGTERM while requests pour in through a real web server that keeps its connections. */
import { describe, expect, it } from '@jest/globals'
import { Agent, get } from 'node:http'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describeIfInstalled } from '../proxies/support/installed.js'
import { findProgram } from '../proxies/support/programs.js'
import { FastCgiClient } from '../support/fastcgi-client.js'
import { ask, connected, inDirectory, start, startProgram, type Child } from './support.js'

/** So many requests at a time, and so many answers before the signal. */
const CONCURRENCY = 24
const BEFORE_SIGNAL = 300
/** The app's answer, as programs/app.ts makes it. */
const WHOLE = 'x'.repeat(10_000) + 'y'.repeat(10_000)

interface Outcome {
  readonly url: string
  readonly whole: boolean
  readonly detail: string
}

function configuration(directory: string, app: string): string {
  return `
    daemon off; master_process off; pid ${directory}/nginx.pid; error_log ${directory}/error.log;
    events { worker_connections 512; }
    http {
      access_log off;
      client_body_temp_path ${directory}/body; fastcgi_temp_path ${directory}/fastcgi; proxy_temp_path ${directory}/proxy;
      uwsgi_temp_path ${directory}/uwsgi; scgi_temp_path ${directory}/scgi;
      upstream app { server unix:${app}; keepalive 8; }
      server {
        listen unix:${directory}/nginx.sock;
        location / {
          fastcgi_pass app; fastcgi_keep_conn on;
          fastcgi_param REQUEST_METHOD $request_method; fastcgi_param REQUEST_URI $request_uri;
          fastcgi_param SERVER_PROTOCOL $server_protocol; fastcgi_param QUERY_STRING $query_string;
        }
      }
    }`
}

/** Resolves once somebody accepts connections at the path: nginx has no other way to say that it is ready. */
async function reachable(path: string, child: Child): Promise<void> {
  const ended = child.ended.then(({ stderr }) => {
    throw new Error(`the web server has ended: ${stderr}`)
  })
  // It ends some time after it was reachable, too.
  ended.catch(() => undefined)
  for (;;) {
    try {
      (await connected(path)).destroy()
      return
    } catch {
      await Promise.race([delay(5), ended])
    }
  }
}

function fetchWhole(socketPath: string, url: string, agent: Agent): Promise<Outcome> {
  return new Promise((resolve) => {
    get({ socketPath, path: url, agent }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', (error) => {
        resolve({ url, whole: false, detail: String(error) })
      })
      response.on('end', () => {
        const whole = response.statusCode === 200 && Buffer.concat(chunks).toString('latin1') === WHOLE
        resolve({ url, whole, detail: String(response.statusCode) })
      })
    }).on('error', (error) => {
      resolve({ url, whole: false, detail: String(error) })
    })
  })
}

/** Keeps requests coming until the app has ended; `enough` is called after so many whole answers. */
async function load(fetch: (url: string) => Promise<Outcome>, app: Child, enough: () => void): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  let ended = false
  let answers = 0
  void app.ended.then(() => {
    ended = true
  })
  const client = async (number: number): Promise<void> => {
    for (let count = 0; !ended; count++) {
      const outcome = await fetch(`/${String(number)}/${String(count)}`)
      outcomes.push(outcome)
      if (outcome.whole && ++answers === BEFORE_SIGNAL) enough()
      // With nobody there refusals come at once, and would take the time that the app needs to end.
      if (!outcome.whole) await delay(1)
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, (_, number) => client(number)))
  return outcomes
}

/** What reached the app was answered whole. */
function expectAllAnswered(app: Child, outcomes: readonly Outcome[]): void {
  const ran = app.lines.filter((line) => line.startsWith('ran ')).map((line) => line.slice(4))
  const byUrl = new Map(outcomes.map((outcome) => [outcome.url, outcome]))
  expect(ran.length).toBeGreaterThanOrEqual(BEFORE_SIGNAL)
  expect(ran.map((url) => byUrl.get(url)).filter((outcome) => outcome?.whole !== true)).toEqual([])
}

describe('SIGTERM under load', () => {
  const nginxPath = findProgram('nginx')
  describeIfInstalled({ package: 'nginx', installed: nginxPath !== undefined }, 'through nginx with fastcgi_keep_conn', () => {
    it('fails no request that the app got', () => inDirectory(async (directory) => {
      const path = join(directory, 'app.sock')
      writeFileSync(join(directory, 'nginx.conf'), configuration(directory, path))
      const app = startProgram('programs/app.js', [JSON.stringify({ socket: path })])
      await app.line('listening')
      const nginx = start(nginxPath ?? '', ['-p', directory, '-c', join(directory, 'nginx.conf'), '-e', join(directory, 'error.log')])
      const agent = new Agent({ keepAlive: true, maxSockets: CONCURRENCY })
      try {
        const front = join(directory, 'nginx.sock')
        await reachable(front, nginx)
        const outcomes = await load((url) => fetchWhole(front, url, agent), app, () => app.process.kill('SIGTERM'))
        expect(await app.ended).toMatchObject({ code: 0, signal: null, stderr: '' })
        expectAllAnswered(app, outcomes)
        expect(readdirSync(directory)).not.toContain('app.sock')
      } finally {
        agent.destroy()
        nginx.process.kill('SIGTERM')
        app.process.kill('SIGKILL')
        await nginx.ended
      }
    }))
  })

  it.each([
    ['kept connections', true],
    ['a connection each', false],
  ])('fails no request that the app got, straight over the socket with %s', (_, kept) => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const app = startProgram('programs/app.js', [JSON.stringify({ socket: path })])
    await app.line('listening')
    const clients = new Map<string, FastCgiClient>()
    const outcomeOf = async (url: string): Promise<Outcome> => {
      const key = url.split('/')[1] ?? ''
      try {
        const client = clients.get(key) ?? await FastCgiClient.connect(path)
        if (kept) clients.set(key, client)
        const answer = await ask(client, url, kept)
        return { url, whole: answer === `200 ${WHOLE}`, detail: answer.slice(0, 100) }
      } catch (error) {
        clients.delete(key)
        return { url, whole: false, detail: String(error) }
      }
    }
    try {
      const outcomes = await load(outcomeOf, app, () => app.process.kill('SIGTERM'))
      expect(await app.ended).toMatchObject({ code: 0, signal: null, stderr: '' })
      expectAllAnswered(app, outcomes)
      // A new connection that was made was accepted: only where there is no socket any more may a request fail.
      if (!kept) expect(outcomes.filter(({ whole, detail }) => !whole && !detail.includes('ENOENT'))).toEqual([])
      expect(readdirSync(directory)).toEqual([])
    } finally {
      app.process.kill('SIGKILL')
    }
  }))
})
