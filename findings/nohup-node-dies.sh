#!/bin/bash
# nohup does not keep a Node.js program alive: a terminal that closes ends it all the same.
#
# Expected: nohup(1) starts a program with SIGHUP ignored, and POSIX lets an ignored signal stay ignored through exec. So `nohup sleep` lives on
# when SIGHUP comes, and so should `nohup node`. Seen: Node.js sets signals that its parent ignores back to their default when it starts
# (PlatformInit in src/node.cc), so SIGHUP ends it. A program that wants to live has to listen for SIGHUP itself.
set -u
command -v node nohup sleep > /dev/null || exit 2
work=$(mktemp -d)
trap 'kill $sleeper $node 2> /dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 2

nohup sleep 20 > /dev/null 2>&1 & sleeper=$!
nohup node -e 'require("fs").writeFileSync("up", ""); setTimeout(() => {}, 20000)' > /dev/null 2>&1 & node=$!
until [ -e up ]; do sleep 0.1; done
ignored=$(awk '/^SigIgn:/ { print $2 }' "/proc/$sleeper/status")
kept=$(awk '/^SigIgn:/ { print $2 }' "/proc/$node/status")
kill -HUP $sleeper $node
wait $node
status=$?
echo "node $(node --version), $(nohup --version | head -1)"
echo "signals that sleep ignores: $ignored (the last bit is SIGHUP), that node ignores: $kept"
lives=no
kill -0 $sleeper 2> /dev/null && lives=yes
echo "after SIGHUP: sleep lives: $lives; node has ended with status $status (129 is SIGHUP)"
[ $lives = yes ] && [ $status = 129 ]
