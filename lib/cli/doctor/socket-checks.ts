/** Judges the files of a socket, its queue, and whether the web server's processes may connect. Facts in, findings out. Pure. */
import type { Account, Facts, PathPart, SocketFacts, WebServerProcess } from './facts.js'
import type { Finding } from './finding.js'
import { lineFor } from './lines.js'
import { groupMay, isMasked, mayConnect, mayEnter, octal, symbolic, type Access } from './permission.js'

/** The doctor itself may not connect, which says nothing of the app. */
const FORBIDDEN = new Set(['EACCES', 'EPERM'])

/** What can be said of a socket without the web server: whether it is there, and somebody listens. */
export function checkSocket(facts: Facts, socket: SocketFacts): Finding[] {
  const { answer, standsIn } = facts
  const line = lineFor(facts)
  const last = socket.parts.at(-1)
  if (answer.kind !== 'refused' || standsIn || FORBIDDEN.has(answer.reason)) return checkQueue(facts, socket)
  if (answer.reason === 'EAGAIN') return [line('queue-full', 'The queue of the socket is full: the app accepts more slowly than connections come.', 'connecting failed with EAGAIN')]
  if (last === undefined || last.kind === 'missing') {
    return [line('no-socket', 'The app does not run, or it listens elsewhere.', `there is no ${last?.path ?? socket.path}`)]
  }
  if (last.kind === 'other') return [line('not-a-socket', `${socket.path} is no socket.`, 'it is a file of another kind')]
  if (last.kind === 'socket') {
    return [line('stale-socket', 'Nobody listens on the socket file: the app has ended without removing it.', answer.reason)]
  }
  return [line('no-socket', 'The app cannot be reached.', answer.reason)]
}

function checkQueue(facts: Facts, { waiting, somaxconn }: SocketFacts): Finding[] {
  if (waiting === undefined || somaxconn === undefined || waiting < somaxconn) return []
  return [lineFor(facts)('queue-full', 'The queue of the socket is full: the app accepts more slowly than connections come.',
    `${String(waiting)} connections wait, net.core.somaxconn is ${String(somaxconn)}`)]
}

/** What keeps the web server from the socket. To be asked where nothing arrived. */
export function checkAccess(facts: Facts, socket: SocketFacts): Finding[] {
  const { process } = facts
  if (process === undefined) return []
  const view = checkView(facts, socket, process)
  return view.length > 0 ? view : [...checkPermissions(facts, socket, process), ...checkLabel(facts, socket, process)].slice(0, 1)
}

/** Whether the web server sees the directory at all. */
function checkView(facts: Facts, { path }: SocketFacts, { root, sameMounts, sameDirectory, pid }: WebServerProcess): Finding[] {
  const line = lineFor(facts)
  if (root !== undefined && root !== '/') {
    // A socket below the root directory is found by the rest of its path.
    if (path.startsWith(`${root}/`)) return []
    return [line('chroot', `The web server runs in ${root}, and ${path} is not below it.`, `/proc/${String(pid)}/root is ${root}`)]
  }
  if (sameMounts !== false || sameDirectory !== false) return []
  const evidence = `/proc/${String(pid)}/ns/mnt is another than that of the doctor, and its ${directoryOf(path)} is another directory`
  if (/^\/(?:var\/)?tmp\//.test(path)) {
    return [line('private-tmp', `The web server has a /tmp of its own (PrivateTmp=), in which there is no ${path}.`, evidence)]
  }
  return [line('other-mounts', `The web server does not see ${directoryOf(path)}: its mounts are others.`, evidence)]
}

function checkPermissions(facts: Facts, socket: SocketFacts, { account }: WebServerProcess): Finding[] {
  const line = lineFor(facts)
  const directory = socket.parts.find((part) => part.kind === 'directory' && !mayEnter(account, part))
  if (directory !== undefined) {
    const stale = hasGroupByNow(facts, socket, directory, 'enter')
    if (stale) return [notLoaded(facts, socket, directory)]
    return [line('directory-permission', `${account.name} may not enter ${directory.path}${whyNot(account, directory, 'enter')}.`, describe(socket, directory), directory)]
  }
  const file = socket.parts.find(({ kind }) => kind === 'socket')
  if (file === undefined || mayConnect(account, file)) return []
  if (hasGroupByNow(facts, socket, file, 'connect')) return [notLoaded(facts, socket, file)]
  return [line('socket-permission', `${account.name} may not write to ${file.path}, which is what connecting needs${whyNot(account, file, 'connect')}.`, describe(socket, file), file)]
}

/** A process keeps the groups that it was started with, whatever /etc/group says by now. */
function hasGroupByNow({ process }: Facts, socket: SocketFacts, part: PathPart, what: Access): boolean {
  return process?.account.groups.includes(part.gid) === false && socket.configuredGroups?.includes(part.gid) === true && groupMay(part, what)
}

function notLoaded(facts: Facts, socket: SocketFacts, part: PathPart): Finding {
  const name = facts.process?.account.name ?? ''
  return lineFor(facts)('groups-not-loaded', `${name} is in the group of ${part.path} by now, but the web server was started before.`,
    describe(socket, part), part)
}

function whyNot(account: Account, part: PathPart, access: Access): string {
  return isMasked(account, part, access) ? ': its access control list allows it, and the mask of the list takes that away' : ''
}

function describe({ groupNames }: SocketFacts, { path, mode, uid, gid, list }: PathPart): string {
  const mask = typeof list === 'object' ? `, and an access control list with mask::${symbolic(list.mask)}` : ''
  return `${path} has mode ${octal(mode)}, owner ${String(uid)}, group ${groupNames.get(gid) ?? String(gid)}${mask}`
}

function checkLabel(facts: Facts, { enforcing }: SocketFacts, { label }: WebServerProcess): Finding[] {
  if (!enforcing || label === undefined || !/:httpd_t\b/.test(label)) return []
  return [lineFor(facts)('selinux', 'The permissions are right, and SELinux enforces rules of its own.', `the web server is ${label}`)]
}

function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/'
}
