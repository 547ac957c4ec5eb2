/** What stands in front of a handler to be compared, and how many requests each measures at a time. */

/** The contenders by name, with what the report calls them; `none` is the request itself. */
export const CONTENDERS: Readonly<Record<string, string>> = {
  'no-op': 'a middleware that does nothing',
  'p-limit': 'p-limit alone',
  'fixed': 'concurrencyLimit({ limit: 64 })',
  'auto': 'concurrencyLimit()',
}

/** Requests of one measurement. */
export const REQUESTS = 10_000
