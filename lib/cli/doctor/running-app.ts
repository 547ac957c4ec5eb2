/** What arrives at an app that runs: its own workers answer the doctor, for the time of one diagnosis, asked for at the control socket. */
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { codeOf } from '../../../shared/errors.js'
import { FastCgiError } from '../../errors.js'
import type { Arrival } from '../../server/diagnostics.js'
import { DIAGNOSIS_PATH, type DiagnosisBegun } from '../diagnosis-endpoint.js'
import { askOverSocket, type Question } from '../socket-client.js'
import type { ArrivalSource, NotAsked } from './arrival-source.js'

const RUN_BY_COMMAND = 'it can be asked where express-responder runs it, with --control-socket if it has another one'

/**
 * Begins a diagnosis. It ends in all workers when the source is closed, and when this process ends.
 *
 * @param path of the control socket
 */
export async function askRunningApp(path: string): Promise<ArrivalSource | NotAsked> {
  const lease = request({ socketPath: path, method: 'POST', path: DIAGNOSIS_PATH, agent: false, headers: { Host: 'localhost' } }).end()
  try {
    const [response] = await once(lease, 'response') as [IncomingMessage]
    const line = await firstLine(response)
    if (response.statusCode === 200) return sourceOf(path, JSON.parse(line) as DiagnosisBegun, () => lease.destroy())
    lease.destroy()
    if (response.statusCode !== 409) return { reason: 'it runs with another version of express-responder: restart it' }
    return { reason: (JSON.parse(line) as { message: string }).message }
  } catch (error) {
    lease.destroy()
    const code = codeOf(error)
    if (code === 'EACCES') return { reason: `the control socket ${path} may not be used: ask as the user who runs the app, or as root` }
    return { reason: `nobody answers at the control socket ${path} (${code ?? String(error)}); ${RUN_BY_COMMAND}` }
  }
}

/** The first line of a body, which may go on for long; the rest is not of interest. */
async function firstLine(response: IncomingMessage): Promise<string> {
  let text = ''
  response.setEncoding('utf8')
  return new Promise((resolve, reject) => {
    response.on('data', (piece: string) => {
      text += piece
      if (text.includes('\n')) resolve(text)
    })
    response.on('end', () => {
      resolve(text)
    })
    response.on('error', reject)
  })
}

function sourceOf(path: string, { token, idleLimit, trustsForwarded }: DiagnosisBegun, end: () => void): ArrivalSource {
  const get = async (method: Question['method'], url: string): Promise<unknown> => {
    const { status, body } = await askOverSocket(path, { method, path: DIAGNOSIS_PATH + url }).catch(() => ({ status: 0, body: '' }))
    if (status === 200) return JSON.parse(body)
    throw new FastCgiError('ERR_FCGI_CONTROL', 'the app has ended the diagnosis: it was stopped, or it took longer than two minutes. Start the doctor again')
  }
  return {
    token,
    idleLimit,
    trustsForwarded,
    arrivals: async () => await get('GET', '/arrivals') as readonly Arrival[],
    http: () => undefined,
    release: async (name) => (await get('POST', `/release?name=${encodeURIComponent(name)}`) as { held: boolean }).held,
    async close() {
      try {
        await get('DELETE', '')
      } catch {
        // It is over already.
      }
      end()
    },
  }
}
