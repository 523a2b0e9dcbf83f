#!/usr/bin/env bash
# One command from a bare Debian 12 to a trained school: installs packages, builds, and runs the
# main experiment with its preset. Run it again and it skips what is done, resumes an unfinished run
# and shows a finished one.
# Usage: deploy/quickstart.sh [PRESET [option of shoal train]...]   (PRESET: dev_v33 or school)
set -euo pipefail
cd "$(dirname "$0")/.."
preset=dev_v33
case "${1:-}" in
  -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
  "" | -*) ;;
  *) preset=$1; shift ;;
esac
deploy/packages.sh
echo "building (about 13 minutes on two cores the first time)"
deploy/build.sh release shoal shoal-coordinator shoal-learner shoal-actor
exec build/bin/shoal train --preset "$preset" --run_name "quickstart_$preset" --continue "$@"
