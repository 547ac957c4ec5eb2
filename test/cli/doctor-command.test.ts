/** `express-responder doctor` from a shell: what it prints, and its exit status. */
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { createServer } from 'express-responder'
import { FINDINGS } from '../../lib/cli/doctor/finding.js'
import { runToEnd } from '../proxies/support/child.js'
import { describeIfInstalled } from '../proxies/support/installed.js'
import { nginx } from '../proxies/support/servers/nginx.js'
import { servers } from '../proxies/support/servers.js'
import { createWorkspace, PACKAGE_ROOT, type Workspace } from '../proxies/support/workspace.js'
import { page } from '../readme/support/markdown.js'

const PROGRAM = join(PACKAGE_ROOT, 'dist/test/cli/programs/doctor.js')

async function doctor(...args: string[]): Promise<{ code: number | null, output: string, errors: string }> {
  const { code, stdout, stderr } = await runToEnd(process.execPath, [PROGRAM, 'doctor', ...args])
  return { code, output: stdout.toString(), errors: stderr }
}

describeIfInstalled(servers.nginx, 'express-responder doctor', () => {
  let workspace: Workspace
  beforeAll(async () => {
    workspace = await createWorkspace()
  })
  afterAll(() => workspace.remove())

  it('ends with status 0 where nothing is wrong, and says in few lines what it has checked', async () => {
    const web = await servers.nginx.start(workspace)
    const { code, output, errors } = await doctor('--socket', workspace.socket, '--url', `${web.origin}/`, '--listen')
    await web.stop()
    expect([code, errors]).toEqual([0, ''])
    expect(output).toMatch(/^Nothing found\.\nchecked: the path .*\nchecked: 15 requests .*\nchecked: 4 files .*\n$/)
  })

  it('ends with status 1 where something is wrong: sentence, evidence, line and place', async () => {
    const broken = nginx('nginx', 'nginx/app.conf', { edit: (text) => text.replace('client_max_body_size 16m;', '') })
    const web = await broken.start(workspace)
    const { code, output } = await doctor('--socket', workspace.socket, '--url', `${web.origin}/`, '--listen')
    await web.stop()
    expect(code).toBe(1)
    expect(output).toContain('upload-size: An upload of 2097152 bytes is refused by the web server.\n' +
      '  seen:  the client got 413, and the app was not asked\n  write: client_max_body_size 16m;\n' +
      `  where: the server block (${workspace.directory}/site.conf:43)\n`)
  })

  it('prints JSON', async () => {
    const { code, output } = await doctor('--socket', join(workspace.run, 'none.sock'), '--user', 'root', '--json')
    expect(code).toBe(1)
    expect(JSON.parse(output)).toMatchObject({ server: null, findings: [{ code: 'no-socket', line: 'systemctl start app' }], checked: [expect.any(String)], unchecked: [] })
  })

  it('tells that the app does not run where --listen does not say that it is stopped on purpose, and looks on', async () => {
    const web = await servers.nginx.start(workspace)
    const { code, output } = await doctor('--socket', workspace.socket, '--url', `${web.origin}/`)
    await web.stop()
    expect(code).toBe(1)
    expect(output).toMatch(/^no-socket: [^]*\n1 found[^]*15 requests to .*, of which 15 arrived/)
  })
})

describe('express-responder doctor, used in a wrong way', () => {
  it.each([
    [['--socket', 'app.sock'], 'Give an absolute path'],
    [['--socket', '/run/app.sock', '--url', 'ftp://a/'], 'Give an address such as http://127.0.0.1/'],
    [['--socket', '/run/app.sock', '--server', 'iis'], 'Allowed choices are nginx, apache'],
    [['--socket', '/run/app.sock', '--mode', '9'], 'Give permission bits'],
    [['--socket', '/run/app.sock', '--upload', 'much'], 'Give a number of bytes'],
    [['--socket', '/run/app.sock', '--timeout', '0'], 'Give a number of milliseconds'],
    [['--socket', '/run/app.sock', '--header', 'none'], 'Give a header such as'],
    [['--socket', '/run/app.sock', '--lissten'], 'unknown option \'--lissten\''],
    [[], 'doctor: which app? Give its --socket, such as /run/app/app.sock, or its --port, such as 9000'],
    [['--socket', '/run/app.sock', '--port', '9000'], 'doctor: option --port is \'127.0.0.1:9000\': --socket is \'/run/app.sock\': an app listens in one place'],
    [['--port', '65536'], 'option \'--port <[address:]port>\' argument \'65536\' is invalid. Give a port from 1 to 65535'],
    [['--port', 'fd00::5:9000'], 'or address and port, such as 9000, 10.0.0.5:9000 or [fd00::5]:9000'],
    [['--port', '0.0.0.0:9000'], 'Give the one that the web server has, such as 127.0.0.1:9000'],
    [['--port', '9000', '--mode', '660'], 'doctor: option --mode is \'660\': it has a meaning only together with --socket'],
    [['--port', '9000', '--user', 'www-data'], 'doctor: option --user is \'www-data\': it has a meaning only together with --socket'],
  ])('%j ends with status 2 and says why', async (args, message) => {
    const { code, output, errors } = await doctor(...args)
    expect([code, output]).toEqual([2, ''])
    expect(errors).toContain(message)
  })

  it('--listen where the app runs ends with status 2', async () => {
    const workspace = await createWorkspace()
    const app = createServer((_, response) => response.end())
    app.listen(workspace.socket)
    await once(app, 'listening')
    const { code, errors } = await doctor('--socket', workspace.socket, '--url', 'http://127.0.0.1:1/', '--listen')
    app.closeAllConnections()
    app.close()
    await workspace.remove()
    expect(code).toBe(2)
    expect(errors).toContain(`EADDRINUSE: --listen, but a process listens at ${workspace.socket}. Stop the process`)
  })
})

describe('docs/deploy/doctor.md', () => {
  it('has every code of a finding, and no other', () => {
    const rows = page('docs/deploy/doctor.md').split('\n').filter((line) => line.startsWith('| `') && !line.startsWith('| `--'))
    const codes = rows.flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([\w-]+)`/g)].map(([, code]) => code))
    expect(codes.sort()).toEqual(Object.keys(FINDINGS).sort())
  })
})
