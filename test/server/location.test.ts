/** A 200 with a Location, which Apache's CGI modules take for a redirect. */
import { expect, it } from '@jest/globals'
import express from 'express'
import { nginxParams } from '../support/nginx-params.js'
import { start } from './support/started.js'

const APACHE = 'Apache/2.4.71 (Debian)'

it.each([
  ['mod_fcgid', 200, '/other', { SERVER_SOFTWARE: APACHE, SCRIPT_FILENAME: '/srv/app.fcgi' }, undefined],
  ['mod_fcgid, a whole url', 200, 'https://a.example/', { SERVER_SOFTWARE: APACHE, SCRIPT_FILENAME: '/srv/app.fcgi' }, undefined],
  ['mod_fcgid, a 201', 201, '/other', { SERVER_SOFTWARE: APACHE, SCRIPT_FILENAME: '/srv/app.fcgi' }, '/other'],
  ['mod_proxy_fcgi', 200, '/other', { SERVER_SOFTWARE: APACHE, SCRIPT_FILENAME: 'proxy:fcgi://app//' }, '/other'],
  ['nginx', 200, '/other', {}, '/other'],
])('%s, %i: Location %s', async (_what, status, location, extra, sent) => {
  const app = express()
  app.get('/', (_req, res) => res.status(status).set('Location', location).send('body'))
  const { connect, journal } = await start(() => app)
  const client = await connect()
  const answer = await client.request({ params: nginxParams({ extra }) })
  expect([answer.status, answer.headers['location'], answer.body.toString()]).toEqual([status, sent, 'body'])
  expect(journal.entries).toEqual(sent === undefined ? ['warning "ERR_FCGI_LOCATION"'] : [])
})
