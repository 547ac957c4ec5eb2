/** Which questions are asked through the web server, and the asking of them. */
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

/** Those that may come at the same time. */
function others(url: URL, uploadBytes: number): Question[] {
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
  ]
}

/** Where nothing arrives of the first question, no other is asked. */
export async function converse(client: Client, source: ArrivalSource, uploadBytes: number): Promise<Conversation> {
  const exchanges: Exchange[] = []
  let agent = createAgent(client.url)
  for (const question of FIRST) {
    if (question.name === 'third') {
      agent.destroy()
      agent = createAgent(client.url)
    }
    exchanges.push(await ask(client, question, agent))
    if ((await source.arrivals()).length === 0) break
  }
  agent.destroy()
  if ((await source.arrivals()).some(({ name }) => name !== '')) {
    exchanges.push(...await Promise.all(others(client.url, uploadBytes).map((question) => askAlone(client, question))))
  }
  return { url: client.url, exchanges, arrivals: await source.arrivals(), http: source.http() }
}

async function askAlone(client: Client, question: Question): Promise<Exchange> {
  const agent = createAgent(client.url)
  try {
    return await ask(client, question, agent)
  } finally {
    agent.destroy()
  }
}
