/** Programs that a bundler has made one file of, as for a container or a serverless platform: nothing is beside them. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { build } from 'esbuild'
import { createWorkspace, run, type Workspace } from './packed.js'

/** Uses of the package, each with what the program prints. */
const PROGRAMS = {
  'express-responder': [`import { createServer } from 'express-responder'; console.log(typeof createServer(() => {}).listen)`, 'function'],
  'express-responder/middleware': [`import { rateLimit } from 'express-responder/middleware'; console.log(typeof rateLimit)`, 'function'],
  'express-responder/concurrency': [`import { concurrencyLimit } from 'express-responder/concurrency'; console.log(concurrencyLimit({ limit: 7 }).limit)`, '7'],
  'express-responder/suite': [`import { suite } from 'express-responder/suite'; console.log(typeof suite())`, 'function'],
  'express-responder/rate-limit': [`import { rateLimit } from 'express-responder/rate-limit'; console.log(typeof rateLimit())`, 'function'],
  'express-responder/recovery': [`import { recovery } from 'express-responder/recovery'; console.log(typeof recovery())`, 'function'],
  'express-responder/memory': [
    `import http from 'node:http'
     import { memoryStats } from 'express-responder/memory'
     const stats = memoryStats({ authorize: () => true })
     const server = http.createServer((req, res) => { stats(req, res, () => res.end()) }).listen(0, '127.0.0.1', () => {
       const asked = ['', 'page.js', 'page.css', 'icon.svg'].map((file) => fetch('http://127.0.0.1:' + server.address().port + '/' + file))
       Promise.all(asked).then((answers) => { console.log(answers.map(({ status }) => status).join(' ')); process.exit() })
     })`,
    '200 200 200 200',
  ],
} as const

let workspace: Workspace
beforeAll(async () => {
  workspace = await createWorkspace('express')
})
afterAll(() => workspace.remove())

describe.each(['cjs', 'esm'] as const)('in a bundle of format %s', (format) => {
  it.each(Object.entries(PROGRAMS))('%s works', async (name, [program, printed]) => {
    const entry = join(workspace.directory, `${name.replace('/', '-')}.mjs`)
    const outfile = entry.replace('.mjs', format === 'cjs' ? '.bundle.cjs' : '.bundle.mjs')
    await writeFile(entry, program)
    await build({
      entryPoints: [entry],
      outfile,
      format,
      bundle: true,
      platform: 'node',
      // What esbuild needs to let CommonJS packages ask for Node's modules in a bundle of format esm.
      banner: format === 'esm' ? { js: `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)` } : {},
      external: ['prom-client'],
      logLevel: 'silent',
    })
    const { stdout } = await run(process.execPath, [outfile])
    expect(stdout.trim()).toBe(printed)
  })
})

/** The packages of npm in a bundle of a program, by their names. */
async function packagesIn(program: string): Promise<string[]> {
  const { metafile } = await build({
    stdin: { contents: program, resolveDir: workspace.directory },
    bundle: true,
    format: 'esm',
    platform: 'node',
    write: false,
    metafile: true,
    external: ['prom-client'],
    logLevel: 'silent',
  })
  const paths = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.entries(inputs)).filter(([, { bytesInOutput }]) => bytesInOutput > 0)
  return [...new Set(paths.flatMap(([path]) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []))]
}

it.each(Object.keys(PROGRAMS).map((name) => [name, name === 'express-responder' ? '{ createServer, params, prepared, gateway }' : '*'] as const))(
  'a bundle of %s has no http-terminator where nothing of it serves and stops',
  async (name, names) => {
    const packages = await packagesIn(`export ${names} from '${name}'`)
    expect(packages).toContain('express-responder')
    expect(packages).not.toContain('http-terminator')
  },
)

it('a bundle of serve() has it', async () => {
  expect(await packagesIn(`export { serve } from 'express-responder'`)).toContain('http-terminator')
})
