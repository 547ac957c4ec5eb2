/** Asks the endpoint. What goes wrong comes back in words. */
import { UNREACHABLE, wordsFor } from './failures.js'
import { isObject } from './wire.js'

export type Answer = { value: unknown; words?: undefined } | { value?: undefined; words: string }

/** Never throws. The value of an answer without JSON is undefined. */
export async function ask(method: 'GET' | 'POST', address: string): Promise<Answer> {
  try {
    const response = await fetch(address, { method, headers: { Accept: 'application/json' }, cache: 'no-store' })
    const body: unknown = isJson(response) ? await response.json().catch(() => undefined) : undefined
    return response.ok ? { value: body } : { words: wordsFor(response.status, detailOf(body), response.headers.get('Retry-After'), Date.now()) }
  } catch {
    return { words: UNREACHABLE }
  }
}

/** Whole, for a file. */
export async function askForFile(address: string): Promise<{ file: Blob; name: string } | { words: string }> {
  try {
    const response = await fetch(address, { method: 'POST', cache: 'no-store' })
    if (response.ok) return { file: await response.blob(), name: fileName(response.headers.get('Content-Disposition')) }
    const body: unknown = isJson(response) ? await response.json().catch(() => undefined) : undefined
    return { words: wordsFor(response.status, detailOf(body), response.headers.get('Retry-After'), Date.now()) }
  } catch {
    return { words: UNREACHABLE }
  }
}

function isJson(response: Response): boolean {
  return (response.headers.get('Content-Type') ?? '').includes('json')
}

/** Of problem+json (RFC 9457). */
function detailOf(body: unknown): string {
  return isObject(body) && typeof body['detail'] === 'string' ? body['detail'] : ''
}

function fileName(disposition: string | null): string {
  return /filename="?([^";]+)/.exec(disposition ?? '')?.[1] ?? 'app.heapsnapshot'
}
