#!/bin/sh
# What shoal's containers and units run: one program, set up by the environment.
# Usage: shoal-entry coordinator|learner|actor|health [option of the program]...
#
#   SHOAL_RUNS         folder of all runs (/runs), the same for coordinator and learner
#   SHOAL_COORDINATOR  where the coordinator is reached (coordinator:50051)
#   SHOAL_LISTEN       where coordinator or learner listens (0.0.0.0:50051, 0.0.0.0:50052)
#   SHOAL_ADVERTISE    what actors are told of the learner (HOST:50052 with this host's name)
#   SHOAL_METRICS_HOST, SHOAL_METRICS_PORT   where Prometheus reads (0.0.0.0, 9464)
#   SHOAL_TLS_DIR      folder with ca.pem, cert.pem and key.pem, or with such folders by role
#   SHOAL_ALLOW_INSECURE   1: plain text between machines; only where the network is trusted
#   SHOAL_WAIT_SECONDS so long the learner waits for the coordinator (300)
#   RUN_NAME           the run; it is made where it is not there, and gone on with where it is
#   RUN_PRESET, RUN_CONFIG, RUN_OPTIONS   what it is made of: a preset's name, a file that is used if it
#                      is there, and more options of `shoal init`, separated by spaces
set -eu

fail() { echo "shoal-entry: $*" >&2; exit 2; }

[ $# -ge 1 ] || { sed -n '3,17s/^# \{0,1\}//p' "$0" >&2; exit 2; }
role=$1
shift
runs=${SHOAL_RUNS:-/runs}
coordinator=${SHOAL_COORDINATOR:-coordinator:50051}
preset=${RUN_PRESET:-}
name=${RUN_NAME:-${preset:-run}}

# Nothing is added where neither is asked for: the programs then refuse what is not safe, and say so.
security=
[ -z "${SHOAL_TLS_DIR:-}" ] || security="--tls_dir=$SHOAL_TLS_DIR"
[ "${SHOAL_ALLOW_INSECURE:-}" != 1 ] || security="--allow_insecure"
metrics="--metrics_host=${SHOAL_METRICS_HOST:-0.0.0.0} --metrics_port=${SHOAL_METRICS_PORT:-9464}"

# prepare: makes the run where there is none of this name.
prepare() {
  set -- --out "$runs" --run_name "$name" --continue
  [ -z "$preset" ] || set -- "$@" --preset "$preset"
  if [ -n "${RUN_CONFIG:-}" ] && [ -e "$RUN_CONFIG" ]; then set -- "$@" --config "$RUN_CONFIG"; fi
  # shellcheck disable=SC2086 # separated by spaces, as said above
  shoal init "$@" ${RUN_OPTIONS:-}
}

case $role in
  coordinator)
    prepare
    # shellcheck disable=SC2086 # lists of options
    exec shoal-coordinator --run_dir="$runs/$name" --listen="${SHOAL_LISTEN:-0.0.0.0:50051}" \
      $metrics $security "$@"
    ;;
  learner)
    # The coordinator makes the run's folder before it serves.
    # shellcheck disable=SC2086
    shoal-health "$coordinator" --wait --timeout "${SHOAL_WAIT_SECONDS:-300}" $security
    # shellcheck disable=SC2086
    exec shoal-learner --coordinator="$coordinator" --run_dir="$runs/$name" \
      --listen="${SHOAL_LISTEN:-0.0.0.0:50052}" \
      --advertise="${SHOAL_ADVERTISE:-$(hostname):50052}" $metrics $security "$@"
    ;;
  actor)
    # shellcheck disable=SC2086
    exec shoal-actor --coordinator="$coordinator" $metrics $security "$@"
    ;;
  health)
    [ $# -ge 1 ] || fail "health needs the address to ask"
    # shellcheck disable=SC2086
    exec shoal-health "$@" --timeout 3 $security
    ;;
  *) fail "\"$role\" is none of coordinator, learner, actor and health" ;;
esac
