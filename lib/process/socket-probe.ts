/** Whether anybody listens on a socket file. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { codeOf } from '../../shared/errors.js'

/** Connects, and closes at once. @throws the system's error, ECONNREFUSED where no process listens */
export async function probe(path: string): Promise<void> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
  } finally {
    socket.destroy()
  }
}

/** Whether a process listens at the path. False only where it is certain that none does. */
export async function listens(path: string): Promise<boolean> {
  try {
    await probe(path)
    return true
  } catch (error) {
    return codeOf(error) !== 'ECONNREFUSED'
  }
}
