/** A restart by `replace` under load, behind a real web server; `npm run soak -- restarts` does it behind all of them. */
import { describe, expect, it } from '@jest/globals'
import { describeIfInstalled } from '../proxies/support/installed.js'
import { servers } from '../proxies/support/servers.js'
import { restartBehind } from './restarts.js'

describe('a restart by replace', () => {
  describeIfInstalled(servers.nginx, `behind ${servers.nginx.name}, which keeps its connections`, () => {
    it('loses no request, GET or POST', async () => {
      const { requests, posts, failures, processes } = await restartBehind(servers.nginx, 2)
      expect(failures).toEqual([])
      expect(processes).toBe(3)
      expect(posts).toBeGreaterThan(0)
      expect(requests).toBeGreaterThan(posts)
    })
  })
})
