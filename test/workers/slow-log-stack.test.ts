/** The slow log of a real worker whose event loop is really blocked: the stack, and whose request waits for it. */
import { writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { paramsOf } from '../process/support.js'
import { createWorkspace, type Workspace } from '../proxies/support/workspace.js'
import { FastCgiClient } from '../support/fastcgi-client.js'
import { Command } from './command.js'

/** How often the log is looked at, in ms. */
const LOOK = 20

/** An app that is blocked until the file of the query exists. */
const APP = `
const { existsSync } = require('node:fs')
const { execSync } = require('node:child_process')
const express = require(${JSON.stringify(createRequire(import.meta.url).resolve('express'))})
function spin(file) { while (!existsSync(file)); }
const app = express()
app.get('/spin/:id', (req, res) => { spin(req.query.file); res.send('done') })
app.get('/native/:id', (req, res) => { execSync('while [ ! -e ' + req.query.file + ' ]; do sleep 0.05; done'); res.send('done') })
app.get('/', (req, res) => res.send('ready'))
module.exports = app
`

let workspace: Workspace
let command: Command
let file: string
let log: string

beforeEach(async () => {
  workspace = await createWorkspace()
  file = `${workspace.directory}/go`
  log = `${workspace.directory}/slow.log`
})
afterEach(async () => {
  writeFileSync(file, '')
  await command.kill()
  await workspace.remove()
})

async function start(threshold: string, ...options: string[]): Promise<void> {
  const app = await workspace.write('slow-log-app.cjs', APP)
  command = new Command([app, '--socket', workspace.socket, '--slow-log', threshold, '--slow-log-file', log, ...options])
  await command.logged('listening')
}

async function ask(url: string): Promise<string> {
  const client = await FastCgiClient.connect(workspace.socket)
  const { body } = await client.request({ params: paramsOf(url), keepConnection: false })
  return body.toString()
}

/** The lines of the slow log, once there are so many. */
async function lines(count: number): Promise<string[]> {
  for (;;) {
    const found = (await readFile(log, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '')
    if (found.length >= count) return found
    await delay(LOOK)
  }
}

it('tells of a request while its own code blocks the loop: route, age and stack; and once more when it is over', async () => {
  await start('400')
  const answer = ask(`/spin/7?file=${file}`)
  const [during = ''] = await lines(1)
  expect(during).toMatch(/slow request: "GET \/spin\/7\?file=.*", route \/spin\/:id, runs for \d+\.\d{3} s so far, event loop blocked for \d+\.\d{3} s in (?:\S+ \(node:\S+\) < )*spin \(\S*slow-log-app\.cjs:5:\d+\) < /)
  writeFileSync(file, '')
  expect(await answer).toBe('done')
  const all = await lines(2)
  expect(all[1]).toMatch(/route \/spin\/:id, took \d+\.\d{3} s, status 200$/)
  expect(await ask('/')).toBe('ready')
  expect(all).toHaveLength(2)
})

it('says that it is native code, and whose when that is over', async () => {
  await start('400')
  const answer = ask(`/native/8?file=${file}`)
  expect((await lines(1))[0]).toMatch(/slow request: unknown, runs for \d+\.\d{3} s so far, event loop blocked for \d+\.\d{3} s in native code$/)
  writeFileSync(file, '')
  await answer
  expect((await lines(2))[1]).toMatch(/route \/native\/:id, took \d+\.\d{3} s, status 200, event loop blocked for \d+\.\d{3} s in native code$/)
})

it('has a worker that is stuck in the slow log, too, before it is replaced', async () => {
  await start('400', '--stuck-timeout', '1500')
  const answer = ask(`/spin/9?file=${file}`).catch(() => 'none')
  const { stack, request } = await command.logged('worker is stuck')
  expect(stack).toContainEqual(expect.objectContaining({ functionName: 'spin' }))
  expect(request).toMatchObject({ route: '/spin/:id' })
  expect(await lines(1)).toEqual([expect.stringMatching(/GET \/spin\/9\?file=.*, route \/spin\/:id, .* spin \(/)])
  await answer
})
