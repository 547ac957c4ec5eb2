/** Units of systemd for the command: a service, and a socket where systemd is to hold it. */
import { dirname, isAbsolute, join } from 'node:path'
import { optionChecks } from '../../errors.js'
import type { OptionChecks } from '../../../shared/option-checks.js'
import { comment, print, type Line } from './lines.js'
import { filePath, siteName, socketPath } from './options.js'

/** The options as they come from the command line; their names there are in kebab-case. */
export interface SystemdOptions {
  name?: string
  socket?: string
  socketActivation?: boolean
  user?: string
  group?: string
  directory?: string
  workers?: string
  node?: string
  systemdVersion?: string
}

/** What the units are to say. */
export interface Units {
  readonly name: string
  /** The module with the app, as the command is given it. */
  readonly module: string
  readonly directory: string
  readonly socket: string
  readonly socketActivation: boolean
  readonly user: string
  /** The web server's group, which may use the socket. */
  readonly group: string
  readonly workers: string | undefined
  /** The folder of the program node, where systemd would not find it. */
  readonly nodeDirectory: string | undefined
  /** Whether systemd knows Type=notify-reload and OpenFile=. */
  readonly notifyReload: boolean
}

/** The first systemd with Type=notify-reload and OpenFile=. */
export const NOTIFY_RELOAD_VERSION = 253
/** Where systemd looks for programs. */
const PROGRAM_DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/**
 * Resolves the options.
 * @param module the module with the app; undefined for the default
 * @param given the options
 * @param version systemd's, where `given` has none
 * @throws FastCgiError ERR_FCGI_OPTION naming option, value and remedy
 */
export function resolveUnits(module: string | undefined, given: SystemdOptions, version: number): Units {
  const checks = optionChecks('config systemd')
  const name = siteName(checks, given.name ?? 'app')
  const directory = filePath(checks, '--directory', given.directory ?? `/srv/${name}`)
  const node = given.node === undefined ? undefined : dirname(filePath(checks, '--node', given.node))
  return {
    name,
    module: modulePath(checks, module ?? 'app.js'),
    directory,
    socket: socketPath(checks, given.socket ?? `/run/${name}/${name}.sock`),
    socketActivation: given.socketActivation ?? false,
    user: account(checks, '--user', given.user ?? name),
    group: account(checks, '--group', given.group ?? 'www-data'),
    workers: given.workers === undefined ? undefined : workers(checks, given.workers),
    nodeDirectory: node === undefined || PROGRAM_DIRECTORIES.includes(node) ? undefined : node,
    notifyReload: systemdVersion(checks, given.systemdVersion, version) >= NOTIFY_RELOAD_VERSION,
  }
}

function modulePath(checks: OptionChecks, value: string): string {
  if (value.startsWith('-')) throw checks.wrong('module', value, 'give the path of the module with the app, such as app.js')
  filePath(checks, 'module', isAbsolute(value) ? value : `/${value.replace(/^\.\//, '')}`)
  return value
}

function account(checks: OptionChecks, option: string, value: string): string {
  if (/^[a-z_][a-z0-9_-]{0,31}$/i.test(value)) return value
  throw checks.wrong(option, value, 'give the name of an account: letters, digits, hyphens and underscores')
}

function workers(checks: OptionChecks, value: string): string {
  if (value === 'auto' || /^[1-9]\d{0,2}$/.test(value)) return value
  throw checks.wrong('--workers', value, 'give a number from 1 to 999, or auto for one a processor')
}

function systemdVersion(checks: OptionChecks, given: string | undefined, found: number): number {
  if (given === undefined) return found
  if (/^\d{2,4}$/.test(given)) return Number(given)
  throw checks.wrong('--systemd-version', given, 'give a whole number, such as 252: systemctl --version says it')
}

/**
 * The service.
 * @param units what is wanted
 */
export function serviceUnit(units: Units): string {
  const { name, user, group, directory, socketActivation } = units
  return print(
    comment(`/etc/systemd/system/${name}.service: the Express app ${name}, run by express-responder.`),
    '#',
    comment('Install:'),
    user !== 'root' && comment(`  useradd --system --home-dir ${plain(directory)} --shell /usr/sbin/nologin ${user}`),
    comment(`  systemctl daemon-reload && systemctl enable --now ${socketActivation ? `${name}.socket ` : ''}${name}.service`),
    comment(`Its log: journalctl --unit ${name}. New code: systemctl reload ${name}.`),
    '',
    '[Unit]',
    `Description=The Express app ${name}`,
    'After=network.target',
    socketActivation && `Requires=${name}.socket`,
    '',
    '[Service]',
    notification(units),
    `User=${user}`,
    !socketActivation && [
      comment('The web server\'s group. The socket is given to it, with mode 0660; the user must belong to it to do so.'),
      `SupplementaryGroups=${group}`,
    ],
    runtimeDirectory(units),
    `WorkingDirectory=${unitText(directory)}`,
    'Environment=NODE_ENV=production',
    units.nodeDirectory !== undefined && `Environment=${quoted(`PATH=${units.nodeDirectory}:${PROGRAM_DIRECTORIES.join(':')}`)}`,
    command(units),
    '',
    ending(),
    '',
    HARDENING,
    socketActivation
      ? ['PrivateUsers=yes', 'SystemCallFilter=~@privileged @resources']
      : comment('No PrivateUsers and no SystemCallFilter=~@privileged: the command gives the socket to the web server\'s group. With --socket-activation systemd does.'),
    '',
    '[Install]',
    'WantedBy=multi-user.target',
  )
}

/**
 * The socket, which systemd holds while the service comes and goes.
 * @param units what is wanted
 */
export function socketUnit({ name, socket, group }: Units): string {
  return print(
    comment(`/etc/systemd/system/${name}.socket: the socket of ${name}.service. Connections wait in it while the app restarts.`),
    '',
    '[Unit]',
    `Description=The socket of the Express app ${name}`,
    '',
    '[Socket]',
    `ListenStream=${unitText(socket)}`,
    comment('Connecting needs the write bit: the web server\'s group has it.'),
    'SocketMode=0660',
    `SocketGroup=${group}`,
    comment('Connections that wait until they are accepted, or net.core.somaxconn if that is less.'),
    'Backlog=4096',
    '',
    '[Install]',
    'WantedBy=sockets.target',
  )
}

function notification({ notifyReload }: Units): Line {
  if (notifyReload) {
    return [
      comment('The command tells systemd when it is ready, reloads and stops. A reload is SIGHUP: new workers first, then the old ones go.'),
      'Type=notify-reload',
      comment('The notification socket as an open descriptor: Node cannot open one by itself.'),
      'OpenFile=/run/systemd/notify:notify:graceful',
      'NotifyAccess=all',
    ]
  }
  return [
    comment('The command tells systemd when it is ready, by the program systemd-notify, a child of it.'),
    'Type=notify',
    'NotifyAccess=all',
    comment('New workers first, then the old ones go. From systemd 253 on Type=notify-reload does this.'),
    'ExecReload=/bin/kill -HUP $MAINPID',
  ]
}

/** systemd makes the folder of the socket, where that is below /run. */
function runtimeDirectory({ socket, socketActivation }: Units): Line {
  if (socketActivation) return false
  const below = /^\/(?:var\/)?run\/(.+)$/.exec(dirname(socket))?.[1]
  if (below === undefined) {
    return [
      comment('The folder of the socket must be there, and belong to the user.'),
      `ReadWritePaths=${quoted(dirname(socket))}`,
    ]
  }
  return [
    comment('systemd makes the folder of the socket for the user.'),
    `RuntimeDirectory=${quoted(below)}`,
  ]
}

function command(units: Units): Line {
  const words = [
    join(units.directory, 'node_modules/.bin/express-responder'),
    units.module,
    ...(units.socketActivation ? [] : ['--socket', units.socket, '--group', units.group]),
    ...(units.workers === undefined ? [] : ['--workers', units.workers]),
  ]
  return [
    comment('Not npm or a shell: signals, and the sockets that systemd passes on, must reach the program.'),
    units.socketActivation && comment('It listens on the socket that systemd passes on.'),
    `ExecStart=${words.map(quoted).join(' ')}`,
  ]
}

function ending(): Line {
  return [
    comment('A stop asks the command alone: it stops its workers when they have answered. What is left is killed.'),
    'KillMode=mixed',
    comment('Longer than --stop-timeout and --linger together, which are 10 seconds each.'),
    'TimeoutStopSec=30',
    comment('After a crash; not after wrong options or a module that is not there (status 2).'),
    'Restart=on-failure',
    'RestartPreventExitStatus=2',
    comment('The command says twice in this time that it lives.'),
    'WatchdogSec=30',
    comment('Each connection and each open file is one.'),
    'LimitNOFILE=65536',
  ]
}

const HARDENING: Line = [
  comment('What an app does not need. An app that writes files names the folder: ReadWritePaths= or StateDirectory=.'),
  'UMask=0027',
  'NoNewPrivileges=yes',
  'CapabilityBoundingSet=',
  'ProtectSystem=strict',
  'ProtectHome=read-only',
  'PrivateTmp=yes',
  'PrivateDevices=yes',
  'ProtectClock=yes',
  'ProtectControlGroups=yes',
  'ProtectHostname=yes',
  'ProtectKernelLogs=yes',
  'ProtectKernelModules=yes',
  'ProtectKernelTunables=yes',
  'ProtectProc=invisible',
  'RemoveIPC=yes',
  comment('AF_NETLINK is for os.networkInterfaces().'),
  'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK',
  'RestrictNamespaces=yes',
  'RestrictRealtime=yes',
  'RestrictSUIDSGID=yes',
  'LockPersonality=yes',
  'SystemCallArchitectures=native',
  'SystemCallFilter=@system-service',
  'SystemCallErrorNumber=EPERM',
  comment('No MemoryDenyWriteExecute: V8 compiles JavaScript to machine code. No ProcSubset=pid: the backlog of the socket is read from /proc/net/unix.'),
]

/** A path in a comment's shell command. */
function plain(path: string): string {
  return path.includes(' ') ? `"${path}"` : path
}

/** % begins one of systemd's specifiers; the checks of paths let none through, and so this is for what they might let through later. */
function unitText(text: string): string {
  return text.replaceAll('%', '%%')
}

/** One word of a command line. */
function quoted(text: string): string {
  const escaped = unitText(text).replaceAll('$', '$$$$')
  return /[ ;]/.test(escaped) ? `"${escaped}"` : escaped
}
