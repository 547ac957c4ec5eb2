/** The default backlog of `listen()`: how many connections the kernel queues until they are accepted. */

/**
 * Node's default is 511. While the event loop is blocked for a moment, that many connections can arrive, and web servers
 * then answer 502 at once. The kernel limits the backlog to net.core.somaxconn.
 */
export const DEFAULT_BACKLOG = 4096

/**
 * The arguments of `net.Server.listen()`, in any of its forms, with the default backlog where none was given. It is passed
 * as an argument, because Node ignores the option `backlog` where the options name a file descriptor.
 */
export function withBacklog(given: readonly unknown[]): unknown[] {
  const callback = given.findLast((argument) => typeof argument === 'function')
  const [place, ...rest] = given.filter((argument) => typeof argument !== 'function')
  if (rest.some(isBacklog)) return [...given]
  const host = typeof rest[0] === 'string' ? rest[0] : undefined
  return [place ?? 0, host, backlogOf(place) ?? DEFAULT_BACKLOG, ...(callback === undefined ? [] : [callback])]
}

function backlogOf(place: unknown): unknown {
  return typeof place === 'object' && place !== null && 'backlog' in place ? place.backlog : undefined
}

/** Whether Node takes this argument for a backlog and not for a host. */
function isBacklog(argument: unknown): boolean {
  return argument !== undefined && argument !== null && argument !== '' && Number(argument) >= 0
}
