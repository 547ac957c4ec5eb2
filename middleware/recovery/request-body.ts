/** Whether a request has a body. */
import type { IncomingMessage } from 'node:http'

/** RFC 9112, section 6.3: a request has a body if one of two headers says so. */
export function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length']
  return (length !== undefined && length !== '0') || headers['transfer-encoding'] !== undefined
}
