/**
 * Reads POSIX access control lists (acl(5)). Node has no call for them, so getfacl is asked where it is installed; else ls tells at least
 * that there is one.
 */
import { execFileSync } from 'node:child_process'
import type { AccessList } from './facts.js'

const LIMIT_MS = 5000
/** `user:33:rw-`, and `user::rwx` of the owner. What a directory gives to new files begins with `default:`. */
const ENTRY = /^(user|group|mask|other):(\d*):([r-][w-][x-])/
const BITS: Readonly<Record<string, number>> = { r: 4, w: 2, x: 1 }

/** The list of a file: undefined where it has none, `'unread'` where it has one and nobody tells what is in it. */
export function readAccessList(path: string): AccessList | 'unread' | undefined {
  const text = run('getfacl', ['--numeric', '--absolute-names', '--omit-header', '--no-effective', '--', path])
  if (text !== undefined) return parseAccessList(text)
  return /^\S{10}\+/.test(run('ls', ['-ld', '--', path]) ?? '') ? 'unread' : undefined
}

/** What getfacl prints, as numbers. Without a mask it shows the permission bits alone, and there is no list. */
export function parseAccessList(text: string): AccessList | undefined {
  const entries = text.split('\n').flatMap((line) => {
    const [, kind = '', id = '', shown = ''] = ENTRY.exec(line) ?? []
    return kind === '' ? [] : [{ kind, id, bits: Array.from(shown).reduce((sum, letter) => sum + (BITS[letter] ?? 0), 0) }]
  })
  const mask = entries.find(({ kind }) => kind === 'mask')?.bits
  if (mask === undefined) return undefined
  const named = (wanted: string): Map<number, number> =>
    new Map(entries.filter(({ kind, id }) => kind === wanted && id !== '').map(({ id, bits }) => [Number(id), bits]))
  const owningGroup = entries.find(({ kind, id }) => kind === 'group' && id === '')?.bits ?? 0
  return { users: named('user'), groups: named('group'), owningGroup, mask }
}

function run(program: string, args: readonly string[]): string | undefined {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: LIMIT_MS, env: { ...process.env, LC_ALL: 'C' } })
  } catch {
    return undefined
  }
}
