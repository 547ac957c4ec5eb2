/** Looking for what is installed on this machine. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** What a group of tests needs from the machine. */
export interface Requirement {
  /** The Debian package to install. */
  package: string
  /** Whether all that is needed of it is there. */
  installed: boolean
}

/** Directories of system programs that a user's PATH often lacks. */
const SYSTEM_DIRECTORIES = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/local/bin', '/usr/bin', '/bin']

/** The path of a program; undefined where it is not installed. */
export function findProgram(name: string): string | undefined {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter).filter(Boolean), ...SYSTEM_DIRECTORIES]
  return directories.map((directory) => join(directory, name)).find((path) => isAccessible(path, constants.X_OK))
}

/** Whether a file can be read: for modules of a web server, which are no programs. */
export function isReadable(path: string): boolean {
  return isAccessible(path, constants.R_OK)
}

function isAccessible(path: string, mode: number): boolean {
  try {
    accessSync(path, mode)
    return true
  } catch {
    return false
  }
}
