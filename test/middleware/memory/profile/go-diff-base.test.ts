/** What `go tool pprof -diff_base` makes of two profiles of the memory endpoint: what has grown, and not what is large. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { describeIfInstalled } from '../../../proxies/support/installed.js'
import { findProgram } from '../../../proxies/support/programs.js'
import { AppProcess } from '../app-process.js'

const go = findProgram('go')
/** Requests that leak some 300 KB each. */
const REQUESTS = 80
/** Holds several times as much: sizes are estimates from samples, and the smaller of two that are near is at times the larger. */
const ENTRIES = 450_000

describeIfInstalled({ package: 'golang-go', installed: go !== undefined }, 'go tool pprof -diff_base', () => {
  let directory: string
  let app: AppProcess
  let [before, after] = ['', '']

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'diff-'))
    app = await AppProcess.start({ scrapeInterval: 0 })
    await app.get(`/catalogue?entries=${String(ENTRIES)}`)
    before = await save('before')
    for (let count = 0; count < REQUESTS; count++) await app.get('/remember')
    after = await save('after')
  })

  afterAll(async () => {
    await app.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  async function save(name: string): Promise<string> {
    const path = join(directory, `${name}.pb.gz`)
    writeFileSync(path, new Uint8Array(await (await app.get('/debug/pprof/heap')).arrayBuffer()))
    return path
  }

  /** What `-top` prints, in bytes. */
  async function top(...profiles: string[]): Promise<{ report: string; functions: { name: string; flat: number }[] }> {
    const environment = { ...process.env, PPROF_TMPDIR: directory, HOME: directory, GOFLAGS: '' }
    const { stdout } = await promisify(execFile)(String(go), ['tool', 'pprof', '-top', '-unit=B', ...profiles], { env: environment, cwd: directory })
    const functions = [...stdout.matchAll(/^ *(-?\d+)B? +\S+% +\S+% +-?\d+B? +\S+% +(.+?)(?: \(inline\))?$/gm)].map(([, flat, name = '']) => ({ name, flat: Number(flat) }))
    return { report: stdout, functions }
  }

  it('has the function that leaks first, though another one holds more', async () => {
    const whole = await top(after)
    const difference = await top('-diff_base', before, after)
    expect(difference.report).toMatch(/^Type: inuse_space$/m)
    expect(difference.functions[0]?.name).toBe('remember')
    expect(difference.functions[0]?.flat).toBeGreaterThan(10_000_000)
    const of = (name: string, { functions }: typeof whole): number => functions.find((found) => found.name === name)?.flat ?? 0
    expect(whole.functions[0]?.name).not.toBe('remember')
    expect(of('remember', difference)).toBeLessThanOrEqual(of('remember', whole))
  })

  it('has nothing where both are the same', async () => {
    const { functions } = await top('-diff_base', after, after)
    expect(functions.filter(({ flat }) => flat !== 0)).toEqual([])
  })
})
