/**
 * The addresses of a request: the client's, and the one at the web server that it came to, as the web server's params have
 * them. The web server's connection to this process says nothing of either.
 */
import type { RequestParams } from '../fastcgi/params.js'
import { isEncrypted } from '../http/cgi-request.js'

/** Both ends of the connection that a request came by, with the names that a `net.Socket` has. Each is read when it is asked for. */
export class ClientAddress {
  readonly #params: RequestParams

  constructor(params: RequestParams) {
    this.#params = params
  }

  get remoteAddress(): string | undefined {
    return this.#params.get('REMOTE_ADDR')
  }

  get remotePort(): number | undefined {
    return portOf(this.#params.get('REMOTE_PORT'))
  }

  get localAddress(): string | undefined {
    return this.#params.get('SERVER_ADDR')
  }

  get localPort(): number | undefined {
    return portOf(this.#params.get('SERVER_PORT'))
  }

  /** Whether the client came by TLS. */
  get encrypted(): boolean {
    return isEncrypted((name) => this.#params.get(name))
  }

  get remoteFamily(): string | undefined {
    return familyOf(this.remoteAddress)
  }

  get localFamily(): string | undefined {
    return familyOf(this.localAddress)
  }
}

function portOf(text: string | undefined): number | undefined {
  const port = Number(text)
  return text !== undefined && text !== '' && Number.isInteger(port) ? port : undefined
}

function familyOf(address: string | undefined): string | undefined {
  if (address === undefined) return undefined
  return address.includes(':') ? 'IPv6' : 'IPv4'
}
