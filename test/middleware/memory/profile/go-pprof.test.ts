/**
 * What `go tool pprof` makes of an Express app that leaks, in both forms, with no flags but the name of the report.
 *
 * The app (support/leaking-app.ts) is a process of its own, asked over HTTP until its handlers are optimized. One handler
 * leaks by itself. It is called by Express's router, as every handler is, which calls so many that V8 inlines none of them:
 * its bytes are its own. The other one leaks in a helper, which V8 may inline: then the handler has its bytes. Both are
 * compiled from TypeScript, to an ES module with a map beside it, and to CommonJS with the map within.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import ts from 'typescript'
import { describeIfInstalled } from '../../../proxies/support/installed.js'
import { findProgram } from '../../../proxies/support/programs.js'
import { parseHeapPage } from './support/heap-page.js'

const APP = fileURLToPath(new URL('support/leaking-app.js', import.meta.url))
const go = findProgram('go')

const REMEMBER = `import type { Request, Response } from 'express'

/* Many lines that compile to none, so that lines differ. */
interface Visit {
  path: string
  words: { word: string, index: number }[]
}

const visits = new Map<number, Visit>()

export const handler = function remember(request: Request, response: Response): void {
  const words = request.rawHeaders.join(' ').split(' ')
  const visit: Visit = { path: request.path, words: [] }
  for (let index = 0; index < 300; index++) {
    for (const word of words) visit.words.push({ word: word + String(index), index })
  }
  visits.set(visits.size, visit)
  response.json({ visits: visits.size })
}
`
const REMEMBER_LINE = 11

const COLLECT = `import type { Request, Response } from 'express'

type Row = { name: string }

const rows: Row[][] = []

function keep(name: string): void {
  rows.push(Array.from({ length: 1000 }, (_, index): Row => ({ name: name + String(index) })))
}

export const handler = function collect(request: Request, response: Response): void {
  keep(request.url)
  response.json(rows.length)
}
`
/** For each handler: some 300 and 60 KB leak with one. */
const REQUESTS = 150

describeIfInstalled({ package: 'golang-go', installed: go !== undefined }, 'go tool pprof', () => {
  let directory: string
  let app: ChildProcess
  let origin: string

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'pprof-'))
    compile(directory, 'remember', REMEMBER, { module: ts.ModuleKind.ESNext, sourceMap: true }, 'mjs')
    compile(directory, 'collect', COLLECT, { module: ts.ModuleKind.CommonJS, inlineSourceMap: true }, 'cjs')
    app = spawn(process.execPath, [APP, join(directory, 'remember.mjs'), join(directory, 'collect.cjs')], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
    if (app.stdout === null) throw new Error('no output')
    const [line] = await once(createInterface(app.stdout), 'line') as [string]
    origin = `http://127.0.0.1:${String((JSON.parse(line) as { port: number }).port)}`
    await visit(REQUESTS)
  })

  afterAll(async () => {
    const ended = once(app, 'exit')
    app.disconnect()
    await ended
    rmSync(directory, { recursive: true, force: true })
  })

  const get = async (path: string): Promise<Response> => {
    const response = await fetch(`${origin}${path}`)
    if (!response.ok) throw new Error(`${path}: ${String(response.status)} ${await response.text()}`)
    return response
  }

  const visit = async (times: number): Promise<void> => {
    for (let index = 0; index < times; index++) {
      for (const path of ['/', '/user/7', '/remember', '/collect']) await (await get(path)).arrayBuffer()
    }
  }

  /** What pprof prints, without its messages. */
  const pprof = async (...given: string[]): Promise<string> => {
    const environment = { ...process.env, PPROF_TMPDIR: directory, HOME: directory, GOFLAGS: '' }
    const { stdout } = await promisify(execFile)(String(go), ['tool', 'pprof', ...given], { env: environment, cwd: directory })
    return stdout
  }

  /** Bytes of the whole, and functions with their own and all bytes, as `-top -unit=B` prints them. */
  const top = (report: string): { total: number; functions: { name: string; flat: number; cum: number }[] } => {
    const total = Number(/ of ([\d.]+)B total$/m.exec(report)?.[1])
    const functions = [...report.matchAll(/^ *(-?\d+)B? +\S+% +\S+% +(-?\d+)B? +\S+% +(.+?)(?: \(inline\))?$/gm)]
      .map(([, flat, cum, name = '']) => ({ name, flat: Number(flat), cum: Number(cum) }))
    return { total, functions }
  }

  it('opens the profile with no flags: the leaking function is first, in use by default', async () => {
    const report = await pprof('-top', `${origin}/debug/pprof/heap`)
    expect(report).toMatch(/^File: leaking-app\.js$/m)
    expect(report).toMatch(/^Type: inuse_space$/m)
    expect(report).toMatch(/^A full garbage collection was forced for this profile\.$/m)
    expect(report).toMatch(/flat% .*cum%\n +[\d.]+[kM]B +[\d.]+% +[\d.]+% +[\d.]+[kM]B +[\d.]+% +remember\n/)
  })

  it('opens the text form with no flags: the same, by /symbol', async () => {
    const report = await pprof('-top', `${origin}/debug/pprof/heap?debug=1`)
    expect(report).toMatch(/^Type: space$/m)
    expect(report).toMatch(new RegExp(String.raw`flat% .*cum%\n +[\d.]+[kM]B +[\d.]+% +[\d.]+% +[\d.]+[kM]B +[\d.]+% +remember \(remember\.ts:${String(REMEMBER_LINE)}\)\n`))
    expect(report).not.toMatch(/0x[0-9a-f]{6}/)
  })

  it.each(['heap', 'heap?debug=1'])('%s adds up to what V8 said', async (form) => {
    const { total, functions } = top(await pprof('-top', '-unit=B', '-nodecount=100000', '-nodefraction=0', `${origin}/debug/pprof/${form}`))
    const said = await (await get('/v8-total')).json() as number
    expect(said).toBeGreaterThan(10_000_000)
    expect(Math.abs(total / said - 1)).toBeLessThan(0.01)
    expect(Math.abs(functions.reduce((sum, { flat }) => sum + flat, 0) / said - 1)).toBeLessThan(0.01)
  })

  it('counts what a helper leaks for the helper, or for the function that it was inlined into', async () => {
    const { functions } = top(await pprof('-top', '-unit=B', '-nodefraction=0', `${origin}/debug/pprof/heap`))
    const collect = functions.find(({ name }) => name === 'collect')
    expect(collect?.cum).toBeGreaterThan(1_000_000)
  })

  it('shows the author\'s lines, of ES modules and of CommonJS', async () => {
    const url = `${origin}/debug/pprof/heap`
    expect(await pprof('-list', '^remember$', url)).toMatch(new RegExp(
      String.raw`ROUTINE =+ remember in ${directory}/remember\.ts\n(?:.*\n)* +[\d.]+[kM]B +[\d.]+[kM]B +${String(REMEMBER_LINE)}:export const handler = function remember\(request: Request`,
    ))
    expect(await pprof('-list', '^collect$', url)).toMatch(new RegExp(String.raw`ROUTINE =+ collect in ${directory}/collect\.ts\n`))
  })

  it('shows what has grown since another profile, and while it waits', async () => {
    const first = join(directory, 'first.pb.gz')
    writeFileSync(first, new Uint8Array(await (await get('/debug/pprof/heap')).arrayBuffer()))
    const state = { goesOn: true }
    const load = (async () => { while (state.goesOn) await visit(10) })()
    const delta = top(await pprof('-top', '-unit=B', `${origin}/debug/pprof/heap?seconds=2`))
    state.goesOn = false
    await load
    await visit(REQUESTS)
    const since = top(await pprof('-top', '-unit=B', '-diff_base', first, `${origin}/debug/pprof/heap`))
    expect(delta.functions[0]?.name).toBe('remember')
    expect(since.functions[0]?.name).toBe('remember')
    expect(since.functions[0]?.flat).toBeGreaterThan(10_000_000)
  })

  it('opens the CPU profile with no flags', async () => {
    const state = { goesOn: true }
    const load = (async () => { while (state.goesOn) await visit(10) })()
    const report = await pprof('-top', '-cum', `${origin}/debug/pprof/profile?seconds=2`)
    state.goesOn = false
    await load
    expect(report).toMatch(/^Type: cpu$/m)
    expect(report).toMatch(/^Duration: [\d.]+s, Total samples = [\d.]+m?s/m)
    expect(report).toMatch(/ remember$/m)
  })

  it('is given the page that people read, with every field of Go\'s', async () => {
    const { header, records, stats } = parseHeapPage(await (await get('/debug/pprof/heap?debug=1')).text())
    expect(records.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(header.bytes)
    const remember = records.find(({ frames: [innermost] }) => innermost?.name === 'remember')
    expect(remember?.frames[0]).toMatchObject({ file: join(directory, 'remember.ts'), line: REMEMBER_LINE })
    expect(Number(stats.get('HeapSys'))).toBe(Number(stats.get('HeapIdle')) + Number(stats.get('HeapInuse')))
  })

  it('has its counterpart for the page: call sites and their growth', async () => {
    interface Sites { sites: { name: string; url: string; line: number; octets: number; growth: number }[] }
    const marked = await (await fetch(`${origin}/debug/pprof/mark`, { method: 'POST' })).json() as Sites
    expect(marked.sites[0]).toMatchObject({ name: 'remember', url: join(directory, 'remember.ts'), line: REMEMBER_LINE, growth: 0 })
    await visit(REQUESTS)
    const { sites } = await (await get('/debug/pprof/callsites')).json() as Sites
    const [most] = sites.sort((one, other) => other.growth - one.growth)
    expect(most?.name).toBe('remember')
    expect(most?.growth).toBeGreaterThan(10_000_000)
  })
})

/** Compiles TypeScript to the directory, where its source lies too. */
function compile(directory: string, name: string, source: string, options: ts.CompilerOptions, extension: string): void {
  const compiled = ts.transpileModule(source, { fileName: `${name}.ts`, compilerOptions: { target: ts.ScriptTarget.ES2022, ...options } })
  writeFileSync(join(directory, `${name}.ts`), source)
  writeFileSync(join(directory, `${name}.${extension}`), compiled.outputText)
  // The comment names `<name>.js.map`.
  if (compiled.sourceMapText !== undefined) writeFileSync(join(directory, `${name}.js.map`), compiled.sourceMapText)
}
