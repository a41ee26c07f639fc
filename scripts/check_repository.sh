#!/usr/bin/env bash
# Rules of the repository that no linter knows: no download addresses, no paths of a machine, shell syntax, lock files in step.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
fail=0
complain() { printf 'check: %s\n' "$1" >&2; fail=1; }

hits=$(git grep -nIE '(pypi\.org|pythonhosted\.org|registry\.npmjs\.org|deb\.debian\.org)' -- . ':!scripts/check_repository.sh' || true)
[ -z "$hits" ] || complain "names of package registries:
$hits"
hits=$(git grep -nIE '"resolved":' -- viewer/package-lock.json || true)
[ -z "$hits" ] || complain "viewer/package-lock.json carries download addresses (set omit-lockfile-registry-resolved=true and lock again)"
hits=$(git grep -nIE '(^|[^A-Za-z.])/(root|home/[a-z]+|work)/' -- '*.py' '*.ts' '*.md' '*.toml' '*.yaml' '*.json' Makefile || true)
[ -z "$hits" ] || complain "absolute paths of a machine:
$hits"
for script in scripts/*.sh .ci/run; do bash -n "$script" || complain "$script: syntax"; done
for file in sample_data; do
  size=$(du -sm "$file" 2>/dev/null | cut -f1)
  [ "${size:-0}" -le 15 ] || complain "$file: $size MB, expected at most 15"
done
exit "$fail"
