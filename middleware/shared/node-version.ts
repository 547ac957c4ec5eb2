/** Refuses a Node.js that is too old in one line, before anything else of the middleware runs: every entry imports it first. */

const OLDEST = [20, 19] as const

/** @throws Error ERR_MIDDLEWARE_UNSUPPORTED_NODE naming the version that is needed */
export function checkNodeVersion(version: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return
  const message = `express-responder needs Node.js ${OLDEST.join('.')} or later, and this is ${version}`
  throw Object.assign(new Error(message), { code: 'ERR_MIDDLEWARE_UNSUPPORTED_NODE' })
}

checkNodeVersion(process.versions.node)
