/** serve() with a real FastCGI server, through the package's public face. */
import { afterEach, describe, expect, it } from '@jest/globals'
import { serve, FastCgiServer, type Serving, type ServeOptions } from 'express-responder'
import { once } from 'node:events'
import { readdirSync, statSync } from 'node:fs'
import type { RequestListener, ServerResponse } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { FastCgiClient } from '../support/fastcgi-client.js'
import { ask, inDirectory, paramsOf } from './support.js'

/** An app that holds the answers to /hold… until it is told to give them. */
function holdingApp(): { app: RequestListener, ran: string[], release: () => void } {
  const ran: string[] = []
  const held: ServerResponse[] = []
  const app: RequestListener = (request, response) => {
    const url = request.url ?? ''
    ran.push(url)
    if (url.startsWith('/hold')) held.push(response)
    else response.end(`answer to ${url}`)
  }
  return { app, ran, release: () => { for (const response of held.splice(0)) response.end('at last') } }
}

const started: Serving[] = []

async function start(app: RequestListener, options: ServeOptions): Promise<Serving> {
  const serving = await serve(app, { signals: false, ...options })
  started.push(serving)
  return serving
}

describe('serve()', () => {
  afterEach(async () => {
    for (const serving of started.splice(0)) {
      serving.server.closeAllConnections()
      await serving.stop()
    }
  })

  it('resolves once it listens, with the server, its address, and a way to stop it', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const { app } = holdingApp()
    const serving = await start(app, { socket: path })
    expect(serving.server).toBeInstanceOf(FastCgiServer)
    expect(serving.server.listening).toBe(true)
    expect(serving.address).toBe(path)
    expect(statSync(path).mode & 0o777).toBe(0o660)
    const client = await FastCgiClient.connect(path)
    expect(await ask(client, '/')).toBe('200 answer to /')
    await serving.stop()
    await serving.closed
    await client.whenClosed()
    expect(readdirSync(directory)).toEqual([])
  }))

  it('hands the server\'s options on, and refuses unknown ones', async () => {
    const { app } = holdingApp()
    const serving = await start(app, { port: 0, mount: '/shop' })
    expect(serving.server.configuration.mount).toBe('/shop')
    await serving.stop()
    const misspelt: object = { sockets: '/run/app.sock' }
    await expect(serve(app, misspelt)).rejects.toMatchObject({ code: 'ERR_FCGI_OPTION', message: expect.stringContaining('sockets') })
  })

  it('rejects where somebody listens already, on TCP as on a file', () => inDirectory(async (directory) => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    const { app } = holdingApp()
    await expect(start(app, { port })).rejects.toMatchObject({ code: 'EADDRINUSE', port })
    other.close()
    const serving = await start(app, { socket: join(directory, 'app.sock') })
    await expect(start(app, { socket: serving.address })).rejects.toMatchObject({ code: 'EADDRINUSE', address: serving.address })
    await serving.stop()
  }))

  it.each(['socket', 'tcp'])('answers at its stop what is in flight, closes what is idle, and lets nobody in (%s)', (kind) => inDirectory(async (directory) => {
    const { app, ran, release } = holdingApp()
    const serving = await start(app, kind === 'tcp' ? { port: 0 } : { socket: join(directory, 'app.sock') })
    const where = kind === 'tcp' ? (serving.server.address() as AddressInfo).port : serving.address
    const idle = await FastCgiClient.connect(where)
    await ask(idle, '/')
    const busy = await FastCgiClient.connect(where)
    const answers = [ask(busy, '/hold/1'), ask(busy, '/hold/2')]
    while (ran.length < 3) await once(serving.server, 'request')

    const stopped = serving.stop()
    await idle.whenClosed()
    await expect(FastCgiClient.connect(where)).rejects.toMatchObject({ code: kind === 'tcp' ? 'ECONNREFUSED' : 'ENOENT' })
    release()
    for (const answer of await Promise.all(answers)) expect(answer).toBe('200 at last')
    await busy.whenClosed()
    await stopped
  }))

  it('answers at its stop a request that is still coming in', () => inDirectory(async (directory) => {
    const { app } = holdingApp()
    const serving = await start(app, { socket: join(directory, 'app.sock') })
    const accepted = once(serving.server, 'connection')
    const client = await FastCgiClient.connect(serving.address)
    await client.begin(1)
    await accepted
    const stopped = serving.stop()
    for (let turns = 0; turns < 20; turns++) await turn()
    await client.params(1, paramsOf('/late'))
    await client.stdin(1)
    expect((await client.response(1)).body.toString()).toBe('answer to /late')
    await stopped
  }))

  it('delivers at its stop the tail of a response to a web server that is slow to read', () => inDirectory(async (directory) => {
    const length = 8 * 1024 * 1024
    const serving = await start((_, response) => {
      response.end('x'.repeat(length))
    }, { socket: join(directory, 'app.sock') })
    const client = await FastCgiClient.connect(serving.address)
    client.pause()
    const answer = ask(client, '/')
    await once(serving.server, 'request')
    const stopped = serving.stop()
    for (let turns = 0; turns < 20; turns++) await turn()
    client.resume()
    const whole = await answer
    expect(whole.length).toBe('200 '.length + length)
    await stopped
  }))

  it('does not run the app for a request that could not be answered any more', async () => {
    const { app, ran, release } = holdingApp()
    const serving = await start(app, { port: 0 })
    const { port } = serving.server.address() as AddressInfo
    const client = await FastCgiClient.connect(port, { allowHalfOpen: true })
    const answer = ask(client, '/hold')
    await once(serving.server, 'request')
    const stopped = serving.stop()
    // The drain is on once nobody new is let in; the connection then closes after this answer.
    while (serving.server.listening) await turn()
    for (let turns = 0; turns < 10; turns++) await turn()
    release()
    expect(await answer).toBe('200 at last')
    await client.whenEnded()
    const late = ask(client, '/late')
    client.end()
    await expect(late).rejects.toThrow('closed')
    await stopped
    expect(ran).toEqual(['/hold'])
  })
})
