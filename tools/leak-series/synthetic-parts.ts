/** What made-up apps are made of: shapes of load and of what is held, and numbers that a seed determines. */

/** Numbers from 0 to 1 that a seed determines. */
export type Random = () => number
/** Share of the mean load at an hour. */
export type Load = (random: Random) => (hour: number) => number
/** Share of the level that is held at an hour, beside what load holds. `requests`: in hours of mean load. `own`: load now. */
export type Memory = (random: Random) => (now: Moment) => number
export interface Moment { hour: number; requests: number; own: number }

/** A set's shapes by name. */
export interface Shapes {
  readonly loads: Readonly<Record<string, Load>>
  readonly leaks: Readonly<Record<string, Memory>>
  readonly harmless: Readonly<Record<string, Memory>>
  /** What is there beside a leak of that name, and is none. */
  readonly beside?: Readonly<Record<string, Memory>>
  /** Names of what is held outside the heap: in Buffers, or where V8 knows nothing of it. */
  readonly outside?: { readonly external: readonly string[]; readonly native: readonly string[] }
  /** Least and largest level, MB. Default: 50 to 400. */
  readonly levels?: readonly [number, number]
  /** Of leaks, an hour, as a share of the level: slowest and quickest. Default: 0.031 to 0.08, evenly. */
  readonly paces?: readonly [number, number]
}

const { exp, max, min } = Math
export const between = (random: Random, least: number, most: number): number => least + (most - least) * random()
export const logBetween = (random: Random, least: number, most: number): number => least * (most / least) ** random()
/** The sum of twelve has a standard deviation of 1. */
export const normal = (random: Random): number => Array.from({ length: 12 }, random).reduce((sum, one) => sum + one, -6)
export const upTo = (share: number): number => min(1, max(0, share))

export const filling = (random: Random, least: number, most: number): ((since: number) => number) => {
  const takes = logBetween(random, least, most)
  return (since) => 1 - exp(-max(0, since) / takes)
}

interface Step { at: number; height: number; takes: number }
const linear = ({ at, height, takes }: Step, hour: number): number => height * upTo((hour - at) / takes)

/** Steps whose distances differ, over some hours, each of which fills in up to half an hour. */
export const steps = (count: number, fill: readonly [number, number], span: readonly [number, number]): Memory => (random) => {
  const [total, over, first] = [logBetween(random, 0.1, 0.5), between(random, ...span), between(random, 0.2, 1.5)]
  const weights = Array.from({ length: count }, () => between(random, 0.5, 1.5))
  const sum = weights.reduce((all, one) => all + one, 0)
  const all = weights.map((weight, index): Step => ({
    at: first + over * (index + between(random, -0.25, 0.25)) / max(1, count - 1), height: total * weight / sum, takes: between(random, ...fill),
  }))
  return ({ hour }) => all.reduce((held, step) => held + linear(step, hour), 0)
}
