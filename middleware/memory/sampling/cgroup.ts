/** The memory that the kernel lets this process and its companions in the cgroup have together, and what they use. Versions 1 and 2. */
import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { posix } from 'node:path'

/** Bytes. */
export interface CgroupMemory {
  /** Of all processes of the cgroup, without the pages of files that the kernel would drop first; null where it cannot be read. */
  use: number | null
  /** null where there is none. The kernel kills when the total reaches it. */
  limit: number | null
}

/** Where the kernel is asked. */
export interface CgroupOptions {
  /** The text of a file; undefined where there is none. For tests. */
  read?: (path: string) => string | undefined
  /** What the system has: a limit above it is none. */
  physical?: number
  /** What Node says of the limit. */
  constrained?: () => number
  /** ms of a clock that never goes back. */
  now?: () => number
}

interface Names {
  readonly limit: string
  readonly use: string
  /** The line of memory.stat. */
  readonly inactive: RegExp
}

const V1: Names = { limit: 'memory.limit_in_bytes', use: 'memory.usage_in_bytes', inactive: /^total_inactive_file (\d+)$/m }
const V2: Names = { limit: 'memory.max', use: 'memory.current', inactive: /^inactive_file (\d+)$/m }
/** A limit may be changed while the process runs; memory.stat is dear where there are many cgroups. ms. */
const REVIEW_AFTER = 10_000

/** Limit and use of the memory of the cgroup, versions 1 and 2. */
export class Cgroup {
  readonly #read: (path: string) => string | undefined
  readonly #physical: number
  readonly #constrained: () => number
  readonly #now: () => number
  readonly #names: Names
  /** From the process' own cgroup up to the root that can be seen: a limit of any of them counts. */
  readonly #directories: readonly string[]
  #reviewed = -Infinity
  #limit: number | null = null
  /** Whose limit that is. */
  #directory: string | undefined
  #inactive = 0

  constructor({ read = readText, physical = totalmem(), constrained = () => process.constrainedMemory(), now = () => performance.now() }: CgroupOptions = {}) {
    this.#read = read
    this.#physical = physical
    this.#constrained = constrained
    this.#now = now
    const found = locate(read)
    this.#names = found.names
    this.#directories = found.directories
  }

  memory(): CgroupMemory {
    if (this.#now() - this.#reviewed >= REVIEW_AFTER) this.#review()
    const use = this.#number(this.#directory, this.#names.use)
    return { use: use === null ? null : Math.max(0, use - this.#inactive), limit: this.#limit }
  }

  #review(): void {
    this.#reviewed = this.#now()
    this.#directory = this.#directories[0]
    this.#limit = this.#clamped(this.#constrained())
    for (const directory of this.#directories) {
      const limit = this.#clamped(this.#number(directory, this.#names.limit))
      if (limit === null || (this.#limit !== null && limit > this.#limit)) continue
      this.#limit = limit
      this.#directory = directory
    }
    const stat = this.#directory === undefined ? undefined : this.#read(posix.join(this.#directory, 'memory.stat'))
    this.#inactive = Number(this.#names.inactive.exec(stat ?? '')?.[1] ?? 0)
  }

  /** 0 and what is no number ("max", 1.8e19) mean that there is no limit. */
  #clamped(limit: number | null): number | null {
    return limit !== null && limit > 0 && limit < this.#physical ? limit : null
  }

  #number(directory: string | undefined, name: string): number | null {
    if (directory === undefined) return null
    const value = Number.parseInt(this.#read(posix.join(directory, name)) ?? '', 10)
    return Number.isNaN(value) ? null : value
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}

/**
 * Where the files are: cgroups(7), proc_pid_mountinfo(5). With a cgroup namespace, as in containers, the path is relative to
 * what is mounted; without one the mount's own root is a part of it.
 */
function locate(read: (path: string) => string | undefined): { names: Names; directories: string[] } {
  const groups = (read('/proc/self/cgroup') ?? '').split('\n').map((line) => line.split(':'))
  const mounts = (read('/proc/self/mountinfo') ?? '').split('\n')
  const first = groups.find(([, controllers = '']) => controllers.split(',').includes('memory'))
  const [names, group, mount] = first === undefined
    ? [V2, groups.find(([number]) => number === '0'), mounts.find((line) => line.includes(' - cgroup2 '))] as const
    : [V1, first, mounts.find((line) => / - cgroup .*\bmemory\b/.test(line))] as const
  const [, , , root = '/', point] = mount?.split(' ') ?? []
  if (group === undefined || point === undefined) return { names, directories: [] }
  const path = group.slice(2).join(':')
  const below = root === '/' ? path : path.startsWith(root) ? path.slice(root.length) : '/'
  const directories: string[] = []
  for (let directory = posix.join(point, below); directory.startsWith(point); directory = posix.dirname(directory)) {
    directories.push(directory.length > 1 ? directory.replace(/\/$/, '') : directory)
    if (directory === '/') break
  }
  // A container without a namespace of its own sees a path of the host's, and its own files at the mount point.
  return { names, directories: directories.filter((directory) => read(posix.join(directory, names.use)) !== undefined) }
}
