/** The configurations of examples/: the doctor finds nothing in them. */
import { describe, expect, it } from '@jest/globals'
import { describeIfInstalled } from '../proxies/support/installed.js'
import { servers, type ServerKey } from '../proxies/support/servers.js'
import { examine } from './support/doctor.js'

const RIGHT: readonly ServerKey[] = [
  'nginx', 'nginxMinimal', 'nginxStreaming', 'nginxCache', 'apache', 'apacheMinimal', 'lighttpd', 'caddy', 'haproxy', 'haproxyMultiplexed', 'h2o',
]

describe.each(RIGHT)('%s', (key) => {
  describeIfInstalled(servers[key], `the doctor before ${servers[key].name} (examples/${servers[key].example})`, () => {
    it('finds nothing, and says what it has checked', async () => {
      const { findings, checked, unchecked } = await examine(servers[key])
      expect(findings).toEqual([])
      expect(unchecked).toEqual([])
      expect(checked.join('\n')).toMatch(/^the path .*\n15 requests to http:.*, of which 15 arrived\n\d files of the configuration/)
    })
  })
})
