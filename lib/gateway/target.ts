/**
 * Where the application is: an address, or a FastCGI server of this process, which is made to listen on a private
 * Unix socket where it does not listen yet.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { Server, type NetConnectOpts, type TcpNetConnectOpts } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FastCgiError } from '../errors.js'
import { FastCgiServer } from '../server/server.js'

/** A FastCGI server of this process, a Unix socket's path, or a host and port. */
export type GatewayTarget = FastCgiServer | string | { host?: string | undefined; port: number }

/** A place to connect to. */
export interface Target {
  /** Where to connect; listens first where that is needed. */
  connectOptions(): Promise<NetConnectOpts>
  /** Undoes what {@link Target.connectOptions} did, at once. It may be asked again afterwards. */
  close(): void
}

/**
 * Where the application is: a server of this process, a socket path, or a host and port.
 *
 * @throws FastCgiError ERR_FCGI_OPTION where it is none of the three.
 */
export function resolveTarget(target: GatewayTarget): Target {
  if (target instanceof FastCgiServer) return new ServerTarget(target)
  // A caller without types may pass anything: an app, or a plain HTTP server.
  const given: unknown = target
  if (typeof given === 'function') throw wrongTarget('an app. Give gateway(createServer(app))')
  if (given instanceof Server) throw wrongTarget('a server that does not speak FastCGI. Give gateway(createServer(app))')
  if (typeof target === 'string' && target !== '') return fixed({ path: target })
  if (typeof given === 'object' && given !== null && 'port' in given && typeof given.port === 'number') return fixed(target as TcpNetConnectOpts)
  throw wrongTarget(`${String(given)}. Give a FastCGI server, the path of a Unix socket, or { host, port }`)
}

function fixed(options: NetConnectOpts): Target {
  return { connectOptions: () => Promise.resolve(options), close: () => undefined }
}

function wrongTarget(found: string): FastCgiError {
  return new FastCgiError('ERR_FCGI_OPTION', `the gateway's target is ${found}`)
}

class ServerTarget implements Target {
  readonly #server: FastCgiServer
  #directory: string | undefined
  #listening: Promise<void> | undefined

  constructor(server: FastCgiServer) {
    this.#server = server
  }

  async connectOptions(): Promise<NetConnectOpts> {
    if (!this.#server.listening) this.#listening ??= this.#listen()
    await this.#listening
    const address = this.#server.address()
    if (address === null) throw new FastCgiError('ERR_FCGI_UPSTREAM_CONNECT', 'the FastCGI server does not listen')
    if (typeof address === 'string') return { path: address }
    return { host: reachable(address.address), port: address.port }
  }

  close(): void {
    if (this.#directory === undefined) return
    if (this.#server.listening) this.#server.close()
    this.#listening = undefined
    rmSync(this.#directory, { recursive: true, force: true })
    this.#directory = undefined
  }

  async #listen(): Promise<void> {
    this.#directory = mkdtempSync(join(tmpdir(), 'fcgi-'))
    try {
      const listening = once(this.#server, 'listening')
      this.#server.listen(join(this.#directory, 'app.sock'))
      await listening
    } catch (error) {
      this.close()
      throw error
    }
  }
}

/** The address to connect to where the application listens on all addresses. */
function reachable(address: string): string {
  if (address === '::') return '::1'
  return address === '0.0.0.0' ? '127.0.0.1' : address
}
