#!/usr/bin/env bash
# Installs what shoal builds, tests and runs with: Debian packages only. Skips what is there.
# Usage: deploy/packages.sh [tests|fuzz]   (tests: also the programs that only tests run; fuzz: also
#        what the fuzz targets need)
set -euo pipefail

packages=(
  # build
  g++ cmake ninja-build pkg-config git ca-certificates
  # RPC and messages
  libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc grpc-proto libabsl-dev
  # learning: the openmp build of OpenBLAS, see docs/DEPENDENCIES.md
  libtorch-dev libgloo-dev libopenblas0-openmp
  # the rest
  libspdlog-dev libcli11-dev nlohmann-json3-dev libsqlite3-dev libssl-dev libxxhash-dev
  # metrics, plots, videos
  prometheus-cpp-dev gnuplot-nox libisal-dev libcairo2-dev fonts-dejavu-core
  libavcodec-dev libavformat-dev libavutil-dev libswscale-dev
  # certificates (deploy/certificates/make.sh)
  openssl
  # tests
  libgtest-dev libgmock-dev libbenchmark-dev iproute2 nftables
)
case "${1:-}" in
  "") ;;
  # Debian's prometheus package may also start one on port 9090, as any service's package does.
  tests) packages+=(prometheus python3 python3-grpcio python3-protobuf python3-yaml shellcheck) ;;
  # The compiler, libFuzzer and the sanitizers with it, and names for their backtraces.
  fuzz) packages+=(clang libclang-rt-14-dev llvm-14) ;;
  *) sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "shoal needs these packages, and this is neither root nor is there sudo. As root:" >&2
    echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "installing ${#missing[@]} packages: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${as_root[@]}" apt-get update &&
       "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } \
     >"$log" 2>&1 </dev/null; then
  cat "$log" >&2
  echo "the packages could not be installed; what apt-get said is above" >&2
  exit 1
fi
