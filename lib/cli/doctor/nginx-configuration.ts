/** Reads nginx's configuration as far as connections to the app are concerned. Pure. */
import type { ConfigurationFile } from './facts.js'

/** A directive with its words; a block has directives of its own. */
export interface Directive {
  readonly name: string
  readonly words: readonly string[]
  readonly block: readonly Directive[]
}

/** A upstream block with the app in it, and how locations use it. */
export interface NginxUpstream {
  readonly name: string
  readonly servers: number
  /** Server lines without max_fails=0. */
  readonly withoutMaxFails: number
  readonly keepalive: boolean
  /** Whether any fastcgi_pass names it. */
  readonly used: boolean
  /** keepalive_timeout; 60 by default. */
  readonly idleSeconds: number
  /** Whether a location that passes to it says non_idempotent. */
  readonly repeatsPosts: boolean
}

const DEFAULT_IDLE_SECONDS = 60
const MAX_DEPTH = 20

/** All directives, those of included files in the place of the include. */
export function parseNginx(main: ConfigurationFile, included: readonly ConfigurationFile[]): Directive[] {
  const texts = new Map(included.map(({ path, text }) => [path, text]))
  const read = (text: string, depth: number): Directive[] => expand(parseBlock(tokens(text)), depth)
  const expand = (directives: readonly Directive[], depth: number): Directive[] => directives.flatMap((directive) => {
    const block = expand(directive.block, depth)
    if (directive.name !== 'include' || depth > MAX_DEPTH) return [{ ...directive, block }]
    const pattern = patternOf(directive.words[0] ?? '')
    return [...texts].filter(([path]) => pattern.test(path)).flatMap(([, text]) => read(text, depth + 1))
  })
  return read(main.text, 0)
}

/** A path with the wildcards of an include, which may be relative to a directory that is not known here. */
function patternOf(include: string): RegExp {
  const escaped = include.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*').replaceAll('?', '[^/]')
  return new RegExp(`${include.startsWith('/') ? '^' : '(?:^|/)'}${escaped}$`)
}

/** Words, and the three signs that end or enclose directives. */
function tokens(text: string): string[] {
  const found = text.matchAll(/#[^\n]*|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|[{};]|(?:[^\s{};"'\\]|\\.|\$\{\w+\})+/g)
  return [...found].flatMap(([whole, double, single]) => whole.startsWith('#') ? [] : [double ?? single ?? whole])
}

function parseBlock(list: readonly string[]): Directive[] {
  const open: Directive[][] = [[]]
  let words: string[] = []
  const add = (block: readonly Directive[]): void => {
    const [name, ...rest] = words
    if (name !== undefined) open.at(-1)?.push({ name, words: rest, block })
    words = []
  }
  for (const token of list) {
    if (token === ';') add([])
    else if (token === '{') {
      const block: Directive[] = []
      add(block)
      open.push(block)
    } else if (token === '}') {
      words = []
      if (open.length > 1) open.pop()
    } else words.push(token)
  }
  return open[0] ?? []
}

/** The upstream blocks that have the app, by one of these names, among their servers. */
export function upstreamsOf(directives: readonly Directive[], names: readonly string[]): NginxUpstream[] {
  const all = flatten(directives)
  return all.filter(({ name, block }) => name === 'upstream' && block.some((line) => isServer(line, names))).map((upstream) => describe(upstream, directives))
}

function isServer({ name, words: [address = ''] }: Directive, names: readonly string[]): boolean {
  return name === 'server' && names.includes(address.replace(/:$/, ''))
}

function describe({ words: [name = ''], block }: Directive, directives: readonly Directive[]): NginxUpstream {
  const servers = block.filter((line) => line.name === 'server' && line.block.length === 0)
  const value = (directive: string): string | undefined => block.find((line) => line.name === directive)?.words[0]
  return {
    name,
    servers: servers.length,
    withoutMaxFails: servers.filter(({ words }) => !words.includes('max_fails=0')).length,
    used: flatten(directives).some((line) => line.name === 'fastcgi_pass' && line.words[0] === name),
    keepalive: Number(value('keepalive') ?? 0) > 0,
    idleSeconds: seconds(value('keepalive_timeout')),
    repeatsPosts: repeatsPosts(directives, name, false),
  }
}

/** fastcgi_next_upstream is inherited by blocks that do not set it. */
function repeatsPosts(block: readonly Directive[], upstream: string, inherited: boolean): boolean {
  const own = block.find(({ name }) => name === 'fastcgi_next_upstream')
  const repeats = own === undefined ? inherited : own.words.includes('non_idempotent')
  if (repeats && block.some(({ name, words }) => name === 'fastcgi_pass' && words[0] === upstream)) return true
  return block.some((directive) => repeatsPosts(directive.block, upstream, repeats))
}

function flatten(directives: readonly Directive[]): Directive[] {
  return directives.flatMap((directive) => [directive, ...flatten(directive.block)])
}

const UNITS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 }

/** nginx's times: `60`, `60s`, `1h 30m`. */
function seconds(text: string | undefined): number {
  const parts = [...(text ?? '').matchAll(/(\d+)(ms|[smhd])?/g)]
  if (parts.length === 0) return DEFAULT_IDLE_SECONDS
  return parts.reduce((sum, [, amount, unit = 's']) => sum + Number(amount) * (UNITS[unit] ?? 1), 0)
}
