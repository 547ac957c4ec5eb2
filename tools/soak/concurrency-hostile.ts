/** `npm run soak -- concurrency-hostile [requests]`: a million hostile requests, half with a fixed limit, half with one that tunes itself. */
import { concurrencyLimit } from '../../middleware/concurrency.js'
import { beHostile } from '../../test/middleware/concurrency/hostile.js'

export async function run(args: readonly string[]): Promise<void> {
  const requests = Number(args[0] ?? 1_000_000) / 2
  for (const limit of [5, { min: 2, max: 5, initial: 5 }]) {
    const cap = concurrencyLimit({ limit, queue: { max: 10, timeout: 10 }, maxHold: 20 })
    const outcome = await beHostile(cap, requests, Math.floor(Math.random() * 2 ** 32))
    cap.close()
    const good = outcome.active === 0 && outcome.waiting === 0 && outcome.handledAfterLeaving === 0 && outcome.mostAtOnce <= 5
    process.stdout.write(`${typeof limit === 'number' ? 'fixed' : 'auto'}: ${JSON.stringify(outcome)}: ${good ? 'as it should be' : 'WRONG'}\n`)
    if (!good) process.exitCode = 1
  }
}
