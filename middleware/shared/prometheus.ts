/** What is used of prom-client, and whether what an app gives is a registry of it. */
import type { OptionChecks } from '../../shared/option-checks.js'

/** How the figures of a cluster's workers become one: prom-client's AggregatorRegistry asks each metric. */
export type Aggregator = 'sum' | 'max'

/**
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
