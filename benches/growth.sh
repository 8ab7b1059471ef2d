#!/usr/bin/env bash
# How cost grows: scrape time, CPU of a poll and memory over 1 k to 1 M series (storage units) and 1 k to 1 M jobs of the
# window. Writes a table (docs/growth.md's part between the markers) and a plot (docs/images/growth.svg); both axes of the
# plot are logarithmic, so that a straight line of slope 1 is cost in proportion.
# Usage: benches/growth.sh [MOST]   MOST: the largest number, 1000000 by default. Takes some ten minutes.
set -euo pipefail
most=${1:-1000000}
here=$(cd "$(dirname "$0")/.." && pwd)
program=${NETBACKUP_EXPORTER:-$here/target/release/netbackup_exporter}
[ -x "$program" ] || cargo build --release --manifest-path "$here/Cargo.toml"
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$dir"' EXIT
hz=$(getconf CLK_TCK)

get() { curl -sf -H "Accept-Encoding: $1" -o "$dir/metrics" -w '%{time_total}' http://127.0.0.1:18957/metrics; }
# scrape_ms ENCODING: the median of nine, in milliseconds. What a publish leaves to be assembled falls to the first.
scrape_ms() { for _ in 1 2 3 4 5 6 7 8 9; do get "$1"; echo; done | sort -g | awk 'NR == 5 { printf "%.2f", $1 * 1000 }'; }
sum() { awk -v name="$1" 'index($1, name) == 1 { n += $NF } END { printf "%.0f\n", n }' "$dir/metrics"; }
ticks() { awk '{ print $14 + $15 }' "/proc/$exporter/stat"; }
status_mb() { awk -v key="$1:" '$1 == key { printf "%.1f", $2 / 1024 }' "/proc/$exporter/status"; }

# measure KIND COUNT UNITS JOBS COLLECTOR: a line of $dir/rows
measure() {
  local kind=$1 count=$2 units=$3 jobs=$4 collector=$5 simulator before polls cpu began=$SECONDS
  "$program" simulate --listen-address 127.0.0.1:18956 --storage-units "$units" --jobs "$jobs" --jobs-per-minute 60 >/dev/null 2>&1 &
  simulator=$!
  cat >"$dir/config.toml" <<END
[web]
listen_address = "127.0.0.1:18957"
[poll]
lookback = "80h"
timeout = "10m"
jobs_ttl = "1s"
storage_ttl = "5s"
[collectors]
jobs = $([ "$collector" = jobs ] && echo true || echo false)
storage = $([ "$collector" = storage ] && echo true || echo false)
[[site]]
name = "bench"
url = "http://127.0.0.1:18956/netbackup"
api_key = "simulated-api-key"
END
  until curl -sf -o /dev/null http://127.0.0.1:18956/netbackup/ping; do sleep 0.1; done
  "$program" --config.file "$dir/config.toml" 2>"$dir/log" &
  exporter=$!
  until [ -s "$dir/log" ] && grep -q 'first data' "$dir/log"; do
    ((SECONDS - began < 900)) || { echo "waited in vain for $kind $count" >&2; cat "$dir/log" >&2; exit 1; }
    sleep 0.2
  done
  local first
  first=$(sed -n 's/.*first data.* took=\([^ ]*\) .*/\1/p' "$dir/log" | head -n 1)
  get identity >"$dir/first"
  before=$(ticks) polls=$(sum netbackup_collector_polls_total)
  sleep 20
  cpu=$(ticks)
  get identity >/dev/null
  polls=$(($(sum netbackup_collector_polls_total) - polls))
  local plain gzip series bytes
  plain=$(scrape_ms identity) series=$(grep -vc '^#' "$dir/metrics") bytes=$(stat -c %s "$dir/metrics")
  gzip=$(scrape_ms gzip)
  printf '%s %s %s %s %s %s %s %s %s %s %s\n' "$kind" "$count" "$series" "$bytes" "$plain" "$gzip" \
    "$(awk -v t=$((cpu - before)) -v p="$polls" -v hz="$hz" 'BEGIN { printf "%.1f", p ? t * 1000 / hz / p : -1 }')" \
    "$(status_mb VmRSS)" "$(status_mb VmHWM)" "$first" "$polls" | tee -a "$dir/rows"
  kill "$exporter" "$simulator"
  wait "$exporter" "$simulator" 2>/dev/null || true
}

echo "kind count series bytes plain_ms gzip_ms cpu_ms_a_poll rss_mb peak_mb first_data polls"
for ((count = 1000; count <= most; count *= 10)); do measure series "$count" $((count / 6)) 0 storage; done
for ((count = 1000; count <= most; count *= 10)); do measure jobs "$count" 1 "$count" jobs; done

"$here/benches/growth-plot.awk" "$dir/rows" >"$here/docs/images/growth.svg"
awk 'BEGIN { print "| what | series | bytes plain | scrape plain | scrape gzip | CPU of a poll | RSS | peak of RSS | first data after |"
             print "|---|---|---|---|---|---|---|---|---|" }
     { printf "| %d %s | %d | %d | %s ms | %s ms | %s ms | %s MB | %s MB | %s |\n", $2, $1, $3, $4, $5, $6, $7, $8, $9, $10 }' "$dir/rows"
