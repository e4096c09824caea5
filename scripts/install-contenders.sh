#!/usr/bin/env bash
# Fetches what `npm run bench` compares with: nginx, HAProxy, Caddy and wrk from Debian (as root), http-proxy and undici
# from the npm registry into bench/.contenders, which git ignores. What is missing is skipped by name.
set -euo pipefail

cd "$(dirname "$0")/.."
contenders=bench/.contenders
# Where Debian keeps servers; an ordinary user's path does not lead there.
PATH="$PATH:/usr/sbin"

missing=()
for program in nginx haproxy caddy wrk taskset chrt; do
  command -v "$program" >/dev/null || missing+=("$program")
done
if [ ${#missing[@]} -gt 0 ]; then
  # The bench runs each with a configuration of its own: their services are not needed.
  apt-get update
  missing=("${missing[@]/taskset/util-linux}")
  apt-get install -y --no-install-recommends "${missing[@]/chrt/util-linux}"
fi

mkdir -p "$contenders"
printf '*\n' >"$contenders/.gitignore"
printf '{ "private": true }\n' >"$contenders/package.json"
npm install --prefix "$contenders" --no-audit --no-fund http-proxy@1.18.1 undici@7
