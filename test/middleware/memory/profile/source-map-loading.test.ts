import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { loadSourceMap, pathOf } from '../../../../middleware/memory/profile/source-maps.js'

const map = (source: string, more: object = {}): string => JSON.stringify({ version: 3, sources: [source], names: [], mappings: 'AACA', ...more })
const SUBJECT = new URL('../../../../middleware/memory/profile/source-maps.js', import.meta.url).href
let directory = ''

function file(name: string, content: string): string {
  const path = join(directory, name)
  writeFileSync(path, content)
  return path
}

async function sourcesOf(url: string): Promise<readonly string[] | undefined> {
  const found = await loadSourceMap(url)
  return found?.resolvedSources
}

beforeAll(() => { directory = mkdtempSync(join(tmpdir(), 'maps-')) })
afterAll(() => { rmSync(directory, { recursive: true, force: true }) })

describe('the source map of a file', () => {
  it('is named by its last comment, and lies beside it, in it, or elsewhere', async () => {
    mkdirSync(join(directory, 'maps'))
    file('beside.js.map', map('beside.ts'))
    file('maps/else where.map', map('../src/elsewhere.ts', { sourceRoot: 'root' }))
    const inline = Buffer.from(map('inline.ts')).toString('base64')
    const beside = file('beside.js', '//# sourceMappingURL=wrong.js.map\nx()\r\n//# sourceMappingURL=beside.js.map\r\n')
    const elsewhere = file('elsewhere.js', 'x()\n//@ sourceMappingURL=maps/else%20where.map')
    const within = file('within.js', `x()\n//# sourceMappingURL=data:application/json;charset=utf-8;base64,${inline}\n`)
    const percent = file('percent.js', `//# sourceMappingURL=data:application/json,${encodeURIComponent(map('percent.ts'))}`)
    const base = pathToFileURL(directory).href
    expect(await sourcesOf(beside)).toEqual([`${base}/beside.ts`])
    expect(await sourcesOf(pathToFileURL(beside).href)).toEqual([`${base}/beside.ts`])
    expect(await sourcesOf(`${pathToFileURL(beside).href}?version=2`)).toEqual([`${base}/beside.ts`])
    expect(await sourcesOf(elsewhere)).toEqual([`${base}/maps/root/../src/elsewhere.ts`.replace('root/../', '')])
    expect(await sourcesOf(within)).toEqual([`${base}/inline.ts`])
    expect(await sourcesOf(percent)).toEqual([`${base}/percent.ts`])
  })

  it('may have sections, and no comment where it bears the file\'s name', async () => {
    const path = file('sections.js', 'x()')
    file('sections.js.map', JSON.stringify({ version: 3, sections: [{ offset: { line: 0, column: 0 }, map: JSON.parse(map('part.ts')) as object }] }))
    expect(await sourcesOf(path)).toEqual([`${pathToFileURL(directory).href}/part.ts`])
  })

  it('is the one that Node knows, where a loader has compiled what is on the disk', () => {
    const path = file('loaded.ts', 'const typed: number = 1')
    const code = `x = 1\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(map('loaded.ts')).toString('base64')}`
    const program = `
      const { Module } = await import('node:module')
      const { loadSourceMap } = await import(${JSON.stringify(SUBJECT)})
      new Module(${JSON.stringify(path)})._compile(${JSON.stringify(code)}, ${JSON.stringify(path)})
      console.log((await loadSourceMap(${JSON.stringify(path)}))?.resolvedSources.join())`
    const output = execFileSync(process.execPath, ['--enable-source-maps', '--input-type=module', '--eval', program], { encoding: 'utf8' })
    expect(output.trim()).toBe(pathToFileURL(path).href)
  })

  it('is none where anything is wrong', async () => {
    const wrong: Record<string, string> = {
      'not-json.js': 'not json',
      'null.js': 'null',
      'array.js': '[]',
      'empty.js': '{}',
      'mappings.js': '{"version":3,"sources":["a"],"mappings":5}',
      'sections.js': '{"version":3,"sections":[{}]}',
      'deep.js': '{"version":3,"sources":{"a":1},"mappings":"AAAA"}',
    }
    for (const [name, content] of Object.entries(wrong)) {
      file(`${name}.map`, content)
      expect([name, await sourcesOf(file(name, 'x()'))]).toEqual([name, undefined])
    }
    for (const reference of ['missing.map', 'http://127.0.0.1:1/a.map', 'data:application/json;base64,!!!', 'data:text/plain,x', 'http://[', '%E0%A4%A', '.']) {
      expect([reference, await sourcesOf(file('reference.js', `//# sourceMappingURL=${reference}\n`))]).toEqual([reference, undefined])
    }
    for (const url of [directory, join(directory, 'missing.js'), 'node:fs', '', 'evalmachine.<anonymous>', 'a.js', 'file://host/%00', 'file:///%E0%A4%A', 'http://host/a.js', 'eval']) {
      expect([url, await sourcesOf(url)]).toEqual([url, undefined])
    }
  })

  it('is read from regular files alone, which say how large they are', async () => {
    const pipe = join(directory, 'pipe')
    execFileSync('mkfifo', [pipe])
    symlinkSync('/dev/zero', join(directory, 'zero'))
    for (const path of [pipe, join(directory, 'zero'), '/proc/self/environ']) expect([path, await sourcesOf(path)]).toEqual([path, undefined])
    expect(await sourcesOf(file('to-pipe.js', '//# sourceMappingURL=pipe'))).toBeUndefined()
    expect(await sourcesOf(file('to-zero.js', '//# sourceMappingURL=zero'))).toBeUndefined()
  })
})

it('paths are those of the disk', () => {
  expect(['file:///srv/a%20b.js?x', '/srv/a.js', 'a.js', 'node:fs', 'webpack://a/b.ts', 'file://%'].map(pathOf)).toEqual(['/srv/a b.js', '/srv/a.js', undefined, undefined, undefined, undefined])
})
