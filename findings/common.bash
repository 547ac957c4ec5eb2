# What the scripts share: a temporary directory, a pinned Node.js, node-fastcgi as the application, programs that are stopped at
# the end. Sourced, not run.
work=$(mktemp -d)
chmod 755 "$work"
port=$((20000 + RANDOM % 10000))
pids=()
nginx_user=
[ "$(id -u)" -eq 0 ] && nginx_user='user root;'
nginx_temporary=$(for kind in client_body proxy fastcgi uwsgi scgi; do printf '%s_temp_path %s/%s; ' "$kind" "$work" "$kind"; done)

cleanup() {
  [ "${#pids[@]}" -gt 0 ] && kill "${pids[@]}" 2>/dev/null
  wait 2>/dev/null
  rm -rf "$work"
}
trap cleanup EXIT

# need PROGRAM PACKAGE: installs the Debian package where the program is missing.
need() {
  PATH=$PATH:/usr/sbin:/sbin
  command -v "$1" >/dev/null && return
  apt-get install --quiet --yes --no-install-recommends "$2" >/dev/null 2>&1 || { echo "needs the package $2"; exit 2; }
}

install_backend() {
  (cd "$work" && npm install --silent --no-audit --no-fund --ignore-scripts node-fastcgi@2.0.0 >/dev/null) || exit 2
  echo "backend: node-fastcgi 2.0.0, Node $(node --version)"
}

# install_node VERSION: `$node` is that Node.js.
install_node() {
  (cd "$work" && npm install --silent --no-audit --no-fund --ignore-scripts=false "node@$1" >/dev/null 2>&1) || exit 2
  node=$work/node_modules/node/bin/node
}

start() {
  "$@" >"$work/output.${#pids[@]}" 2>&1 &
  pids+=($!)
}

# Waits until somebody accepts connections on a port of 127.0.0.1.
listening() {
  local attempt
  for attempt in $(seq 100); do
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
    sleep 0.1
  done
  echo "nobody listens on port $1"; cat "$work"/output.* | head -40; exit 2
}
