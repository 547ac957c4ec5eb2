/**
 * What the control socket offers to the doctor: a diagnosis lasts as long as the request that has begun it stays open, so that it ends with
 * a doctor that is killed. `POST /diagnosis` begins it; `GET /diagnosis/arrivals` and `POST /diagnosis/release?name=` belong to it;
 * `DELETE /diagnosis` ends it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { PoolDiagnosis } from '../workers/pool-diagnosis.js'

/** The path of all of it. */
export const DIAGNOSIS_PATH = '/diagnosis'

/** What the doctor is told when a diagnosis begins: one line of JSON. */
export interface DiagnosisBegun {
  readonly token: string
  /** `timeouts.idle` of the app, in milliseconds. */
  readonly idleLimit: number
  /** Whether the app takes the client's address from X-Forwarded-For. */
  readonly trustsForwarded: boolean
}

/** What the endpoint needs of the process. */
export interface DiagnosisHost {
  /** Rejects where another diagnosis runs. */
  readonly diagnose: () => Promise<PoolDiagnosis>
  readonly idleLimit: () => number
  readonly trustsForwarded: () => boolean
}

/** Answers those who ask for a diagnosis. */
export function createDiagnosisEndpoint({ diagnose, idleLimit, trustsForwarded }: DiagnosisHost): (incoming: IncomingMessage, response: ServerResponse) => Promise<void> {
  let running: PoolDiagnosis | undefined

  async function begin(response: ServerResponse): Promise<void> {
    const closed = new Promise<void>((resolve) => response.once('close', resolve))
    let diagnosis: PoolDiagnosis
    try {
      diagnosis = await diagnose()
    } catch (error) {
      send(response, 409, { message: error instanceof Error ? error.message : String(error) })
      return
    }
    running = diagnosis
    const begun: DiagnosisBegun = { token: diagnosis.token, idleLimit: idleLimit(), trustsForwarded: trustsForwarded() }
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson' }).write(`${JSON.stringify(begun)}\n`)
    await Promise.race([closed, diagnosis.over])
    await diagnosis.end()
    response.end()
  }

  return async function answerDiagnosis(incoming, response) {
    const { pathname, searchParams } = new URL(incoming.url ?? '', 'http://localhost')
    const what = `${incoming.method ?? ''} ${pathname.slice(DIAGNOSIS_PATH.length)}`
    if (what === 'POST ') await begin(response)
    else if (running === undefined || running.isOver) send(response, 404, { message: 'no diagnosis runs: it was ended, or it took too long' })
    else if (what === 'GET /arrivals') send(response, 200, await running.arrivals())
    else if (what === 'POST /release') send(response, 200, { held: await running.release(searchParams.get('name') ?? '') })
    else if (what === 'DELETE ') {
      await running.end()
      send(response, 200, {})
    } else send(response, 404, { message: 'there is no such thing to ask for' })
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
}
