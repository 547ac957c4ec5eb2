/** A leak, faster than most: 150 MB a minute. How large a worker gets while its successor loads: `npm run soak -- workers leak`. */
import { expect, it } from '@jest/globals'
import { describeIfInstalled } from '../proxies/support/installed.js'
import { servers } from '../proxies/support/servers.js'
import { leakBehindNginx } from './leak.js'

describeIfInstalled(servers.nginx, 'a worker that leaks', () => {
  it('is replaced as soon as it has max-rss, or a tenth less by its jitter, and no request fails', async () => {
    const limit = 140 * 1024 ** 2
    const { requests, failures, reached } = await leakBehindNginx({ workers: 1, megabytesPerMinute: 150, limit, recycles: 1 })
    expect(failures).toEqual([])
    expect(requests).toBeGreaterThan(0)
    expect(reached.length).toBeGreaterThanOrEqual(1)
    expect(Math.min(...reached)).toBeGreaterThanOrEqual(limit * 0.9)
    expect(Math.max(...reached)).toBeLessThan(limit * 1.1)
  }, 120_000)
})
