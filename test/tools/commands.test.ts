/** The programs with commands, and that what names one of them names one that there is. */
import { execFile } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from '@jest/globals'
import { COMMANDS as BENCH } from '../../bench/commands.js'
import { usage } from '../../tools/command-line.js'
import { COMMANDS as SERIES } from '../../tools/leak-series/commands.js'
import { COMMANDS as SOAK } from '../../tools/soak/commands.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const PROGRAMS = { bench: BENCH, soak: SOAK, series: SERIES }
const FILES = { bench: 'bench/cli.js', soak: 'tools/soak/cli.js', series: 'tools/leak-series/cli.js' }
type Name = keyof typeof PROGRAMS
const NAMES = Object.keys(PROGRAMS) as Name[]

interface Ended {
  code: number
  stdout: string
  stderr: string
}

async function runProgram(name: Name, args: readonly string[]): Promise<Ended> {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [join(root, 'dist', FILES[name]), ...args])
    return { code: 0, stdout, stderr }
  } catch (error) {
    return error as Ended
  }
}

/** Every text of the project: sources, pages, scripts. */
function texts(): [file: string, text: string][] {
  const rooms = ['lib', 'middleware', 'shared', 'test', 'bench', 'tools', 'examples', 'docs'].flatMap((room) =>
    readdirSync(join(root, room), { recursive: true, encoding: 'utf8' }).filter((file) => /\.(?:[jt]s|md)$/.test(file)).map((file) => `${room}/${file}`))
  const top = readdirSync(root).filter((file) => file.endsWith('.md'))
  return [...rooms, ...top].map((file) => [file, readFileSync(join(root, file), 'utf8')])
}

describe.each(NAMES)('npm run %s', (name) => {
  it('--help lists its commands, with status 0', async () => {
    expect(await runProgram(name, ['--help'])).toEqual({ code: 0, stdout: usage(`npm run ${name} --`, PROGRAMS[name]), stderr: '' })
    for (const command of Object.keys(PROGRAMS[name])) expect(usage(name, PROGRAMS[name])).toMatch(new RegExp(`^ {2}${command} {2,}\\S`, 'm'))
  })

  it.each([['no command', [], 'Name a command.'], ['one that there is not', ['constructor'], "There is no command 'constructor'."]])(
    'with %s: status 1, and the list of commands on stderr', async (_what, args, message) => {
      const { code, stdout, stderr } = await runProgram(name, args)
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
      expect(stderr).toBe(`${message}\n\n${usage(`npm run ${name} --`, PROGRAMS[name])}\n`)
    })

  it('has a module for each of its commands', async () => {
    for (const { load } of Object.values(PROGRAMS[name])) expect(await load()).toMatchObject({ run: expect.any(Function) })
  })
})

describe('npm scripts', () => {
  const scripts = Object.keys((JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }).scripts)

  it('are twelve, and two that npm runs by itself', () => {
    expect(scripts.filter((name) => !['prepack', 'prepublishOnly'].includes(name))).toEqual(['build', 'start', 'test', 'test:long', 'lint', 'typecheck', 'check:package', 'bench', 'soak', 'series', 'docs:options', 'docs:benchmarks'])
  })

  it('that a page, a source or a comment names are there', () => {
    const wrong = texts().flatMap(([file, text]) => [...text.matchAll(/npm run (?:--silent )?([a-z][a-z:-]*)/g)]
      .filter(([, script = '']) => !scripts.includes(script)).map(([command]) => `${file}: ${command}`))
    expect(wrong).toEqual([])
  })

  it('bench, soak and series have every command that a page, a source or a comment names', () => {
    const wrong = texts().flatMap(([file, text]) => [...text.matchAll(/npm run (bench|soak|series) -- ([a-z][a-z-]*)/g)]
      .filter(([, name = '', command = '']) => !Object.hasOwn(PROGRAMS[name as Name], command)).map(([command]) => `${file}: ${command}`))
    expect(wrong).toEqual([])
  })
})
