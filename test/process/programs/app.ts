/**
 * A small app under serve(). argv[2] is its options as JSON. It tells on standard output what happens:
 * `listening ADDRESS`, `failed CODE MESSAGE`, `ran URL` for every request that reaches the app, `closed`.
 *
 * /hold… is answered at SIGUSR2, /hang… never, /block after it has held the event loop up at SIGINT, anything else after a few turns of the event loop, with LENGTH octets.
 */
import { serve, type ServeOptions } from 'express-responder'
import { writeSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'

const LENGTH = 20_000
/** How long /block holds the event loop up, in ms. */
const BLOCKED = 400
const held: ServerResponse[] = []

function answer(response: ServerResponse): void {
  response.setHeader('Content-Length', LENGTH)
  response.write('x'.repeat(LENGTH / 2))
  setImmediate(() => response.end('y'.repeat(LENGTH / 2)))
}

function app(request: IncomingMessage, response: ServerResponse): void {
  const url = request.url ?? ''
  console.log(`ran ${url}`)
  if (url.startsWith('/hold')) held.push(response)
  else if (url.startsWith('/block')) blockAtSignal(response)
  else if (!url.startsWith('/hang')) setTimeout(answer, url.length % 4, response)
}

/** Holds the event loop up from the next SIGINT on, for longer than signals count as one. */
function blockAtSignal(response: ServerResponse): void {
  process.once('SIGINT', () => {
    writeSync(process.stdout.fd, 'blocked\n')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BLOCKED)
    answer(response)
  })
}

process.on('SIGUSR2', () => {
  for (const response of held.splice(0)) answer(response)
})
process.on('SIGTERM', () => {
  console.log('another listener heard SIGTERM')
})
// What an app leaves open must not keep the process from ending.
setInterval(() => undefined, 1 << 30)

try {
  const { address, closed } = await serve(app, JSON.parse(process.argv[2] ?? '{}') as ServeOptions)
  void closed.then(() => {
    console.log('closed')
  })
  console.log(`listening ${address}`)
} catch (error) {
  console.log(`failed ${error instanceof Error && 'code' in error ? String(error.code) : ''} ${String(error)}`)
  process.exit(3)
}
