/** The addresses that a request's socket has: what the web server says in params, and nothing made up. */
import { describe, expect, it } from '@jest/globals'
import { RequestParams, encodePairs } from '../../lib/fastcgi/params.js'
import { ClientAddress } from '../../lib/server/client-address.js'

function addressOf(...pairs: [name: string, value: string][]): ClientAddress {
  return new ClientAddress(new RequestParams(encodePairs(pairs).toString('latin1')))
}

describe('the client and the address that it came to', () => {
  it('are REMOTE_ADDR and REMOTE_PORT, SERVER_ADDR and SERVER_PORT, with their families', () => {
    const address = addressOf(
      ['SERVER_PORT', '443'], ['REMOTE_ADDR', '192.0.2.7'], ['HTTP_HOST', 'example.test'], ['REMOTE_PORT', '50000'], ['SERVER_ADDR', '2001:db8::1'],
    )
    expect(address).toMatchObject({ remoteAddress: '192.0.2.7', remotePort: 50_000, remoteFamily: 'IPv4' })
    expect(address).toMatchObject({ localAddress: '2001:db8::1', localPort: 443, localFamily: 'IPv6' })
  })

  it('are undefined where the web server says nothing of them', () => {
    const address = addressOf(['REQUEST_METHOD', 'GET'])
    expect([address.remoteAddress, address.remotePort, address.remoteFamily]).toEqual([undefined, undefined, undefined])
    expect([address.localAddress, address.localPort, address.localFamily]).toEqual([undefined, undefined, undefined])
  })

  it.each([['', undefined], ['http', undefined], ['80.5', undefined], ['0', 0]])('have no port in "%s" that is no number: %s', (text, port) => {
    expect(addressOf(['REMOTE_PORT', text], ['SERVER_PORT', text])).toMatchObject({ remotePort: port, localPort: port })
  })

  it('are the last values where a name came twice', () => {
    expect(addressOf(['REMOTE_ADDR', '192.0.2.1'], ['REMOTE_ADDR', '192.0.2.2']).remoteAddress).toBe('192.0.2.2')
  })
})
