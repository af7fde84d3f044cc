#!/usr/bin/env bash
# Build the image on a base made here, and see that it works: `make image-test`, as root on Debian or Ubuntu, with buildah and debootstrap.
#
# Code server and IRT service run as uid 10001 on a read-only file system, in which they may write to /tmp, /home/seedtest and /app/.seedtest alone.
# DATABASE_URL and DAGSTER_POSTGRES_URL, where they are set, are what `seedtest status` is asked about; else a PostgreSQL of this machine's packages is started.
set -euo pipefail
cd "$(dirname "$0")/.."

for program in buildah debootstrap unshare chroot; do
  command -v "$program" >/dev/null || { echo "error: $program is missing. apt-get install buildah debootstrap"; exit 1; }
done
[ "$(id -u)" = 0 ] || { echo "error: building a base and changing the root need root"; exit 1; }

suite=bookworm image=localhost/seedtest-assets:test
work=$(mktemp -d) children=()
storage=(--root "$work/store" --runroot "$work/run" --storage-driver vfs)
finish() {
  for child in "${children[@]}"; do kill -- "-$child" 2>/dev/null || true; done
  buildah "${storage[@]}" umount --all >/dev/null 2>&1 || true
  [ -z "${postgres:-}" ] || su postgres -c "$postgres/pg_ctl --pgdata $work/pg --silent --mode immediate stop" || true
  rm -rf "$work"
}
trap finish EXIT

echo "== a base: Debian $suite with Python, without documentation"
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "$suite" "$work/base" >"$work/debootstrap.log" || { tail -3 "$work/debootstrap.log"; exit 1; }
rm -rf "$work"/base/usr/share/{doc,man,locale} "$work"/base/var/cache/apt/* "$work"/base/var/lib/apt/lists/*
container=$(buildah "${storage[@]}" from scratch)
buildah "${storage[@]}" add --quiet "$container" "$work/base" / >/dev/null
buildah "${storage[@]}" commit --quiet --rm "$container" localhost/base >/dev/null
rm -rf "$work/base"

echo "== the image"
version=$(sed -n 's/^fallback-version = "\(.*\)"/\1/p' pyproject.toml)
# Certificates that this machine trusts are trusted while it is built, too.
certificates=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
buildah "${storage[@]}" build --isolation chroot --quiet --format docker --build-arg BASE=localhost/base --build-arg "VERSION=$version" \
  --volume "$certificates:/etc/ssl/certs/ca-certificates.crt:ro" --file deploy/Dockerfile --tag "$image" . >/dev/null
root=$(buildah "${storage[@]}" mount "$(buildah "${storage[@]}" from "$image")")
buildah "${storage[@]}" images --format '{{.Size}}' "$image" | sed 's/^/size: /'

if [ -z "${DATABASE_URL:-}" ]; then
  postgres=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
  install --directory --owner postgres "$work/pg" && chmod 711 "$work"
  su postgres -c "$postgres/initdb --pgdata $work/pg --auth trust >/dev/null && \
    $postgres/pg_ctl --pgdata $work/pg --silent --wait --log $work/pg/log --options '-h 127.0.0.1 -p 15432 -k $work/pg' start && \
    $postgres/createdb --host $work/pg --port 15432 platform && $postgres/createdb --host $work/pg --port 15432 dagster"
  export DATABASE_URL=postgresql://postgres@127.0.0.1:15432/platform DAGSTER_POSTGRES_URL=postgresql://postgres@127.0.0.1:15432/dagster
fi

# In the image as a container runtime would start it: read-only, with three places to write to, as the user of the image.
inside() {
  unshare --mount bash -euc '
    root=$1; shift
    mount --bind "$root" "$root" && mount -o remount,bind,ro "$root"
    for place in tmp home/seedtest app/.seedtest; do mount -t tmpfs -o mode=700,uid=10001 tmpfs "$root/$place"; done
    mount -t proc proc "$root/proc" && mount --bind /dev "$root/dev"
    exec chroot --userspec=10001:10001 "$root" /usr/bin/env --ignore-environment --chdir=/app \
      PATH=/opt/venv/bin:/usr/bin:/bin HOME=/home/seedtest PYTHONUNBUFFERED=1 NUMBA_CACHE_DIR=/home/seedtest/numba MPLCONFIGDIR=/home/seedtest/matplotlib \
      SEEDTEST_LAKE=/home/seedtest/lake DAGSTER_HOME=/app "DATABASE_URL=$DATABASE_URL" "DAGSTER_POSTGRES_URL=$DAGSTER_POSTGRES_URL" "$@"
  ' inside "$root" "$@"
}
start() {
  set -m; inside "$@" >"$work/$1.log" 2>&1 & set +m
  children+=("$!")
}
healthy() {
  for _ in $(seq 240); do
    if inside "$@" >/dev/null 2>&1; then return; fi
    sleep 0.5
  done
  tail -20 "$work"/*.log; echo "error: no answer to: $*"; exit 1
}

echo "== code server and IRT service, as uid $(inside id -u)"
if inside touch /app/written 2>/dev/null; then echo "error: the file system is not read-only"; exit 1; fi
start dagster api grpc --host 127.0.0.1 --port 14000 --module-name seedtest_assets.definitions
start seedtest serve --port 18000
healthy dagster api grpc-health-check --port 14000
healthy python -c "from urllib.request import urlopen; urlopen('http://127.0.0.1:18000/healthz')"
echo "both healthy"

echo "== seedtest status"
inside seedtest status
