/** serve() under Node's permission model: what is forbidden is told with the flag that allows it. */
import { describe, expect, it } from '@jest/globals'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { inDirectory, start } from './support.js'

const PROGRAM = fileURLToPath(new URL('programs/app.js', import.meta.url))
const MAJOR = Number(process.versions.node.split('.')[0])
/** Node 20 has the model as an experiment. */
const PERMISSION = MAJOR < 22 ? '--experimental-permission' : '--permission'
/** Node 25 and later let nobody listen without it. */
const NET = MAJOR < 25 ? [] : ['--allow-net']

/** What the app says that is started with these flags. */
async function said(flags: readonly string[], options: object): Promise<string> {
  const child = start(process.execPath, ['--no-warnings', PERMISSION, '--allow-fs-read=*', ...flags, PROGRAM, JSON.stringify(options)])
  try {
    return await Promise.race([child.line('listening'), child.line('failed')])
  } finally {
    child.process.kill('SIGKILL')
    await child.ended
  }
}

describe(`serve() under ${PERMISSION}`, () => {
  it('names --allow-fs-write, and that it is enough', () => inDirectory(async (directory) => {
    const socket = join(directory, 'app.sock')
    const flag = `--allow-fs-write=${directory}/*`
    expect(await said(NET, { socket })).toContain(`failed ERR_FCGI_SOCKET_DIRECTORY `)
    expect(await said(NET, { socket })).toContain(flag)
    expect(await said([...NET, flag], { socket })).toBe(`listening ${socket}`)
    expect(await said([...NET, flag], { socket, replace: true })).toBe(`listening ${socket}`)
  }))

  it('names --allow-child-process where a group has to be looked up', () => inDirectory(async (directory) => {
    const options = { socket: join(directory, 'app.sock'), group: 'no-such-group' }
    const answer = await said([...NET, `--allow-fs-write=${directory}/*`], options)
    expect(answer).toMatch(/^failed ERR_FCGI_PERMISSION .*--allow-child-process/)
  }))

  if (NET.length > 0) {
    it('names --allow-net', () => inDirectory(async (directory) => {
      for (const options of [{ socket: join(directory, 'app.sock') }, { port: 0 }]) {
        const answer = await said([`--allow-fs-write=${directory}/*`], options)
        expect(answer).toMatch(/^failed ERR_FCGI_PERMISSION .*--allow-net/)
      }
    }))
  }
})
