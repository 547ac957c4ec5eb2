/** The status page and what it is made of: HTML, style sheet, script and icon, each a whole answer. */
import type { StatusAnswer } from '../workers/status-path.js'
import { ASSETS } from './page/assets.js'

const TYPES = {
  'page.html': 'text/html; charset=utf-8',
  'page.css': 'text/css; charset=utf-8',
  'page.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
} as const
type FileName = keyof typeof TYPES

/** Nothing from elsewhere, no frame around the page, no address changed by a `<base>`, and no markup made of text. */
const POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'"
const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': POLICY,
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
} as const

const ANSWERS: ReadonlyMap<string, StatusAnswer> = new Map((Object.keys(TYPES) as FileName[]).map((name) => [
  name === 'page.html' ? '' : name,
  { status: 200, headers: { ...HEADERS, 'Content-Type': TYPES[name] }, body: ASSETS[name] },
]))

/** The page at '', or a file of it; undefined where the path is of neither. */
export function pageFile(path: string): StatusAnswer | undefined {
  return ANSWERS.get(path)
}
