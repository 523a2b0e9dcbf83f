#!/usr/bin/env bash
# Configures and builds one preset of CMakePresets.json (default: release, into build/).
# Usage: deploy/build.sh [PRESET [TARGET...]]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-release}
shift || true
launcher=()
command -v ccache >/dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
# Some of the files take 1.5 GB to compile: no more jobs than memory has room for.
memory_gb=$(awk '/MemAvailable/ {print int($2 / 1048576)}' /proc/meminfo)
jobs=$(nproc)
[ "$jobs" -gt $((memory_gb / 2 + 1)) ] && jobs=$((memory_gb / 2 + 1))
cmake --preset "$preset" "${launcher[@]}" >/dev/null
target=()
[ $# -gt 0 ] && target=(--target "$@")
cmake --build --preset "$preset" -j "$jobs" "${target[@]}"
