/** What went wrong with a request, in words. Pure. */

/** Why a request failed, in a sentence or two. `now`: ms since 1970, for a Retry-After that is a date. */
export function wordsFor(status: number, detail: string, retryAfter: string | null, now: number): string {
  const why = detail === '' ? '' : ` ${detail.trim().replace(/([^.!?])$/, '$1.')}`
  if (status === 429) return `Not now:${why === '' ? ' the app does costly things one at a time, and not too often.' : why} Try again in ${seconds(retryAfter, now)}.`
  if (status === 503) return `The app cannot do this now.${why}${retryAfter === null ? '' : ` Try again in ${seconds(retryAfter, now)}.`}`
  if (status === 401 || status === 403) return `The app does not allow this.${why}`
  if (status === 404 || status === 405) return `The app does not offer this.${why}`
  return `The app could not do this (status ${String(status)}).${why}`
}

function seconds(retryAfter: string | null, now: number): string {
  const given = /^\d+$/.test(retryAfter ?? '') ? Number(retryAfter) : Math.ceil((Date.parse(retryAfter ?? '') - now) / 1000)
  if (Number.isNaN(given)) return 'a few seconds'
  const whole = Math.max(1, given)
  return `${String(whole)} second${whole === 1 ? '' : 's'}`
}

export const UNREACHABLE = 'The app did not answer: it may be standing still, or starting again.'
export const UNREADABLE = 'The answer could not be read: the app may have changed since this page was opened. Load the page again.'
