/** Who may enter a directory and connect to a socket, by mode, owner, group and access control list, as the kernel decides. Pure. */
import type { AccessList, Account, PathPart } from './facts.js'

/** What the web server wants of a part of the path. */
export type Access = 'enter' | 'connect'

/** To connect needs the right to write. */
const NEEDED: Readonly<Record<Access, number>> = { enter: 1, connect: 2 }

/** Whether the account may enter the directory. A list that could not be read may allow it. */
export function mayEnter(account: Account, part: PathPart): boolean {
  return allows(account, part, NEEDED.enter)
}

/** Whether the account may connect to the socket. */
export function mayConnect(account: Account, part: PathPart): boolean {
  return allows(account, part, NEEDED.connect)
}

/** The kernel looks at one class only: the owner's bits for the owner, even where the group or others have more. */
function allows(account: Account, { mode, uid, gid, list }: PathPart, bit: number): boolean {
  if (account.unrestricted) return true
  if (account.uid === uid) return (mode & (bit << 6)) !== 0
  if (list === 'unread') return true
  if (list !== undefined) return ((entryFor(account, gid, list, list.mask, bit) ?? mode) & bit) !== 0
  if (account.groups.includes(gid)) return (mode & (bit << 3)) !== 0
  return (mode & bit) !== 0
}

/** Of the groups that are named, one that allows it is enough. Undefined where none is for this account: then it is one of the others. */
function entryFor({ uid, groups }: Account, gid: number, { users, groups: named, owningGroup }: AccessList, mask: number, bit: number): number | undefined {
  const own = users.get(uid)
  if (own !== undefined) return own & mask
  const matching = groups.flatMap((group) => [...group === gid ? [owningGroup] : [], ...named.has(group) ? [named.get(group) ?? 0] : []])
  return matching.find((bits) => (bits & mask & bit) !== 0) ?? (matching.length > 0 ? 0 : undefined)
}

/** Whether an entry of the list would allow it, and the mask takes that away. */
export function isMasked(account: Account, { uid, gid, list }: PathPart, access: Access): boolean {
  if (account.unrestricted || account.uid === uid || typeof list !== 'object') return false
  const bit = NEEDED[access]
  return ((entryFor(account, gid, list, bit, bit) ?? 0) & bit) !== 0 && (list.mask & bit) === 0
}

/** Whether membership of the part's group would allow it. With a list, the bits of the group in the mode are the mask. */
export function groupMay({ mode, list }: PathPart, access: Access): boolean {
  const bit = NEEDED[access]
  return ((mode >> 3) & bit) !== 0 && (typeof list !== 'object' || (list.owningGroup & bit) !== 0)
}

/** The mask with what is needed, as setfacl has it. */
export function wideMask({ mask }: AccessList, access: Access): string {
  return symbolic(mask | NEEDED[access])
}

/** Permission bits as `ls` shows them in numbers. */
export function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}

/** Three bits as getfacl shows them. */
export function symbolic(bits: number): string {
  return ['r', 'w', 'x'].map((letter, index) => (bits & (4 >> index)) === 0 ? '-' : letter).join('')
}
