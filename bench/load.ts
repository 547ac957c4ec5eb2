/**
 * The load generator, a process of its own: sends pre-built bytes over bare sockets, as many requests as
 * are answered, and tells how many there were and what CPU time it took itself.
 */
import net from 'node:net'
import { performance } from 'node:perf_hooks'
import { CASES } from './cases.js'
import type { CaseName } from './cases.js'
import { FastCgiResponseReader, HttpResponseReader, caseRequest, checkResponse } from './wire.js'
import type { Protocol, ResponseReader } from './wire.js'

/** A Unix socket, or a port of 127.0.0.1. */
export type Address = { path: string } | { host: string; port: number }

/** One stretch of load. */
export interface Job {
  address: Address
  protocol: Protocol
  case: CaseName
  /** Whether connections are kept; else each request has one of its own. */
  keep: boolean
  /** Connections open at once. */
  clients: number
  /** Stops after so many requests … */
  requests?: number
  /** … or so many seconds, whichever comes first. */
  seconds?: number
  /** For application servers that run files. */
  scriptFilename?: string
  /** Whether the first response is held against the case in full. */
  check?: boolean
}

/** What came of a {@link Job}. */
export interface JobResult {
  /** Requests that were answered. */
  requests: number
  seconds: number
  /** CPU time of the load generator, in microseconds. */
  generatorMicroseconds: number
  failures: number
  firstFailure?: string
}

const READ_BUFFER_LENGTH = 256 * 1024
/** A server that fails this often is not asked again. */
const MOST_FAILURES = 20

/** Runs one job at a time. */
class Load {
  readonly job: Job
  readonly request: Buffer
  readonly readBuffer = Buffer.allocUnsafe(READ_BUFFER_LENGTH)
  requests = 0
  failures = 0
  firstFailure: string | undefined
  /** Set once a first response has been looked at in full. */
  checked: boolean
  #started = 0
  #stopping = false
  #open = 0
  #done: () => void = () => undefined

  constructor(job: Job) {
    this.job = job
    this.request = caseRequest(job.protocol, job.case, job.keep, job.scriptFilename)
    this.checked = job.check !== true
  }

  async run(): Promise<JobResult> {
    const cpu = process.cpuUsage()
    const start = performance.now()
    const timer = setTimeout(() => {
      this.#stopping = true
    }, (this.job.seconds ?? 60) * 1000)
    await new Promise<void>((resolve) => {
      this.#done = resolve
      for (let index = 0; index < this.job.clients; index += 1) {
        if (this.next()) {
          this.#open += 1
          new Client(this).open()
        }
      }
    })
    clearTimeout(timer)
    const seconds = (performance.now() - start) / 1000
    const { user, system } = process.cpuUsage(cpu)
    return {
      requests: this.requests,
      seconds,
      generatorMicroseconds: user + system,
      failures: this.failures,
      ...(this.firstFailure === undefined ? {} : { firstFailure: this.firstFailure }),
    }
  }

  /** Asks for leave to send one more request. */
  next(): boolean {
    if (this.#stopping || this.#started === this.job.requests) return false
    this.#started += 1
    return true
  }

  fail(reason: string): void {
    this.failures += 1
    this.firstFailure ??= reason
    if (this.failures >= MOST_FAILURES) this.#stopping = true
  }

  /** A client has no more to send. */
  leave(): void {
    this.#open -= 1
    if (this.#open === 0) this.#done()
  }
}

/** One client: a connection, or one after another, each with one request at a time. */
class Client {
  readonly #load: Load
  readonly #reader: ResponseReader
  readonly #check: Buffer[] | undefined
  #socket: net.Socket | undefined
  #answered = false
  #failed = false

  constructor(load: Load) {
    this.#load = load
    const octets = CASES[load.job.case].responseOctets
    this.#reader = load.job.protocol === 'http' ? new HttpResponseReader(octets) : new FastCgiResponseReader(octets)
    this.#check = load.checked ? undefined : []
    load.checked = true
  }

  /** Opens a connection and sends the request that leave was given for. */
  open(): void {
    this.#answered = false
    this.#failed = false
    this.#reader.reset()
    const socket = net.connect({
      ...this.#load.job.address,
      onread: {
        buffer: this.#load.readBuffer,
        callback: (length, chunk) => {
          this.#read(chunk, length)
          return true
        },
      },
    })
    this.#socket = socket
    socket.on('error', (error) => {
      this.#fail(error.message)
    })
    socket.on('close', () => {
      this.#closed()
    })
    socket.write(this.#load.request)
  }

  #read(chunk: Uint8Array, length: number): void {
    if (this.#failed) return
    if (this.#load.requests === 0) this.#check?.push(Buffer.from(chunk.subarray(0, length)))
    try {
      if (!this.#reader.read(chunk, length)) return
      if (this.#check && this.#check.length > 0) {
        checkResponse(this.#load.job.protocol, this.#load.job.case, Buffer.concat(this.#check))
        this.#check.length = 0
      }
    } catch (error) {
      this.#fail(String(error))
      this.#socket?.destroy()
      return
    }
    this.#answered = true
    this.#load.requests += 1
    if (!this.#load.job.keep) return
    if (!this.#load.next()) {
      this.#socket?.destroy()
      return
    }
    this.#answered = false
    this.#reader.reset()
    this.#socket?.write(this.#load.request)
  }

  /** A connection has ended: after its answer that is what was asked for, before it is a failure. */
  #closed(): void {
    if (!this.#answered && !this.#failed) this.#fail('the connection closed before the answer was whole')
    const mayGoOn = this.#load.job.keep ? !this.#answered : true
    if (mayGoOn && this.#load.next()) this.open()
    else this.#load.leave()
  }

  #fail(reason: string): void {
    if (this.#answered || this.#failed) return
    this.#failed = true
    this.#load.fail(reason)
  }
}

if (process.send) {
  process.on('message', (job: Job) => {
    void new Load(job).run().then((result) => process.send?.(result))
  })
}
