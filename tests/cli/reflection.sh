#!/usr/bin/env bash
# Starts a coordinator and asks it with docs/examples/run_status.py, which has none of our files.
# Usage: reflection.sh BIN_FOLDER SCRIPT
set -euo pipefail
bin=$1 script=$2
python=/usr/bin/python3
if ! "$python" -c 'import grpc, google.protobuf' 2>/dev/null; then
  echo "skipped: python3-grpcio and python3-protobuf are not installed"
  exit 77
fi
folder=$(mktemp -d)
coordinator=
finish() {
  if [ -n "$coordinator" ]; then
    kill "$coordinator" 2>/dev/null || true
    wait "$coordinator" 2>/dev/null || true
  fi
  rm -rf "$folder"
}
trap finish EXIT
mkdir -p "$folder/runs/asked"
printf 'run_name: "asked"\ncurriculum: "9:4"\nnum_envs: 8\n' > "$folder/runs/asked/config.textproto"
"$bin/shoal-coordinator" --run_dir "$folder/runs/asked" --listen 127.0.0.1:0 > "$folder/log" 2>&1 &
coordinator=$!
# Written once it listens; sleeping only paces the look for it.
deadline=$((SECONDS + 60))
until [ -s "$folder/runs/asked/coordinator.address" ]; do
  if [ $SECONDS -ge $deadline ] || ! kill -0 "$coordinator" 2>/dev/null; then
    echo "the coordinator does not listen:"; cat "$folder/log"; exit 1
  fi
  sleep 0.1
done
address=$(cat "$folder/runs/asked/coordinator.address")
"$python" "$script" "$address" > "$folder/status.json"
"$python" - "$folder/status.json" <<'PYTHON'
import json, sys
status = json.load(open(sys.argv[1]))["status"]
assert status["runName"] == "asked", status
assert status["totalIterations"] == "4", status
assert status["state"] == "STATE_WAITING_FOR_LEARNER", status
PYTHON
echo "asked $address by reflection: ok"
