/** Restarts by `replace` behind a web server, under a load of GET and POST; counts what was not answered whole. */
import { setTimeout as delay } from 'node:timers/promises'
import type { WebServer } from '../proxies/support/web-server.js'
import { createWorkspace } from '../proxies/support/workspace.js'
import { Load } from './load.js'
import { startProgram, type Child } from './support.js'

/** How long the load goes on before the first restart, and between one's end and the next, in ms. */
const SETTLING = 500

export interface Outcome {
  readonly requests: number
  readonly posts: number
  /** What failed: the request, and what came instead. */
  readonly failures: readonly string[]
  /** How many processes have answered. */
  readonly processes: number
  /** How long each old process took to end after its SIGTERM, in ms. */
  readonly stops: readonly number[]
}

/** Restarts the app so many times behind `server`. */
export async function restartBehind(server: WebServer, restarts: number): Promise<Outcome> {
  const workspace = await createWorkspace()
  const start = async (): Promise<Child> => {
    const child = startProgram('programs/replaceable.js', [workspace.socket])
    await child.line('listening')
    return child
  }
  let app = await start()
  const front = await server.start(workspace)
  const load = new Load(front.port)
  const stops: number[] = []
  try {
    await delay(SETTLING)
    for (let restart = 0; restart < restarts; restart++) {
      const next = await start()
      const begin = performance.now()
      app.process.kill('SIGTERM')
      const { code, stderr } = await app.ended
      stops.push(Math.round(performance.now() - begin))
      if (code !== 0 || stderr !== '') throw new Error(`the old process ended with ${String(code)}: ${stderr}`)
      app = next
      await delay(SETTLING)
    }
    await load.end()
  } finally {
    await load.end()
    await front.stop()
    app.process.kill('SIGKILL')
    await workspace.remove()
  }
  const { requests, posts, failures, processes } = load
  return { requests, posts, failures, processes: processes.size, stops }
}
