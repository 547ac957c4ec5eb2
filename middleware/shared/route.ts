/** What Express knows of a request's route. */
import type { IncomingMessage } from 'node:http'

/** The pattern of the route that Express has chosen, as its router has it, without what that is mounted on; '' where there is none. */
export function routePatternOf(request: IncomingMessage): string {
  const { route } = request as { route?: { path?: string | RegExp | (string | RegExp)[] } }
  return route?.path === undefined ? '' : [route.path].flat().join(',')
}
