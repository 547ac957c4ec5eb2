/** Facts on an app on a TCP port that cannot be had on every machine, and what the doctor concludes from them. */
import { checkConnections } from '../../../lib/cli/doctor/connection-checks.js'
import type { Facts, PortFacts, WebServerProcess } from '../../../lib/cli/doctor/facts.js'
import type { Finding } from '../../../lib/cli/doctor/finding.js'
import { checkPlace, checkWay } from '../../../lib/cli/doctor/place-checks.js'

type Others = Partial<Pick<Facts, 'answer' | 'configuration'> & Pick<WebServerProcess, 'sameNetwork' | 'label'>> & {
  /** The address of a web server on another machine, which has asked, and nothing arrived. */
  elsewhere?: string
}

/** nginx as www-data, before an app at 127.0.0.1:9000 that answers. */
export function factsOnPort(port: Partial<PortFacts>, { answer = { kind: 'fastcgi', status: 200 }, configuration = [], sameNetwork = true, label, elsewhere }: Others = {}): Facts {
  return {
    place: {
      kind: 'port', host: '127.0.0.1', port: 9000, addresses: ['127.0.0.1'], listening: ['127.0.0.1'], waiting: 0, allowed: undefined, answersAnybody: false,
      configured: [], passed: undefined, somaxconn: 4096, enforcing: false, ...port,
    },
    server: 'nginx',
    process: elsewhere !== undefined ? undefined : {
      pid: 7, account: { name: 'www-data', uid: 33, groups: [33], unrestricted: false }, root: '/', sameMounts: true, sameDirectory: undefined, sameNetwork, label,
    },
    answer,
    standsIn: false,
    appIdleSeconds: 120,
    conversation: elsewhere === undefined ? undefined : { url: new URL(elsewhere), exchanges: [], isShared: false, trustsForwarded: false, arrivals: [], http: undefined },
    configuration,
  }
}

/** What is said of the port, or of the way of the web server to it. */
export function portFindings(facts: Facts, of: 'port' | 'way' = 'port'): Finding[] {
  return of === 'port' ? checkPlace(facts) : checkWay(facts)
}

/** What is said of connections. */
export function connectionFindings(facts: Facts): Finding[] {
  return checkConnections(facts, undefined)
}
