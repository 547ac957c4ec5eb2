#!/bin/bash
# mysql2 (npm): what a listener on a query throws is swallowed: no 'uncaughtException', no 'error' of the query, no line of output.
#
# Expected: an exception of a listener leaves emit(), as everywhere, and 'uncaughtException' hears of it; so it is with pg, with
# mysql, and in mysql2 itself with an exception in a query's callback.
# Seen: mysql2 handles each packet in a try block of its own, and takes whatever leaves it for a broken protocol: the connection is
# destroyed. The pool makes another one, and nothing is told. The callback is called later, outside of that block.
# Why it matters: a bug in the code that takes the rows shows neither in a log nor in an error tracker, and its request hangs.
set -u
. "$(dirname "$0")/common.bash"
need mariadbd mariadb-server
(cd "$work" && npm install --silent --no-audit --no-fund --ignore-scripts mysql2@3.24.6 mysql@2.18.1 >/dev/null) || exit 2

cat >"$work/swallowed.cjs" <<'JS'
const { setTimeout: wait } = require('node:timers/promises')
const port = Number(process.argv[2])
const heard = []
process.on('uncaughtException', ({ message }) => heard.push(message))
const fail = (where) => () => { throw new Error(where) }
const main = async () => {
  for (const name of ['mysql', 'mysql2']) {
    const pool = require(name).createPool({ host: '127.0.0.1', port, user: 'root', connectionLimit: 5 })
    pool.query('SELECT 1').on('result', fail("'result'"))
    await wait(700)
    pool.query('SELECT 1').on('end', fail("'end'"))
    await wait(700)
    pool.query('SELECT 1', fail('callback'))
    await wait(700)
    console.log(`${name}: ${heard.splice(0).join(', ')}`)
  }
  process.exit()
}
main()
JS
mariadb-install-db --no-defaults --datadir="$work/data" --user="$(id -un)" --auth-root-authentication-method=normal >/dev/null 2>&1 || exit 2
start mariadbd --no-defaults --user="$(id -un)" --datadir="$work/data" --socket="$work/s" --port="$port" --bind-address=127.0.0.1 \
  --pid-file="$work/pid" --innodb-buffer-pool-size=16M
listening "$port"

echo "Node $(node --version), $(mariadbd --version)"
seen=$(node "$work/swallowed.cjs" "$port")
echo "$seen"
[ "$seen" = "mysql: 'result', 'end', callback
mysql2: callback" ]
