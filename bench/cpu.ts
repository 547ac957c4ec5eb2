/** CPU time of a process and of all that it started, from Linux's /proc. */
import { readFileSync, readdirSync } from 'node:fs'

/** Clock ticks a second in /proc/<pid>/stat: 100 on every Linux that Node runs on. */
const TICKS_A_SECOND = 100

/** CPU time, user and system, of `pid` and its descendants so far, in microseconds. */
export function cpuMicroseconds(pid: number): number {
  let sum = 0
  for (const member of [pid, ...descendants(pid)]) sum += processMicroseconds(member)
  return sum
}

/** The processes that `pid` started, and those that they started. */
export function descendants(pid: number): number[] {
  const children = new Map<number, number[]>()
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const fields = statFields(entry)
    const parent = Number(fields?.[1])
    if (fields) children.set(parent, [...(children.get(parent) ?? []), Number(entry)])
  }
  const found: number[] = []
  const queue = [pid]
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const own = children.get(next) ?? []
    found.push(...own)
    queue.push(...own)
  }
  return found
}

/** The scheduler's nanoseconds of every thread where the kernel tells them, else clock ticks. */
function processMicroseconds(pid: number): number {
  try {
    let nanoseconds = 0
    for (const thread of readdirSync(`/proc/${String(pid)}/task`)) {
      nanoseconds += Number(readFileSync(`/proc/${String(pid)}/task/${thread}/schedstat`, 'utf8').split(' ', 1)[0])
    }
    if (nanoseconds > 0) return nanoseconds / 1000
  } catch {
    // No such file: an older kernel, or a thread that has just ended.
  }
  const fields = statFields(String(pid))
  return ((Number(fields?.[11]) + Number(fields?.[12])) / TICKS_A_SECOND) * 1e6
}

/** The fields of /proc/<pid>/stat after the command's name, which may hold spaces: state, parent, … */
function statFields(pid: string): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}
