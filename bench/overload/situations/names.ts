/** What the programs of the situations have to agree on. */

/** `concurrencyLimit()`, `concurrencyLimit({ limit: 64 })`, and no cap. */
export const CAPS = ['default', '64', 'none'] as const
export type Cap = (typeof CAPS)[number]

/** How long `/block` holds the event loop up. */
export const BLOCK_MILLISECONDS = 600
