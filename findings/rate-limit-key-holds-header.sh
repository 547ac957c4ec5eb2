#!/bin/bash
# express-rate-limit in memory, behind a trusted proxy: each key holds the whole X-Forwarded-For that its address came in.
#
# Expected: MemoryStore keeps a key and two numbers for each client, so a few hundred octets, whatever the rest of the request was.
# Seen: Express's req.ip is cut from the header (proxy-addr, forwarded), and V8 makes of a part of 13 characters or more no text of
# its own but a reference into the whole. As a key of the store's Map it keeps the header for one to two windows. An address of 12
# characters or fewer is copied, and keeps nothing: the same app is fine in a test with 10.0.0.1.
# Why it matters: the part of the header before the trusted address is the client's to choose, up to Node's 16 KiB of headers, and the
# memory that a limit takes is thought to depend on the number of clients alone.
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm install --silent --no-audit --no-fund --ignore-scripts express@5.1.0 express-rate-limit@8.2.1 >/dev/null) || exit 2

cat >"$work/keys.cjs" <<'JS'
const http = require('node:http')
const { once } = require('node:events')
const express = require('express')
const { rateLimit } = require('express-rate-limit')
const CLIENTS = 2000
// Hops, as proxies write them: about 3.7 kB.
const CHAIN = Array.from({ length: 96 }, (_, hop) => `2001:db8:85a3:8d3:1319:8a2e:370:${(0x1000 + hop).toString(16)}`).join(', ')
const inUse = () => { global.gc(); return process.memoryUsage().heapUsed }

async function perClient(addressOf, chain) {
  const app = express().set('trust proxy', 1).use(rateLimit({ windowMs: 3_600_000, limit: 100, validate: false }))
  app.get('/', (_request, response) => response.end())
  const server = http.createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  const ask = async (client) => {
    const request = http.get({ port: server.address().port, agent, headers: { 'x-forwarded-for': `${chain}, ${addressOf(client)}` } })
    const [response] = await once(request, 'response')
    response.resume()
    await once(response, 'end')
  }
  for (let client = 0; client < 500; client++) await ask(client)
  const before = inUse()
  for (let client = 500; client < 500 + CLIENTS; client++) await ask(client)
  const taken = (inUse() - before) / CLIENTS
  agent.destroy()
  server.close()
  return taken
}

const long = (client) => `203.100.${100 + (client >> 7)}.${100 + (client & 127)}`
const short = (client) => `10.1.${10 + (client >> 6)}.${10 + (client & 63)}`
const main = async () => {
  await perClient(short, '10.9.9.9')
  const seen = {
    'addresses of 15 characters, a chain of 4 kB': await perClient(long, CHAIN),
    'the same, no chain': await perClient(long, '10.9.9.9'),
    'addresses of up to 12 characters, a chain of 4 kB': await perClient(short, CHAIN),
  }
  for (const [what, octets] of Object.entries(seen)) console.log(`${what}: ${octets > 3000 ? 'more than 3000' : octets < 1000 ? 'less than 1000' : octets.toFixed(0)} octets a client`)
}
main()
JS
echo "Node $(node --version), express 5.1.0, express-rate-limit 8.2.1"
seen=$(node --expose-gc "$work/keys.cjs")
echo "$seen"
[ "$seen" = 'addresses of 15 characters, a chain of 4 kB: more than 3000 octets a client
the same, no chain: less than 1000 octets a client
addresses of up to 12 characters, a chain of 4 kB: less than 1000 octets a client' ]
