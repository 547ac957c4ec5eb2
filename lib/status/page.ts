/** The status page and what it is made of: HTML, style sheet, script and icon, each a whole answer. */
import { PAGE_HEADERS } from '../../shared/page-headers.js'
import type { StatusAnswer } from '../workers/status-path.js'
import { ASSETS } from './page/assets.js'

const TYPES = {
  'page.html': 'text/html; charset=utf-8',
  'page.css': 'text/css; charset=utf-8',
  'page.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
} as const
type FileName = keyof typeof TYPES

const ANSWERS: ReadonlyMap<string, StatusAnswer> = new Map((Object.keys(TYPES) as FileName[]).map((name) => [
  name === 'page.html' ? '' : name,
  { status: 200, headers: { ...PAGE_HEADERS, 'Content-Type': TYPES[name] }, body: ASSETS[name] },
]))

/** The page at '', or a file of it; undefined where the path is of neither. */
export function pageFile(path: string): StatusAnswer | undefined {
  return ANSWERS.get(path)
}
