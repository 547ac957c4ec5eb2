#!/bin/bash
# Node's permission model, Node 20.20.2 and 24.21.0 (packages node@VERSION of npm); 22.23.3 and 26.10.0 are the same.
#
# Expected: --allow-fs-read=DIR lets a program stat DIR and read what is in it, whatever else is allowed; each flag adds
# to the others (Node's documentation: "multiple paths can be allowed" by giving the flag again).
# Seen: where a file beside DIR is allowed too whose name begins with that of DIR (app.js beside app), everything in DIR
# is allowed and DIR itself is not: stat and readdir of it fail with ERR_ACCESS_DENIED. With a file of another name, it
# is allowed. So a server that looks at the directory its socket is to be in is refused, though the flag is there.
set -euo pipefail
VERSIONS=(20.20.2 24.21.0)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir app
touch app/inside
cat > app.js <<'JS'
const fs = require('node:fs')
const of = (work) => { try { work(); return 'allowed' } catch (error) { return error.code } }
console.log(`directory ${of(() => fs.statSync('app'))}, its list ${of(() => fs.readdirSync('app'))}, a file in it ${of(() => fs.statSync('app/inside'))}`)
JS
cp app.js other.js
changed=0
for version in "${VERSIONS[@]}"; do
  mkdir "node-$version"
  (cd "node-$version" && npm init -y > init.log && npm install --no-audit --no-fund "node@$version" > install.log 2>&1)
  node=$work/node-$version/node_modules/node/bin/node
  flag=--permission
  [[ $version == 20.* ]] && flag=--experimental-permission
  for program in other.js app.js; do
    seen=$("$node" --no-warnings "$flag" "--allow-fs-read=$work/$program" "--allow-fs-read=$work/app" "$work/$program")
    echo "node $("$node" --version), $program and app allowed: $seen"
    expected='directory allowed, its list allowed, a file in it allowed'
    [[ $program == app.js ]] && expected='directory ERR_ACCESS_DENIED, its list ERR_ACCESS_DENIED, a file in it allowed'
    [[ $seen == "$expected" ]] || changed=1
  done
done
exit "$changed"
