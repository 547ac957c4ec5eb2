/**
 * Memory of the server process: what a stalled client and a paused reader make it hold, and what an idle
 * kept connection costs.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import { runMeasurement } from './context.js'
import type { BenchContext } from './context.js'
import { launch } from './launch.js'
import type { Running } from './launch.js'
import { scaled, spread } from './stats.js'
import type { Spread } from './stats.js'
import { table, withSpread } from './report.js'
import { serverKind } from './roster.js'
import type { ServerName } from './roster.js'
import type { MemoryReport } from './servers/listen.js'
import { FastCgiResponseReader, HttpResponseReader, caseRequest, requestBody, requestEnd, requestHead } from './wire.js'
import type { Protocol, RequestShape } from './wire.js'
import { CASES } from './cases.js'

/** The servers whose memory is compared. */
export const MEMORY_SERVERS = ['express-fastcgi', 'express-http', 'node-fastcgi'] as const satisfies readonly ServerName[]

const KIBIBYTE = 1024
const MEGABYTE = 1_000_000
const GIGABYTE = 1_000_000_000
const WARM_UP_OCTETS = 100_000_000
const PIECE_OCTETS = 1_000_000
/** How long the client reads nothing, and how long the app reads nothing. */
const STALL_MILLISECONDS = 2000
const SAMPLE_MILLISECONDS = 10
/** Connections that are open before the first reading, so that V8's young generation has settled. */
const SETTLING_CONNECTIONS = 1000
/** Connections between the two readings. */
const IDLE_CONNECTIONS = 3000
/** Connections that are opened at once. */
const BATCH = 50
/** So many that V8's young generation has grown to its full size, which is not the connections' doing. */
const WARM_UP_BATCHES = 400

/** What one server needs. */
export interface MemoryResult {
  server: ServerName
  /** Growth of the resident set, in octets, while 1 GB goes to a client that stalls and then reads. */
  stalledDownload?: Spread
  /** Growth of the resident set, in octets, while 1 GB comes for a reader that is paused. */
  pausedUpload?: Spread
  /** Octets a connection: JavaScript heap and buffers. */
  idleHeap?: Spread
  /** Octets a connection: resident set. */
  idleResident?: Spread
  failure?: string
}

export function run(args: readonly string[]): Promise<void> {
  return runMeasurement({ command: 'memory', inRounds: false, measure: compareMemory }, args)
}

/** Measures several servers and prints a table. */
export async function compareMemory({ options, directory, print }: BenchContext): Promise<MemoryResult[]> {
  const results: MemoryResult[] = []
  for (const name of MEMORY_SERVERS) {
    results.push(await measureMemory(name, { directory, node: options.node, rounds: options.rounds }))
  }
  const cell = (value: Spread | undefined, divisor: number): string => (value ? withSpread(scaled(value, divisor)) : '')
  const rows = results.map(({ server, failure, stalledDownload, pausedUpload, idleHeap, idleResident }) => [
    serverKind(server).title,
    failure ?? cell(stalledDownload, MEGABYTE),
    cell(pausedUpload, MEGABYTE),
    cell(idleHeap, KIBIBYTE),
    cell(idleResident, KIBIBYTE),
  ])
  const head = ['server', '1 GB to a stalled client, MB', '1 GB for a paused reader, MB', 'idle: heap, KiB each', 'idle: resident, KiB each']
  print(`\n${table(head, rows)}`)
  return results
}

/** Measures one server, in a fresh process for each figure of each round. */
export async function measureMemory(
  name: ServerName,
  options: { directory: string; node: string; rounds: number },
): Promise<MemoryResult> {
  const missing = serverKind(name).missing()
  if (missing !== undefined) return { server: name, failure: `not installed: ${missing}` }
  const fresh = async <Value>(measure: (server: Running) => Promise<Value>): Promise<Value> => {
    const server = await launch(name, { ...options, clients: 1 })
    try {
      return await measure(server)
    } finally {
      await server.stop()
    }
  }
  try {
    const downloads: number[] = []
    const uploads: number[] = []
    const idle: { heap: number; resident: number }[] = []
    for (let round = 0; round < options.rounds; round += 1) {
      downloads.push(await fresh((server) => growth(server, download)))
      uploads.push(await fresh((server) => growth(server, upload)))
      if (serverKind(name).keeps) idle.push(await fresh(idleConnections))
    }
    return {
      server: name,
      stalledDownload: spread(downloads),
      pausedUpload: spread(uploads),
      ...(idle.length === 0
        ? {}
        : { idleHeap: spread(idle.map(({ heap }) => heap)), idleResident: spread(idle.map(({ resident }) => resident)) }),
    }
  } catch (error) {
    return { server: name, failure: String(error) }
  }
}

type Transfer = (server: Running, octets: number, stall: number) => Promise<void>

/** How far the resident set rises above where it was after a transfer without a stall and a collection. */
async function growth(server: Running, transfer: Transfer): Promise<number> {
  await transfer(server, WARM_UP_OCTETS, 0)
  const { residentOctets } = await server.memory()
  let highest = residentOctets
  const timer = setInterval(() => {
    highest = Math.max(highest, residentSet(server.pid))
  }, SAMPLE_MILLISECONDS)
  try {
    await transfer(server, GIGABYTE, STALL_MILLISECONDS)
  } finally {
    clearInterval(timer)
  }
  return highest - residentOctets
}

/** The resident set of a process, in octets. */
function residentSet(pid: number): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1]
  return Number(kibibytes ?? 0) * 1024
}

function connect(server: Running): net.Socket {
  return net.connect(server.address)
}

function responseReader(protocol: Protocol, octets: number): FastCgiResponseReader | HttpResponseReader {
  return protocol === 'http' ? new HttpResponseReader(octets) : new FastCgiResponseReader(octets)
}

/** Reads the response; calls `onFirst` at its first bytes. @throws Error where it breaks off. */
async function readResponse(socket: net.Socket, protocol: Protocol, octets: number, onFirst?: () => void): Promise<void> {
  const reader = responseReader(protocol, octets)
  let first = onFirst
  await new Promise<void>((resolve, reject) => {
    socket.on('data', (chunk) => {
      try {
        if (reader.read(chunk, chunk.length)) resolve()
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)))
      }
      first?.()
      first = undefined
    })
    socket.on('error', reject)
    socket.on('close', () => {
      reject(new Error(`the connection closed after ${String(reader.octets)} octets`))
    })
  })
  socket.destroy()
}

const download: Transfer = async (server, octets, stall) => {
  const { protocol } = server.kind
  const headers = [['X-Octets', String(octets)]] as const
  const shape: RequestShape = { method: 'GET', path: '/stream', requestOctets: 0, headers, keep: false }
  const socket = connect(server)
  socket.write(Buffer.concat([requestHead(protocol, shape), requestEnd(protocol)]))
  await readResponse(socket, protocol, octets, () => {
    if (stall === 0) return
    socket.pause()
    setTimeout(() => socket.resume(), stall)
  })
}

const upload: Transfer = async (server, octets, stall) => {
  const { protocol } = server.kind
  const headers = [['X-Pause', String(stall)]] as const
  const shape: RequestShape = { method: 'POST', path: '/receive', requestOctets: octets, headers, keep: false }
  const socket = connect(server)
  const answered = readResponse(socket, protocol, String(octets).length)
  const piece = requestBody(protocol, Buffer.alloc(PIECE_OCTETS, 'b'))
  const send = async (): Promise<void> => {
    socket.write(requestHead(protocol, shape))
    for (let sent = 0; sent < octets; sent += PIECE_OCTETS) {
      if (!socket.write(piece)) await once(socket, 'drain')
    }
    socket.write(requestEnd(protocol))
  }
  await Promise.all([send(), answered])
}

/** What a connection that has had one request and stays open adds, in octets. */
async function idleConnections(server: Running): Promise<{ heap: number; resident: number }> {
  for (let batch = 0; batch < WARM_UP_BATCHES; batch += 1) {
    for (const socket of await openKept(server, BATCH)) socket.destroy()
  }
  const sockets: net.Socket[] = []
  const openUpTo = async (count: number): Promise<MemoryReport> => {
    while (sockets.length < count) sockets.push(...(await openKept(server, BATCH)))
    return server.memory()
  }
  const before = await openUpTo(SETTLING_CONNECTIONS)
  const after = await openUpTo(SETTLING_CONNECTIONS + IDLE_CONNECTIONS)
  for (const socket of sockets) socket.destroy()
  return {
    heap: (after.heapOctets - before.heapOctets) / IDLE_CONNECTIONS,
    resident: (after.residentOctets - before.residentOctets) / IDLE_CONNECTIONS,
  }
}

async function openKept(server: Running, count: number): Promise<net.Socket[]> {
  const { protocol } = server.kind
  const request = caseRequest(protocol, 'hello', true)
  return Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect(server)
      const reader = responseReader(protocol, CASES.hello.responseOctets)
      socket.write(request)
      await new Promise<void>((resolve, reject) => {
        socket.on('data', (chunk) => {
          if (reader.read(chunk, chunk.length)) resolve()
        })
        socket.on('error', reject)
      })
      return socket
    }),
  )
}
