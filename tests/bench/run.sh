#!/usr/bin/env bash
# Builds and runs all benchmarks of a release build, and writes the tables of docs/PERFORMANCE.md and
# docs/SCALE.md with the machine they come from. Some fifteen minutes on two idle cores.
# Usage: tests/bench/run.sh                                 everything, and the tables
#        tests/bench/run.sh --compare BUILD [FILTER]        this build and another in alternation: which
#                                                           figures moved (environment PAIRS: how many pairs)
#        tests/bench/run.sh --print [option]...             Google Benchmark's own tables, with its options
set -euo pipefail
cd "$(dirname "$0")/../.."

programs=(world inference rollout row_stream learner coordinator scale)

case "${1:-}" in
  --compare)
    [ -d "${2:-}/bench" ] || { echo "--compare wants another build's folder, such as ../other/build" >&2; exit 2; }
    deploy/build.sh release
    exec python3 tests/bench/compare.py build "${@:2}"
    ;;
  --print)
    deploy/build.sh release
    for program in "${programs[@]}"; do
      echo "== $program"
      "build/bench/${program}_bench" --benchmark_min_time=0.3 "${@:2}"
    done
    exit
    ;;
  "") ;;
  *) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

deploy/build.sh release
results=build/bench/results
rm -rf "$results"
mkdir -p "$results"
for program in "${programs[@]}"; do
  echo "== $program" >&2
  # Of the short ones, and of one that a busy neighbour moves a lot, the median of three.
  repetitions=1
  case $program in world | inference | rollout | row_stream | coordinator) repetitions=3 ;; esac
  "build/bench/${program}_bench" --benchmark_min_time=0.2 --benchmark_repetitions=$repetitions \
    --benchmark_out="$results/$program.json" --benchmark_out_format=json >"$results/$program.txt"
done
python3 tests/bench/whole_runs.py build "$results/whole_runs.json"
python3 tests/bench/tables.py "$results" build docs/PERFORMANCE.md docs/SCALE.md
