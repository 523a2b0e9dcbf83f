#!/usr/bin/env bash
# The alert rules hold what they promise, and name only metrics that there are. Exits with 77, which
# CTest takes for skipped, where there is no promtool.
set -euo pipefail
cd "$(dirname "$0")/../.."
rules=deploy/prometheus/rules/shoal.yml

unknown=$(grep -oE 'shoal_[a-z0-9_]+' "$rules" | sort -u |
  while read -r name; do grep -qF "\`$name\`" docs/METRICS.md || echo "$name"; done)
if [ -n "$unknown" ]; then
  echo "$rules names metrics that docs/METRICS.md does not have:" $unknown >&2
  exit 1
fi
# Every alert has its two cases.
for alert in $(sed -n 's/^ *- alert: //p' "$rules"); do
  for case in fires "is silent"; do
    if ! grep -qF "name: $alert $case" tests/prometheus/rules_test.yml; then
      echo "tests/prometheus/rules_test.yml lacks the case \"$alert $case\"" >&2
      exit 1
    fi
  done
done
if ! command -v promtool >/dev/null; then
  echo "skipped: promtool is not installed (Debian's package prometheus)"
  exit 77
fi
promtool check rules "$rules"
promtool test rules tests/prometheus/rules_test.yml
