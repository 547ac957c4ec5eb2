/** examples/hello, copied out of the packed package: started, asked, stopped by Ctrl-C, and started where the port is taken. */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import http from 'node:http'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { createWorkspace, type Workspace as Package } from '../package/packed.js'
import { FastCgiClient } from '../support/fastcgi-client.js'
import { close, listen, portOf, readResponse } from '../support/http.js'
import { nginxParams } from '../support/nginx-params.js'
import { Copy } from './copied.js'

let packed: Package
let copy: Copy
beforeAll(async () => {
  packed = await createWorkspace('express')
  copy = await Copy.create(packed, 'hello')
})
afterAll(async () => {
  await copy.remove()
  await packed.remove()
})

class Hello {
  readonly process: ChildProcessByStdio<null, Readable, Readable>
  output = ''
  errors = ''
  readonly exited: Promise<number | null>

  constructor(environment: NodeJS.ProcessEnv) {
    this.process = spawn(process.execPath, ['start.js'], { cwd: copy.directory, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...environment } })
    this.process.stdout.setEncoding('utf8').on('data', (text: string) => (this.output += text))
    this.process.stderr.setEncoding('utf8').on('data', (text: string) => (this.errors += text))
    this.exited = once(this.process, 'close').then(([code]) => code as number | null)
  }

  /** Waits for the last line of the welcome. */
  async started(): Promise<{ socket: string; port: number }> {
    while (!this.output.includes('Ctrl-C')) {
      if (this.process.exitCode !== null) throw new Error(`ended with ${String(this.process.exitCode)}: ${this.errors}`)
      await Promise.race([once(this.process.stdout, 'data'), this.exited])
    }
    const socket = /^ {2}(\/.+)$/m.exec(this.output)?.[1]
    const port = /^ {2}http:\/\/127\.0\.0\.1:(\d+)\/$/m.exec(this.output)?.[1]
    if (socket === undefined || port === undefined) throw new Error(`no socket or no address in: ${this.output}`)
    return { socket, port: Number(port) }
  }
}

const cleanups: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

function run(environment: NodeJS.ProcessEnv): Hello {
  const hello = new Hello(environment)
  cleanups.push(async () => {
    hello.process.kill('SIGKILL')
    await hello.exited
  })
  return hello
}

describe('npm start', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('serves the app on a Unix socket and over HTTP, until %s', async (signal) => {
    const hello = run({ PORT: '0' })
    const { socket, port } = await hello.started()

    const response = await fetch(`http://127.0.0.1:${String(port)}/`)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toMatch(/^text\/plain/)
    expect(response.headers.get('content-length')).toBe('12')
    expect(await response.text()).toBe('Hello World!')

    const client = await FastCgiClient.connect(socket)
    const raw = await client.request({ params: nginxParams() })
    expect(raw.status).toBe(200)
    expect(String(raw.body)).toBe('Hello World!')
    await client.destroy()

    expect(hello.output).toContain('fastcgi_pass unix:/run/app/app.sock;')
    hello.process.kill(signal)
    expect(await hello.exited).toBe(0)
    expect(existsSync(socket)).toBe(false)
    expect(existsSync(dirname(socket))).toBe(false)
    expect(hello.errors).toBe('')
  })

  it('does not wait at Ctrl-C for connections that are idle, kept or silent', async () => {
    const hello = run({ PORT: '0' })
    const { port } = await hello.started()
    const silent = net.connect({ host: '127.0.0.1', port })
    await once(silent, 'connect')
    const agent = new http.Agent({ keepAlive: true })
    const [response] = (await once(http.get({ host: '127.0.0.1', port, agent }), 'response')) as [http.IncomingMessage]
    expect((await readResponse(response)).status).toBe(200)
    hello.process.kill('SIGINT')
    expect(await hello.exited).toBe(0)
    agent.destroy()
    silent.destroy()
  })

  it('listens on the socket that SOCKET names', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'fcgi-test-'))
    cleanups.push(() => rm(directory, { recursive: true, force: true }))
    const path = join(directory, 'app.sock')
    const hello = run({ PORT: '0', SOCKET: path })
    const { socket } = await hello.started()
    expect(socket).toBe(path)
    hello.process.kill('SIGINT')
    expect(await hello.exited).toBe(0)
    expect(existsSync(path)).toBe(false)
    expect(existsSync(directory)).toBe(true)
  })

  it('says what to do where the port is taken', async () => {
    const other = await listen(net.createServer())
    cleanups.push(() => close(other))
    const port = String(portOf(other))
    const hello = run({ PORT: port })
    expect(await hello.exited).toBe(1)
    expect(hello.errors).toBe(`Port ${port} of 127.0.0.1 is taken. Stop what listens there, or choose another port, for example: PORT=8081 npm start\n`)
    expect(hello.output).toBe('')
  })

  it.each(['http', '65536', '-1', ''])('says what to do where PORT is "%s"', async (port) => {
    const hello = run({ PORT: port })
    expect(await hello.exited).toBe(1)
    expect(hello.errors).toMatch(/^PORT is ".*", which is no port\. Give a number, for example: PORT=8081 npm start\n$/)
  })
})
