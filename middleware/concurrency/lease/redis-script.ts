/** A script in Redis: called by its digest, and sent whole where Redis does not have it (any more). */
import { createHash } from 'node:crypto'

/**
 * Sends one command, as it stands: `(...command) => client.sendCommand(command)` with the package `redis`,
 * `(name, ...args) => client.call(name, ...args)` with `ioredis`. The same function serves rate-limit-redis.
 */
export type SendCommand = (...command: string[]) => Promise<unknown>

export class RedisScript {
  readonly #text: string
  readonly #digest: string

  constructor(text: string) {
    this.#text = text
    this.#digest = createHash('sha1').update(text).digest('hex')
  }

  async run(sendCommand: SendCommand, key: string, args: readonly string[]): Promise<unknown> {
    try {
      return await sendCommand('EVALSHA', this.#digest, '1', key, ...args)
    } catch (error) {
      if (!String(error).includes('NOSCRIPT')) throw error
      return await sendCommand('EVAL', this.#text, '1', key, ...args)
    }
  }
}
