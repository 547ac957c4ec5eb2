/** What the failing program talks to: servers of its own, started before any request. */
import dgram from 'node:dgram'
import dns from 'node:dns'
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import net, { type AddressInfo } from 'node:net'
import tls from 'node:tls'

/** Ports on loopback. */
export interface Peers {
  /** Sends back what it gets. */
  echo: number
  http: number
  http2: number
  /** Speaks TLS with a shared key, and sends back what it gets. */
  tls: number
  udp: number
}

/** For TLS without a certificate. */
export const SHARED_KEY: tls.ConnectionOptions = {
  ciphers: 'PSK-AES128-GCM-SHA256',
  maxVersion: 'TLSv1.2',
  checkServerIdentity: () => undefined,
  pskCallback: () => ({ psk: Buffer.alloc(16, 1), identity: 'client' }),
}

async function listening(server: net.Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

export async function startPeers(): Promise<Peers> {
  const echo = net.createServer((socket) => {
    socket.on('error', () => undefined).pipe(socket)
  })
  const web = http.createServer((request, response) => {
    if (request.url === '/silent') return
    if (request.url === '/hints') response.writeEarlyHints({ link: '</style.css>; rel=preload' })
    response.write('hello')
    setTimeout(() => response.end(' world'), 2)
  })
  // With the default window a client's 'drain' would wait for the server to read.
  const web2 = http2.createServer({ settings: { initialWindowSize: 1_000_000 } })
  web2.on('session', (session) => { session.setLocalWindowSize(1_000_000) })
  web2.on('stream', (stream) => {
    stream.respond({ ':status': 200 })
    stream.on('error', () => undefined).resume().on('end', () => { stream.end('hello') })
  })
  const secure = tls.createServer({ ciphers: 'PSK-AES128-GCM-SHA256', maxVersion: 'TLSv1.2', pskCallback: () => Buffer.alloc(16, 1) }, (socket) => {
    socket.on('error', () => undefined).pipe(socket)
  })
  const udp = dgram.createSocket('udp4', undefined)
  udp.on('message', (message, from) => {
    udp.send(message, from.port, from.address)
  })
  udp.bind(0, '127.0.0.1')
  await once(udp, 'listening')
  // Nobody answers there, and that at once.
  dns.setServers(['127.0.0.1:9'])
  return {
    echo: await listening(echo), http: await listening(web), http2: await listening(web2), tls: await listening(secure), udp: udp.address().port,
  }
}
