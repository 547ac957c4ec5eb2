/** `express-responder config` as a command: its help, what it refuses and how, and files that it writes. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { config, runConfig } from './support/config-command.js'

const SERVERS = ['nginx', 'apache', 'lighttpd', 'caddy', 'haproxy', 'h2o']

describe('config', () => {
  it('has a help that names every web server, and fits a screen', async () => {
    const { status, stdout } = await runConfig(['--help'])
    expect(status).toBe(0)
    for (const name of [...SERVERS, 'systemd']) expect(stdout).toContain(`  ${name} `)
    expect(stdout.split('\n').length).toBeLessThanOrEqual(24)
  })

  it.each([...SERVERS, 'systemd'])('has a help for %s that fits a screen and names its defaults', async (name) => {
    const { status, stdout } = await runConfig([name, '--help'])
    expect(status).toBe(0)
    expect(stdout).toContain('--socket <path>')
    expect(stdout).toContain('default: /run/NAME/NAME.sock')
    expect(stdout.split('\n').length).toBeLessThanOrEqual(24)
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  })

  it('refuses an unknown server with the nearest known one', async () => {
    expect(await runConfig(['ngnix', '--server-name', 'example.org'])).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining('nginx') as unknown })
  })

  it('refuses an unknown option with the nearest known one', async () => {
    expect(await runConfig(['nginx', '--sever-name', 'example.org'])).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining('--server-name') as unknown })
  })

  it('says what it needs where no server is named', async () => {
    const { status, stderr } = await runConfig([])
    expect(status).toBe(2)
    expect(stderr).toContain('nginx')
  })

  it.each([
    ['haproxy', '--static'],
    ['haproxy', '--static-path'],
    ['lighttpd', '--keep-connections'],
    ['caddy', '--head-size'],
    ['nginx', '--health'],
    ['caddy', '--health'],
    ['caddy', '--timeout'],
  ])('refuses for %s the option %s, which it cannot do', async (name, option) => {
    expect(await runConfig([name, option, '/a'])).toMatchObject({ status: 2, stdout: '' })
  })

  it.each(['apache', 'h2o'])('refuses several hosts for %s, and names servers that can', async (name) => {
    const { status, stderr } = await runConfig([name, '--upstream', '10.0.0.5:9000', '10.0.0.6:9000'])
    expect({ status, said: stderr.includes('nginx') }).toEqual({ status: 2, said: true })
  })
})

describe('a wrong value', () => {
  const HARMFUL = ['"', '\'', ';', '{', '}', '\n', '\r', '\0', '$x', '\\', '`', '#', '|', '<', '>', '%h', ',', '*', '(', ':', '\u2028']

  it.each(HARMFUL)('is refused in a path: %j', async (text) => {
    for (const option of ['--socket', '--static']) {
      const { status, stdout, stderr } = await runConfig(['nginx', option, `/run/app/a${text}b`])
      expect({ option, status, stdout, lines: stderr.trimEnd().split('\n').length }).toEqual({ option, status: 2, stdout: '', lines: 1 })
      expect(stderr).toContain(`option ${option} is`)
    }
  })

  it.each(HARMFUL)('is refused in names and in paths of URLs: %j', async (text) => {
    for (const option of ['--server-name', '--mount', '--name', '--listen', '--upstream', '--body-size', '--timeout']) {
      const { status, stdout, stderr } = await runConfig(['nginx', option, `a${text}b`])
      expect({ option, status, stdout, lines: stderr.trimEnd().split('\n').length }).toEqual({ option, status: 2, stdout: '', lines: 1 })
      expect(stderr).toContain(`option ${option} is`)
    }
  })

  it.each([
    [['--socket', 'run/app.sock'], 'give an absolute path'],
    [['--socket', '/run/app/'], 'name the socket file'],
    [['--socket', '/run/../etc/app.sock'], 'without . and ..'],
    [['--socket', `/${'a'.repeat(107)}`], '107 bytes'],
    [['--socket', '/run/a.sock', '--upstream', '10.0.0.5:9000'], 'Give one'],
    [['--socket', '/run/a.sock', '--port', '9000'], 'Give one'],
    [['--port', '9000', '--upstream', '10.0.0.5:9000'], 'Give one'],
    [['--host', '10.0.0.5'], 'only together with --port'],
    [['--host', '10.0.0.5:1', '--port', '9000'], 'an address or a name'],
    [['--host', '10.0.0.5;', '--port', '9000'], 'an address or a name'],
    [['--port', '90a'], '1 to 65535'],
    [['--upstream', '10.0.0.5'], 'host:port'],
    [['--upstream', '10.0.0.5:0'], '1 to 65535'],
    [['--upstream', '[10.0.0.5]:9000'], 'host:port'],
    [['--listen', '0'], '1 to 65535'],
    [['--listen', '70000'], '1 to 65535'],
    [['--listen', 'localhost:80'], '127.0.0.1:8080'],
    [['--listen', '300.0.0.1:80'], '127.0.0.1:8080'],
    [['--server-name', 'example.org:8080'], 'without port'],
    [['--server-name', 'http://example.org'], 'without port'],
    [['--server-name', 'a..b'], 'host name'],
    [['--server-name', ''], 'host name'],
    [['--server-name', '*'], 'host name'],
    [['--mount', 'shop'], 'begins with a slash'],
    [['--mount', '/shop/'], 'ends without one'],
    [['--mount', '/a/../b'], 'begins with a slash'],
    [['--mount', '/a//b'], 'begins with a slash'],
    [['--static', '/'], 'a folder of its own'],
    [['--static-path', '/files'], 'only together with --static'],
    [['--static', '/srv/a', '--static-path', 'files'], 'begins with a slash'],
    [['--body-size', '16 MiB'], '16MB'],
    [['--body-size', '-1'], '16MB'],
    [['--head-size', '1KB'], '4096'],
    [['--head-size', '1GB'], 'bytes'],
    [['--timeout', '0'], '1s to 24h'],
    [['--timeout', '60 minutes'], '30s'],
    [['--name', 'My App'], 'lower-case'],
    [['--name', 'a'.repeat(33)], 'at most 32'],
  ])('%j is refused with the remedy: %s', async (words, remedy) => {
    const { status, stdout, stderr } = await runConfig(['nginx', ...words])
    expect({ status, stdout, lines: stderr.trimEnd().split('\n').length }).toEqual({ status: 2, stdout: '', lines: 1 })
    expect(stderr).toContain(remedy)
    expect(stderr).toContain('errors.md#err_fcgi_option')
  })

  it('is none where a host name has letters beyond ASCII: it is written as DNS has it', async () => {
    expect(await config('nginx', '--server-name', 'münchen.example', 'Example.ORG')).toContain('server_name xn--mnchen-3ya.example example.org;')
  })

  it.each(SERVERS)('is none where a size or a time has a unit: %s', async (name) => {
    const text = await config(name, '--body-size', '3MB', ...(name === 'caddy' ? [] : ['--timeout', '2m']))
    expect(text).toMatch(name === 'lighttpd' ? /\b3072\b/ : /\b3145728\b/)
    if (name !== 'caddy') expect(text).toMatch(name === 'h2o' ? /\b120000\b/ : /\b120s?\b/)
  })
})

describe('--output', () => {
  let directory = ''
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'er-'))
  })
  afterAll(() => rm(directory, { recursive: true, force: true }))

  it('writes the file, and nothing to stdout', async () => {
    const file = join(directory, 'new.conf')
    expect(await runConfig(['nginx', '--output', file])).toMatchObject({ status: 0, stdout: '', stderr: '' })
    expect(await readFile(file, 'utf8')).toBe(await config('nginx'))
  })

  it('leaves a file alone that is there, and says so', async () => {
    const file = join(directory, 'old.conf')
    await writeFile(file, 'mine')
    const { status, stderr } = await runConfig(['nginx', '--output', file])
    expect(status).not.toBe(0)
    expect(stderr).toContain('is there already')
    expect(await readFile(file, 'utf8')).toBe('mine')
  })

  it('says why a file cannot be written', async () => {
    const { status, stderr } = await runConfig(['nginx', '--output', join(directory, 'none/a.conf')])
    expect(status).not.toBe(0)
    expect(stderr).toContain('ENOENT')
  })

  it('writes neither of two units where one of them is there', async () => {
    await writeFile(join(directory, 'app.service'), 'mine')
    const { status } = await runConfig(['systemd', '--socket-activation', '--output', join(directory, 'app.service')])
    expect(status).not.toBe(0)
    expect(await readFile(join(directory, 'app.service'), 'utf8')).toBe('mine')
    await expect(readFile(join(directory, 'app.socket'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
