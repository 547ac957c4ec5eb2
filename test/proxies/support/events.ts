/**
 * How a test hears from the app under test, and lets a waiting handler go on, wherever the app runs: in
 * the test's own process, or as JSON lines over a Unix socket from a program that a web server started.
 */
import { EventEmitter, once } from 'node:events'
import { chmod } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { createInterface } from 'node:readline'

/** Something that happened to the request with this id (the query parameter `id`), or to the `program`. */
export interface AppEvent {
  id: string
  event: 'called' | 'closed' | 'body' | 'release' | 'started'
  detail?: Readonly<Record<string, unknown>>
}

/** The app's side. */
export interface AppEvents {
  report(event: AppEvent): void
  /** Resolves once the test lets the request go on. */
  released(id: string): Promise<void>
}

const WAIT_LIMIT_MS = 10_000

/** The test's side, and the app's where both run in one process. Remembers what was reported. */
export class EventHub implements AppEvents {
  readonly #emitter = new EventEmitter().setMaxListeners(0)
  readonly #history: AppEvent[] = []
  readonly #programs = new Set<Socket>()
  #server: Server | undefined

  report(event: AppEvent): void {
    this.#history.push(event)
    this.#emitter.emit('event', event)
  }

  async released(id: string): Promise<void> {
    await this.wait(id, 'release')
  }

  /** Lets the handler of this request go on. */
  release(id: string): void {
    const event: AppEvent = { id, event: 'release' }
    this.report(event)
    for (const socket of this.#programs) socket.write(JSON.stringify(event) + '\n')
  }

  /** The first such event, whether it has been or is to come; rejects after ten seconds. */
  async wait(id: string, event: AppEvent['event']): Promise<AppEvent> {
    const matches = (candidate: AppEvent): boolean => candidate.id === id && candidate.event === event
    const signal = AbortSignal.timeout(WAIT_LIMIT_MS)
    for (;;) {
      const found = this.#history.find(matches)
      if (found !== undefined) return found
      try {
        await once(this.#emitter, 'event', { signal })
      } catch (error) {
        throw new Error(`the app has not reported '${event}' of ${id}`, { cause: error })
      }
    }
  }

  /** How many programs are connected, that is, how many run. */
  get programs(): number {
    return this.#programs.size
  }

  /** Resolves once no more than so many programs run; rejects after ten seconds. */
  async programsLeft(most: number): Promise<void> {
    const signal = AbortSignal.timeout(WAIT_LIMIT_MS)
    while (this.#programs.size > most) await once(this.#emitter, 'program', { signal })
  }

  /** How many such events there were so far. */
  count(id: string, event: AppEvent['event']): number {
    return this.#history.filter((candidate) => candidate.id === id && candidate.event === event).length
  }

  /** Takes reports from programs that connect to this Unix socket, whoever they run as. */
  async listen(path: string): Promise<void> {
    const server = createServer((socket) => {
      this.#programs.add(socket)
      socket.on('error', () => undefined).on('close', () => {
        this.#programs.delete(socket)
        this.#emitter.emit('program')
      })
      createInterface({ input: socket }).on('line', (line) => {
        this.report(JSON.parse(line) as AppEvent)
      })
    })
    this.#server = server
    server.listen(path)
    await once(server, 'listening')
    await chmod(path, 0o666)
  }

  async close(): Promise<void> {
    for (const socket of this.#programs) socket.destroy()
    if (this.#server === undefined) return
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** The app's side in a program of its own. The connection holds no process open. */
export function connectEvents(path: string): AppEvents {
  const hub = new EventHub()
  const socket = connect(path).unref()
  socket.on('error', () => undefined)
  createInterface({ input: socket }).on('line', (line) => {
    hub.report(JSON.parse(line) as AppEvent)
  })
  return {
    report: (event) => {
      socket.write(JSON.stringify(event) + '\n')
    },
    released: (id) => hub.released(id),
  }
}
