/** What a look at the process tells. */
import { afterEach, describe, expect, it } from '@jest/globals'
import { LoopDelay } from '../../../../middleware/memory/sampling/sampler.js'
import { Sampler, type Reading } from '../../../../middleware/memory/sampling/sampler.js'

const closers: (() => void)[] = []

afterEach(() => {
  for (const close of closers.splice(0)) close()
})

function block(milliseconds: number): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

describe('the delay of the event loop', () => {
  it('shows what has held it up, whether its own timer has noticed or not', async () => {
    const delay = new LoopDelay()
    closers.push(() => { delay.close() })
    block(400)
    expect(delay.take()).toBeGreaterThanOrEqual(340)
    // The tick that was due then comes, and does not tell of it again.
    block(400)
    await new Promise((resolve) => setTimeout(resolve, 1))
    expect(delay.take()).toBeGreaterThanOrEqual(340)
    expect(delay.take()).toBeLessThan(340)
  })
})

describe('the sampler', () => {
  it('reads at once, and then every second: memory, spaces, limits, load', async () => {
    const requests = { inFlight: 3, over: 0 }
    const reading = await new Promise<Reading>((resolve) => {
      const sampler = new Sampler({ requests, liveHeap: () => 123, onReading: resolve })
      closers.push(() => { sampler.close() })
      expect(sampler.latest.sample).toMatchObject({ inFlight: 3, requestsPerSecond: 0, liveHeap: 123 })
      requests.over = 50
    })
    const { sample, spaces, heapLimit } = reading
    expect(sample.rss).toBeGreaterThan(sample.heapUsed)
    expect(sample.heapTotal).toBeGreaterThanOrEqual(sample.heapUsed)
    expect(sample.external).toBeGreaterThanOrEqual(sample.arrayBuffers)
    // Of a second, or a longer one on a busy machine.
    expect(sample.requestsPerSecond).toBeGreaterThan(0)
    expect(sample.requestsPerSecond).toBeLessThanOrEqual(51)
    expect(heapLimit).toBeGreaterThan(sample.heapTotal)
    expect(spaces.map(({ name }) => name)).toContain('old_space')
    for (const space of spaces) expect(space.size).toBeGreaterThanOrEqual(space.used)
  })
})
