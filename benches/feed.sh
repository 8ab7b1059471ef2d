#!/usr/bin/env bash
# What the job feed costs: a cold read against the time and requests that it may take, steady polling, a restart, and
# the memory behind it. The simulated primary is the program itself, so both share the machine.
# Usage: benches/feed.sh [JOBS] [LATENCY_MS] [STEADY_SECONDS] [JOBS_PER_MINUTE]
#   benches/feed.sh 20000 50 60 20        the figures of docs/performance.md
#   benches/feed.sh 1000000 0 60 60       a million jobs
set -euo pipefail
jobs=${1:-20000} latency=${2:-50} steady=${3:-60} rate=${4:-20}
here=$(cd "$(dirname "$0")/.." && pwd)
program=${NETBACKUP_EXPORTER:-$here/target/release/netbackup_exporter}
[ -x "$program" ] || cargo build --release --manifest-path "$here/Cargo.toml"
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$dir"' EXIT

"$program" simulate --listen-address 127.0.0.1:18556 --jobs "$jobs" --jobs-per-minute "$rate" --storage-units 1 \
  --latency "${latency}ms" >/dev/null 2>&1 &
# The history reaches back 78 hours, and all of it is to be read.
cat >"$dir/config.toml" <<END
[web]
listen_address = "127.0.0.1:18557"
[poll]
jobs_ttl = "1s"
lookback = "80h"
[collectors]
storage = false
[state]
directory = "$dir/state"
[[site]]
name = "bench"
url = "http://127.0.0.1:18556/netbackup"
api_key = "simulated-api-key"
END
wait_for() { # SECONDS COMMAND...
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < end)) || { echo "waited in vain for: $*" >&2; exit 1; }
    sleep 0.05
  done
}
wait_for 120 curl -sf -o "$dir/ping" http://127.0.0.1:18556/netbackup/ping

scrape() { curl -s http://127.0.0.1:18557/metrics; }
start() {
  "$program" --config.file "$dir/config.toml" 2>"$dir/log" &
  exporter=$!
}
sum() { awk -v name="$1" 'index($1, name) == 1 { n += $NF } END { printf "%.0f\n", n }' "$2"; }
ticks() { awk '{ print $14 + $15 }' "/proc/$exporter/stat"; }
memory() { awk '/VmRSS|VmHWM/ { printf "%s %.1f MB  ", $1, $2 / 1024 }' "/proc/$exporter/status"; }

start
wait_for 600 grep -q 'first data' "$dir/log"
took=$(sed -n 's/.*first data.* took=\([^ ]*\) .*/\1/p' "$dir/log")
read_jobs=$(sed -n 's/.*first read of jobs is complete.* jobs=\([0-9]*\).*/\1/p' "$dir/log")
scrape >"$dir/cold"
polls=$(sum netbackup_collector_polls_total "$dir/cold")
requests=$(sum netbackup_api_requests_total "$dir/cold")
awk -v n="$read_jobs" -v l="$latency" -v took="$took" -v requests="$requests" -v polls="$polls" 'BEGIN {
  printf "cold read: %d jobs in %s (target %.2f s), %d requests with %d poll(s) (target %d for the first)\n",
    n, took, n / 100 * l / 1000 / 3, requests, polls, 1.3 * n / 100 + 10 }'
echo "after it: $(memory)"

sleep 5
scrape >"$dir/before"
before=$(ticks)
sleep "$steady"
after=$(ticks)
scrape >"$dir/after"
awk -v polls=$(($(sum netbackup_collector_polls_total "$dir/after") - $(sum netbackup_collector_polls_total "$dir/before"))) \
  -v requests=$(($(sum netbackup_api_requests_total "$dir/after") - $(sum netbackup_api_requests_total "$dir/before"))) \
  -v bytes=$(($(sum netbackup_api_received_bytes_total "$dir/after") - $(sum netbackup_api_received_bytes_total "$dir/before"))) \
  -v cold="$(sum netbackup_api_received_bytes_total "$dir/cold")" -v ticks=$((after - before)) -v seconds="$steady" \
  -v hz="$(getconf CLK_TCK)" 'BEGIN {
  printf "steady, 1 s polls: %.2f requests and %.0f bytes a poll (1/%.0f of the cold read), %.2f %% of a core\n",
    requests / polls, bytes / polls, cold / (bytes / polls), 100 * ticks / hz / seconds }'
echo "after it: $(memory)"
find "$dir/state" -name '*.state' -printf 'state file: %s bytes\n'

kill -9 "$exporter"
wait "$exporter" 2>/dev/null || true
begun=$(date +%s%N)
start
wait_for 60 curl -s -o "$dir/restart" http://127.0.0.1:18557/metrics
echo "restart: first answer after $((($(date +%s%N) - begun) / 1000000)) ms, with $(grep -c '^netbackup_lookback_jobs' "$dir/restart") lookback series"
