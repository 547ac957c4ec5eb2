/** Who may enter a directory and connect to a socket, by mode, owner and group, as the kernel decides. Pure. */
import type { Account, PathPart } from './facts.js'

const WRITE = 2
const EXECUTE = 1

/** Whether the account may enter the directory. */
export function mayEnter(account: Account, part: PathPart): boolean {
  return allows(account, part, EXECUTE)
}

/** Whether the account may connect to the socket: that needs the right to write. */
export function mayConnect(account: Account, part: PathPart): boolean {
  return allows(account, part, WRITE)
}

/** The kernel looks at one class only: the owner's bits for the owner, even where the group or others have more. */
function allows(account: Account, { mode, uid, gid }: PathPart, bit: number): boolean {
  if (account.unrestricted) return true
  if (account.uid === uid) return (mode & (bit << 6)) !== 0
  if (account.groups.includes(gid)) return (mode & (bit << 3)) !== 0
  return (mode & bit) !== 0
}

/** Whether membership of the part's group would allow it. */
export function groupMay(part: PathPart, what: 'enter' | 'connect'): boolean {
  return (part.mode & ((what === 'enter' ? EXECUTE : WRITE) << 3)) !== 0
}

/** Permission bits as `ls` shows them in numbers. */
export function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}
