/** Who may enter what the examples protect with a password. */

export const USER = { name: 'alice', password: 'secret' } as const

/** What such a user's browser sends. */
export const AUTHORIZATION = authorization(USER.name, USER.password)

/** The Authorization header for a name and a password (RFC 7617). */
export function authorization(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
}
