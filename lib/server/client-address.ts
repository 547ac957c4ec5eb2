/**
 * The addresses of a request: the client's, and the one at the web server that it came to, as the web server's params have
 * them. The web server's connection to this process says nothing of either.
 */
import type { RequestParams } from '../fastcgi/params.js'
import { isEncrypted } from '../http/cgi-request.js'

/** Both ends of the connection that a request came by, read from its params once, with the names that a `net.Socket` has. */
export class ClientAddress {
  readonly remoteAddress: string | undefined
  readonly remotePort: number | undefined
  readonly localAddress: string | undefined
  readonly localPort: number | undefined
  /** Whether the client came by TLS. */
  readonly encrypted: boolean

  constructor(params: RequestParams) {
    this.remoteAddress = params.get('REMOTE_ADDR')
    this.remotePort = portOf(params.get('REMOTE_PORT'))
    this.localAddress = params.get('SERVER_ADDR')
    this.localPort = portOf(params.get('SERVER_PORT'))
    this.encrypted = isEncrypted((name) => params.get(name))
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
