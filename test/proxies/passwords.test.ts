/** A password that the web server asks before /admin, as each example says how to have it. */
import { expect, it } from '@jest/globals'
import { ask } from './support/client.js'
import { echoOf } from './support/json.js'
import { describeSite } from './support/suite.js'
import { AUTHORIZATION, USER, authorization } from './support/user.js'
import { withPassword } from './support/variations.js'

for (const server of withPassword) {
  describeSite(server, `a password asked by ${server.name}`, (site) => {
    // All of these are below /admin to Express, which compares neither case nor the slash at the end.
    it.each(['/admin/echo', '/Admin/echo', '/ADMIN/echo?a=/', '/admin', '/admin?a', '/admin/'])('keeps strangers out of %s', async (path) => {
      const answer = await ask(site().origin, path)
      expect(answer.status).toBe(401)
      expect(answer.headers['www-authenticate']).toMatch(/^basic realm/i)
    })

    it('keeps out who has the wrong one', async () => {
      const answer = await ask(site().origin, { path: '/admin/echo', headers: [['Authorization', authorization(USER.name, 'wrong')]] })
      expect(answer.status).toBe(401)
    })

    it('means the URL that the app gets', async () => {
      const answer = await ask(site().origin, '/admin/../echo')
      // Refused, or asked for the password: the app must not hear of it.
      expect([400, 401]).toContain(answer.status)
    })

    it('lets the app know who came: REMOTE_USER in params(req)', async () => {
      const answer = await ask(site().origin, { path: '/admin/echo', headers: [['Authorization', AUTHORIZATION]] })
      expect(echoOf(answer).params['REMOTE_USER']).toBe(USER.name)
    })

    it.each(['/echo', '/administrators', '/echo/admin/'])('is not asked for %s, and nobody is believed there', async (path) => {
      const answer = await ask(site().origin, { path, headers: [['Authorization', authorization('mallory', 'guess')]] })
      expect(echoOf(answer).params['REMOTE_USER'] ?? '').toBe('')
    })
  })
}
