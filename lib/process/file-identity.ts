/** Identifies the file at a path, and removes that file only, not one that has taken its name. */
import { linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs'
import { codeOf } from '../../shared/errors.js'
import { unusedName } from './private-files.js'

/** What distinguishes a file from others that have or had the same name. */
export interface FileIdentity {
  readonly device: bigint
  readonly inode: bigint
  /** File systems give the numbers of removed files to new ones. */
  readonly born: bigint
  readonly isSocket: boolean
}

/** The file at `path` itself, links not followed; undefined if there is none. */
export function identify(path: string): FileIdentity | undefined {
  const stats = lstatSync(path, { bigint: true, throwIfNoEntry: false })
  return stats && { device: stats.dev, inode: stats.ino, born: stats.birthtimeNs, isSocket: stats.isSocket() }
}

/** Whether both are one and the same file. */
export function isSame(one: FileIdentity | undefined, other: FileIdentity): boolean {
  return one?.device === other.device && one.inode === other.inode && one.born === other.born
}

/**
 * Removes the file at `path` if it is `file`, and says whether it did. Any other file is left in place.
 *
 * Another process may replace the file between the check and the removal, and unlink takes a name, not a file. So the
 * file is renamed first and checked again. If it is another file, it gets its name back.
 */
export function removeIfSame(path: string, file: FileIdentity): boolean {
  if (!isSame(identify(path), file)) return false
  const aside = unusedName(path)
  try {
    renameSync(path, aside)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
  if (isSame(identify(aside), file)) {
    unlinkSync(aside)
    return true
  }
  giveBack(aside, path)
  return false
}

/** Puts another's file back, unless a still newer one has taken the name. */
function giveBack(aside: string, path: string): void {
  try {
    linkSync(aside, path)
  } catch (error) {
    // Linking another user's file may be forbidden where renaming it is not.
    if (codeOf(error) !== 'EEXIST') {
      renameSync(aside, path)
      return
    }
  }
  unlinkSync(aside)
}
