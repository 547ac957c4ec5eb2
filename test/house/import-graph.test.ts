/** Who imports whom in lib, middleware and shared, types included: nothing imports from a room above its own, and there are no circles. */
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from '@jest/globals'
import ts from 'typescript'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** Rooms from the ground up, those of one line beside each other. A file belongs to the longest path that it begins with. */
const FLOORS: Readonly<Record<'lib' | 'middleware' | 'shared', readonly (readonly string[])[]>> = {
  shared: [
    ['shared/'],
  ],
  lib: [
    ['shared/'],
    ['lib/errors.ts'],
    ['lib/node-version.ts'],
    ['lib/fastcgi/'],
    ['lib/http/'],
    ['lib/server/'],
    ['lib/gateway/', 'lib/process/'],
    ['lib/index.ts'],
    ['lib/workers/'],
    ['lib/status/'],
    ['lib/cli/'],
  ],
  middleware: [
    ['shared/'],
    ['middleware/shared/'],
    ['middleware/concurrency/lease/', 'middleware/memory/units.ts', 'middleware/memory/costs.ts'],
    ['middleware/concurrency/', 'middleware/rate-limit/', 'middleware/recovery/', 'middleware/suite/', 'middleware/memory/leak-detector/', 'middleware/memory/page/'],
    ['middleware/memory/sampling/'],
    ['middleware/memory/profile/'],
    ['middleware/memory/'],
    ['middleware/memory/routes/'],
    ['middleware/memory/endpoint.ts'],
    ['middleware/concurrency.ts', 'middleware/rate-limit.ts', 'middleware/recovery.ts', 'middleware/memory.ts'],
    ['middleware/suite.ts'],
    ['middleware/index.ts'],
  ],
}

/** A file of the project, by its path, and the files that it imports. */
type Graph = ReadonlyMap<string, readonly string[]>

function graphOf(room: string): Graph {
  const files = readdirSync(join(root, room), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
  return new Map(files.map((file) => [`${room}/${file}`, importsOf(`${room}/${file}`)]))
}

function importsOf(path: string): string[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(join(root, path), 'utf8'), true, true)
  return importedFiles.map(({ fileName }) => fileName).filter((name) => name.startsWith('.')).map((name) => join(dirname(path), name).replace(/\.js$/, '.ts'))
}

/** Files that import each other, however many are between them: Tarjan's strongly connected components of more than one file. */
function circlesOf(graph: Graph): string[][] {
  const circles: string[][] = []
  const order = new Map<string, number>()
  const open: string[] = []
  const visit = (file: string): number => {
    const own = order.size
    order.set(file, own)
    open.push(file)
    let lowest = own
    for (const imported of graph.get(file) ?? []) {
      if (!order.has(imported)) lowest = Math.min(lowest, visit(imported))
      else if (open.includes(imported)) lowest = Math.min(lowest, order.get(imported) ?? own)
    }
    if (lowest === own) {
      const circle = open.splice(open.indexOf(file))
      if (circle.length > 1) circles.push(circle)
    }
    return lowest
  }
  for (const file of graph.keys()) if (!order.has(file)) visit(file)
  return circles
}

function roomOf(file: string, rooms: readonly string[]): string | undefined {
  return rooms.filter((room) => file.startsWith(room)).sort((one, other) => other.length - one.length)[0]
}

describe.each(['lib', 'middleware', 'shared'] as const)('%s', (name) => {
  const graph = graphOf(name)
  const floors = FLOORS[name]
  const rooms = floors.flat()
  const floorOf = (file: string): number => floors.findIndex((floor) => floor.includes(roomOf(file, rooms) ?? ''))

  it('has a room for every file', () => {
    expect(graph.size).toBeGreaterThan(name === 'shared' ? 2 : 20)
    expect([...graph.keys()].filter((file) => roomOf(file, rooms) === undefined)).toEqual([])
  })

  it('imports nothing but what is in its own room or below', () => {
    const wrong = [...graph].flatMap(([file, imported]) => imported
      .filter((other) => roomOf(other, rooms) !== roomOf(file, rooms) && floorOf(other) >= floorOf(file))
      .map((other) => `${file} → ${other}`))
    expect(wrong).toEqual([])
  })

  it('has no files that import each other', () => {
    expect(circlesOf(graph)).toEqual([])
  })
})
