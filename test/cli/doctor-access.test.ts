/** Web servers that are kept from the socket by users, root directories and mounts: real ones, run as the system runs them. */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import type { Facts, SocketFacts } from '../../lib/cli/doctor/facts.js'
import { parseAccessList } from '../../lib/cli/doctor/access-lists.js'
import type { Finding } from '../../lib/cli/doctor/finding.js'
import { mayConnect } from '../../lib/cli/doctor/permission.js'
import { checkAccess } from '../../lib/cli/doctor/socket-checks.js'
import { countWaiting } from '../../lib/cli/doctor/socket-files.js'
import { describeIfInstalled } from '../proxies/support/installed.js'
import { findProgram } from '../proxies/support/programs.js'
import { apache } from '../proxies/support/servers/apache.js'
import { haproxy } from '../proxies/support/servers/haproxy.js'
import { nginx } from '../proxies/support/servers/nginx.js'
import { webServer, type WebServer } from '../proxies/support/web-server.js'
import type { Workspace } from '../proxies/support/workspace.js'
import { describeBroken, examine } from './support/doctor.js'

const isRoot = process.getuid?.() === 0

/** Whether this process may make a mount namespace, which containers may forbid. */
function mayUnshare(): boolean {
  try {
    execFileSync('unshare', ['--mount', 'true'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Where root runs the tests: others can give no other user, root directory or mounts to a server. */
const asRoot = (server: WebServer, allowed = isRoot): WebServer => ({ ...server, package: allowed ? server.package : 'none, but run as root', installed: server.installed && allowed })

const onApache = asRoot(apache({ name: 'Apache', example: 'apache/app.conf', modules: ['proxy', 'proxy_fcgi'] }))

describeBroken('the doctor before Apache, whose workers are www-data', onApache, [
  {
    title: 'a directory that www-data may not enter', server: onApache, prepare: ({ run }) => chmod(run, 0o700),
    code: 'directory-permission', line: 'chmod o+x ',
  },
  { title: 'a socket of root alone', server: onApache, options: { access: { mode: 0o600, owner: undefined, group: undefined } }, code: 'socket-permission', line: 'serve(app, { socket: \'SOCKET\', group: \'www-data\' })' },
  {
    title: 'a socket of a group that www-data is not in', server: onApache, options: { access: { mode: 0o660, owner: undefined, group: 'adm' } },
    code: 'socket-permission', line: 'usermod -aG adm www-data && systemctl restart apache2',
  },
])

/** Where lists can be set: the file system may have none. */
function maySetLists(): boolean {
  const file = join(tmpdir(), `er-acl-${String(process.pid)}`)
  try {
    writeFileSync(file, '')
    execFileSync('setfacl', ['-m', 'u:1:r', file], { stdio: 'ignore' })
    return true
  } catch {
    return false
  } finally {
    rmSync(file, { force: true })
  }
}

const withLists: WebServer = { ...asRoot(onApache, isRoot && maySetLists()), package: 'acl, and a file system with access control lists, as root' }
const setList = (entry: string, path: string): void => {
  execFileSync('setfacl', ['-m', entry, path])
}

describeBroken('the doctor before Apache, with access control lists', withLists, [
  {
    title: 'a directory whose mask keeps www-data out, which its list lets in', server: onApache, code: 'directory-permission', line: 'setfacl -m m::r-x /',
    prepare: async ({ run }) => {
      await chmod(run, 0o700)
      setList('u:www-data:x,m::r', run)
    },
  },
  {
    title: 'a list that does not let www-data in', server: onApache, code: 'directory-permission', line: 'setfacl -m u:www-data:x /',
    prepare: async ({ run }) => {
      await chmod(run, 0o755)
      setList('u:www-data:-', run)
    },
  },
])

describeIfInstalled(withLists, 'the doctor before Apache, which a list lets in', () => {
  it('finds nothing: neither the directory nor the socket is closed to it', async () => {
    const { findings, unchecked } = await examine(onApache, { access: { mode: 0o660, owner: undefined, group: undefined } }, async ({ run }) => {
      await chmod(run, 0o700)
      setList('u:www-data:x', run)
      setList('d:u:www-data:rw', run)
    })
    expect(findings).toEqual([])
    expect(unchecked).toEqual([])
  })
})

const onHaproxy = asRoot(haproxy('HAProxy', 'haproxy/haproxy.cfg', { edit: (text) => text.replace('global\n', 'global\n  chroot /srv/app\n') }))

describeBroken('the doctor before HAProxy in a chroot', onHaproxy, [{ title: 'the line to take away', server: onHaproxy, code: 'chroot', line: '#chroot /' }])

/** As systemd does for PrivateTmp=: mounts of its own, with an empty directory where the socket's is. */
const mayHaveMounts = isRoot && findProgram('unshare') !== undefined && mayUnshare()
const onPrivate = asRoot(nginxWithMounts(({ run }) => run), mayHaveMounts)

/** @param hidden the directory in whose place is an empty one; the app's socket is in it */
function nginxWithMounts(hidden: (workspace: Workspace) => string): WebServer {
  const plain = nginx('nginx', 'nginx/app.conf')
  return webServer({ name: plain.name, example: plain.example, package: plain.package, installed: plain.installed }, async (workspace, port) => {
    for (const file of ['express_params', 'express_host.conf']) await workspace.install(join('nginx', file), port)
    await workspace.install('nginx/app.conf', port, 'site.conf', (text) => text.replaceAll('/run/app/', `${hidden(workspace)}/`))
    const temporary = ['client_body', 'fastcgi', 'proxy', 'scgi', 'uwsgi'].map((kind) => `${kind}_temp_path ${workspace.directory}/nginx-${kind};`).join(' ')
    const file = await workspace.write('nginx.conf', `daemon off; user root; worker_processes 1; pid ${workspace.directory}/nginx.pid; error_log stderr;
      events {} http { ${temporary} access_log off; include ${workspace.directory}/express_host.conf; include ${workspace.directory}/site.conf; }`)
    const command = `mount -t tmpfs tmpfs ${hidden(workspace)} && exec ${findProgram('nginx') ?? 'nginx'} -c ${file} -p ${workspace.directory} -e stderr`
    return { program: 'unshare', args: ['--mount', 'sh', '-c', command] }
  })
}

describeBroken('the doctor before nginx with a /tmp of its own', onPrivate, [{ title: 'the line for the app\'s unit', server: onPrivate, code: 'private-tmp', line: 'RuntimeDirectory=app' }])

describeIfInstalled(asRoot(onPrivate, mayHaveMounts), 'the doctor before nginx with other mounts, as in a container', () => {
  it('names one place for both', async () => {
    const directory = mkdtempSync('/run/er-')
    chmodSync(directory, 0o755)
    try {
      const { findings } = await examine(nginxWithMounts(() => directory), { place: { kind: 'socket', path: join(directory, 'app.sock') } })
      expect(findings).toEqual([expect.objectContaining({
        code: 'other-mounts', problem: expect.stringContaining(directory), evidence: expect.stringContaining('/ns/mnt'),
        line: 'RuntimeDirectory=app', place: expect.stringContaining('one volume for both'),
      })])
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})

/** nginx as www-data, before a socket with these parts; what cannot be had on every machine. */
function factsWith(changes: { label?: string, enforcing?: boolean, configuredGroups?: number[] }): Facts & { place: SocketFacts } {
  const account = { name: 'www-data', uid: 33, groups: [33], unrestricted: false }
  const part = { uid: 0, gid: 0, mode: 0o755 }
  return {
    place: {
      kind: 'socket',
      path: '/run/app/app.sock',
      parts: [
        { ...part, path: '/', kind: 'directory' }, { ...part, path: '/run', kind: 'directory' }, { ...part, path: '/run/app', kind: 'directory' },
        { path: '/run/app/app.sock', kind: 'socket', mode: changes.configuredGroups === undefined ? 0o666 : 0o660, uid: 990, gid: 991 },
      ],
      groupNames: new Map([[991, 'app']]), configuredGroups: changes.configuredGroups, waiting: 0, somaxconn: 4096, enforcing: changes.enforcing ?? false,
    },
    server: 'nginx', process: { pid: 7, account, root: '/', sameMounts: true, sameDirectory: true, sameNetwork: true, label: changes.label },
    answer: { kind: 'fastcgi', status: 200 }, standsIn: false, appIdleSeconds: 120, conversation: undefined, configuration: [],
  }
}

describe('what the doctor concludes from facts', () => {
  const check = (facts: ReturnType<typeof factsWith>): readonly Finding[] => checkAccess(facts, facts.place)

  it('that nginx has to be restarted where its user has joined the group since', () => {
    expect(check(factsWith({ configuredGroups: [33, 991] }))).toMatchObject([{ code: 'groups-not-loaded', line: 'systemctl restart nginx' }])
    expect(check(factsWith({ configuredGroups: [33] }))).toMatchObject([{ code: 'socket-permission', line: 'usermod -aG app www-data && systemctl restart nginx' }])
  })

  it('that SELinux is in the way where permissions are right and it enforces rules on the web server', () => {
    const label = 'system_u:system_r:httpd_t:s0'
    expect(check(factsWith({ label, enforcing: true }))).toMatchObject([{
      code: 'selinux', line: 'ausearch -m AVC -ts recent | audit2allow -M express_app && semodule -i express_app.pp',
    }])
    expect(check(factsWith({ label, enforcing: false }))).toEqual([])
    expect(check(factsWith({ label: 'unconfined', enforcing: true }))).toEqual([])
  })

  it('what an access control list lets the web server do, as the kernel does', () => {
    const account = { name: 'www-data', uid: 33, groups: [33, 50], unrestricted: false }
    const socket = { path: '/s', kind: 'socket', mode: 0o660, uid: 990, gid: 991 } as const
    const may = (text: string, mode = 0o660): boolean => mayConnect(account, { ...socket, mode, list: parseAccessList(text) })
    const rest = 'user::rw-\nother::rw-\n'
    expect(may(`${rest}group::rw-\nuser:33:rw-\nmask::rw-\n`)).toBe(true)
    expect(may(`${rest}group::rw-\nuser:33:rw-\nmask::r--\n`)).toBe(false)
    // Who is named gets nothing of what others have.
    expect(may(`${rest}group::rw-\nuser:33:r--\ngroup:33:rw-\nmask::rw-\n`)).toBe(false)
    expect(may(`${rest}group::---\ngroup:33:r--\ngroup:50:rw-\nmask::rw-\n`)).toBe(true)
    expect(may(`${rest}group::rw-\ngroup:33:r--\nmask::rw-\n`)).toBe(false)
    expect(may(`${rest}group::---\nuser:7:---\nmask::---\n`, 0o606)).toBe(true)
    expect(may('user::rw-\ngroup::rw-\nother::---\n')).toBe(false)
    expect(mayConnect(account, { ...socket, list: 'unread' })).toBe(true)
    expect(may('user::rw-\ngroup::rw-\ngroup:50:rw-\nmask::rw-\nother::---\ndefault:user:33:---\n')).toBe(true)
  })

  it('how many connections wait at the socket, under the name that it was bound to, too', () => {
    const table = `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 11 /run/app/app.sock
0000000000000000: 00000002 00000000 00000000 0001 02     0 /run/app/app.sock
0000000000000000: 00000002 00000000 00000000 0001 02     0 /run/app/.app.sock-1/app.sock
0000000000000000: 00000003 00000000 00000000 0001 03 12 /run/app/app.sock
0000000000000000: 00000002 00000000 00000000 0001 02     0 /run/other/app.sock
`
    expect(countWaiting(table, '/run/app/app.sock')).toBe(2)
    expect(countWaiting(undefined, '/run/app/app.sock')).toBeUndefined()
  })
})
