#!/usr/bin/env bash
# build.sh OUTDIR: builds the web UI into OUTDIR/site and turns it into OUTDIR/assets.cc, which the hub links (assets.h says what is in it).
#
# Needs Debian's nodejs and npm, nothing else. Skips what is up to date; --force builds anyway. Writes only OUTDIR and node_modules/.
set -euo pipefail

out=$(mkdir -p "${1:?usage: build.sh OUTDIR [--force]}" && cd "$1" && pwd)
force=${2:-}
source "$(dirname "${BASH_SOURCE[0]}")/node.sh"
cd "$ui"

exec 8>"$out/.lock"
flock 8
inputs=(index.html package.json package-lock.json tsconfig.json vite.config.ts embed.mjs build.sh node.sh public src)
if [ "$force" != --force ] && [ -e "$out/assets.cc" ] && [ -z "$(find "${inputs[@]}" -newer "$out/assets.cc" -print -quit)" ]; then
  exit 0
fi
"$node" node_modules/typescript/bin/tsc --noEmit -p . >&2
"$node" node_modules/vite/bin/vite.js build --outDir "$out/site" --emptyOutDir --logLevel warn >&2
"$node" embed.mjs "$out/site" "$out/assets.cc.new"
mv "$out/assets.cc.new" "$out/assets.cc"
