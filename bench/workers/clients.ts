/**
 * The program of the clients: each asks again as soon as it is answered, on one connection that it keeps. Bare sockets and bytes made
 * once, because the clients share the processors with what is measured.
 */
import net from 'node:net'
import type { Answered, Loop, LoopResult } from './closed-loop.js'

/** One client. Rejects where an answer is no 200, or the connection ends. */
function runClient({ socket: path, path: url }: Loop, end: number, onAnswer: (sentAt: number, process: number) => void): Promise<void> {
  const request = `GET ${url} HTTP/1.1\r\nHost: app.example.com\r\n\r\n`
  return new Promise((resolve, reject) => {
    let received = ''
    let sentAt = performance.now()
    const socket = net.connect(path)
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      received += chunk
      const head = received.indexOf('\r\n\r\n')
      if (head === -1) return
      const length = /^content-length: (\d+)/im.exec(received)?.[1]
      if (!received.startsWith('HTTP/1.1 200') || length === undefined) {
        reject(new Error(`no answer of a known length: ${received.slice(0, head)}`))
        return
      }
      if (received.length < head + 4 + Number(length)) return
      onAnswer(sentAt, Number(/^x-process: (\d+)/im.exec(received)?.[1]))
      received = ''
      sentAt = performance.now()
      if (sentAt < end) socket.write(request)
      else {
        socket.destroy()
        resolve()
      }
    })
    socket.on('error', reject).on('end', () => {
      reject(new Error('the web server has closed the connection'))
    })
    socket.write(request)
  })
}

async function runLoop(loop: Loop): Promise<LoopResult> {
  const cpu = process.cpuUsage()
  const begin = performance.now()
  const answered: Answered[] = []
  await Promise.all(Array.from({ length: loop.clients }, () => runClient(loop, begin + loop.milliseconds, (sentAt, answeredBy) => {
    const now = performance.now()
    answered.push([now - begin, now - sentAt, answeredBy])
  })))
  const { user, system } = process.cpuUsage(cpu)
  return { answered, clientMicroseconds: user + system }
}

process.on('message', (loop: Loop) => {
  runLoop(loop).then((result) => process.send?.(result), (error: unknown) => process.send?.(String(error)))
})
