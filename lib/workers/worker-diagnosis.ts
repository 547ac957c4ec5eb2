/**
 * A diagnosis in a worker: while one runs, the doctor's requests are answered before the app, and all others go to it as ever. At other
 * times nothing of it is in any request's way.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { HeldPieces, diagnosticHandler, type Arrival } from '../server/diagnostics.js'
import type { FastCgiServer } from '../server/server.js'
import type { DiagnosisOrder } from './messages.js'

type Listener = (this: unknown, request: IncomingMessage, response: ServerResponse) => void

/** What the primary orders a worker to do about a diagnosis. */
export class WorkerDiagnosis {
  readonly #server: FastCgiServer
  readonly #tell: (arrival: Arrival) => void
  #running: { readonly held: HeldPieces, readonly end: () => void } | undefined

  /** @param tell of each request of the doctor's */
  constructor(server: FastCgiServer, tell: (arrival: Arrival) => void) {
    this.#server = server
    this.#tell = tell
  }

  /** @returns whether a piece was held that is released; otherwise false */
  obey(order: DiagnosisOrder): boolean {
    if (order.step === 'begin') this.#begin(order.token, order.limit)
    else if (order.step === 'end') this.end()
    else if (order.step === 'release') return this.#running?.held.release(order.name) ?? false
    return false
  }

  /** The app gets all requests again. Does nothing where no diagnosis runs. */
  end(): void {
    this.#running?.end()
    this.#running = undefined
  }

  #begin(token: string, limit: number): void {
    this.end()
    const server = this.#server
    const held = new HeldPieces()
    const answersDoctor = diagnosticHandler({ token, held, onArrival: this.#tell })
    const app = server.rawListeners('request') as Listener[]
    const listener: Listener = function (request, response) {
      if (answersDoctor(request, response)) return
      for (const each of app) Reflect.apply(each, server, [request, response])
    }
    server.removeAllListeners('request').on('request', listener)
    // The primary ends it. This is for one that cannot.
    const timer = setTimeout(() => {
      this.end()
    }, limit).unref()
    this.#running = {
      held,
      end(): void {
        clearTimeout(timer)
        held.clear()
        server.removeListener('request', listener)
        for (const each of app) server.on('request', each)
      },
    }
  }
}
