/** The packed tarball in a user's project: CommonJS and ESM, JavaScript and TypeScript, Express 5 and 4. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { gateway } from 'express-responder'
import request from 'supertest'
import { createWorkspace, root, run, type Workspace } from './packed.js'
import { PROJECTS, type Project } from './projects.js'

const TYPESCRIPT_TIMEOUT = 120_000
const running: ChildProcess[] = []

afterEach(async () => {
  await Promise.all(running.splice(0).map((child) => stop(child)))
})

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

async function write(workspace: Workspace, project: Project): Promise<string> {
  const directory = join(workspace.directory, project.name.replaceAll(' ', '-'))
  await mkdir(directory)
  for (const [path, text] of Object.entries(project.files)) await writeFile(join(directory, path), text)
  return directory
}

async function compile(directory: string): Promise<string> {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  try {
    await run(process.execPath, [tsc, '--project', directory])
    return ''
  } catch (error) {
    // Not `instanceof Error`: jest's programs have an Error of their own.
    return typeof error === 'object' && error !== null && 'stdout' in error ? String(error.stdout) : String(error)
  }
}

/** Starts `app.js`; resolves with the path of its socket when it listens. */
async function start(directory: string): Promise<{ socket: string; child: ChildProcess }> {
  const socket = join(directory, 'app.sock')
  const child = spawn(process.execPath, ['app.js', socket], { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] })
  running.push(child)
  let complaints = ''
  child.stderr.on('data', (text: Buffer) => (complaints += text.toString()))
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'listening') return { socket, child }
  }
  throw new Error(`the program ended before it listened: ${complaints}`)
}

async function expectAnswers(directory: string): Promise<void> {
  const { socket, child } = await start(directory)
  const front = gateway(socket)
  const hello = await request(front).get('/')
  expect(hello.body).toEqual({ interface: 'CGI/1.1', secure: false, ip: expect.stringMatching(/127\.0\.0\.1$/) })
  const echo = await request(front).post('/echo').send({ a: [1, 'ü'] })
  expect({ status: echo.status, body: echo.body as unknown }).toEqual({ status: 201, body: { a: [1, 'ü'] } })
  const refused = await request(front).post('/echo').send({ long: 'x'.repeat(2000) })
  expect(refused.status).toBe(413)
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([0, null])
}

describe.each(['express', 'express4'] as const)('the packed tarball with %s', (express) => {
  let workspace: Workspace
  beforeAll(async () => {
    workspace = await createWorkspace(express)
  })
  afterAll(() => workspace.remove())

  it.each(PROJECTS.filter(({ typescript }) => !typescript))('serves an app in $name', async (project) => {
    await expectAnswers(await write(workspace, project))
  })

  if (express === 'express4') return
  it.each(PROJECTS.filter(({ typescript }) => typescript))(
    'compiles and serves an app in $name',
    async (project) => {
      const directory = await write(workspace, project)
      expect(await compile(directory)).toBe('')
      await expectAnswers(directory)
    },
    TYPESCRIPT_TIMEOUT,
  )
})
