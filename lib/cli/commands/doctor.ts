/** `express-responder doctor`: finds out why a web server does not reach the app, or reaches it in the wrong way. */
import { isIPv6 } from 'node:net'
import { isAbsolute } from 'node:path'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { ExpressResponderError, codeOf } from '../../../shared/errors.js'
import { optionChecks } from '../../errors.js'
import { controlSocketOf } from '../control.js'
import { DEFAULT_HOST, shown, type AppPlace } from '../doctor/app-place.js'
import { diagnose, type DoctorOptions } from '../doctor/diagnose.js'
import { SERVER_NAMES, type ServerName } from '../doctor/facts.js'
import { askRunningApp } from '../doctor/running-app.js'
import { asJson, asText } from '../doctor/report.js'
import { ExitCode } from '../exit-codes.js'

/** Exit statuses. */
const NOTHING = ExitCode.DONE
const FOUND = ExitCode.FAILED
const WRONG_USE = ExitCode.USAGE

const MAX_PORT = 65_535
const DEFAULT_UPLOAD = '2MB'
const DEFAULT_TIMEOUT_MS = 10_000
const BYTES: Readonly<Record<string, number>> = { '': 1, B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 }

const HELP = `
The doctor asks the socket or port as a web server does, and the web server as a client does. It compares what was sent with what arrived.

Where express-responder runs the app, its workers answer the doctor's requests for some seconds, and visitors notice nothing. An app that
runs by serve() cannot be asked: stop it (systemctl stop app), and say --listen. Then the doctor listens in its place, and visitors get 503
meanwhile. It never takes the place of an app that runs. On a port an app has the control socket that it was given: say --control-socket.

Run it as root: then it sees the processes of the web server, its user, its mounts, and its configuration.

Exit status: 0 nothing found, 1 something found, 2 wrong use.

Examples:
  express-responder doctor --socket /run/app/app.sock --url http://127.0.0.1/
  express-responder doctor --socket /run/app/app.sock --url http://127.0.0.1/ --listen
  express-responder doctor --socket /run/app/app.sock --url https://127.0.0.1/ --host app.example.com --listen --json
  express-responder doctor --socket /run/app/app.sock --user www-data
  express-responder doctor --port 9000 --url http://127.0.0.1/ --control-socket /run/app/control.sock
  express-responder doctor --port 10.0.0.5:9000 --url http://10.0.0.2/ --listen`

/** What commander has read. */
interface Given {
  socket?: string
  port?: AppPlace
  url?: URL
  host?: string
  server?: ServerName
  user?: string
  listen?: boolean
  mode?: number
  owner?: string
  group?: string
  controlSocket?: string
  header?: [name: string, value: string][]
  upload: number
  timeout: number
  json?: boolean
}

/** Adds the command. */
export function addDoctorCommand(program: Command): void {
  program.command('doctor')
    .summary('find out why the web server does not reach the app')
    .description('Finds out why a web server does not reach the app, or reaches it in the wrong way, and names the line to write.')
    .option('--socket <path>', 'the app\'s socket, an absolute path', readPath)
    .option('--port <[address:]port>', 'the app\'s TCP port in place of --socket, and its address where that is not 127.0.0.1', readPort)
    .option('--url <url>', 'the web server\'s address, as a client asks for it; without it only the socket or port is checked', readUrl)
    .option('--host <host>', 'the Host header (default: of --url)')
    .addOption(new Option('--server <name>', 'the web server (default: the one that listens at --url)').choices(SERVER_NAMES))
    .option('--user <name>', 'the web server\'s user (default: of its processes)')
    .option('--control-socket <path>', 'the control socket of the app that runs (default: the socket with .control; on a port none)', readPath)
    .option('--listen', 'the app is stopped: listen in its place; an error where somebody listens')
    .option('--no-listen', 'never listen in the app\'s place')
    .option('--mode <octal>', 'mode of the socket that --listen makes (default: of the one that the app has left, else 666)', readMode)
    .option('--owner <name>', 'its owner')
    .option('--group <name>', 'its group')
    .option('--header <line>', 'a header that the site needs, as \'Name: value\'; can be given several times', readHeader)
    .option('--upload <size>', 'size of the upload that is tried', readSize, readSize(DEFAULT_UPLOAD))
    .option('--timeout <ms>', 'how long an answer may take', readTimeout, DEFAULT_TIMEOUT_MS)
    .option('--json', 'print JSON')
    .addHelpText('after', HELP)
    .action(async (given: Given) => {
      process.exitCode = await run(given, process.stdout, process.stderr)
    })
}

async function run(given: Given, output: NodeJS.WritableStream, errors: NodeJS.WritableStream): Promise<number> {
  try {
    const diagnosis = await diagnose(optionsOf(given))
    output.write(given.json === true ? asJson(diagnosis) : asText(diagnosis))
    return diagnosis.findings.length === 0 ? NOTHING : FOUND
  } catch (error) {
    if (!(error instanceof ExpressResponderError) && codeOf(error) === undefined) throw error
    errors.write(`${error instanceof Error ? error.message : String(error)}\n`)
    return WRONG_USE
  }
}

const checks = optionChecks('doctor')
/** What a port has not. */
const OF_SOCKETS = ['user', 'mode', 'owner', 'group'] as const

/**
 * Where the app listens.
 *
 * @throws FastCgiError ERR_FCGI_OPTION where it is neither a socket nor a port, or both
 */
function placeOf(given: Given): AppPlace {
  const { socket, port } = given
  if (socket !== undefined && port !== undefined) throw checks.wrong('--port', shown(port), `--socket is '${socket}': an app listens in one place. Give the one of the two that it has`)
  if (socket !== undefined) return { kind: 'socket', path: socket }
  if (port === undefined) throw checks.refused('which app? Give its --socket, such as /run/app/app.sock, or its --port, such as 9000')
  for (const name of OF_SOCKETS) {
    const value = given[name]
    if (value !== undefined) throw checks.wrong(`--${name}`, name === 'mode' ? value.toString(8) : value, 'it has a meaning only together with --socket. Leave it out')
  }
  return port
}

function optionsOf(given: Given): DoctorOptions {
  const { url, host, server, user, listen, mode, owner, group, header = [], upload, timeout } = given
  const place = placeOf(given)
  const controlSocket = given.controlSocket ?? (place.kind === 'socket' ? controlSocketOf(place.path) : undefined)
  return {
    place, url, host, server, user, timeout,
    listen: listen === undefined ? 'where-free' : listen ? 'always' : 'never',
    access: { mode, owner, group },
    headers: header,
    uploadBytes: upload,
    openSource: () => controlSocket === undefined ? Promise.resolve({ reason: NO_CONTROL_SOCKET }) : askRunningApp(controlSocket),
  }
}

const NO_CONTROL_SOCKET = 'an app on a port can be asked where express-responder runs it with a --control-socket. Give that here, too'

function readPath(text: string): string {
  if (!isAbsolute(text)) throw new InvalidArgumentError('Give an absolute path, such as /run/app/app.sock.')
  return text
}

function readPort(text: string): AppPlace {
  const [, six, name, digits] = /^(?:(?:\[([\da-f:.]+)\]|([\w.-]+)):)?(\d{1,5})$/i.exec(text) ?? []
  const port = Number(digits)
  if (digits === undefined || port < 1 || port > MAX_PORT || (six !== undefined && !isIPv6(six))) {
    throw new InvalidArgumentError('Give a port from 1 to 65535, or address and port, such as 9000, 10.0.0.5:9000 or [fd00::5]:9000.')
  }
  const host = six ?? name ?? DEFAULT_HOST
  if (/^(?:0\.0\.0\.0|[0:]+)$/.test(host)) throw new InvalidArgumentError(`All addresses are none to connect to. Give the one that the web server has, such as 127.0.0.1:${digits}.`)
  return { kind: 'port', host, port }
}

function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') throw new InvalidArgumentError('Give an address such as http://127.0.0.1/.')
  return url
}

function readMode(text: string): number {
  if (!/^0?[0-7]{3}$/.test(text)) throw new InvalidArgumentError('Give permission bits in octal digits, such as 660.')
  return parseInt(text, 8)
}

function readHeader(text: string, before: [string, string][] = []): [string, string][] {
  const found = /^([\w-]+):[ \t]*(.*)$/.exec(text)
  if (found === null) throw new InvalidArgumentError('Give a header such as \'Authorization: Basic …\'.')
  return [...before, [found[1] ?? '', found[2] ?? '']]
}

function readSize(text: string): number {
  const [, amount = '', unit = ''] = /^(\d+)([KMG]?B)?$/i.exec(text) ?? []
  if (amount === '' || Number(amount) === 0) throw new InvalidArgumentError('Give a number of bytes, or a size such as 2MB.')
  return Number(amount) * (BYTES[unit.toUpperCase()] ?? 1)
}

function readTimeout(text: string): number {
  if (!/^\d{1,7}$/.test(text) || Number(text) === 0) throw new InvalidArgumentError('Give a number of milliseconds, such as 10000.')
  return Number(text)
}
