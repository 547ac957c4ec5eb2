/**
 * A middleware on a path, as `app.use(path, middleware)` has it: below the path it sees the rest of the URL, and what the path was in
 * `baseUrl`. All other requests cost one comparison.
 */
import type { IncomingMessage } from 'node:http'
import type { Handle, Step } from '../shared/steps.js'

/** What Express adds. Without it the middleware finds the same. */
interface Mountable extends IncomingMessage {
  originalUrl?: string
  baseUrl?: string
}

const SLASH = '/'
const QUESTION_MARK = '?'

/** @param path without a slash at its end; as in Express, case does not matter */
export function mounted(path: string, middleware: Handle): Step {
  const lowerCase = path.toLowerCase()

  function isBelow(url: string): boolean {
    const after = url.charAt(path.length)
    return (after === '' || after === SLASH || after === QUESTION_MARK) && url.slice(0, path.length).toLowerCase() === lowerCase
  }

  return function mountedMiddleware(request: Mountable, response, next, then) {
    const { url = '' } = request
    if (!isBelow(url)) {
      then(request, response, next)
      return
    }
    const { baseUrl } = request
    const rest = url.slice(path.length)
    request.originalUrl ??= url
    request.url = rest.startsWith(SLASH) ? rest : SLASH + rest
    request.baseUrl = `${baseUrl ?? ''}${url.slice(0, path.length)}`
    middleware(request, response, (error) => {
      request.url = url
      if (baseUrl === undefined) delete request.baseUrl
      else request.baseUrl = baseUrl
      if (error === undefined) then(request, response, next)
      else next(error)
    })
  }
}
