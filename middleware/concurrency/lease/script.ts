/**
 * The Lua script by which Redis gives out slots, in one atomic step and by its own clock. A lease is a hash with one
 * record for each process. The field is the process' id, and the value six numbers, in this order:
 *
 * | Number | Meaning |
 * |---|---|
 * | `expires` | when the record expires, in milliseconds |
 * | `said` | the sequence number of the process' last request |
 * | `held` | slots that it holds |
 * | `needed` | slots that its requests need |
 * | `wanted` | slots that it would like, spares included |
 * | `since` | when it last got more slots, in milliseconds |
 */
import { createHash } from 'node:crypto'

/** What a process asks. */
export interface LeaseRequest {
  /** Rises with every request. One that arrives after a later one changes nothing. */
  readonly sequence: number
  /** Slots that it holds. It uses no more before it has its answer. */
  readonly hold: number
  /** Slots that its requests need: those that run and those that wait. */
  readonly need: number
  /** Slots that it would like, spares included. At least `need`. */
  readonly want: number
  /** The limit of all processes together. */
  readonly limit: number
}

/** What Redis answers. */
export interface LeaseGrant {
  /** How many requests the process may run. */
  readonly granted: number
  /** Slots on record for it: `hold`, or `granted` if that is more. */
  readonly reserved: number
  /** Its fair share of the limit, no more than it wants. */
  readonly share: number
  /** How many processes have a record. */
  readonly processes: number
  /**
   * Milliseconds until Redis has been up for a `ttl`, and knows all leases. Until then no process gets more than it
   * has.
   */
  readonly settling: number
}

/** KEYS: the hash. ARGV: id, sequence, hold, need, want, limit, ttl. With a ttl of 0 the record is removed. */
export const LEASE_SCRIPT = `
local key, id = KEYS[1], ARGV[1]
local turn, hold, need, want = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local limit, ttl = tonumber(ARGV[6]), tonumber(ARGV[7])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

if ttl == 0 then
  redis.call('HDEL', key, id)
  return { 0, 0, 0, 0, 0 }
end

local me = { id = id, held = hold, need = need, spare = math.max(0, want - need), since = now, share = 0 }
local records, others, latest = { me }, 0, now + ttl
local fields = redis.call('HGETALL', key)
for index = 1, #fields, 2 do
  local expires, said, held, needed, wanted, since = string.match(fields[index + 1], '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
  expires, said, held, needed, wanted, since = tonumber(expires), tonumber(said), tonumber(held), tonumber(needed), tonumber(wanted), tonumber(since)
  if fields[index] == id then
    if turn < said then return { 0, 0, 0, 0, 0 } end
    if expires > now then me.since = since end
  elseif expires <= now then
    redis.call('HDEL', key, fields[index])
  else
    table.insert(records, { id = fields[index], held = held, need = needed, spare = math.max(0, wanted - needed), since = since, share = 0 })
    others, latest = others + held, math.max(latest, expires)
  end
end

-- Max-min fairness: all processes get the same, unless they ask for less. Returns the slots that none asked for.
local function divide(total, amount)
  local level, most = 0, total
  while level < most do
    local tried, sum = math.ceil((level + most) / 2), 0
    for _, record in ipairs(records) do sum = sum + math.min(record[amount], tried) end
    if sum <= total then level = tried else most = tried - 1 end
  end
  local more = {}
  for _, record in ipairs(records) do
    local part = math.min(record[amount], level)
    record.share, total = record.share + part, total - part
    if record[amount] > level then table.insert(more, record) end
  end
  -- Slots that are left over go to processes that hold more already. But if there is not one for each that needs one, they
  -- go to those that have waited longest.
  local goRound = level == 0 and amount == 'need'
  table.sort(more, function (a, b)
    if not goRound and a.held ~= b.held then return a.held > b.held end
    if a.since ~= b.since then return a.since < b.since end
    return a.id < b.id
  end)
  for index = 1, math.min(total, #more) do more[index].share = more[index].share + 1 end
  return total - math.min(total, #more)
end

-- A server that has lost its data at a restart does not know of leases from before, until they have expired.
local function settling()
  local info = redis.pcall('INFO', 'server')
  local uptime = type(info) == 'string' and string.match(info, 'uptime_in_seconds:(%d+)')
  if not uptime then return 0 end
  return math.max(0, ttl - math.max(0, tonumber(uptime) - 1) * 1000)
end

divide(divide(limit, 'need'), 'spare')
local wait = settling()
local may = math.max(0, math.min(me.share, limit - others))
if wait > 0 then may = math.min(may, hold) end
if may > hold then me.since = now end
local held = math.max(hold, may)
redis.call('HSET', key, id, string.format('%.0f %.0f %.0f %.0f %.0f %.0f', now + ttl, turn, held, need, want, me.since))
redis.call('PEXPIREAT', key, string.format('%.0f', latest))
return { may, held, me.share, #records, wait }
`

/**
 * Reads what the script has answered.
 *
 * @throws Error if it is no answer of the script
 */
export function readGrant(reply: unknown): LeaseGrant {
  const numbers = Array.isArray(reply) ? reply.map(Number) : []
  const [granted, reserved, share, processes, settling] = numbers
  if (granted === undefined || reserved === undefined || share === undefined || processes === undefined || settling === undefined || !numbers.every(Number.isSafeInteger)) {
    // eslint-disable-next-line no-restricted-syntax -- part of a warning
    throw new Error(`an answer that is none of the script: ${JSON.stringify(reply)}`)
  }
  return { granted, reserved, share, processes, settling }
}

/**
 * Sends one command, as it stands: `(...command) => client.sendCommand(command)` with the package `redis`,
 * `(name, ...args) => client.call(name, ...args)` with `ioredis`. The same function serves rate-limit-redis.
 */
export type SendCommand = (...command: string[]) => Promise<unknown>

/** A script in Redis: called by its digest, and sent whole where Redis does not have it (any more). */
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
