/**
 * Reads Apache's configuration for one mistake that it does not tell of: within a virtual host, what stands after the | names the worker,
 * and the first socket that is given for a name is used for all. Pure.
 */
import { basename } from 'node:path'
import type { ConfigurationFile } from './facts.js'

/** A socket that Apache takes another one for. */
export interface SharedName {
  /** What both have after the |, such as `fcgi://app`. */
  readonly name: string
  /** The socket that is used. */
  readonly other: string
  /** A name that is free. */
  readonly free: string
}

const WORKER = /unix:([^|"\s]+)\|(fcgi:\/\/[^/"\s]+)/g

/** The first socket that takes this one's requests; undefined where none does. */
export function findSharedName(files: readonly ConfigurationFile[], socket: string): SharedName | undefined {
  for (const { text } of files) {
    for (const host of virtualHosts(text)) {
      const workers = [...host.matchAll(WORKER)].map(([, path = '', name = '']) => ({ path, name }))
      const own = workers.find(({ path }) => path === socket)
      const first = workers.find(({ name }) => name === own?.name)
      if (own === undefined || first === undefined || first.path === socket) continue
      const names = new Set(workers.map(({ name }) => name))
      const wanted = `fcgi://${basename(socket).replace(/\.\w+$/, '')}`
      return { name: own.name, other: first.path, free: names.has(wanted) ? `${wanted}-2` : wanted }
    }
  }
  return undefined
}

/** The text of each virtual host, and what is outside of them; without comments. */
function virtualHosts(text: string): string[] {
  const plain = text.replace(/^[ \t]*#.*$/gm, '')
  const inside = plain.match(/<VirtualHost\b[^]*?<\/VirtualHost>/gi) ?? []
  return [...inside, plain.replace(/<VirtualHost\b[^]*?<\/VirtualHost>/gi, '')]
}
