// Makes one module of what the memory page is made of, for middleware/memory/routes/page.ts: its script in one piece, and the rest as it is.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const source = new URL('../middleware/memory/page/', import.meta.url)
const target = new URL('../dist/middleware/memory/page/', import.meta.url)

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
