/** The two roads to one listener: Node's own HTTP server, and FastCGI behind the gateway. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import http, { type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, gateway, type GatewayOptions, type ServerOptions } from 'express-responder'

export interface TransportOptions {
  server?: ServerOptions
  gateway?: GatewayOptions
}

/** A server that can be asked over HTTP, however it is reached behind that. */
export interface Running {
  /** The server that the listener belongs to. */
  readonly server: Server
  /** Where a client connects to. */
  readonly port: number
  /** Ends what is left, and waits until it is gone. */
  stop(): Promise<void>
}

export interface Transport {
  readonly name: string
  start(listener: RequestListener, options?: TransportOptions): Promise<Running>
}

async function listenOnPort(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}

const overHttp: Transport = {
  name: 'HTTP',
  async start(listener) {
    const server = http.createServer(listener)
    const port = await listenOnPort(server)
    return { server, port, stop: () => close(server) }
  },
}

const overFastCgi: Transport = {
  name: 'FastCGI',
  async start(listener, options = {}) {
    const directory = mkdtempSync(join(tmpdir(), 'contract-'))
    const server = createServer(listener, options.server)
    server.listen(join(directory, 's'))
    await once(server, 'listening')
    const front = gateway(server, options.gateway)
    const port = await listenOnPort(front)
    return {
      server,
      port,
      async stop() {
        await close(front)
        await close(server)
        rmSync(directory, { recursive: true, force: true })
      },
    }
  },
}

export const TRANSPORTS = { http: overHttp, fastcgi: overFastCgi }
