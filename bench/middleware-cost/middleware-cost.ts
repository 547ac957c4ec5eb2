/** `npm run bench -- middleware-cost`: what middleware costs that is too little to be seen over a network. */
import { runCommand } from '../../tools/command-line.js'

export async function run(args: readonly string[]): Promise<void> {
  await runCommand('npm run bench -- middleware-cost', {
    'concurrency': { summary: 'what concurrencyLimit() adds to a request that finds a slot free', load: () => import('./concurrency.js') },
    'memory': { summary: 'a request with memoryStats() mounted and nobody looking, against one without', load: () => import('./memory.js') },
    'leak-detector': { summary: 'how long the leak detector holds up the loop at a time', load: () => import('./leak-detector.js') },
  }, args)
}
