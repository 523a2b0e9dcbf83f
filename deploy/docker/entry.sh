#!/bin/sh
# What shoal's containers and units run: one program of a standing cluster, set up by the environment.
# Usage: shoal-entry coordinator|learner|actor|health [option of the program]...
#
#   SHOAL_RUNS         folder of all runs (/runs), the same for coordinator and learner
#   SHOAL_COORDINATOR  where the coordinator is reached (coordinator:50051)
#   SHOAL_LISTEN       where coordinator or learner listens (0.0.0.0:50051, 0.0.0.0:50052)
#   SHOAL_ADVERTISE    what actors are told of the learner (HOST:50052 with this host's name)
#   SHOAL_METRICS_HOST, SHOAL_METRICS_PORT   where Prometheus reads (0.0.0.0, 9464)
#   SHOAL_TLS_DIR      folder with ca.pem, cert.pem and key.pem, or with such folders by role
#   SHOAL_ALLOW_INSECURE   1: plain text between machines; only where the network is trusted
#   RUN_PRESET, RUN_CONFIG, RUN_OPTIONS, RUN_NAME   a run to begin with: a preset's name, a file that is
#                      used if it is there, more options of `shoal init` separated by spaces, and the
#                      run's name (the preset's, or "run"). With none of them the cluster waits for
#                      `shoal train --coordinator`. A run of this name that is there is not made again.
set -eu

fail() { echo "shoal-entry: $*" >&2; exit 2; }

[ $# -ge 1 ] || { sed -n '3,17s/^# \{0,1\}//p' "$0" >&2; exit 2; }
role=$1
shift
runs=${SHOAL_RUNS:-/runs}
coordinator=${SHOAL_COORDINATOR:-coordinator:50051}

# Nothing is added where neither is asked for: the programs then refuse what is not safe, and say so.
security=
[ -z "${SHOAL_TLS_DIR:-}" ] || security="--tls_dir=$SHOAL_TLS_DIR"
[ "${SHOAL_ALLOW_INSECURE:-}" != 1 ] || security="--allow_insecure"
metrics="--metrics_host=${SHOAL_METRICS_HOST:-0.0.0.0} --metrics_port=${SHOAL_METRICS_PORT:-9464}"

# Makes the run to begin with where it is asked for and not there; `first` is its name, or empty.
prepare() {
  preset=${RUN_PRESET:-}
  config=${RUN_CONFIG:-}
  [ -e "$config" ] || config=
  first=
  [ -n "$preset$config${RUN_OPTIONS:-}${RUN_NAME:-}" ] || return 0
  first=${RUN_NAME:-${preset:-run}}
  set -- --out "$runs" --run_name "$first" --continue
  [ -z "$preset" ] || set -- "$@" --preset "$preset"
  [ -z "$config" ] || set -- "$@" --config "$config"
  # shellcheck disable=SC2086 # separated by spaces, as said above
  shoal init "$@" ${RUN_OPTIONS:-}
}

# Programs of a standing cluster wait for each other as long as it takes.
case $role in
  coordinator)
    prepare
    # shellcheck disable=SC2086 # lists of options
    exec shoal-coordinator --runs="$runs" ${first:+"--begin_with=$first"} \
      --listen="${SHOAL_LISTEN:-0.0.0.0:50051}" $metrics $security "$@"
    ;;
  learner)
    # shellcheck disable=SC2086
    exec shoal-learner --coordinator="$coordinator" --runs="$runs" --patience=0 \
      --listen="${SHOAL_LISTEN:-0.0.0.0:50052}" \
      --advertise="${SHOAL_ADVERTISE:-$(hostname):50052}" $metrics $security "$@"
    ;;
  actor)
    # shellcheck disable=SC2086
    exec shoal-actor --coordinator="$coordinator" --patience=0 $metrics $security "$@"
    ;;
  health)
    [ $# -ge 1 ] || fail "health needs the address to ask"
    # shellcheck disable=SC2086
    exec shoal-health "$@" --timeout 3 $security
    ;;
  *) fail "\"$role\" is none of coordinator, learner, actor and health" ;;
esac
