/** Refuses versions of Node.js that are too old. Every entry imports this first, so no other code fails before it. */

/** Major and minor: the first version of Node 20 whose `require()` loads ES modules, as this package is. */
const OLDEST = [20, 19] as const

/**
 * @param version such as '22.12.0'
 * @param refusal makes the error
 * @throws what `refusal` makes of a message that names the version that is needed
 */
export function checkNodeVersion(version: string, refusal: (message: string) => Error): void {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return
  throw refusal(`express-responder needs Node.js ${OLDEST.join('.')} or later, and this is ${version}`)
}
