/** Names of users and groups to their numbers, as chown needs them. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { codeOf } from '../../shared/errors.js'
import { FastCgiError } from '../errors.js'
import { explained } from './errors.js'

/** Where local accounts stand, and the name of the same database for getent. */
const DATABASES = {
  owner: { file: '/etc/passwd', database: 'passwd', noun: 'user' },
  group: { file: '/etc/group', database: 'group', noun: 'group' },
} as const

/**
 * The number of a user (`owner`) or group, given by name or by number.
 *
 * Local accounts are looked up in /etc; others, such as those of a directory service, are asked of `getent`.
 * @throws FastCgiError ERR_FCGI_SOCKET_OWNER when there is no such account
 */
export function accountId(kind: 'owner' | 'group', account: string | number): number {
  if (typeof account === 'number') return account
  if (/^\d+$/.test(account)) return Number(account)
  const { file, database, noun } = DATABASES[kind]
  const id = findId(readLocal(file), account) ?? findId(askGetent(database, account), account)
  if (id === undefined) {
    throw new FastCgiError('ERR_FCGI_SOCKET_OWNER',
      `option ${kind}: there is no ${noun} '${account}'. Give the name or the number of one that exists ` +
      `(getent ${database} lists them).`)
  }
  return id
}

/** Lines of both databases read `name:password:id:…`. */
function findId(lines: string, name: string): number | undefined {
  for (const line of lines.split('\n')) {
    const [found, , id] = line.split(':')
    if (found === name && id !== undefined && /^\d+$/.test(id)) return Number(id)
  }
  return undefined
}

function readLocal(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    refuseIfForbidden(error, file)
    return ''
  }
}

/** A name that may not be looked up is not one that does not exist. */
function refuseIfForbidden(error: unknown, directory: string): void {
  if (codeOf(error) === 'ERR_ACCESS_DENIED') throw explained(error, 'looking up owner and group by name', directory)
}

function askGetent(database: string, name: string): string {
  try {
    return execFileSync('getent', ['--', database, name], {
      encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 5000,
    })
  } catch (error) {
    refuseIfForbidden(error, '')
    return ''
  }
}
