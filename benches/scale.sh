#!/usr/bin/env bash
# A large site with every collector on: how long each takes for its first data, the most memory that the exporter ever
# had, and how old the data of the quick collectors become while tape, the longest list, is read. The simulated primary is
# the program itself, so both share the machine.
# Usage: benches/scale.sh [TAPE_MEDIA] [HOSTS] [JOBS] [LATENCY_MS]
set -euo pipefail
media=${1:-200000} hosts=${2:-10000} jobs=${3:-20000} latency=${4:-5}
here=$(cd "$(dirname "$0")/.." && pwd)
program=${NETBACKUP_EXPORTER:-$here/target/release/netbackup_exporter}
[ -x "$program" ] || cargo build --release --manifest-path "$here/Cargo.toml"
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$dir"' EXIT

"$program" simulate --listen-address 127.0.0.1:18756 --tape-media "$media" --hosts "$hosts" --jobs "$jobs" \
  --jobs-per-minute 60 --latency "${latency}ms" >/dev/null 2>&1 &
cat >"$dir/config.toml" <<END
[web]
listen_address = "127.0.0.1:18757"
[poll]
jobs_ttl = "2s"
[collectors]
all = true
[state]
directory = "$dir/state"
[[site]]
name = "scale"
url = "http://127.0.0.1:18756/netbackup"
api_key = "simulated-api-key"
END
scrape() { curl -sf http://127.0.0.1:18757/metrics >"$dir/metrics"; }
value() { # FAMILY COLLECTOR
  awk -v start="$1{site=\"scale\",collector=\"$2\"" 'index($0, start) == 1 { print $NF; exit }' "$dir/metrics"
}
count() { grep -c "^$1{" "$dir/metrics" || true; }
memory() { awk '/VmRSS|VmHWM/ { printf "%s %.1f MB  ", $1, $2 / 1024 }' "/proc/$exporter/status"; }

until curl -sf -o "$dir/ping" http://127.0.0.1:18756/netbackup/ping; do sleep 0.1; done
"$program" --config.file "$dir/config.toml" 2>"$dir/log" &
exporter=$!
until scrape; do sleep 0.1; done
oldest=none ended=
while [ "$(count netbackup_collector_last_success_timestamp_seconds)" -lt "$(count netbackup_collector_ttl_seconds)" ]; do
  ((SECONDS < 1800)) || { echo "waited in vain; what went wrong:" >&2; grep -v level=info "$dir/log" >&2; exit 1; }
  sleep 0.5
  scrape
  age=$(value netbackup_collector_age_seconds jobs)
  # Only while tape has not ended its first poll, and jobs has ended its own.
  if [ -n "$age" ] && [ -z "$(value netbackup_collector_last_success_timestamp_seconds tape)" ]; then
    oldest=$(printf '%s\n' "$oldest" "$age" | sed 's/none/0/' | sort -g | tail -1)
  fi
done
sleep 1
scrape
grep '^netbackup_collector_poll_duration_seconds_count' "$dir/metrics" | sed 's/.*collector="\([^"]*\)".*/\1/' |
  while read -r collector; do
    first=$(sed -n "s/.*has its first data.* collector=$collector .*took=\([^ ]*\).*/\1/p; s/.*first data.* took=\([^ ]*\) .*collector=$collector.*/\1/p" "$dir/log" | head -1)
    polls=$(value netbackup_collector_poll_duration_seconds_count "$collector")
    sum=$(value netbackup_collector_poll_duration_seconds_sum "$collector")
    awk -v name="$collector" -v first="${first:-?}" -v polls="$polls" -v sum="$sum" 'BEGIN {
      printf "%-16s first data after %-14s %3d poll(s), %.3f s each\n", name, first, polls, polls ? sum / polls : 0 }'
  done
echo "media counted: $(awk '/^netbackup_tape_media\{/ { n += $NF } END { printf "%d", n }' "$dir/metrics") of $media"
echo "jobs while tape was read: age at most $oldest s, with a poll every 2 s"
echo "failures: $(awk '/^netbackup_collector_poll_failures_total/ { n += $NF } END { print n + 0 }' "$dir/metrics"), series: $(grep -vc '^#' "$dir/metrics")"
echo "exporter: $(memory)"
