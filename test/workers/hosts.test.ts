/** Two hosts behind a balancer, under a load of GET and POST on kept connections: one is taken away. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it } from '@jest/globals'
import { describeIfInstalled } from '../proxies/support/installed.js'
import { servers } from '../proxies/support/servers.js'
import { Load } from '../process/load.js'
import { REDIS } from '../support/redis-server.js'
import { explain } from './arrivals.js'
import { CAP, Hosts, RATE, type Balancer } from './hosts.js'

const LONG = 120_000

describe.each(['haproxy', 'nginx'] as const)('two hosts behind %s', (balancer: Balancer) => {
  describeIfInstalled([servers[balancer], REDIS], 'with limits in one Redis', () => {
    let hosts: Hosts
    let load: Load | undefined

    afterEach(async () => {
      await load?.end()
      load = undefined
      await hosts.stop()
    })

    /** Until so many processes have answered. */
    async function answered(processes: number): Promise<void> {
      while ((load?.processes.size ?? 0) < processes) await delay(20)
    }

    it('lose no request when one reloads or is drained, and only those in flight on it when it is killed', async () => {
      hosts = await Hosts.start(balancer, '--drain-delay', '5s')
      const [one, other] = hosts.both
      load = new Load(hosts.front.port, '/', { hasIds: true })
      await answered(2)
      one.running.child.process.kill('SIGHUP')
      await one.running.logged('reloaded')
      await answered(3)
      expect(load.failures).toEqual([])
      expect(await one.running.stop()).toMatchObject({ code: 0, signal: null })
      await delay(300)
      await one.start()
      await answered(4)
      expect(load.failures).toEqual([])
      const killed = new Set(other.workers)
      const begin = performance.now()
      await other.running.killAll()
      const end = performance.now()
      await delay(1500)
      await load.end()
      const wasOpen = (id: string): boolean => load?.wasOpen(id, [[begin, end]]) === true
      const { refused, unexplained, inFlight, onTheirWay } = explain(load.failed.keys(), hosts.arrivals, killed, hosts.front.logs(), wasOpen)
      expect({ refused, unexplained: unexplained.map((id) => load?.failed.get(id)) }).toEqual({ refused: [], unexplained: [] })
      expect(inFlight.length + onTheirWay.length).toBe(load.failures.length)
      expect(load.processes.size).toBe(4)
      expect(hosts.mostAtOnce(killed)).toBe(CAP)
    }, LONG)

    it('count the requests of a client together', async () => {
      hosts = await Hosts.start(balancer)
      const answers = []
      for (let count = 0; count < 2 * RATE; count++) answers.push(await fetch(`${hosts.front.origin}/rated`, { headers: { Host: 'app.example.com' } }))
      expect(answers.map(({ status }) => status)).toEqual(answers.map((_, index) => index < RATE ? 200 : 429))
      expect(new Set(answers.slice(0, RATE).map(({ headers }) => headers.get('x-process'))).size).toBe(2)
    }, LONG)
  })
})
