#!/usr/bin/env bash
# Memory over a long time: many jobs come and go, each poll changes the window, the state file is written again and
# again. Resident memory is printed every minute; the window is full after half an hour, the shortest time that jobs are
# remembered, so that each half hour stands for a day. Usage: benches/soak.sh [MINUTES] [JOBS_PER_MINUTE]
set -euo pipefail
minutes=${1:-120} rate=${2:-1500}
here=$(cd "$(dirname "$0")/.." && pwd)
program=${NETBACKUP_EXPORTER:-$here/target/release/netbackup_exporter}
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$dir"' EXIT
"$program" simulate --listen-address 127.0.0.1:18656 --jobs 1000 --jobs-per-minute "$rate" --storage-units 50 >/dev/null 2>&1 &
cat >"$dir/config.toml" <<END
[web]
listen_address = "127.0.0.1:18657"
[poll]
jobs_ttl = "20s"
storage_ttl = "20s"
lookback = "30m"
[state]
directory = "$dir/state"
[[site]]
name = "soak"
url = "http://127.0.0.1:18656/netbackup"
api_key = "simulated-api-key"
END
until curl -sf -o "$dir/ping" http://127.0.0.1:18656/netbackup/ping; do sleep 0.1; done
"$program" --config.file "$dir/config.toml" 2>"$dir/log" &
exporter=$!
for minute in $(seq "$minutes"); do
  sleep 60
  curl -s http://127.0.0.1:18657/metrics >"$dir/metrics"
  jobs=$(awk '/^netbackup_lookback_jobs/ { n += $NF } END { print n + 0 }' "$dir/metrics")
  failures=$(awk '/^netbackup_collector_poll_failures_total/ { n += $NF } END { print n + 0 }' "$dir/metrics")
  rss=$(awk '/VmRSS/ { print $2 }' "/proc/$exporter/status")
  state=$(find "$dir/state" -name jobs.state -printf '%s')
  echo "minute $minute: $jobs jobs in the window, $failures failures, RSS $rss kB, state file $state bytes"
done
