/** `npm run bench -- middleware-cost leak-detector`: how long the leak detector holds up the loop at a time, as code that is not compiled. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** In an app it runs too seldom to be compiled. */
const INTERPRETED = ['--no-opt', '--no-maglev', '--no-sparkplug']

export async function run(): Promise<void> {
  const program = fileURLToPath(new URL('programs/leak-detector-calls.js', import.meta.url))
  const [code] = await once(spawn(process.execPath, [...INTERPRETED, program], { stdio: 'inherit' }), 'exit') as [number | null]
  if (code !== 0) throw new Error(`the program ended with ${String(code)}`)
}
