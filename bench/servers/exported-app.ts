/** The Express 5 app as a module that exports it, for the command. */
import { expressApp } from './app.js'

export const app = expressApp()
