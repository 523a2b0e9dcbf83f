#!/usr/bin/env bash
# Installs, builds and runs all tests. Run it again and it skips what is done.
# Usage: tests/run.sh [PRESET [argument of ctest]...]   (PRESET: release, debug, asan or tsan)
set -euo pipefail
cd "$(dirname "$0")/.."
preset=release
case "${1:-}" in
  -h | --help) sed -n '2,3s/^# \{0,1\}//p' "$0"; exit 0 ;;
  "" | -*) ;;
  *) preset=$1; shift ;;
esac
deploy/packages.sh
deploy/build.sh "$preset"
exec ctest --preset "$preset" -j "$(nproc)" "$@"
