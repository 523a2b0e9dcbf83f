#!/usr/bin/env bash
# Runs all benchmarks of a release build and prints their tables.
# Usage: tests/bench/run.sh [argument of Google Benchmark]...
set -euo pipefail
cd "$(dirname "$0")/../.."
deploy/build.sh release
for bench in world inference rollout row_stream learner; do
  echo "== $bench"
  "build/bench/${bench}_bench" --benchmark_min_time=0.3 "$@"
done
