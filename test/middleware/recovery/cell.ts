/** One cell of the matrix: lets a program that runs fail three times, and says what was not as it should be. */
import { execFileSync } from 'node:child_process'
import net from 'node:net'
import { RecordType } from '../../../lib/fastcgi/record.js'
import { FastCgiClient, type ClientResponse } from '../../support/fastcgi-client.js'
import { nginxParams } from '../../support/nginx-params.js'
import { KINDS, PHASES, type Kind, type Phase } from './kinds.js'
import { FailingProcess, get, type Report, type Seen } from './failing-process.js'

export const TRANSPORTS = ['HTTP/1.1', 'HTTP pipelined', 'FastCGI kept', 'FastCGI multiplexed'] as const
export type Transport = (typeof TRANSPORTS)[number]

export interface Cell {
  name: string
  kind: Kind
  phase: Phase
  transport: Transport
  express: 4 | 5
}

/** Every cell there is. */
export function allCells(): Cell[] {
  return Object.entries(KINDS).flatMap(([name, kind]) =>
    (kind.phases ?? PHASES).flatMap((phase) =>
      TRANSPORTS.flatMap((transport) => ([4, 5] as const).map((express): Cell => ({ name, kind, phase, transport, express }))),
    ),
  )
}

export function titleOf({ name, phase, transport, express }: Cell): string {
  return `${name}, ${phase}, ${transport}, Express ${String(express)}`
}

/** Beside each failure. */
const INNOCENTS = 8
/** The second one is another thing to Node than the first. */
const ROUNDS = 3
/** Whatever hangs is wrong, in milliseconds. */
const MOST = 20_000

/** Runs cells one after another in programs that go on, as long as nothing goes wrong with them. */
export class Stage {
  readonly #node: string | undefined
  readonly #major: number
  readonly #programs = new Map<string, FailingProcess>()

  constructor(node?: string) {
    this.#node = node
    const version = node === undefined ? process.version : execFileSync(node, ['--version'], { encoding: 'utf8' })
    this.#major = Number.parseInt(version.slice(1), 10)
  }

  /** What was wrong with a cell; nothing where all was right. */
  async run(cell: Cell): Promise<string[]> {
    const wrong: string[] = []
    const isImpossible = isImpossibleOn(cell.kind, this.#major)
    const rounds = isImpossible ? 1 : ROUNDS
    for (let round = 1; round <= rounds && wrong.length === 0; round++) {
      const program = await this.#programOf(cell)
      const attempt = isImpossible ? expectDefault(cell, program) : expectRecovery(cell, program)
      const found = await within(attempt.catch((error: unknown) => [String(error)]))
      wrong.push(...found.map((what) => `time ${String(round)}: ${what}`))
    }
    // What may still come of it must not be taken for another cell's.
    if (wrong.length > 0 || isImpossible) await this.#stop(keyOf(cell))
    return wrong
  }

  async stop(): Promise<void> {
    for (const key of [...this.#programs.keys()]) await this.#stop(key)
  }

  async #programOf(cell: Cell): Promise<FailingProcess> {
    const key = keyOf(cell)
    const known = this.#programs.get(key)
    if (known !== undefined) {
      known.reports.length = 0
      return known
    }
    const setting = { express: cell.express, protocol: protocolOf(cell), first: true, last: true, options: { intensity: false } } as const
    const program = await FailingProcess.start(setting, this.#node === undefined ? {} : { node: this.#node })
    this.#programs.set(key, program)
    return program
  }

  async #stop(key: string): Promise<void> {
    const program = this.#programs.get(key)
    this.#programs.delete(key)
    await program?.stop()
  }
}

/** Whether that version of Node cannot tell whose the failure is. */
export function isImpossibleOn({ impossible, impossibleOn }: Kind, major: number): boolean {
  return impossible !== undefined && (impossibleOn === undefined || impossibleOn.includes(major))
}

function within(result: Promise<string[]>): Promise<string[]> {
  const late = new Promise<string[]>((resolve) => {
    const timer = setTimeout(resolve, MOST, ['nothing came of it'])
    void result.finally(() => { clearTimeout(timer) })
  })
  return Promise.race([result, late])
}

function protocolOf({ transport }: Cell): 'http' | 'fastcgi' {
  return transport.startsWith('HTTP') ? 'http' : 'fastcgi'
}

function keyOf(cell: Cell): string {
  return `${protocolOf(cell)} ${String(cell.express)}`
}

/** Nobody can tell whose the failure is: the process ends, as without recovery(). */
async function expectDefault(cell: Cell, program: FailingProcess): Promise<string[]> {
  act(cell, program).catch(() => undefined)
  const { code, stderr } = await program.ended
  const wrong: string[] = []
  if (code !== 1) wrong.push(`the process ended with ${String(code)}`)
  if (!stderr.includes(cell.kind.says ?? 'by intention')) wrong.push(`it said ${stderr}`)
  if (program.reports.length > 0) wrong.push('somebody was named')
  return wrong
}

async function expectRecovery(cell: Cell, program: FailingProcess): Promise<string[]> {
  const [wrong, innocents] = await Promise.all([act(cell, program), program.innocents(INNOCENTS)])
  const { times = 1 } = cell.kind
  await program.until(() => program.reports.length >= times)
  const after = await program.innocents(2)
  wrong.push(...innocents, ...after.map((body) => `after: ${body}`))
  if (program.reports.length !== times) wrong.push(`${String(program.reports.length)} reports`)
  for (const [index, report] of program.reports.entries()) wrong.push(...judgeReport(cell, report, index))
  return wrong
}

function judgeReport(cell: Cell, report: Report, index: number): string[] {
  const { reported, reportedByExpress4 = reported, leaves } = cell.kind
  const kinds = [cell.express === 4 ? reportedByExpress4 : reported].flat()
  const wrong: string[] = []
  if (report.url !== urlOf(cell)) wrong.push(`it named ${report.url}`)
  if (!kinds.includes(report.kind)) wrong.push(`its kind was ${report.kind}, not ${kinds.join(' or ')}`)
  // Whether the response was there before the client left is for the client to say; the first failure has it answered.
  if (leaves === undefined && index === 0 && report.phase !== cell.phase) wrong.push(`its phase was ${report.phase}`)
  return wrong
}

function urlOf({ name, phase }: Cell): string {
  return `/fail/${encodeURIComponent(name)}/${phase}`
}

function act(cell: Cell, program: FailingProcess): Promise<string[]> {
  if (cell.kind.leaves === true) return actLeaving(cell, program)
  if (cell.transport === 'HTTP/1.1') return actOverHttp(cell, program)
  if (cell.transport === 'HTTP pipelined') return actPipelined(cell, program)
  return cell.transport === 'FastCGI kept' ? actKept(cell, program) : actMultiplexed(cell, program)
}

async function actOverHttp(cell: Cell, { path }: FailingProcess): Promise<string[]> {
  const options = cell.kind.body === true ? { method: 'POST', headers: { 'content-length': 5 } } : {}
  const seen = await get(path, urlOf(cell), options, cell.kind.body === true ? 'hello' : undefined)
  return judge(cell, seen)
}

function judge({ phase }: Cell, { status, body, complete, headers }: Pick<Seen, 'status' | 'body' | 'complete'> & { headers: Readonly<Record<string, unknown>> }): string[] {
  const seen = `the client saw ${String(status)} ${JSON.stringify(body)}${complete ? '' : ', cut off'}`
  if (phase === 'before-headers') {
    const isProblem = headers['content-type'] === 'application/problem+json' && /"status":500.*"instance":"urn:uuid:/.test(body)
    return status === 500 && complete && isProblem && !body.includes('by intention') ? [] : [seen]
  }
  // What was written in the same turn may not have left: then there is no head, or over FastCGI a whole 500.
  if (phase === 'streaming') return status === 500 || ((status === 200 || status === 0) && !complete) ? [] : [seen]
  return status === 200 && complete && body === 'done' ? [] : [seen]
}

/** Innocent requests before and after it on the same connection. */
async function actPipelined(cell: Cell, { path }: FailingProcess): Promise<string[]> {
  const text = await exchange(path, [
    'GET /innocent/2 HTTP/1.1\r\nHost: a\r\n\r\n',
    cell.kind.body === true
      ? `POST ${urlOf(cell)} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello`
      : `GET ${urlOf(cell)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    'GET /innocent/4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  ].join(''))
  const wrong: string[] = []
  const expect = (holds: boolean, what: string): void => {
    if (!holds) wrong.push(`${what}: ${JSON.stringify(text)}`)
  }
  expect(text.includes('innocent 2'), 'the one before')
  if (cell.phase === 'before-headers') expect(/HTTP\/1.1 500 [\s\S]*"status":500/.test(text), 'no 500')
  if (cell.phase === 'after-response') expect(text.includes('done'), 'no response')
  if (cell.phase === 'streaming') expect(!/part\r\n0\r\n|innocent 4/.test(text), 'not cut off')
  // An upload that fails may cost the connection.
  else if (cell.kind.body === undefined) expect(text.includes('innocent 4'), 'the one after')
  return wrong
}

function exchange(path: string, text: string): Promise<string> {
  return new Promise((resolve) => {
    let received = ''
    const socket = net.connect(path).setEncoding('latin1')
    socket.on('data', (chunk: string) => (received += chunk))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      resolve(received)
    })
    socket.write(text, 'latin1')
  })
}

function paramsOf(cell: Cell): [string, string][] {
  return nginxParams(cell.kind.body === true ? { url: urlOf(cell), method: 'POST', extra: { CONTENT_LENGTH: '5' } } : { url: urlOf(cell) })
}

async function actKept(cell: Cell, { path }: FailingProcess): Promise<string[]> {
  const client = await FastCgiClient.connect(path)
  const wrong = await innocentOver(client, '2')
  wrong.push(...judge(cell, seenOf(await ask(client, cell))))
  if (cell.phase !== 'streaming') wrong.push(...await innocentOver(client, '4'))
  await client.destroy()
  return wrong
}

function ask(client: FastCgiClient, cell: Cell): Promise<ClientResponse> {
  return send(client, paramsOf(cell), cell.kind.body === true ? 'hello' : '')
}

/**
 * What came for it. A connection may end with octets that are no record, where another one's response was cut off, and
 * before the end of the body has been sent.
 */
async function send(client: FastCgiClient, params: [string, string][], body: string): Promise<ClientResponse> {
  const id = client.newId()
  await client.begin(id)
  await client.params(id, params)
  await client.stdin(id, body).catch((error: unknown) => {
    if (!isGone(error)) throw error
  })
  return client.collect(id)
}

function isGone(error: unknown): boolean {
  // Not `instanceof Error`: jest's programs have an Error of their own.
  return typeof error === 'object' && error !== null && 'code' in error && (error.code === 'EPIPE' || error.code === 'ECONNRESET')
}

/** A response that is broken off among others has an application status; alone, no end. */
function seenOf({ status, headers, body, complete, appStatus }: ClientResponse): Pick<Seen, 'status' | 'body' | 'complete'> & { headers: Readonly<Record<string, unknown>> } {
  return { status, headers, body: body.toString(), complete: complete && appStatus === 0 }
}

async function innocentOver(client: FastCgiClient, name: string): Promise<string[]> {
  const { body, complete } = await send(client, nginxParams({ url: `/innocent/${name}` }), '')
  return complete && body.toString() === `innocent ${name}` ? [] : [`beside: ${body.toString()}`]
}

async function actMultiplexed(cell: Cell, { path }: FailingProcess): Promise<string[]> {
  const client = await FastCgiClient.connect(path)
  const before = ['1', '2', '3', '4'].map((name) => innocentOver(client, name))
  const failing = ask(client, cell)
  const after = cell.phase === 'streaming' ? [] : ['5', '6', '7'].map((name) => innocentOver(client, name))
  const wrong = (await Promise.all([...before, ...after])).flat()
  wrong.push(...judge(cell, seenOf(await failing)))
  await client.destroy()
  return wrong
}

/** The client sends a part of its body, and leaves once the app has the request. */
async function actLeaving(cell: Cell, program: FailingProcess): Promise<string[]> {
  const { path } = program
  if (cell.transport.startsWith('HTTP')) {
    const socket = net.connect(path)
    socket.on('error', () => undefined)
    socket.write(`POST ${urlOf(cell)} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe`)
    await program.innocents(2)
    socket.destroy()
    return []
  }
  const client = await FastCgiClient.connect(path)
  const id = client.newId()
  await client.begin(id)
  await client.params(id, paramsOf(cell))
  await client.stream(RecordType.STDIN, id, 'he', false)
  await program.innocents(2)
  if (cell.transport === 'FastCGI multiplexed') {
    await client.abort(id)
    await client.collect(id)
  }
  await client.destroy()
  return []
}
