/** The situations: whatever waits here can be answered, so that nobody needs to be turned away. */
import type { ClientRequest, IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Clients } from './clients.js'

export interface Situation {
  readonly name: string
  readonly seconds: number
  /** The process has a timer that takes a tenth of it. */
  readonly background?: boolean
  readonly play: (clients: Clients) => Promise<void>
}

const QUICK = { path: '/quick', quick: true }
const QUICK_EACH = 10
const SLOW = 30
const CHUNK = Buffer.alloc(1024, 'x')
const TRICKLE_EACH = 100
const READ_AT_ONCE = 32 * 1024
const BURSTS = [50, 100, 200, 400]
const LONG_BURST = 350

export const SITUATIONS: readonly Situation[] = [
  { name: 'one client, one request at a time, after 600 ms of work', seconds: 8, play: lone },
  {
    name: 'a tenth busy with a timer, another with routes before the cap, four requests a second',
    seconds: 8,
    background: true,
    play: rare,
  },
  { name: 'bursts of 50 to 400, new connections', seconds: 8, play: (clients) => bursts(clients, true) },
  { name: 'bursts of 50 to 400, kept connections', seconds: 8, play: (clients) => bursts(clients, false) },
  { name: 'bursts of 350 that are 10 ms of work each, new connections', seconds: 8, play: (clients) => longBursts(clients, true) },
  { name: 'bursts of 350 that are 10 ms of work each, kept connections', seconds: 8, play: (clients) => longBursts(clients, false) },
  { name: '100 clients that wait 500 ms each, from the start', seconds: 8, play: (clients) => clients.crowd(100, { path: '/wait/500' }) },
  {
    name: '30 clients that wait 8 s each, beside 40 quick requests a second',
    seconds: 17,
    play: (clients) => beside(clients, 25, () => clients.crowd(SLOW, { path: '/wait/8000' })),
  },
  {
    name: '30 trickling uploads, beside 100 quick requests a second',
    seconds: 8,
    play: (clients) => beside(clients, QUICK_EACH, () => clients.crowd(SLOW, { path: '/upload', send: (request) => trickle(clients, request) })),
  },
  {
    name: '30 slow readers of 4 MB, beside 100 quick requests a second',
    seconds: 8,
    play: (clients) => beside(clients, QUICK_EACH, () => clients.crowd(SLOW, { path: '/download', read: (response) => readSlowly(clients, response) })),
  },
  {
    name: '30 event streams, beside 100 quick requests a second',
    seconds: 8,
    play: (clients) => beside(clients, QUICK_EACH, () => clients.crowd(SLOW, { path: '/events' })),
  },
]

async function lone(clients: Clients): Promise<void> {
  while (!clients.isOver) {
    await clients.ask({ path: '/block' })
    for (let index = 0; index < 5; index += 1) await clients.ask(QUICK)
    await delay(200)
  }
}

async function rare(clients: Clients): Promise<void> {
  await Promise.all([clients.every(QUICK_EACH, { path: '/before' }), clients.every(250, { path: '/work', quick: true })])
}

async function bursts(clients: Clients, fresh: boolean): Promise<void> {
  for (let index = 0; !clients.isOver; index += 1) {
    const count = BURSTS[index % BURSTS.length] ?? 0
    await Promise.all(Array.from({ length: count }, () => clients.ask({ path: '/work', quick: true, fresh })))
    await delay(200)
  }
}

async function longBursts(clients: Clients, fresh: boolean): Promise<void> {
  while (!clients.isOver) {
    await Promise.all(Array.from({ length: LONG_BURST }, () => clients.ask({ path: '/work/10', quick: true, fresh })))
    await delay(1000)
  }
}

/** The slow ones come first. When the time is over they are let go. */
async function beside(clients: Clients, milliseconds: number, slow: () => Promise<void>): Promise<void> {
  const all = slow()
  await delay(500)
  await clients.every(milliseconds, QUICK)
  clients.leave()
  await all
}

async function trickle(clients: Clients, request: ClientRequest): Promise<void> {
  while (!clients.isOver && !request.destroyed) {
    request.write(CHUNK)
    await delay(TRICKLE_EACH)
  }
  request.end()
}

async function readSlowly(clients: Clients, response: IncomingMessage): Promise<void> {
  while (!clients.isOver && !response.readableEnded && !response.destroyed) {
    for (let octets = 0; octets < READ_AT_ONCE; ) {
      const chunk = response.read() as Buffer | null
      if (chunk === null) break
      octets += chunk.length
    }
    await delay(TRICKLE_EACH)
  }
  response.resume()
}
