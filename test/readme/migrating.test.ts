/** Every block of JavaScript in docs/migrating.md is run. */
import { afterEach, expect, it } from '@jest/globals'
import { gateway } from 'express-responder'
import request from 'supertest'
import { codeBlocks, page } from './support/markdown.js'
import { Project } from './support/project.js'

const blocks = codeBlocks(page('docs/migrating.md')).filter(({ language }) => language === 'js')
const projects: Project[] = []

afterEach(async () => {
  for (const project of projects.splice(0)) await project.remove()
})

/** What a reader's program has before a block of the page. */
const BEFORE = `import { serve } from 'express-responder'
import { app } from './app.js'
app.get('/ip', (req, res) => res.send(req.ip))
`
/** The address that the web server tells of, and the one that the proxy in front of it, or the client, does. */
const TOLD = '192.0.2.1'
const FORWARDED = '198.51.100.7'
/** Which of them the app takes, by the name of the block. */
const ADDRESSES: Readonly<Record<string, string>> = { 'another-proxy': FORWARDED, 'listening': TOLD }

it('has no other block of JavaScript than those that run here', () => {
  expect(blocks.map(({ name }) => name).sort()).toEqual(Object.keys(ADDRESSES).sort())
})

it.each(blocks)('$name: serves the app, and knows the client', async ({ name, text }) => {
  const project = await Project.create()
  projects.push(project)
  const program = await project.run('program.js', `${BEFORE}${text}`)
  const front = gateway(project.socket, { params: { REMOTE_ADDR: TOLD } })
  expect((await request(front).get('/ip').set('X-Forwarded-For', FORWARDED)).text).toBe(ADDRESSES[name])
  expect(await program.stop()).toBe(0)
})
