/** Reads the files of the web server's configuration, those that they include among them, as far as they can be read. */
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, isAbsolute, join } from 'node:path'
import type { ConfigurationFile, ServerName } from './facts.js'

/** Where the distributions have the file, and how a command and a file name another one. */
const SERVERS: Readonly<Record<ServerName, { file: string, option: RegExp, include: RegExp }>> = {
  nginx: { file: '/etc/nginx/nginx.conf', option: /^-c$/, include: /^[ \t]*include[ \t]+["']?([^"';]+)["']?;/gm },
  apache: { file: '/etc/apache2/apache2.conf', option: /^-f$/, include: /^[ \t]*Include(?:Optional)?[ \t]+"?([^"\n]+?)"?[ \t]*$/gim },
  lighttpd: { file: '/etc/lighttpd/lighttpd.conf', option: /^-f$/, include: /^[ \t]*include[ \t]+"([^"]+)"/gm },
  caddy: { file: '/etc/caddy/Caddyfile', option: /^--config$/, include: /^[ \t]*import[ \t]+([^\s{]+)/gm },
  haproxy: { file: '/etc/haproxy/haproxy.cfg', option: /^-f$/, include: /(?!)/g },
  h2o: { file: '/etc/h2o/h2o.conf', option: /^(?:-c|--conf)$/, include: /!file[ \t]+(\S+)/g },
}
const MAX_FILES = 500
const MAX_BYTES = 1024 ** 2

/**
 * The main file first.
 *
 * @param command with which the web server was started
 * @param directory in which it was
 */
export function readConfiguration(server: ServerName | undefined, command: readonly string[], directory: string): ConfigurationFile[] {
  if (server === undefined) return []
  const { file, option, include } = SERVERS[server]
  const named = command.filter((_, index) => option.test(command[index - 1] ?? ''))
  const prefix = valueOf(command, /^-p$/) ?? (server === 'apache' ? valueOf(command, /^-d$/) : undefined)
  const files = new Map<string, string>()
  const waiting = (named.length > 0 ? named : [file]).map((path) => isAbsolute(path) ? path : join(prefix ?? directory, path))
  for (let path = waiting.shift(); path !== undefined && files.size < MAX_FILES; path = waiting.shift()) {
    const text = files.has(path) ? undefined : readText(path)
    if (text === undefined) continue
    files.set(path, text)
    for (const [, found = ''] of text.matchAll(include)) {
      waiting.push(...bases(path, prefix, file).flatMap((base) => matches(isAbsolute(found) ? found : join(base, found))))
    }
  }
  return [...files].map(([path, text]) => ({ path, text }))
}

/** What a relative path may be relative to. */
function bases(path: string, prefix: string | undefined, file: string): string[] {
  return [...new Set([dirname(path), prefix ?? dirname(file), dirname(file)])]
}

function valueOf(command: readonly string[], option: RegExp): string | undefined {
  return command.find((_, index) => option.test(command[index - 1] ?? ''))
}

/** The files that a path with wildcards in its last part stands for; of a directory, what is in it. */
function matches(path: string): string[] {
  const directory = dirname(path)
  try {
    if (!/[*?]/.test(basename(path))) return statSync(path).isDirectory() ? readdirSync(path).map((name) => join(path, name)) : [path]
    const pattern = new RegExp(`^${basename(path).replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*').replaceAll('?', '.')}$`)
    return readdirSync(directory).filter((name) => pattern.test(name)).sort().map((name) => join(directory, name))
  } catch {
    return []
  }
}

function readText(path: string): string | undefined {
  try {
    const stats = statSync(path)
    return stats.isFile() && stats.size <= MAX_BYTES ? readFileSync(path, 'utf8') : undefined
  } catch {
    return undefined
  }
}
