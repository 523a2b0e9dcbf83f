#!/usr/bin/env bash
# Installs, builds and runs the tests. Run it again and it skips what is done.
# Usage: tests/run.sh [PRESET [argument of ctest]...]   (PRESET: release, debug, asan or tsan)
#        tests/run.sh ci                                what every change must pass: release, 5 s a fuzz target
#        tests/run.sh containers                        compose.yaml under the container engine that is here
#        tests/run.sh extended [HOURS]                  all that takes long: every preset, a minute for each
#                                                       fuzz target, HOURS (default 1) of faults, a long soak,
#                                                       and containers where an engine is
set -euo pipefail
cd "$(dirname "$0")/.."

# preset NAME [argument of ctest]...
preset() {
  local name=$1
  shift
  deploy/packages.sh tests
  deploy/build.sh "$name"
  ctest --preset "$name" -j "$(nproc)" "$@"
}

case "${1:-}" in
  -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0" ;;
  ci)
    preset release
    tests/fuzz/run.sh 5
    ;;
  containers)
    deploy/packages.sh tests
    deploy/build.sh release
    tests/deploy/containers_test.py "${@:2}"
    tests/deploy/containers_tls_test.py
    ;;
  extended)
    preset release
    preset asan
    preset tsan
    tests/fuzz/run.sh 60
    build/tests/shoal-faults --hours "${2:-1}" --seed "$(date +%s)"
    SHOAL_SOAK_CYCLES=1000 build/tests/soak_test
    tests/deploy/containers_test.py || [ $? -eq 77 ]
    tests/deploy/containers_tls_test.py || [ $? -eq 77 ]
    ;;
  "" | -*) preset release "$@" ;;
  *) preset "$@" ;;
esac
