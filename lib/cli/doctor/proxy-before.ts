/** Sees a proxy before the web server: the doctor sends no X-Forwarded-For, so one that arrives was made on the way. Pure. */
import type { Conversation } from './facts.js'

/** A proxy whose address the web server takes for the client's. */
export interface ProxyBefore {
  /** REMOTE_ADDR as it arrived. */
  readonly address: string
  /** X-Forwarded-For as it arrived. */
  readonly forwarded: string
}

/**
 * Undefined where the web server takes the client's address from the header, and where it has made the header itself: then the two name
 * one address. A proxy that sends no X-Forwarded-For is not seen.
 */
export function findProxy({ exchanges, arrivals }: Conversation): ProxyBefore | undefined {
  const params = new Map(arrivals.find(({ name }) => name === 'address')?.params)
  const [address, forwarded] = [params.get('REMOTE_ADDR'), params.get('HTTP_X_FORWARDED_FOR')]
  if (!address || !forwarded) return undefined
  const client = exchanges.find(({ name }) => name === 'address')?.clientAddress
  const named = [client ?? '', ...forwarded.split(',')].map(bare)
  return named.includes(bare(address)) ? undefined : { address, forwarded }
}

/** Whether a proxy says that the client has used HTTPS. */
export function isForwardedHttps({ arrivals }: Conversation): boolean {
  return arrivals.some(({ name, params }) => name === 'first' && new Map(params).get('HTTP_X_FORWARDED_PROTO') === 'https')
}

/** An address without a port, and IPv4 as such. */
function bare(text: string): string {
  const address = text.trim().toLowerCase().replace(/^\[(.*)\](?::\d+)?$/, '$1').replace(/^::ffff:(?=\d+\.)/, '')
  return address.replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1')
}
