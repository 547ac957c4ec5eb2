// Makes one module of what each page is made of, for who serves it: its script in one piece, and the rest as it is.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

/** The memory page, and the status page. */
const PAGES = ['middleware/memory/page/', 'lib/status/page/']

for (const page of PAGES) {
  const source = new URL(`../${page}`, import.meta.url)
  const target = new URL(`../dist/${page}`, import.meta.url)
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('browser/main.ts', source))],
    write: false,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'warning',
  })
  const assets = { 'page.js': outputFiles[0].text }
  for (const name of ['page.html', 'page.css', 'icon.svg']) assets[name] = readFileSync(new URL(name, source), 'utf8')
  mkdirSync(target, { recursive: true })
  writeFileSync(new URL('assets.js', target), `export const ASSETS = ${JSON.stringify(assets, undefined, 2)}\n`)
}
