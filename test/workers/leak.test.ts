/** A leak, faster than most: 180 MB a minute. `npm run soak -- workers leak` has slower ones. */
import { expect, it } from '@jest/globals'
import { describeIfInstalled } from '../proxies/support/installed.js'
import { servers } from '../proxies/support/servers.js'
import { leakBehindNginx } from './leak.js'

describeIfInstalled(servers.nginx, 'a worker that leaks', () => {
  it('is replaced before it has a tenth more than max-rss, and no request fails', async () => {
    const limit = 150 * 1024 ** 2
    const { requests, failures, peaks } = await leakBehindNginx({ megabytesPerMinute: 180, limit, recycles: 2 })
    expect(failures).toEqual([])
    expect(requests).toBeGreaterThan(0)
    expect(peaks.length).toBeGreaterThanOrEqual(2)
    expect(Math.min(...peaks)).toBeGreaterThanOrEqual(limit)
    expect(Math.max(...peaks)).toBeLessThan(limit * 1.1)
  }, 120_000)
})
