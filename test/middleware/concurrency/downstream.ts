/**
 * Something scarce that handlers use, and that counts for itself how many do: each keeps a connection open for as long as it
 * runs. What a killed process had open, the kernel closes.
 */
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'

/** Milliseconds that a handler is kept, at most. */
const LONGEST = 12

export class Downstream {
  readonly port: number
  /** Handlers that run now, by the name of their process. */
  readonly running: { readonly name: string; readonly socket: net.Socket }[] = []
  /** The most that ran at once; may be set back. */
  most = 0
  /** Hold handlers until `release()`. */
  holding = false
  /** Called when one has come, and when one is over. */
  onChange: (came: boolean) => void = () => undefined
  readonly #server: net.Server

  private constructor(server: net.Server) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    server.on('connection', (socket) => { this.#greet(socket) })
  }

  static async start(): Promise<Downstream> {
    const server = net.createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Downstream(server)
  }

  of(name: string): number {
    return this.running.filter((entry) => entry.name === name).length
  }

  /** Lets the oldest of that process end. */
  release(name: string): void {
    const entry = this.running.find((one) => one.name === name)
    if (entry !== undefined) this.#end(entry)
  }

  stop(): void {
    this.#server.close()
    for (const { socket } of this.running) socket.destroy()
  }

  #greet(socket: net.Socket): void {
    socket.on('error', () => undefined)
    createInterface(socket).once('line', (name) => {
      const entry = { name, socket }
      this.running.push(entry)
      this.most = Math.max(this.most, this.running.length)
      socket.once('close', () => { this.#forget(entry) })
      this.onChange(true)
      if (!this.holding) setTimeout(() => { this.#end(entry) }, Math.random() * LONGEST)
    }).on('error', () => undefined)
  }

  /** Counted as over before its handler can know. */
  #end(entry: Downstream['running'][number]): void {
    this.#forget(entry)
    entry.socket.end()
  }

  #forget(entry: Downstream['running'][number]): void {
    const index = this.running.indexOf(entry)
    if (index < 0) return
    this.running.splice(index, 1)
    this.onChange(false)
  }
}
