// Puts what the memory page is made of where middleware/memory/page.ts reads it: the script in one file, and the rest as it is.
import { copyFileSync, mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const source = new URL('../middleware/memory/page/', import.meta.url)
const target = new URL('../dist/middleware/memory/page/assets/', import.meta.url)

mkdirSync(target, { recursive: true })
for (const name of ['page.html', 'page.css', 'icon.svg']) copyFileSync(new URL(name, source), new URL(name, target))
await build({
  entryPoints: [fileURLToPath(new URL('browser/page.ts', source))],
  outfile: fileURLToPath(new URL('page.js', target)),
  bundle: true,
  format: 'esm',
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'none',
  logLevel: 'warning',
})
