/** Express 5 with serve(), as a script of one's own has it. */
import { serve } from 'express-responder'
import { expressApp } from './app.js'

await serve(expressApp(), { socket: process.argv[2] ?? '' })
