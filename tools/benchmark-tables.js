// Puts what `npm run bench -- compare` prints, given as standard input, between the markers of docs/benchmarks.md, or of the page that is named.
import { readFileSync, writeFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'

const page = process.argv[2] ?? new URL('../docs/benchmarks.md', import.meta.url)
const PLACE = /(?<=<!-- bench:begin -->\n)[\s\S]*?(?=<!-- bench:end -->)/

const printed = await text(process.stdin)
// Its first line names the version of Node and the processor; the last one where the figures went as JSON.
const tables = /^Node v[\s\S]*?(?=\nWritten to |$(?![\s\S]))/m.exec(printed)?.[0].trim()
if (tables === undefined || !tables.includes('\n| server ')) {
  process.stderr.write('This is not what `npm run bench -- compare` prints: the page stays as it is.\n')
  process.exitCode = 1
} else writeFileSync(page, readFileSync(page, 'utf8').replace(PLACE, () => `${tables}\n`))
