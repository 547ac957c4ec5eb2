#!/bin/bash
# redis 3 (npm): a callback that throws holds back the replies that came behind its own, until Redis sends something more.
#
# Expected: where a program goes on after an exception, as with an 'uncaughtException' handler or a domain, one callback's
# throw concerns that callback. The other commands have been sent, and their replies have been received.
# Seen: redis-parser hands out the replies of a chunk in a loop that the exception leaves. The rest stays in its buffer and is
# looked at with the next chunk: on an idle connection never, and after one more command all at once. ioredis has the same
# parser, and no loss: it calls back from a promise.
# Why it matters: on a site with little traffic requests hang that have nothing to do with the one that failed.
set -u
. "$(dirname "$0")/common.bash"
need redis-server redis-server
(cd "$work" && npm install --silent --no-audit --no-fund --ignore-scripts redis@3.1.2 ioredis@5.8.2 >/dev/null) || exit 2

cat >"$work/replies.cjs" <<'JS'
const { setTimeout: wait } = require('node:timers/promises')
const port = Number(process.argv[2])
const clients = {
  'redis 3.1.2': () => require('redis').createClient({ host: '127.0.0.1', port }),
  'ioredis 5.8.2': () => new (require('ioredis'))({ host: '127.0.0.1', port }),
}
process.on('uncaughtException', () => undefined)
const main = async () => {
  for (const [name, connect] of Object.entries(clients)) {
    const client = connect()
    await new Promise((resolve) => client.ping(resolve))
    const called = []
    client.echo('first', () => { called.push('first'); throw new Error('of the first callback') })
    client.echo('second', () => called.push('second'))
    client.echo('third', () => called.push('third'))
    await wait(2000)
    const idle = called.join(', ')
    client.echo('one more', () => called.push('one more'))
    await wait(500)
    console.log(`${name}, two seconds later: ${idle}; after one more command: ${called.join(', ')}`)
  }
  process.exit()
}
main()
JS
start redis-server --port "$port" --bind 127.0.0.1 --save '' --dir "$work"
listening "$port"

echo "Node $(node --version), $(redis-server --version | cut -d' ' -f1-3)"
seen=$(node "$work/replies.cjs" "$port")
echo "$seen"
[ "$seen" = 'redis 3.1.2, two seconds later: first; after one more command: first, second, third, one more
ioredis 5.8.2, two seconds later: first, second, third; after one more command: first, second, third, one more' ]
