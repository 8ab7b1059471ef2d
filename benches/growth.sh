#!/usr/bin/env bash
# How cost grows: scrape time, CPU of a poll and memory, over the number of series (storage units) and over the number of
# jobs in the window. Writes the table between the markers of docs/performance.md and the plot docs/images/growth.svg.
# Usage: benches/growth.sh [MOST]   from 1000 to MOST (1000000), ten times as many at each step. Takes some ten minutes.
# With a smaller MOST it prints the figures and writes nothing.
set -euo pipefail
shopt -s inherit_errexit
most=${1:-1000000}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=${NETBACKUP_EXPORTER:-$here/target/release/netbackup_exporter}
[[ -x $program ]] || cargo build --release --manifest-path "$here/Cargo.toml"
dir=$(mktemp -d)
trap 'jobs -p | xargs -r kill 2>/dev/null || true; rm -rf "$dir"' EXIT
page=$here/docs/performance.md
for marker in begin end; do
    grep -q "<!-- growth: $marker -->" "$page" || { echo "error: $page has no <!-- growth: $marker -->" >&2; exit 1; }
done
metrics=http://127.0.0.1:18957/metrics

# get ENCODING: leaves the answer in $dir/metrics and says how many milliseconds it took
get() { curl -sf -H "Accept-Encoding: $1" -o "$dir/metrics" -w '%{time_total}\n' "$metrics" | awk '{ print $1 * 1000 }'; }
# The median of nine: what a publish leaves to be assembled falls to the first.
scrape() { for ((n = 0; n < 9; n++)); do get "$1"; done | sort -g | sed -n 5p; }
sum() { awk -v name="$1" 'index($1, name) == 1 { n += $NF } END { printf "%.3f\n", n }' "$dir/metrics"; }
# Seconds of CPU that the exporter's threads have had. Ticks would be too coarse for a poll of a millisecond.
cpu() { cat /proc/"$exporter"/task/*/schedstat | awk '{ n += $1 } END { printf "%.6f", n / 1e9 }'; }
megabytes() { awk -v key="$1:" '$1 == key { print $2 / 1024 }' "/proc/$exporter/status"; }
wait_for() { # SECONDS COMMAND...
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < end)) || { echo "waited in vain for: $*" >&2; cat "$dir/log" >&2; exit 1; }
        sleep 0.2
    done
}

# measure KIND COUNT UNITS JOBS COLLECTOR TTL: a line of $dir/rows
measure() {
    local kind=$1 count=$2 collector=$5 ttl=$6
    "$program" simulate --listen-address 127.0.0.1:18956 --storage-units "$3" --jobs "$4" --jobs-per-minute 60 \
        >"$dir/simulator.log" 2>&1 &
    local simulator=$!
    # The simulated history reaches back 78 hours, and all of it is to be read.
    cat >"$dir/config.toml" <<END
[web]
listen_address = "127.0.0.1:18957"
[poll]
lookback = "80h"
timeout = "10m"
${collector}_ttl = "$ttl"
[collectors]
jobs = $([[ $collector == jobs ]] && echo true || echo false)
storage = $([[ $collector == storage ]] && echo true || echo false)
[[site]]
name = "bench"
url = "http://127.0.0.1:18956/netbackup"
api_key = "simulated-api-key"
END
    wait_for 120 curl -sf -o "$dir/ping" http://127.0.0.1:18956/netbackup/ping
    "$program" --config.file "$dir/config.toml" 2>"$dir/log" &
    exporter=$!
    wait_for 900 grep -q 'first data' "$dir/log"
    get identity >/dev/null
    local first before polls used plain gzip series bytes
    first=$(sum netbackup_collector_poll_duration_seconds_sum)
    before=$(sum netbackup_collector_polls_total)
    # Nobody scrapes meanwhile: what is counted are the polls.
    used=$(cpu)
    sleep "$(awk "BEGIN { print 20 + int(4 * $first) }")"
    used=$(awk "BEGIN { print $(cpu) - $used }")
    get identity >/dev/null
    polls=$(awk "BEGIN { print $(sum netbackup_collector_polls_total) - $before }")
    plain=$(scrape identity)
    series=$(grep -vc '^#' "$dir/metrics")
    bytes=$(stat -c %s "$dir/metrics")
    gzip=$(scrape gzip)
    awk -v kind="$kind" -v count="$count" -v series="$series" -v bytes="$bytes" -v plain="$plain" -v gzip="$gzip" \
        -v ms="$(awk "BEGIN { print $used * 1000 }")" -v polls="$polls" \
        -v rss="$(megabytes VmRSS)" -v peak="$(megabytes VmHWM)" -v first="$first" 'BEGIN {
        if (polls < 1) { print "no poll ended" >"/dev/stderr"; exit 1 }
        printf "%s %d %d %d %.2f %.2f %.2f %.1f %.1f %.2f\n", kind, count, series, bytes, plain, gzip, ms / polls, rss, peak, first
    }' | tee -a "$dir/rows"
    kill "$exporter" "$simulator"
    wait "$exporter" "$simulator" 2>/dev/null || true
}

echo "kind count series bytes plain_ms gzip_ms cpu_ms_of_a_poll rss_mb peak_mb first_poll_s"
# Some six series a unit.
for ((count = 1000; count <= most; count *= 10)); do measure series "$count" $((count / 6)) 0 storage 5s; done
for ((count = 1000; count <= most; count *= 10)); do measure jobs "$count" 1 "$count" jobs 1s; done
((most == 1000000)) || exit 0

"$here/benches/growth-plot.awk" "$dir/rows" >"$here/docs/images/growth.svg"
awk 'BEGIN { print "| of | series served | bytes, plain | scrape, plain | scrape, gzip | CPU of a poll | RSS | peak of RSS | first poll |"
             print "|---|---|---|---|---|---|---|---|---|" }
     { printf "| %d %s | %d | %d | %s ms | %s ms | %s ms | %s MB | %s MB | %s s |\n", $2, $1, $3, $4, $5, $6, $7, $8, $9, $10 }' \
    "$dir/rows" >"$dir/table"
awk -v table="$dir/table" '
    /<!-- growth: begin -->/ { print; while ((getline line <table) > 0) print line; inside = 1; next }
    /<!-- growth: end -->/ { inside = 0 }
    !inside' "$page" >"$dir/page"
cp "$dir/page" "$page"
