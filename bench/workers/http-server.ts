/** The app over HTTP on the port of the variable PORT, as pm2 runs it. */
import { app } from './app.js'

app.listen(Number(process.env['PORT']), '127.0.0.1')
