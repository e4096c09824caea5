#!/usr/bin/env bash
# Fetches what `npm run bench` compares with: nginx, HAProxy, Caddy and wrk from Debian (as root), http-proxy and undici
# from the npm registry into bench/.contenders, which git ignores. What is missing is skipped by name.
set -euo pipefail

cd "$(dirname "$0")/.."
contenders=bench/.contenders

missing=()
for program in nginx haproxy caddy wrk taskset; do
  command -v "$program" >/dev/null || missing+=("${program/taskset/util-linux}")
done
if [ ${#missing[@]} -gt 0 ]; then
  # Nothing is started: the bench runs each with a configuration of its own.
  apt-get install -y --no-install-recommends "${missing[@]}"
fi

mkdir -p "$contenders"
printf '*\n' >"$contenders/.gitignore"
printf '{ "private": true }\n' >"$contenders/package.json"
npm install --prefix "$contenders" --no-audit --no-fund http-proxy@1.18.1 undici@7
