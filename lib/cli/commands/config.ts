/** `express-responder config`: prints a configuration for a web server, or units for systemd. */
import { execFile } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { Command, Option, type HelpContext } from 'commander'
import { codeOf } from '../../../shared/errors.js'
import { FastCgiError } from '../../errors.js'
import { resolveSite, type SiteOptions } from '../configs/options.js'
import { NOTIFY_RELOAD_VERSION, resolveUnits, serviceUnit, socketUnit, type SystemdOptions } from '../configs/systemd.js'
import { CONFIGURABLE_SERVERS, type ConfigurableServer } from '../configs/web-servers.js'

/** The exit status of wrong use. */
const WRONG_USE = 2
const VERSION_LIMIT_MS = 2_000

/** A command that ends with status 2 where it is used wrongly, as do the commands below it. */
class ConfigCommand extends Command {
  override createCommand(name?: string): Command {
    return new ConfigCommand(name)
  }

  override help(context?: HelpContext | ((text: string) => string)): never {
    if (typeof context !== 'object' || !context.error) return super.help()
    this.outputHelp(context)
    return this.error('error: name one of these', { code: 'commander.help' })
  }

  override error(message: string, options?: Parameters<Command['error']>[1]): never {
    return super.error(message, { exitCode: WRONG_USE, ...options })
  }
}

/** Each is one line of the help, on a terminal of 80 columns. */
const SITE_OPTIONS: Readonly<Record<keyof SiteOptions, () => Option>> = {
  name: () => option('--name <name>', 'name of the site', 'app'),
  socket: () => option('--socket <path>', 'the app\'s socket (default: /run/NAME/NAME.sock)'),
  port: () => option('--port <port>', 'the app\'s TCP port, in place of --socket'),
  host: () => option('--host <host>', 'its host (default: 127.0.0.1)'),
  upstream: () => option('--upstream <host:port...>', 'the same for several hosts'),
  serverName: () => option('--server-name <name...>', 'host names of the site (default: any)'),
  listen: () => option('--listen <address>', 'where to listen: [address:]port', '80'),
  mount: () => option('--mount <path>', 'prefix of the app\'s URLs', '/'),
  static: () => option('--static <folder>', 'folder of files that the web server itself sends'),
  staticPath: () => option('--static-path <path>', 'their path in URLs (default: MOUNT/static)'),
  bodySize: () => option('--body-size <size>', 'largest request body, 0: any', '16MB'),
  headSize: () => option('--head-size <size>', 'room for the head of a response', '32KB'),
  timeout: () => option('--timeout <time>', 'longest silence of a response', '60s'),
  keepConnections: () => option('--keep-connections', 'keep connections to the app'),
  health: () => option('--health <path>', 'path that says whether a host is ready: /readyz'),
}

const COMMON: readonly (keyof SiteOptions)[] = ['name', 'socket', 'host', 'port', 'upstream', 'serverName', 'listen', 'mount', 'bodySize']

/**
 * Adds `config` with a command for each web server, and for systemd.
 * @param program the command that it belongs to
 * @example
 * ```ts
 * addConfigCommand(program)
 * await program.parseAsync(['config', 'nginx', '--server-name', 'example.org'], { from: 'user' })
 * ```
 */
export function addConfigCommand(program: Command): void {
  const config = new ConfigCommand('config').copyInheritedSettings(program)
  config
    .description('print a working configuration for a web server, or units for systemd')
    .usage('<server> [options]')
    .showSuggestionAfterError()
  for (const [name, server] of Object.entries<ConfigurableServer>(CONFIGURABLE_SERVERS)) addServer(config, name, server)
  addSystemd(config)
  program.addCommand(config)
}

function option(flags: string, description: string, byDefault?: string): Option {
  const made = new Option(flags, description)
  return byDefault === undefined ? made : made.default(byDefault, byDefault)
}

function outputOption(): Option {
  return option('--output <file>', 'write a new file, in place of stdout')
}

function addServer(config: Command, name: string, server: ConfigurableServer): void {
  const command = config.command(name).description(`${server.title}: ${server.target}`)
  const names = (Object.keys(SITE_OPTIONS) as (keyof SiteOptions)[]).filter((each) => COMMON.includes(each) || server.options.includes(each))
  for (const each of names) {
    const added = SITE_OPTIONS[each]()
    if (each === 'keepConnections') addSwitch(command, added, server.keepsByDefault)
    else command.addOption(added)
  }
  command.addOption(outputOption())
  command.action(async (options: SiteOptions & { output?: string }) => {
    await printed(command, () => {
      const text = server.print(resolveSite(name, server, options))
      return [{ text, path: options.output }]
    })
  })
}

/** An option with its opposite; the default is told in the line of the one that changes something. */
function addSwitch(command: Command, on: Option, byDefault: boolean): void {
  const off = option('--no-keep-connections', 'a connection to the app for each request')
  if (byDefault) on.hideHelp()
  else off.hideHelp()
  command.addOption(on.default(byDefault, byDefault ? 'on' : 'off')).addOption(off)
}

function addSystemd(config: Command): void {
  const command = config.command('systemd').description('systemd: a service unit for the command, and a socket unit')
  command
    .argument('[module]', 'module with the app, below --directory', 'app.js')
    .addOption(option('--name <name>', 'name of the units', 'app'))
    .addOption(option('--socket <path>', 'the app\'s socket (default: /run/NAME/NAME.sock)'))
    .addOption(option('--socket-activation', 'systemd holds the socket: a .socket unit, too'))
    .addOption(option('--user <name>', 'who runs the app (default: NAME)'))
    .addOption(option('--group <name>', 'the web server\'s group', 'www-data'))
    .addOption(option('--directory <folder>', 'where the app is (default: /srv/NAME)'))
    .addOption(option('--workers <number>', 'worker processes, auto: one a processor'))
    .addOption(option('--node <path>', 'node, where systemd would not find it'))
    .addOption(option('--systemd-version <number>', 'for which systemd (default: the one here)'))
    .addOption(outputOption())
    .action(async (module: string, options: SystemdOptions & { output?: string }) => {
      const version = options.systemdVersion === undefined ? await systemdVersion() : NOTIFY_RELOAD_VERSION
      await printed(command, () => {
        const units = resolveUnits(module, options, version)
        const service = { text: serviceUnit(units), path: options.output }
        return units.socketActivation ? [{ text: socketUnit(units), path: besideService(options.output) }, service] : [service]
      })
    })
}

/** The socket unit has the service's name. */
function besideService(path: string | undefined): string | undefined {
  return path === undefined ? undefined : join(dirname(path), `${basename(path, '.service')}.socket`)
}

/** The systemd of this machine; where there is none, one that knows all that is used. */
async function systemdVersion(): Promise<number> {
  try {
    const { stdout } = await promisify(execFile)('systemctl', ['--version'], { timeout: VERSION_LIMIT_MS })
    return Number(/^systemd (\d+)/.exec(stdout)?.[1] ?? NOTIFY_RELOAD_VERSION)
  } catch {
    return NOTIFY_RELOAD_VERSION
  }
}

interface Output {
  readonly text: string
  readonly path: string | undefined
}

/** Prints or writes what `make` makes, and ends the command where that is refused. */
async function printed(command: Command, make: () => readonly Output[]): Promise<void> {
  try {
    const outputs = make()
    await writeAll(outputs)
    const shown = outputs.filter(({ path }) => path === undefined).map(({ text }) => text).join('\n')
    if (shown !== '') command.configureOutput().writeOut?.(shown)
  } catch (error) {
    if (!(error instanceof FastCgiError)) throw error
    command.error(`error: ${error.message}`, { code: error.code })
  }
}

/** All of them, or none. */
async function writeAll(outputs: readonly Output[]): Promise<void> {
  const written: string[] = []
  try {
    for (const { path, text } of outputs) {
      if (path === undefined) continue
      await writeNew(path, text)
      written.push(path)
    }
  } catch (error) {
    await Promise.all(written.map((path) => rm(path, { force: true })))
    throw error
  }
}

/** Never over a file: it may be one that somebody has worked on. */
async function writeNew(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text, { flag: 'wx' })
  } catch (error) {
    const reason = codeOf(error)
    const remedy = reason === 'EEXIST'
      ? 'this file is there already, and is left alone. Give another name, or remove it'
      : `it cannot be written (${reason ?? String(error)}). Give a file in a folder that you may write to`
    throw new FastCgiError('ERR_FCGI_OPTION', `config: option --output is '${path}': ${remedy}`, { cause: error })
  }
}
