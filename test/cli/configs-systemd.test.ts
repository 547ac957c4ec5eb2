/** The units that `express-responder config systemd` prints, checked by systemd. */
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { runToEnd } from '../proxies/support/child.js'
import { describeIfInstalled } from '../proxies/support/installed.js'
import { findProgram } from '../proxies/support/programs.js'
import { config, runConfig } from './support/config-command.js'

const PROGRAM = findProgram('systemd-analyze')

/** The values of a key, with the line that each stands in. */
function values(text: string, key: string): string[] {
  return text.split('\n').flatMap((line) => line.startsWith(`${key}=`) ? [line.slice(key.length + 1)] : [])
}

describe('config systemd', () => {
  it('prints a service for the command, with socket, group and workers', async () => {
    const text = await config('systemd', 'dist/app.js', '--name', 'shop', '--workers', 'auto')
    expect(values(text, 'ExecStart')).toEqual(['/srv/shop/node_modules/.bin/express-responder dist/app.js --socket /run/shop/shop.sock --group www-data --workers auto'])
    expect(values(text, 'User')).toEqual(['shop'])
    expect(values(text, 'RuntimeDirectory')).toEqual(['shop'])
    expect(values(text, 'SupplementaryGroups')).toEqual(['www-data'])
    expect(values(text, 'KillMode')).toEqual(['mixed'])
  })

  it('quotes paths with spaces as systemd needs it', async () => {
    const text = await config('systemd', 'my app.js', '--socket', '/run/my app/a b.sock', '--directory', '/srv/my app')
    expect(values(text, 'ExecStart')).toEqual(['"/srv/my app/node_modules/.bin/express-responder" "my app.js" --socket "/run/my app/a b.sock" --group www-data'])
    expect(values(text, 'RuntimeDirectory')).toEqual(['"my app"'])
    expect(values(text, 'WorkingDirectory')).toEqual(['/srv/my app'])
  })

  it('reloads by Type=notify-reload where systemd knows it, and else by SIGHUP', async () => {
    const later = await config('systemd', '--systemd-version', '253')
    expect({ type: values(later, 'Type'), file: values(later, 'OpenFile'), reload: values(later, 'ExecReload') })
      .toEqual({ type: ['notify-reload'], file: ['/run/systemd/notify:notify:graceful'], reload: [] })
    const earlier = await config('systemd', '--systemd-version', '252')
    expect({ type: values(earlier, 'Type'), file: values(earlier, 'OpenFile'), reload: values(earlier, 'ExecReload') })
      .toEqual({ type: ['notify'], file: [], reload: ['/bin/kill -HUP $MAINPID'] })
  })

  it('finds a node that is not among the system\'s programs', async () => {
    const text = await config('systemd', '--node', '/opt/node 22/bin/node')
    expect(values(text, 'Environment')).toContain('"PATH=/opt/node 22/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"')
    expect(values(await config('systemd', '--node', '/usr/bin/node'), 'Environment')).toEqual(['NODE_ENV=production'])
  })

  it('prints a socket unit, and a service that takes its socket, with --socket-activation', async () => {
    const text = await config('systemd', '--socket-activation')
    expect(values(text, 'ListenStream')).toEqual(['/run/app/app.sock'])
    expect(values(text, 'SocketGroup')).toEqual(['www-data'])
    expect(values(text, 'ExecStart')).toEqual(['/srv/app/node_modules/.bin/express-responder app.js'])
    expect(values(text, 'Requires')).toEqual(['app.socket'])
    // systemd makes the folder of the socket, and the service must not take it away when it ends.
    expect(values(text, 'RuntimeDirectory')).toEqual([])
  })

  it.each([
    [['--user', 'a b'], '--user', 'a b'],
    [['--group', 'www\nExecStart=/bin/sh'], '--group', 'www'],
    [['--workers', '0'], '--workers', '0'],
    [['--workers', 'many'], '--workers', 'many'],
    [['--systemd-version', 'new'], '--systemd-version', 'new'],
    [['--directory', 'srv/app'], '--directory', 'srv/app'],
    [['--directory', '/srv/%i'], '--directory', '%'],
    [['--socket', '/run/app/$USER.sock'], '--socket', '$'],
    [['--name', '../etc'], '--name', '../etc'],
    [['app.js; rm'], 'module', ';'],
  ])('refuses %j in one line', async (words, option, shown) => {
    const { status, stdout, stderr } = await runConfig(['systemd', ...words])
    expect({ status, stdout, lines: stderr.trimEnd().split('\n').length }).toEqual({ status: 2, stdout: '', lines: 1 })
    expect(stderr).toContain(`option ${option} is`)
    expect(stderr).toContain(shown)
  })
})

describeIfInstalled({ package: 'systemd', installed: PROGRAM !== undefined }, 'systemd itself', () => {
  let directory = ''
  let version = 0

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'er-'))
    const command = join(directory, 'my app/node_modules/.bin/express-responder')
    await mkdir(join(command, '..'), { recursive: true })
    await writeFile(command, '#!/bin/sh\n')
    await chmod(command, 0o755)
    const { stdout } = await runToEnd(PROGRAM ?? 'systemd-analyze', ['--version'])
    version = Number(/^systemd (\d+)/.exec(stdout.toString())?.[1])
  })
  afterAll(() => rm(directory, { recursive: true, force: true }))

  /** What systemd says of units that have just been printed. */
  async function verified(...words: string[]): Promise<{ code: number | null, complaints: string[], file: string }> {
    const folder = await mkdtemp(join(directory, 'units-'))
    const file = join(folder, 'app.service')
    await config('systemd', '--directory', join(directory, 'my app'), '--output', file, ...words)
    const files = words.includes('--socket-activation') ? [file, join(folder, 'app.socket')] : [file]
    const { code, stderr } = await runToEnd(PROGRAM ?? 'systemd-analyze', ['verify', '--recursive-errors=no', ...files])
    // Other units of the machine may have faults of their own.
    return { code, complaints: stderr.split('\n').filter((line) => line.includes(folder) || /app\.(service|socket)/.test(line)), file }
  }

  it('finds no fault in a service', async () => {
    expect(await verified('--systemd-version', '252')).toMatchObject({ code: 0, complaints: [] })
  })

  it('finds no fault in a service with spaces in its paths, and several workers', async () => {
    expect(await verified('my app.js', '--systemd-version', '252', '--socket', '/run/my app/a b.sock', '--workers', '4', '--node', '/opt/node 22/bin/node'))
      .toMatchObject({ code: 0, complaints: [] })
  })

  it('finds no fault in a service and its socket', async () => {
    expect(await verified('--systemd-version', '252', '--socket-activation')).toMatchObject({ code: 0, complaints: [] })
  })

  it('finds no fault in a service for systemd 253, but for what an older one does not know', async () => {
    const { complaints } = await verified('--systemd-version', '253')
    const unknown = version < 253 ? [/notify-reload/, /OpenFile/] : []
    expect(complaints.filter((line) => !unknown.some((each) => each.test(line)))).toEqual([])
  })

  it('prints what suits the systemd of this machine where no version is given', async () => {
    expect(await verified()).toMatchObject({ code: 0, complaints: [] })
  })

  it.each([
    [[], 2.2],
    [['--socket-activation'], 1.8],
  ] as const)('finds the service well protected with %j', async (words, most) => {
    const { file } = await verified('--systemd-version', '252', ...words)
    const { stdout } = await runToEnd(PROGRAM ?? 'systemd-analyze', ['security', '--offline=true', '--no-pager', file])
    const exposure = Number(/exposure level for \S+: ([\d.]+)/.exec(stdout.toString())?.[1])
    expect(exposure).toBeLessThanOrEqual(most)
    expect(await readFile(file, 'utf8')).toContain('NoNewPrivileges=yes')
  })
})
