// Removes the compiled output, so that no file of an earlier build is tested or packed: all of it, or the rooms that are named.
import { rmSync } from 'node:fs'

const rooms = process.argv.slice(2)
for (const room of rooms.length > 0 ? rooms : ['']) rmSync(new URL(`../dist/${room}`, import.meta.url), { recursive: true, force: true })
