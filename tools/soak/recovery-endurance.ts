/**
 * What takes long: 100,000 late failures in a row under load, and 100 uploads of 10 MB that fail early.
 *
 *   npm run soak -- recovery-endurance [--node FILE] [--failures N] [--uploads N]
 *
 * Prints resident memory as it goes; the exit status is 1 where a failing request did not get its 500, or an innocent one
 * was wrong.
 */
import http from 'node:http'
import { parseArgs } from 'node:util'
import { FailingProcess, get } from '../../test/middleware/recovery/failing-process.js'

const KINDS = ['timer', 'immediate', 'nextTick', 'queueMicrotask', 'fs', 'emitter', 'throw undefined', 'rejection nobody awaits']
const AT_ONCE = 32
const STEPS = 10

const megabytes = (octets: number): string => `${(octets / 1e6).toFixed(1)} MB`

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      node: { type: 'string', default: process.execPath },
      failures: { type: 'string', default: '100000' },
      uploads: { type: 'string', default: '100' },
    },
  })
  const program = await FailingProcess.start({ express: 5, protocol: 'http', first: true, last: true, options: { intensity: false } }, { node: values.node, flags: ['--expose-gc'] })
  const agent = new http.Agent({ keepAlive: true, maxSockets: AT_ONCE })
  const wrong: string[] = []

  const failTimes = async (count: number): Promise<void> => {
    let begun = 0
    const client = async (): Promise<void> => {
      while (begun < count) {
        const number = begun++
        const kind = KINDS[number % KINDS.length] ?? ''
        const isInnocent = number % 5 === 0
        if (isInnocent) {
          const innocent = await get(program.path, '/innocent/7', { agent })
          if (innocent.body !== 'innocent 7') wrong.push(`an innocent request: ${String(innocent.status)} ${innocent.body}`)
        }
        const failed = await get(program.path, `/fail/${encodeURIComponent(kind)}/before-headers`, { agent })
        if (failed.status !== 500) wrong.push(`${kind}: ${String(failed.status)}`)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, client))
  }

  const each = Math.ceil(Number(values.failures) / STEPS)
  for (let step = 0; step < STEPS && each > 0; step++) {
    await failTimes(each)
    program.reports.length = 0
    const { rss, total } = await program.memory()
    console.log(`${String(total)} late failures: ${megabytes(rss)} resident`)
  }

  const body = Buffer.alloc(10 * 1024 * 1024, 'u')
  let answered = 0
  for (let upload = 0; upload < Number(values.uploads); upload++) {
    const { status, complete } = await get(program.path, '/upload', { method: 'POST', headers: { 'content-length': body.length } }, body)
    if (status === 500 && complete) answered++
    else wrong.push(`upload ${String(upload)}: ${String(status)}`)
  }
  console.log(`${String(answered)} of ${values.uploads} uploads of 10 MB read their 500`)
  wrong.push(...await program.innocents(50))
  await program.stop()
  agent.destroy()
  console.log(wrong.length === 0 ? 'nothing was wrong' : `wrong: ${String(wrong.length)}, such as ${wrong.slice(0, 5).join('; ')}`)
  if (wrong.length > 0) process.exitCode = 1
}
