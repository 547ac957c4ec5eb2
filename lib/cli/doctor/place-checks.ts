/** Judges what the app itself answers, on a socket or a port, and whether the web server gets there. Facts in, findings out. Pure. */
import { serveLine, shown } from './app-place.js'
import type { Facts } from './facts.js'
import type { Finding } from './finding.js'
import { lineFor } from './lines.js'
import { checkClosed, checkPort, checkReach } from './port-checks.js'
import { checkAccess, checkSocket } from './socket-checks.js'

const ASKED = 'a request as a web server sends it'

/** What can be said without the web server: whether somebody listens, and whether that is the app. */
export function checkPlace(facts: Facts): Finding[] {
  const answered = checkAnswer(facts)
  if (answered.length > 0) return answered
  return facts.place.kind === 'socket' ? checkSocket(facts, facts.place) : checkPort(facts, facts.place)
}

/** What keeps the web server from the app. To be asked where nothing arrived: what has arrived was not kept away. */
export function checkWay(facts: Facts): Finding[] {
  return facts.place.kind === 'socket' ? checkAccess(facts, facts.place) : checkReach(facts, facts.place)
}

function checkAnswer(facts: Facts): Finding[] {
  const { place, answer } = facts
  const line = lineFor(facts)
  const at = shown(place)
  switch (answer.kind) {
    case 'silent':
      return [line('no-answer', `The app accepts connections at ${at}, and answers nothing.`, `${ASKED} had no answer in time`)]
    case 'http':
      return [line('app-speaks-http', `What listens at ${at} speaks HTTP, not FastCGI.`, 'it answered FastCGI with HTTP')]
    case 'foreign':
      return [line('not-fastcgi', `What listens at ${at} speaks neither FastCGI nor HTTP: it is not ${serveLine(place)}.`, 'what came first is no record of FastCGI')]
    case 'closed': {
      const known = place.kind === 'port' ? checkClosed(facts, place) : undefined
      return known ?? [line('app-closes', `What listens at ${at} closes the connection without an answer.`, `${ASKED} was not answered`)]
    }
    default:
      return []
  }
}
