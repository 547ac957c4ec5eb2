/** Nothing that a peer sends can end the process, or disturb another connection. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { FastCgiClient } from '../support/fastcgi-client.js'
import { nginxParams } from '../support/nginx-params.js'
import { conversation, manner, noise, spoiled, spoiledParams } from './support/peers.js'
import { ServerProcess } from './support/server-process.js'

let victim: ServerProcess
let innocent: FastCgiClient

beforeAll(async () => {
  victim = await ServerProcess.start()
  innocent = await FastCgiClient.connect(victim.path)
})

afterAll(async () => {
  await innocent.destroy()
  await victim.stop()
})

type Manner = typeof manner extends fc.Arbitrary<infer M> ? M : never

async function attack(bytes: Buffer, { cut, leave, reads }: Manner): Promise<void> {
  const peer = await FastCgiClient.connect(victim.path).catch((error: unknown) => {
    throw new Error(victim.exit ?? String(error))
  })
  if (!reads) peer.pause()
  for (let start = 0; start < bytes.length && !peer.socket.destroyed; start += cut) peer.socket.write(bytes.subarray(start, start + cut))
  if (leave === 'end') peer.end()
  else if (leave === 'stay') {
    // Those that stay are given time to be answered, and then leave too: the test has no thousands of sockets.
    await new Promise((resolve) => setImmediate(resolve))
  }
  await expectInnocent(innocent)
  await peer.destroy()
}

async function expectInnocent(client: FastCgiClient): Promise<void> {
  if (victim.exit !== undefined) throw new Error(victim.exit)
  const response = await client.request({ requestId: 1, params: nginxParams({ url: '/innocent' }) })
  expect([response.status, response.body.toString()]).toEqual([200, 'innocent'])
  client.records.length = 0
}

/** What was found once stays in the tests; what is new is looked for each time. */
const RUNS: [string, fc.Parameters<[Buffer, Manner]>][] = [
  ['seed 1', { seed: 1, numRuns: 150 }],
  ['seed 2', { seed: 2, numRuns: 150 }],
  ['a seed of its own', { numRuns: 150 }],
]

describe.each([
  ['conversations that are valid as far as they go', conversation],
  ['conversations that are spoiled', spoiled],
  ['requests whose params are spoiled', spoiledParams],
  ['noise', noise],
])('%s', (_name, arbitrary) => {
  it.each(RUNS)('%s', async (_seed, parameters) => {
    // A process that has ended cannot be asked again with less.
    await fc.assert(fc.asyncProperty(arbitrary, manner, attack), { ...parameters, endOnFailure: true })
    expect(victim.exit).toBeUndefined()
    const other = await FastCgiClient.connect(victim.path)
    await expectInnocent(other)
    await other.destroy()
  })
})

describe('afterwards', () => {
  it('no connection is left but that of the innocent, and memory is as it was', async () => {
    let report = await victim.report()
    while (report.connections > 1) report = await victim.report()
    expect(report.heapUsed).toBeLessThan(40 * 1024 ** 2)
    expect(report.arrayBuffers).toBeLessThan(20 * 1024 ** 2)
  })
  it('only codes that are known were told', async () => {
    const { errors } = await victim.report()
    expect(Object.keys(errors).filter((code) => !code.startsWith('ERR_FCGI_'))).toEqual([])
    expect(errors['ERR_FCGI_BAD_VERSION']).toBeGreaterThan(0)
    expect(errors['ERR_FCGI_BAD_PARAMS']).toBeGreaterThan(0)
  })
})
