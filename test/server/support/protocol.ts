/** Apps and params of the tests of the protocol. */
import type { RequestListener } from 'node:http'
import type { Journal } from '../../contract/support/journal.js'
import { nginxParams } from '../../support/nginx-params.js'

export const GET = nginxParams({ url: '/hello' })

export const post = (body: string | Buffer): ReturnType<typeof nginxParams> => nginxParams({ method: 'POST', url: '/post', body })

export const hello = (): RequestListener => (req, res) => res.end(`hello ${req.url ?? ''}`)

/** Answers with what it read. */
export const echo = (): RequestListener => (req, res) => {
  const chunks: Buffer[] = []
  req.on('data', (chunk: Buffer) => chunks.push(chunk))
  req.on('end', () => res.end(Buffer.concat(chunks)))
}

/** Answers when the journal says `go <url>`, having noted `asked <url>`. */
export const gated = (journal: Journal): RequestListener => (req, res) => {
  const url = req.url ?? ''
  journal.note(`asked ${url}`)
  void journal.until(`go ${url}`).then(() => res.end(`answer ${url}`))
}


export async function connections(server: { getConnections: (callback: (error: Error | null, count: number) => void) => unknown }): Promise<number> {
  return new Promise((resolve) => {
    server.getConnections((_error, count) => {
      resolve(count)
    })
  })
}

export function splitRecords(bytes: Buffer): Buffer[] {
  const records: Buffer[] = []
  for (let start = 0; start < bytes.length; ) {
    const end = start + 8 + bytes.readUInt16BE(start + 4) + bytes.readUInt8(start + 6)
    records.push(bytes.subarray(start, end))
    start = end
  }
  return records
}
