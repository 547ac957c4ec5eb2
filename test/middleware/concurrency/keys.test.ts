/** The caps of keys: what counts as a key, and how long one is remembered. */
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { afterEach, describe, expect, it } from '@jest/globals'
import { ConcurrencyLimiter } from '../../../middleware/concurrency/limiter.js'
import { resolveOptions, type ConcurrencyLimitOptions } from '../../../middleware/concurrency/options.js'

const caps: ConcurrencyLimiter[] = []

afterEach(() => {
  for (const cap of caps.splice(0)) cap.close()
})

function limit(options: ConcurrencyLimitOptions): ConcurrencyLimiter {
  const cap = new ConcurrencyLimiter(resolveOptions(options))
  caps.push(cap)
  return cap
}

function made(url: string): [IncomingMessage, ServerResponse] {
  const request = new IncomingMessage(new Socket())
  request.url = url
  return [request, new ServerResponse(request)]
}

const next = (): void => undefined
const byUrl = ({ url }: IncomingMessage): string | undefined => url

/** Turn after turn of the event loop until it holds. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate)
}

describe('a key is forgotten', () => {
  it('once nobody holds one of its slots', async () => {
    const cap = limit({ limit: 1, key: byUrl })
    const [request, response] = made('/a')
    cap.handle(request, response, next)
    expect(cap.keys).toBe(1)
    response.emit('finish')
    await until(() => cap.keys === 0)
  })
  it('where its client had left before the cap saw it', () => {
    const cap = limit({ limit: 1, key: byUrl })
    const [request, response] = made('/a')
    request.socket.destroy()
    cap.handle(request, response, next)
    expect([cap.counts.abandoned, cap.keys]).toEqual([1, 0])
  })
  it('where the priority cannot be told', () => {
    const cap = limit({ limit: 1, key: byUrl, priority: () => { throw new Error('by intention') } })
    expect(() => { cap.handle(...made('/a'), next) }).toThrow('by intention')
    expect(cap.keys).toBe(0)
  })
  it('where all who waited are gone without a word when their turn comes', async () => {
    const cap = limit({ limit: 1, key: byUrl, queue: { max: 9, timeout: 600_000 } })
    const all = [made('/a'), made('/a'), made('/a')]
    for (const [request, response] of all) cap.handle(request, response, next)
    for (const [, response] of all.slice(1)) response.end()
    all[0]?.[1].emit('finish')
    await until(() => cap.counts.abandoned === 2)
    expect([cap.active, cap.waiting, cap.keys]).toEqual([0, 0, 0])
  })
})

describe('is an error, for it would cap nobody', () => {
  it.each([[Promise.resolve('a')], [['a']], [null], [7], [{}]])('the key %p', (key) => {
    const cap = limit({ limit: 1, key: () => key as unknown as string })
    expect(() => { cap.handle(...made('/'), next) }).toThrow(/^concurrencyLimit: option key gave .*: give a string, or undefined/)
  })
  it('a skip that answers later', () => {
    const cap = limit({ limit: 1, skip: () => Promise.resolve(false) as unknown as boolean })
    expect(() => { cap.handle(...made('/'), next) }).toThrow(/^concurrencyLimit: option skip gave a promise: give true or false at once\. See /)
  })
})
