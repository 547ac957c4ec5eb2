/** A middleware's figures as metrics on the app's own registry of prom-client. They are read when they are scraped. */
import type { OptionChecks } from '../../shared/option-checks.js'
import { optionChecks } from './options.js'

/** The part of prom-client's `Registry` that is used. */
export interface MetricsRegistry {
  registerMetric(metric: object): void
  getSingleMetric?(name: string): unknown
  removeSingleMetric?(name: string): void
}

/** The options of `registerMetrics()`, the same for every middleware. */
export interface MetricsOptions {
  /** What the names begin with. Default: one for each middleware, such as `concurrency_limit`. */
  prefix?: string | undefined
  /** Labels that all of them get, such as `{ cap: 'api' }`: by them, several middlewares on one registry are told apart. */
  labels?: Readonly<Record<string, string>> | undefined
}

/** How prom-client's AggregatorRegistry makes one value of those of a cluster's workers. */
export type Aggregator = 'sum' | 'max'

type Labels = Readonly<Record<string, string | number>>

/** One value of a metric. */
export interface MetricValue {
  /** The end of the name of a histogram's value, such as `_bucket`. */
  readonly suffix?: string
  readonly labels?: Labels
  readonly value: number
}

/** One metric, as a middleware has it. */
export interface Figure {
  /** The name without prefix. */
  readonly name: string
  readonly kind: 'gauge' | 'counter' | 'histogram'
  readonly help: string
  readonly aggregator?: Aggregator
  read(): readonly MetricValue[]
}

/** All of a middleware's metrics. */
export interface Figures {
  /** The name of the middleware, such as `concurrencyLimit`. */
  readonly middleware: string
  /** The object that the figures are of: they are on a registry once, however often they are registered. */
  readonly owner: object
  readonly prefix: string
  /** Labels that some metrics have of their own. */
  readonly labels: readonly string[]
  readonly figures: readonly Figure[]
}

/** One metric on a registry: the values of all middleware that is registered under its name. */
class Metric {
  readonly #sources = new Map<string, { readonly owner: object; readonly read: () => object[]; uses: number }>()
  /** OpenMetrics takes `_total` off the name of a counter and puts it back in the text: so it is read from here. */
  name: string
  readonly help: string
  readonly type: Figure['kind']
  readonly aggregator: Aggregator

  constructor(name: string, { help, kind, aggregator = 'sum' }: Figure) {
    this.name = name
    this.help = help
    this.type = kind
    this.aggregator = aggregator
  }

  ownerOf(key: string): object | undefined {
    return this.#sources.get(key)?.owner
  }

  add(key: string, owner: object, labels: Labels, figure: Figure): void {
    const known = this.#sources.get(key)
    if (known !== undefined) {
      known.uses += 1
      return
    }
    const read = (): object[] => figure.read().map(({ suffix, labels: own, value }) => {
      const shown = { labels: { ...labels, ...own }, value }
      return suffix === undefined ? shown : { ...shown, metricName: this.name + suffix }
    })
    this.#sources.set(key, { owner, read, uses: 1 })
  }

  /** Whether no values are left. */
  remove(key: string): boolean {
    const known = this.#sources.get(key)
    if (known !== undefined && --known.uses === 0) this.#sources.delete(key)
    return this.#sources.size === 0
  }

  get(): Promise<object> {
    const { name, help, type, aggregator } = this
    return Promise.resolve({ name, help, type, aggregator, values: [...this.#sources.values()].flatMap(({ read }) => read()) })
  }

  reset(): void {
    // For the registry's resetMetrics(). The counters are the middleware's own, and only rise.
  }
}

/**
 * Registers all metrics, or none where one is refused.
 *
 * @param taken makes the error for a name under which the registry has another metric
 * @returns a function that removes them again
 * @throws OptionError where it is no registry, has metrics of these names, or an option is wrong
 */
export function registerFigures(
  { middleware, owner, prefix: defaultPrefix, labels: reserved, figures }: Figures,
  registry: MetricsRegistry,
  given?: MetricsOptions,
  taken?: (name: string) => Error,
): () => void {
  const checks = optionChecks(`${middleware}.registerMetrics`)
  checkRegistry(checks, 'registry', registry, ['registerMetric'])
  const { prefix = defaultPrefix, labels = {} } = checks.object<MetricsOptions>('options', given, ['prefix', 'labels'])
  checkNames(checks, prefix, labels, reserved)
  const key = keyOf(labels)
  const refuse = taken ?? ((name: string): Error => checks.wrong('prefix', prefix, `the registry has a metric ${name} of something else already: give another prefix`))
  const planned = figures.map((figure) => {
    const name = `${prefix}_${figure.name}`
    const known = registry.getSingleMetric?.(name)
    if (known !== undefined && !(known instanceof Metric)) throw refuse(name)
    const other = known?.ownerOf(key)
    if (other !== undefined && other !== owner) {
      throw checks.wrong('labels', labels, `another ${middleware}() is on this registry with the same: give labels that tell them apart, or another prefix`)
    }
    return { name, figure, metric: known ?? new Metric(name, figure), isNew: known === undefined }
  })
  const undo: (() => void)[] = []
  const removeAll = (): void => { for (const each of undo.splice(0)) each() }
  for (const { name, figure, metric, isNew } of planned) {
    metric.add(key, owner, labels, figure)
    undo.push(() => { if (metric.remove(key) && registry.getSingleMetric?.(name) === metric) registry.removeSingleMetric?.(name) })
    if (isNew) registerOrUndo(registry, metric, () => {
      removeAll()
      return refuse(name)
    })
  }
  return removeAll
}

function registerOrUndo(registry: MetricsRegistry, metric: Metric, refused: () => Error): void {
  try {
    registry.registerMetric(metric)
  } catch {
    throw refused()
  }
}

/**
 * Whether what an app gives is a registry of prom-client.
 *
 * @param name of the option, or of the argument
 * @throws OptionError where one of the methods is missing
 */
export function checkRegistry(checks: OptionChecks, name: string, registry: unknown, methods: readonly string[]): void {
  if (typeof registry === 'object' && registry !== null) {
    const given = registry as Readonly<Record<string, unknown>>
    if (methods.every((method) => typeof given[method] === 'function')) return
  }
  throw checks.wrong(name, registry ?? String(registry), 'give a Registry of prom-client, such as its register')
}

function checkNames(checks: OptionChecks, prefix: unknown, labels: unknown, reserved: readonly string[]): void {
  if (typeof prefix !== 'string' || !/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(prefix)) {
    throw checks.wrong('prefix', prefix, 'give letters, digits and underscores, and no digit first')
  }
  if (typeof labels !== 'object' || labels === null) throw checks.wrong('labels', labels, 'give an object')
  const valueless = Object.entries(labels).find(([, value]) => typeof value !== 'string')
  if (valueless !== undefined) throw checks.wrong(`labels.${valueless[0]}`, valueless[1], 'give a string')
  const wrong = Object.keys(labels).find((name) => reserved.includes(name) || !/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name))
  if (wrong === undefined) return
  const others = reserved.length === 0 ? '' : `, and none of ${reserved.join(', ')}`
  throw checks.wrong('labels', labels, `${JSON.stringify(wrong)} cannot be the name of one: give letters, digits and underscores, no digit first${others}`)
}

/** A text that is the same for the same labels, in whatever order. */
function keyOf(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort(([one], [other]) => one < other ? -1 : 1))
}

/** The registries that one middleware has its metrics on, until it is closed. */
export class MetricsRegistrations {
  readonly #undo = new Map<MetricsRegistry, Map<string, () => void>>()
  #isClosed = false

  /** A second time for the same registry and options changes nothing; nor does it after `close()`. */
  add(figures: Figures, registry: MetricsRegistry, options?: MetricsOptions, taken?: (name: string) => Error): void {
    if (this.#isClosed) return
    const undo = registerFigures(figures, registry, options, taken)
    const known = this.#undo.get(registry) ?? new Map<string, () => void>()
    const key = JSON.stringify([options?.prefix, keyOf(options?.labels ?? {})])
    // Now it is there in any case: the app may have cleared the registry since.
    known.get(key)?.()
    this.#undo.set(registry, known.set(key, undo))
  }

  /** Removes all of its metrics from the registries. */
  close(): void {
    this.#isClosed = true
    for (const each of this.#undo.values()) for (const undo of each.values()) undo()
    this.#undo.clear()
  }
}
