#!/bin/bash
# Node: a process that had a listener for SIGUSR1 and took it back is killed by the next SIGUSR1.
#
# Expected: as before there was a listener. A Node that never had one starts its debugger at SIGUSR1 and lives on.
# Seen: the first listener replaces the handler of the debugger; with the last listener the signal gets the system's default action, which is
# to end the process, and the debugger's handler does not come back.
# Why it matters: SIGUSR1 is what logrotate sends to web servers, and `systemctl kill` sends it to all processes of a unit. A worker that
# never listened opens a port; one that stops listening dies.
set -u
. "$(dirname "$0")/common.bash"

cat >"$work/signal.cjs" <<'JS'
const listener = () => {}
if (process.argv[2] === 'removed') {
  process.on('SIGUSR1', listener)
  process.removeListener('SIGUSR1', listener)
}
setTimeout(() => process.kill(process.pid, 'SIGUSR1'), 100)
setTimeout(() => { console.log('lives'); process.exit() }, 1000)
JS
status=0
for version in 20.19.0 24.11.1; do
  (cd "$work" && npm install --silent --no-audit --no-fund "node@$version" >/dev/null) || exit 2
  node=$work/node_modules/.bin/node
  echo "Node $("$node" --version)"
  never=$("$node" "--inspect-port=127.0.0.1:$port" "$work/signal.cjs" never 2>"$work/debugger")
  removed=$("$node" "$work/signal.cjs" removed 2>/dev/null; echo "ended with status $?")
  echo "never listened: ${never}; $(grep -o '^Debugger listening' "$work/debugger")"
  echo "listener removed: ${removed}"
  [ "$never" = lives ] && grep -q '^Debugger listening' "$work/debugger" && [ "$removed" = 'ended with status 138' ] || status=1
done
exit "$status"
