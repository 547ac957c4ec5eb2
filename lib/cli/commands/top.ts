/** `express-responder top`: the workers of a program that runs, anew each second on a terminal; without one, a single frame. */
import type { Command } from 'commander'
import type { StatusSnapshot } from '../../status/snapshot.js'
import { askStatus } from '../status-client.js'
import { topFrame } from '../top-frame.js'
import { placeOf, placeOptions, type StatusPlace } from './status.js'

const INTERVAL = 1000
const NO_TERMINAL = { columns: Infinity, rows: Infinity }
/** The terminal's other screen, without a cursor; and back. */
const [ENTER, LEAVE] = ['\u001b[?1049h\u001b[?25l', '\u001b[?25h\u001b[?1049l']
const [HOME, CLEAR_LINE, CLEAR_BELOW] = ['\u001b[H', '\u001b[K', '\u001b[J']
/** q, Ctrl-C, Ctrl-D, Escape. */
const END_KEYS = new Set(['q', 'Q', '\u0003', '\u0004', '\u001b'])

/** Adds `top`. Where the program does not answer at first it says why, ERR_FCGI_STATUS_SOCKET. */
export function addTopCommand(program: Command): void {
  const command = program.command('top').description('watch the workers of a program that runs')
  for (const option of placeOptions()) command.addOption(option)
  command.action(async (place: StatusPlace) => {
    const statusSocket = placeOf(place)
    const first = await look(statusSocket)
    if (process.stdout.isTTY) await watch(statusSocket, first)
    else process.stdout.write(`${topFrame(first, undefined, NO_TERMINAL).join('\n')}\n`)
  })
}

async function look(socket: string): Promise<StatusSnapshot> {
  return JSON.parse(await askStatus(socket, '/status.json')) as StatusSnapshot
}

/** Until a key or a signal ends it. */
async function watch(socket: string, first: StatusSnapshot): Promise<void> {
  const { stdin, stdout } = process
  const ending = new AbortController()
  const end = (): void => { ending.abort() }
  const onKey = (keys: Buffer): void => { if (END_KEYS.has(keys.toString())) end() }
  const leave = (): void => { stdout.write(LEAVE) }
  process.on('SIGINT', end).on('SIGTERM', end).on('exit', leave)
  if (stdin.isTTY) stdin.setRawMode(true).on('data', onKey).resume()
  stdout.write(ENTER)
  let [shown, before]: [StatusSnapshot, StatusSnapshot | undefined] = [first, undefined]
  let trouble = ''
  const draw = (): void => { stdout.write(frameText(shown, before, trouble, stdout)) }
  stdout.on('resize', draw)
  draw()
  while (await pause(ending.signal)) {
    try {
      const next = await look(socket)
      ;[before, shown, trouble] = [shown, next, '']
    } catch (error) {
      // It may be started again: go on asking.
      trouble = error instanceof Error ? error.message : String(error)
    }
    draw()
  }
  stdout.off('resize', draw)
  process.off('SIGINT', end).off('SIGTERM', end).off('exit', leave)
  if (stdin.isTTY) stdin.setRawMode(false).off('data', onKey).pause()
  leave()
}

function frameText(shown: StatusSnapshot, before: StatusSnapshot | undefined, trouble: string, { columns, rows }: { readonly columns: number; readonly rows: number }): string {
  const lines = topFrame(shown, before, { columns, rows: rows - 2 })
  const last = trouble === '' ? 'q ends' : trouble
  return `${HOME}${[...lines, '', last.slice(0, columns)].map((line) => line + CLEAR_LINE).join('\r\n')}${CLEAR_BELOW}`
}

/** A second; false where it was ended meanwhile. */
function pause(signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => { resolve(!signal.aborted) }, INTERVAL)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve(false)
    }, { once: true })
    if (signal.aborted) {
      clearTimeout(timer)
      resolve(false)
    }
  })
}
