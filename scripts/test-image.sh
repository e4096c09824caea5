#!/usr/bin/env bash
# Builds the images of the Dockerfile and runs them for real, without a container engine: buildah with chroot
# isolation, over a base made by debootstrap with this machine's Node in it and tagged as the base that the Dockerfile
# names. Needs root and Debian's archive; leaves nothing behind. Takes about three minutes.
set -euo pipefail

cd "$(dirname "$0")/.."
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
work=$(mktemp -d)
storage=(--root "$work/storage" --runroot "$work/run" --storage-driver vfs)
run_pid=

say() { printf '== %s\n' "$*"; }
fail() {
  printf 'failed: %s\n' "$*" >&2
  exit 1
}

clean_up() {
  if [ -n "$run_pid" ]; then kill -KILL "$run_pid" 2>/dev/null || true; fi
  buildah "${storage[@]}" rm --all >/dev/null 2>&1 || true
  rm -rf --one-file-system "$work"
}
trap clean_up EXIT

install_tools() {
  local missing=()
  command -v buildah >/dev/null || missing+=(buildah)
  command -v debootstrap >/dev/null || missing+=(debootstrap)
  if [ ${#missing[@]} -eq 0 ]; then return; fi
  say "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

# Node and npm of this machine, where the official image has them.
copy_node() {
  local root=$1 npm_directory
  npm_directory=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
  mkdir -p "$root/usr/local/bin" "$root/usr/local/lib/node_modules"
  cp "$(readlink -f "$(command -v node)")" "$root/usr/local/bin/node"
  cp -R "$npm_directory" "$root/usr/local/lib/node_modules/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
  # A registry may be reached through a certificate that only this machine trusts.
  cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
}

make_base() {
  local name=$1 container
  say "making a base for $name with Node $(node --version)"
  debootstrap --variant=minbase --include=ca-certificates bookworm "$work/base" "$mirror" >"$work/debootstrap.log" ||
    { tail -n 20 "$work/debootstrap.log" >&2 && fail 'debootstrap'; }
  rm -rf "$work"/base/var/cache/apt/archives/*.deb "$work"/base/var/lib/apt/lists/*
  copy_node "$work/base"
  container=$(buildah "${storage[@]}" from scratch)
  buildah "${storage[@]}" add --quiet "$container" "$work/base" / >/dev/null
  buildah "${storage[@]}" config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    --env NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt "$container"
  buildah "${storage[@]}" commit --quiet --rm "$container" "docker.io/library/$name" >/dev/null
  rm -rf --one-file-system "$work/base"
}

build() {
  local target=$1 tag=$2
  say "building the target $target"
  buildah "${storage[@]}" bud --isolation=chroot --pull-never --format docker --target "$target" --tag "$tag" . \
    >"$work/build-$target.log" 2>&1 || { tail -n 40 "$work/build-$target.log" >&2 && fail "the build of $target"; }
}

# One setting of an image, as JSON; null where it is not set.
setting() {
  buildah "${storage[@]}" inspect --type image "$1" |
    node -e 'console.log(JSON.stringify(JSON.parse(fs.readFileSync(0)).Docker.config[process.argv[1]] ?? null))' "$2"
}

expect() {
  local what=$1 found=$2 wanted=$3
  if [ "$found" != "$wanted" ]; then fail "$what: found $found, wanted $wanted"; fi
  say "$what: $found"
}

# Waits until a command succeeds, at most so many seconds, while the program under test runs.
await() {
  local what=$1 seconds=$2 deadline
  shift 2
  deadline=$((SECONDS + seconds))
  until "$@" >/dev/null 2>&1; do
    if ! kill -0 "$run_pid" 2>/dev/null; then fail "$what: the program ended: $(tail -n 20 "$work/run.log")"; fi
    if [ "$SECONDS" -ge "$deadline" ]; then fail "$what: not within $seconds s: $(tail -n 20 "$work/run.log")"; fi
    sleep 0.2
  done
  say "$what"
}

answers() { node -e 'fetch(process.argv[1]).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))' "$1"; }

free_port() {
  node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })'
}

# The words of a chroot command that runs an image's own command as its own user and with its own environment: after
# those of the image come the settings given as NAME=VALUE, and other words take the place of its CMD.
command_words() {
  local tag=$1 root=$2
  shift 2
  node -e '
    const [root, user, env, entrypoint, command, ...given] = process.argv.slice(1)
    const isSetting = (word) => /^[A-Z_]+=/.test(word)
    const words = given.filter((word) => !isSetting(word))
    const settings = [...JSON.parse(env), "HOME=/", ...given.filter(isSetting)]
    const run = [...JSON.parse(entrypoint), ...(words.length > 0 ? words : JSON.parse(command))]
    console.log(["--userspec=" + JSON.parse(user), root, "env", "-i", ...settings, ...run].join("\n"))
  ' "$root" "$(setting "$tag" User)" "$(setting "$tag" Env)" "$(setting "$tag" Entrypoint)" "$(setting "$tag" Cmd)" "$@"
}

# Runs an image as a container would: read-only but for /tmp and the state, with /proc and /dev, in a mount namespace
# of its own. Each step is an exec, so that run_pid is the program's own id and signals reach it directly.
run_image() {
  local root=$2 words
  command_words "$@" >"$work/words"
  mapfile -t words <"$work/words"
  # shellcheck disable=SC2016
  unshare --mount --propagation private sh -euc '
    root=$1
    shift
    mount --bind "$root" "$root"
    mount --rbind /proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    if [ -d "$root/var/lib/amarre" ]; then mount --bind "$root/var/lib/amarre" "$root/var/lib/amarre"; fi
    mount -o remount,bind,ro "$root"
    exec chroot "$@"
  ' sh "$root" "${words[@]}" >"$work/run.log" 2>&1 &
  run_pid=$!
}

stop_within() {
  local seconds=$1 started=$SECONDS code=0
  kill -TERM "$run_pid"
  (sleep "$seconds" && kill -KILL "$run_pid" 2>/dev/null) &
  local guard=$!
  wait "$run_pid" || code=$?
  kill "$guard" 2>/dev/null || true
  run_pid=
  expect "exit code after SIGTERM ($((SECONDS - started)) s)" "$code" 0
}

test_shop() {
  local tag=localhost/amarre-shop:test container root port
  build shop "$tag"
  container=$(buildah "${storage[@]}" from --pull-never "$tag")
  root=$(buildah "${storage[@]}" mount "$container")
  port=$(free_port)
  run_image "$tag" "$root" --version 1.1.0 --name a --port "$port"
  await 'the shop is healthy' 10 answers "http://127.0.0.1:$port/healthz"
  expect 'user of the shop' "$(stat -c %u "/proc/$run_pid")" 10002
  stop_within 12
}

test_gateway() {
  local tag=localhost/amarre:test container root http_port admin_port
  build gateway "$tag"
  expect 'user of the gateway, as set' "$(setting "$tag" User)" '"10001:10001"'
  expect 'command' "$(setting "$tag" Entrypoint) $(setting "$tag" Cmd)" \
    '["node","/app/dist/gateway/cli/amarre.js"] ["start","--config","/etc/amarre"]'
  container=$(buildah "${storage[@]}" from --pull-never "$tag")
  root=$(buildah "${storage[@]}" mount "$container")
  for surplus in dist/test dist/examples node_modules/typescript node_modules/tap gateway; do
    if [ -e "$root/app/$surplus" ]; then fail "the image holds /app/$surplus, which nothing needs"; fi
  done
  say "size of /app: $(du -sh "$root/app" | cut -f1)"
  cp -R deploy/compose/config/. "$root/etc/amarre/"
  http_port=$(free_port)
  admin_port=$(free_port)
  run_image "$tag" "$root" "AMARRE_LISTEN_HTTP=127.0.0.1:$http_port" "AMARRE_ADMIN_LISTEN=127.0.0.1:$admin_port"
  await 'the gateway lives' 20 answers "http://127.0.0.1:$admin_port/livez"
  await 'the gateway is ready' 20 answers "http://127.0.0.1:$admin_port/readyz"
  await 'the metrics are exposed' 5 answers "http://127.0.0.1:$admin_port/metrics"
  await 'the health check of the image succeeds' 5 health_check "$tag" "$root" "$admin_port"
  expect 'user of the gateway' "$(stat -c %u "/proc/$run_pid")" 10001
  # exitDelay is 0 s, and drainOnExit of 30 s has nothing to wait for.
  stop_within 15
  if [ -z "$(ls -A "$root/var/lib/amarre")" ]; then fail 'nothing was kept under /var/lib/amarre'; fi
}

# Runs the health check that the image names, at the port that was chosen here.
health_check() {
  local words
  setting "$1" Healthcheck | node -e '
    const [kind, ...words] = JSON.parse(fs.readFileSync(0)).Test
    if (kind !== "CMD") throw new Error("not in exec form")
    console.log(words.join("\n").replace("127.0.0.1:9901", "127.0.0.1:" + process.argv[1]))
  ' "$3" >"$work/words"
  mapfile -t words <"$work/words"
  chroot --userspec=10001:10001 "$2" "${words[@]}"
}

[ "$(id -u)" -eq 0 ] || fail 'must run as root: it makes a root file system'
install_tools
make_base "$(sed -n 's/^FROM \([^ ]*\) AS build$/\1/p' Dockerfile)"
test_shop
test_gateway
say 'the images work'
