/** What the programs of the situations have to agree on. */

/** `concurrencyLimit()`, `concurrencyLimit({ limit: 64 })`, no cap, and the rules of peers, as `../limiters.ts` has them. */
export const CAPS = ['default', '64', 'none', 'toobusy-js', 'under-pressure'] as const
export type Cap = (typeof CAPS)[number]

/** How long `/block` holds the event loop up. */
export const BLOCK_MILLISECONDS = 600
