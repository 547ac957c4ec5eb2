/** Free ports of 127.0.0.1, and waiting until somebody listens or answers on one. */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { connect as connectEncrypted } from 'node:tls'

/** Below the ports that the system gives to outgoing connections, so that none of those takes it meanwhile. */
const FIRST_PORT = 10_000
const PORTS = 22_000
const ATTEMPTS = 100
const POLL_INTERVAL_MS = 20
const ANSWER_LIMIT_MS = 2_000

/** A port of 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS)
    if (await isFree(port)) return port
  }
  throw new Error('no free port found')
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    server.close()
    await once(server, 'close')
    return true
  } catch {
    return false
  }
}

/**
 * Connects until it is accepted.
 *
 * @param mayContinue asked before each try; false gives up.
 * @returns whether somebody listens.
 */
export async function accepts(
  where: { port: number; host: string } | { path: string },
  mayContinue: () => boolean,
): Promise<boolean> {
  while (mayContinue()) {
    const socket = connect(where)
    try {
      await once(socket, 'connect')
      return true
    } catch {
      await delay(POLL_INTERVAL_MS)
    } finally {
      socket.destroy()
    }
  }
  return false
}

/** No request line at all: every web server refuses it by itself, and the app hears nothing of it. */
const NONSENSE = 'NONSENSE\r\n\r\n'

/**
 * Asks until a web server answers. Apache listens before it reads the rest of its configuration, so an
 * accepted connection alone says too little.
 *
 * @param mayContinue asked before each try; false gives up.
 * @returns whether somebody answers.
 */
export async function answers(port: number, mayContinue: () => boolean): Promise<boolean> {
  while (mayContinue()) {
    const socket = connect({ port, host: '127.0.0.1' })
    try {
      socket.end(NONSENSE)
      await once(socket, 'data', { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) })
      return true
    } catch {
      await delay(POLL_INTERVAL_MS)
    } finally {
      socket.destroy()
    }
  }
  return false
}

/** As {@link answers}, of a web server that speaks HTTPS: until it has agreed on a key. */
export async function encrypts(port: number, mayContinue: () => boolean): Promise<boolean> {
  while (mayContinue()) {
    const socket = connectEncrypted({ port, host: '127.0.0.1', rejectUnauthorized: false })
    try {
      await once(socket, 'secureConnect', { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) })
      return true
    } catch {
      await delay(POLL_INTERVAL_MS)
    } finally {
      socket.destroy()
    }
  }
  return false
}
