#!/bin/bash
# Node's inspector: whoever comes second is told of a pause that is not its own, as if it were, and its 'resume' ends it.
#
# Expected: a session that asks for a pause hears 'Debugger.paused' for its own, after 'Debugger.enable' was answered; 'Debugger.resume'
# ends what the session itself has paused.
# Seen: where another session holds the process at a breakpoint, 'Debugger.paused' comes to a new session before its
# 'Debugger.enable' is answered, with the reason 'other' as for a pause of its own, and 'Debugger.resume' of the new session lets
# the process go on under the first one's hands. Disconnecting without it leaves the breakpoint alone.
# Why it matters: a watchdog that takes the stack of a blocked event loop from a thread meets a developer at a breakpoint, whose
# event loop does not turn either. It would report a stuck process, and end the breakpoint. The order of the two messages tells.
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "Node $(node --version)"
cat >"$work/watchdog.cjs" <<'JS'
const { Session } = require('node:inspector')
const { isMainThread, parentPort, workerData, Worker } = require('node:worker_threads')
const { writeSync } = require('node:fs')
if (!isMainThread) {
  setInterval(() => {}, 1000)
  const developer = new Session()
  developer.connectToMainThread()
  developer.once('Debugger.resumed', () => writeSync(1, 'developer: resumed\n'))
  developer.once('Debugger.paused', ({ params }) => {
    writeSync(1, `developer: paused, ${params.reason}\n`)
    const second = new Session()
    second.connectToMainThread()
    second.once('Debugger.paused', ({ params: { reason } }) => {
      writeSync(1, `second: paused, ${reason}\n`)
      if (workerData === 'resume') second.post('Debugger.resume')
    })
    second.post('Debugger.enable', () => {
      writeSync(1, 'second: enabled\n')
      second.disconnect()
      setTimeout(() => { writeSync(1, 'the end\n'); process.kill(process.pid, 'SIGKILL') }, 500)
    })
  })
  developer.post('Debugger.enable')
  developer.post('Debugger.pause')
} else {
  new Worker(__filename, { workerData: process.argv[2] })
  setInterval(() => {}, 10)
}
JS
run() { node "$work/watchdog.cjs" "$1" 2>&1 | grep -v Killed | tr '\n' ';'; }
resumed=$(run resume) left=$(run leave)
echo "the second resumes:     $resumed"
echo "the second disconnects: $left"
[ "$left" = 'developer: paused, other;second: paused, other;second: enabled;the end;' ] &&
  [ "${resumed/developer: resumed;/}" != "$resumed" ] && [ "${resumed#*second: paused, other;}" != "$resumed" ]
