/** Reloads of the command behind a web server, under a load of GET and POST; counts what was not answered whole. */
import { setTimeout as delay } from 'node:timers/promises'
import type { WebServer } from '../proxies/support/web-server.js'
import type { Outcome } from '../process/restarts.js'
import { ANSWERING, runCommand } from './command.js'
import { underLoad } from './under-load.js'

/** How long the load goes on before the first reload, and between one and the next, in ms. */
const SETTLING = 500
/** The same for a light load, and the pause of its clients, in ms. */
const LIGHT = { settling: 3000, pause: 40 }

/** What is done in another way than users would. */
export interface ReloadVariation {
  readonly workers?: number
  /** More options of the command. */
  readonly options?: readonly string[]
  /** Ends after the first reload that has lost a request. */
  readonly untilOneFails?: boolean
  /** Few requests a second, and few reloads a minute. */
  readonly light?: boolean
}

/** The option by which kept connections end as other servers end theirs: with the answer, or at once. */
export const USUAL_CLOSING: readonly string[] = ['--keep-alive-release', 'close']

/** Reloads two workers so many times behind `server`. */
export async function reloadBehind(server: WebServer, reloads: number, { workers = 2, options = [], untilOneFails = false, light = false }: ReloadVariation = {}): Promise<Outcome> {
  const times: number[] = []
  const settling = light ? LIGHT.settling : SETTLING
  const args = [ANSWERING, '--workers', String(workers), ...options]
  return underLoad({ server, args, ...light ? { load: { pause: LIGHT.pause } } : {} }, async ({ workspace, load }) => {
    await delay(settling)
    for (let reload = 0; reload < reloads && !(untilOneFails && load.failures.length > 0); reload++) {
      const begin = performance.now()
      const { code, stderr } = await runCommand(['reload', '--socket', workspace.socket])
      times.push(Math.round(performance.now() - begin))
      if (code !== 0) throw new Error(`reload: ${stderr}`)
      await delay(settling)
    }
    await load.end()
    const { requests, posts, failures, processes } = load
    return { requests, posts, failures, processes: processes.size, stops: times }
  })
}
