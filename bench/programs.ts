/** Finds the programs that parts of the benchmark need. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'

/** Where Debian has programs that are not in every user's PATH. */
const MORE = ['/usr/sbin', '/usr/local/sbin']

/** The program's file, or undefined where it is not installed. */
export function findProgram(name: string): string | undefined {
  return [...(process.env['PATH'] ?? '').split(path.delimiter), ...MORE]
    .map((directory) => path.join(directory, name))
    .find((file) => existsSync(file))
}

/** The version that a Node binary tells, such as `v20.20.2`. */
export function versionOf(node: string): string {
  return execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()
}
