/**
 * The control socket: by it `express-responder reload` tells a running process to reload, and hears what became of it, and the doctor has
 * it tell what arrives. HTTP on a Unix socket of mode 0600: only the user who runs the app, and root, can use it.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { resolve } from 'node:path'
import { codeOf } from '../../shared/errors.js'
import { FastCgiError } from '../errors.js'
import { listenOnSocketFile } from '../process/socket-file.js'
import { MAX_PATH_BYTES } from '../process/socket-path.js'
import type { StatusReporter } from '../status/status-reporter.js'
import { answerStatus } from '../status/status-server.js'
import { DIAGNOSIS_PATH, createDiagnosisEndpoint, type DiagnosisHost } from './diagnosis-endpoint.js'
import { askOverSocket, type Answer } from './socket-client.js'

const OWNER_ONLY = 0o600
const BACKLOG = 16

/** What a running process does for those who ask. */
export interface Control extends DiagnosisHost {
  /** Rejects with the reason where the old workers go on. */
  readonly reload: () => Promise<void>
  /** Knows everything else: status, metrics. */
  readonly reporter: StatusReporter
}

/** The control socket of an app that listens at a socket, where no other is given. */
export function controlSocketOf(socket: string): string {
  return `${socket}.control`
}

/** Listens for those who ask. @returns what ends it, and takes the file away */
export async function serveControl(path: string, replace: boolean, control: Control): Promise<() => void> {
  const answerDiagnosis = createDiagnosisEndpoint(control)
  const server = createServer((incoming, response) => {
    if (incoming.url === '/reload') void answerReload(control, incoming, response)
    else if (incoming.url?.startsWith(DIAGNOSIS_PATH) === true) void answerDiagnosis(incoming, response)
    else void answerStatus(control.reporter, incoming, response)
  })
  const file = await listenOnSocketFile(server, { path, mode: OWNER_ONLY, owner: undefined, group: undefined, backlog: BACKLOG, replace })
  server.unref()
  return () => {
    file.remove()
    server.close()
    server.closeAllConnections()
  }
}

async function answerReload(control: Control, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  if (incoming.method !== 'POST') {
    response.writeHead(405, { Allow: 'POST' }).end()
    return
  }
  try {
    await control.reload()
    sendJson(response, 200, { reloaded: true })
  } catch (error) {
    sendJson(response, 500, { reloaded: false, message: error instanceof Error ? error.message : String(error) })
  }
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
}

/**
 * Asks a running process to reload.
 *
 * @returns status and body of its answer
 * @throws FastCgiError ERR_FCGI_CONTROL where nobody answers, or may not be asked
 */
export async function askToReload(path: string): Promise<Pick<Answer, 'status' | 'body'>> {
  if (Buffer.byteLength(resolve(path)) > MAX_PATH_BYTES) {
    throw new FastCgiError('ERR_FCGI_CONTROL', `the control socket's path ${path} is longer than the ${String(MAX_PATH_BYTES)} bytes that a socket can have. ` +
      'Start the process with a --control-socket of its own, and give that, or reload by SIGHUP.')
  }
  try {
    return await askOverSocket(path, { method: 'POST', path: '/reload' })
  } catch (error) {
    const reason = codeOf(error) ?? (error instanceof Error ? error.message : String(error))
    throw new FastCgiError('ERR_FCGI_CONTROL', `nobody answers at the control socket ${path} (${reason}). ${remedyFor(codeOf(error))}`, { cause: error })
  }
}

function remedyFor(code: string | undefined): string {
  if (code === 'EACCES') return 'Ask as the user who runs the app, or as root.'
  return 'Give the --socket or --control-socket that the process was started with, and see that it runs.'
}
