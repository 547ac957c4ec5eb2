/**
 * Where the application is: an address, or a FastCGI server of this process, which is made to listen on a private
 * Unix socket where it does not listen yet.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { Server } from 'node:http'
import type { NetConnectOpts } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FastCgiError } from '../server/errors.js'

/** A FastCGI server of this process, a Unix socket's path, or a host and port. */
export type GatewayTarget = Server | string | { host?: string; port: number }

/** A place to connect to. */
export interface Target {
  /** Where to connect; listens first where that is needed. */
  connectOptions(): Promise<NetConnectOpts>
  /** Undoes what {@link Target.connectOptions} did, at once. It may be asked again afterwards. */
  close(): void
}

/** @throws FastCgiError ERR_FCGI_OPTION where it is none of the three. */
export function resolveTarget(target: GatewayTarget): Target {
  if (target instanceof Server) return new ServerTarget(target)
  const options = typeof target === 'string' ? { path: target } : target
  if (typeof options !== 'object' || !('path' in options || typeof options.port === 'number')) {
    throw new FastCgiError('ERR_FCGI_OPTION', 'gateway() takes a FastCGI server, the path of a Unix socket, or { host, port }')
  }
  return { connectOptions: () => Promise.resolve(options), close: () => undefined }
}

class ServerTarget implements Target {
  readonly #server: Server
  #directory: string | undefined
  #listening: Promise<void> | undefined

  constructor(server: Server) {
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

/** The address to connect to for one that stands for all. */
function reachable(address: string): string {
  if (address === '::') return '::1'
  return address === '0.0.0.0' ? '127.0.0.1' : address
}
