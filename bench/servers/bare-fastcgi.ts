/** A bare request listener on this adapter. */
import { createServer } from 'express-responder'
import { bareListener } from './app.js'
import { listen } from './listen.js'

listen(createServer(bareListener))
