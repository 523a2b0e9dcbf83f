#!/usr/bin/env bash
# Builds the fuzz targets and runs each for some seconds (default 5) from its seeds and with a fixed
# seed of libFuzzer's own. The corpus in the repository stays as it is.
# Usage: tests/fuzz/run.sh [SECONDS [TARGET...]]
# A finding is kept in build-fuzz/findings, with the command that repeats it.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-5}
shift || true
case "$seconds" in
  "" | *[!0-9]*) sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

deploy/packages.sh fuzz
deploy/build.sh fuzz fuzz

# Longest input, in bytes, and words that help, by target.
max_len() {
  case "$1" in
    manifest_fuzz) echo 2048 ;;
    command_line_fuzz | schedule_strings_fuzz) echo 4096 ;;
    safetensors_fuzz | options_text_fuzz) echo 8192 ;;
    *) echo 16384 ;;
  esac
}
dictionary() {
  case "$1" in
    options_text_fuzz | command_line_fuzz | schedule_strings_fuzz) echo tests/fuzz/options.dict ;;
    manifest_fuzz | mix_file_fuzz | gate_history_fuzz) echo tests/fuzz/json.dict ;;
    safetensors_fuzz) echo tests/fuzz/safetensors.dict ;;
  esac
}

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for file in tests/fuzz/*_fuzz.cc; do targets+=("$(basename "$file" .cc)"); done
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
findings=$PWD/build-fuzz/findings
mkdir -p "$findings"
# Leaks are looked for as well, and what is undefined comes with a backtrace.
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=0
export UBSAN_OPTIONS=print_stacktrace=1
export ASAN_SYMBOLIZER_PATH=${ASAN_SYMBOLIZER_PATH:-$(command -v llvm-symbolizer-14 || command -v llvm-symbolizer || true)}

passed=0 failed=0
for target in "${targets[@]}"; do
  program=build-fuzz/fuzz/$target
  seeds=$work/$target
  log=$work/$target.log
  mkdir -p "$seeds"
  cp tests/fuzz/corpus/"$target"/* "$seeds"/
  options=(-max_total_time="$seconds" -seed=1 -timeout=10 -rss_limit_mb=2048
           -max_len="$(max_len "$target")" -print_final_stats=1 -use_value_profile=1)
  words=$(dictionary "$target")
  [ -n "$words" ] && options+=(-dict="$words")
  before=$(ls "$findings")
  if "$program" "${options[@]}" -artifact_prefix="$findings/$target-" "$seeds" >"$log" 2>&1; then
    status=ok passed=$((passed + 1))
  else
    status=FAILED failed=$((failed + 1))
  fi
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  seeds_cov=$(sed -n 's/^#[0-9]*\tINITED cov: \([0-9]*\).*/\1/p' "$log")
  cov=$(sed -n 's/^#[0-9]*\t.* cov: \([0-9]*\).*/\1/p' "$log" | tail -1)
  corpus=$(sed -n 's/^#[0-9]*\t.* corp: \([0-9]*\).*/\1/p' "$log" | tail -1)
  printf '%-22s %-6s %9s executions, coverage %s (seeds alone %s), corpus %s\n' \
    "$target" "$status" "${executions:-?}" "${cov:-?}" "${seeds_cov:-?}" "${corpus:-?}"
  [ "$status" = ok ] && continue
  # What was found, without libFuzzer's progress.
  grep -v -E '^#[0-9]+\s' "$log" | tail -60
  for artifact in $(comm -13 <(echo "$before") <(ls "$findings")); do
    echo "repeat it with: $program -timeout=10 -rss_limit_mb=2048 $findings/$artifact"
  done
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
