#!/usr/bin/env bash
# Runs a program of a sanitizer build with the options that our tests want, which the programs that
# it starts inherit, and fails if any of them had something to report: a program that a test kills,
# restarts or expects to fail must not take its report with it.
# Usage: tests/sanitizers/run.sh PROGRAM [ARGUMENT]...
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
log="log_path=$reports/report"

# Debian's gRPC, protobuf and others are not instrumented: what their code does to memory through
# memcpy and the like cannot be judged. The exit code is one that no program of ours uses.
export TSAN_OPTIONS="suppressions=$here/tsan.supp:ignore_noninstrumented_modules=1:halt_on_error=1:exitcode=66:second_deadlock_stack=1:history_size=4:$log${TSAN_OPTIONS:+:$TSAN_OPTIONS}"
# std::string and std::vector of libraries built without ASan would be called container overflows.
# The file layer of tests/faults comes before ASan's library, and leads on to it.
export ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=1:halt_on_error=1:exitcode=66:detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1:$log${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export LSAN_OPTIONS="suppressions=$here/lsan.supp:print_suppressions=0${LSAN_OPTIONS:+:$LSAN_OPTIONS}"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:$log${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"

"$@"
code=$?
if compgen -G "$reports/report.*" >/dev/null; then
  cat "$reports"/report.* >&2
  echo "sanitizers: $(ls "$reports" | wc -l) process(es) reported" >&2
  [ "$code" -eq 0 ] && code=66
fi
exit "$code"
