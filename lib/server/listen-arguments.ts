/** What a server that listens asks of the kernel where the caller says nothing else. */

/**
 * Connections that the kernel holds until they are accepted. Node asks for 511, which an event loop that is held up for
 * a moment fills: web servers then answer 502 at once. The kernel cuts it to net.core.somaxconn.
 */
export const DEFAULT_BACKLOG = 4096

/**
 * The arguments of `net.Server.listen()`, with the backlog where none was given: (options), (port, host), (path), …
 * As a number of its own, since Node takes none from the options where these name a descriptor.
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

/** As Node tells a backlog from a host. */
function isBacklog(argument: unknown): boolean {
  return argument !== undefined && argument !== null && argument !== '' && Number(argument) >= 0
}
