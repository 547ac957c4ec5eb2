/** Where the command says what happens: lines of JSON on stdout, by pino; on a terminal lines for people. */
import { isatty } from 'node:tty'
import { pino, type DestinationStream, type Logger } from 'pino'

const STDOUT = 1

/** The log of the primary. Lines are written at once, so that none is lost when the process ends. */
export async function createLog(level: string): Promise<Logger> {
  return pino({ level, base: { pid: process.pid }, name: 'express-responder' }, await destination())
}

async function destination(): Promise<DestinationStream> {
  if (!isatty(STDOUT)) return pino.destination({ dest: STDOUT, sync: true })
  // Only a person needs it, and it takes time to load.
  const { default: pretty } = await import('pino-pretty')
  return pretty({ sync: true, ignore: 'pid,hostname,name', translateTime: 'SYS:HH:MM:ss.l' })
}
