/** Express 5 on this adapter. */
import { createServer } from 'express-responder'
import { expressApp } from './app.js'
import { listen } from './listen.js'

listen(createServer(expressApp()))
