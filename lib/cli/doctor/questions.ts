/** Which questions are asked through the web server, and the asking of them. */
import type { Agent } from 'node:http'
import { isIPv4 } from 'node:net'
import { UNUSED_ADDRESS, isLoopback } from './app-place.js'
import type { ArrivalSource } from './arrival-source.js'
import type { Conversation, Exchange } from './facts.js'
import { ask, createAgent, type Client, type Question } from './requests.js'

/** What the client says of itself, to be looked for on the other side. */
export const SENT = {
  authorization: 'Bearer doctor',
  cookie: 'doctor=1',
  proxy: 'http://doctor.invalid/',
  user: 'doctor',
  underscore: 'doctor-underscore',
} as const

const COOKIE_BYTES = 4000
/** There is no such file. */
const PLAIN_PATH = 'express-responder-doctor'
/** A slash that is encoded, and two of them. */
const ENCODED_PATH = 'a%2Fb//c'

/** Those that come first, one after the other: the first two on one connection, the third on another. */
const FIRST: readonly Question[] = ['first', 'second', 'third'].map((name) => ({
  name,
  command: 'plain',
  headers: [['Authorization', SENT.authorization], ['Cookie', SENT.cookie], ['Proxy', SENT.proxy]],
}))

/** @param client who has asked so far */
function others({ url, headers }: Client, client: string | undefined, uploadBytes: number): Question[] {
  // A proxy on this machine asks from 127.0.0.1, as the doctor does: another address tells the two apart.
  const from = client !== undefined && isIPv4(client) && isLoopback(client) ? UNUSED_ADDRESS : undefined
  const isForwarded = headers.some(([name]) => name.toLowerCase() === 'x-forwarded-for')
  const directory = url.pathname.replace(/\/?$/, '/')
  return [
    { name: 'compressed', command: 'plain', headers: [['Accept-Encoding', 'gzip']] },
    { name: 'basic', command: 'plain', headers: [['Authorization', `Basic ${Buffer.from(`${SENT.user}:doctor`).toString('base64')}`]] },
    { name: 'underscore', command: 'plain', headers: [['X_Doctor_Underscore', SENT.underscore]] },
    { name: 'below', command: 'plain', path: directory + PLAIN_PATH },
    { name: 'encoded', command: 'plain', path: directory + ENCODED_PATH },
    { name: 'cookie', command: 'plain', headers: [['Cookie', `doctor=${'x'.repeat(COOKIE_BYTES)}`]] },
    { name: 'large-head', command: 'large-head' },
    { name: 'many-headers', command: 'many-headers' },
    { name: 'events', command: 'events' },
    { name: 'stream', command: 'stream' },
    { name: 'upload', command: 'upload', bodyBytes: uploadBytes },
    ...isForwarded ? [] : [{ name: 'address', command: 'plain', from } as const],
  ]
}

/** How often a question is asked until it arrives: a web server may share requests among several sockets. */
const TRIES = 4
/** The same where it is known to. */
const TRIES_WHERE_SHARED = 12

/** Where nothing arrives of the first question, no other is asked. */
export async function converse(client: Client, source: ArrivalSource, uploadBytes: number): Promise<Conversation> {
  const exchanges: Exchange[] = []
  let agent = createAgent(client.url)
  let isShared = false
  for (const question of FIRST) {
    if (question.name === 'third') {
      agent.destroy()
      agent = createAgent(client.url)
    }
    const before = (await source.arrivals()).length
    const { exchange, tries } = await askUntilArrived(client, source, question, agent, isShared ? TRIES_WHERE_SHARED : TRIES)
    exchanges.push(exchange)
    const { length } = await source.arrivals()
    if (length === 0) break
    // The same request has arrived, and has not.
    isShared ||= tries > 1 && length > before
  }
  agent.destroy()
  if ((await source.arrivals()).some(({ name }) => name !== '')) exchanges.push(...await askOthers(client, source, others(client, exchanges[0]?.clientAddress, uploadBytes), isShared))
  return { url: client.url, exchanges, isShared, trustsForwarded: source.trustsForwarded, arrivals: await source.arrivals(), http: source.http() }
}

/** An upload is asked once: another app may answer it, and it is a POST. */
async function askOthers(client: Client, source: ArrivalSource, questions: readonly Question[], isShared: boolean): Promise<Exchange[]> {
  const asked = await Promise.all(questions.map((question) => withOwnAgent(client, (agent) => ask(client, question, agent))))
  if (!isShared) return asked
  const arrived = new Set((await source.arrivals()).map(({ name }) => name))
  const exchanges: Exchange[] = []
  for (const [index, exchange] of asked.entries()) {
    const question = questions[index]
    if (question === undefined || question.command === 'upload' || arrived.has(question.name)) {
      exchanges.push(exchange)
      continue
    }
    const { exchange: last } = await withOwnAgent(client, (agent) => askUntilArrived(client, source, question, agent, TRIES_WHERE_SHARED))
    exchanges.push(last)
  }
  return exchanges
}

/** Asks until something has arrived, or nothing answers. @returns the last exchange */
async function askUntilArrived(client: Client, source: ArrivalSource, question: Question, agent: Agent, limit: number): Promise<{ exchange: Exchange, tries: number }> {
  const before = (await source.arrivals()).length
  for (let tries = 1; ; tries++) {
    const exchange = await ask(client, question, agent)
    const hasArrived = (await source.arrivals()).length > before || source.http() !== undefined
    if (hasArrived || exchange.status === 0 || tries === limit) return { exchange, tries }
  }
}

/** Asks on connections of its own, which are closed afterwards. */
async function withOwnAgent<Result>(client: Client, asking: (agent: Agent) => Promise<Result>): Promise<Result> {
  const agent = createAgent(client.url)
  try {
    return await asking(agent)
  } finally {
    agent.destroy()
  }
}
