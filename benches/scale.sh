#!/usr/bin/env bash
# A large site with every collector on: how long each takes, how large a scrape is, the most memory that the exporter ever
# had, and how old the data of jobs become while tape, the longest list, is read. The simulated primary is the program
# itself, so both share the machine.
# Usage: benches/scale.sh [TAPE_MEDIA] [HOSTS] [JOBS] [LATENCY_MS] [CLIENTS]
#        benches/scale.sh sites [SITES] [SECONDS]   many sites of the usual size at one simulated primary, with every
#          collector on at its own TTL; and what that costs in SECONDS (300) in which nobody scrapes. Collectors with
#          TTLs of hours poll in an hour or more only: the polls that were due by the TTLs stand beside those that were.
set -euo pipefail
sites=1 media=200000 hosts=10000 jobs=20000 latency=5 clients=5000 rate=60 quiet=0 ttl='jobs_ttl = "2s"'
if [ "${1:-}" = sites ]; then
  sites=${2:-20} quiet=${3:-300} ttl="" media=240 hosts=60 jobs=1000 clients=0
else
  media=${1:-$media} hosts=${2:-$hosts} jobs=${3:-$jobs} latency=${4:-$latency} clients=${5:-$clients}
fi
here=$(cd "$(dirname "$0")/.." && pwd)
program=${NETBACKUP_EXPORTER:-$here/target/release/netbackup_exporter}
[ -x "$program" ] || cargo build --release --manifest-path "$here/Cargo.toml"
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$dir"' EXIT

"$program" simulate --listen-address 127.0.0.1:18756 --tape-media "$media" --hosts "$hosts" --jobs "$jobs" \
  --clients "$clients" --jobs-per-minute "$rate" --latency "${latency}ms" >/dev/null 2>&1 &
cat >"$dir/config.toml" <<END
[web]
listen_address = "127.0.0.1:18757"
[poll]
$ttl
[collectors]
all = true
[state]
directory = "$dir/state"
END
for ((site = 1; site <= sites; site++)); do
  printf '[[site]]\nname = "site-%02d"\nurl = "http://127.0.0.1:18756/netbackup"\napi_key = "simulated-api-key"\n' "$site"
done >>"$dir/config.toml"
scrape() { curl -sf http://127.0.0.1:18757/metrics >"$dir/metrics"; }
value() { # FAMILY COLLECTOR: that of the first site
  awk -v start="$1{site=\"site-01\",collector=\"$2\"" 'index($0, start) == 1 { print $NF; exit }' "$dir/metrics"
}
count() { grep -c "^$1{" "$dir/metrics" || true; }
memory() { awk '/VmRSS|VmHWM/ { printf "%s %.1f MB  ", $1, $2 / 1024 }' "/proc/$exporter/status"; }

until curl -sf -o "$dir/ping" http://127.0.0.1:18756/netbackup/ping; do sleep 0.1; done
"$program" --config.file "$dir/config.toml" 2>"$dir/log" &
exporter=$!
until scrape; do sleep 0.1; done
began=$SECONDS oldest=0 scrapes=0
while [ "$(count netbackup_collector_last_success_timestamp_seconds)" -lt "$(count netbackup_collector_ttl_seconds)" ]; do
  ((SECONDS < 1800)) || { echo "waited in vain; what went wrong:" >&2; grep -v level=info "$dir/log" >&2; exit 1; }
  sleep 0.5
  scrape
  age=$(value netbackup_collector_age_seconds jobs)
  # Only while tape has not ended its first poll, and jobs has ended its own.
  if [ -n "$age" ] && [ -z "$(value netbackup_collector_last_success_timestamp_seconds tape)" ]; then
    oldest=$(printf '%s\n' "$oldest" "$age" | sort -g | tail -1)
    scrapes=$((scrapes + 1))
  fi
done
took=$((SECONDS - began))
sleep 1
scrape
echo "of all sites, per collector:"
awk '/^netbackup_collector_poll_duration_seconds_(count|sum)\{/ {
  match($0, /collector="[^"]*"/); name = substr($0, RSTART + 11, RLENGTH - 12)
  if ($0 ~ /_count\{/) polls[name] += $NF; else sum[name] += $NF
} END { for (name in polls) printf "%-16s %4d poll(s), %.3f s each\n", name, polls[name], polls[name] ? sum[name] / polls[name] : 0 }' \
  "$dir/metrics" | sort
echo "everything was there after $took s, at $sites site(s)"
echo "media counted: $(awk '/^netbackup_tape_media\{/ { n += $NF } END { printf "%d", n }' "$dir/metrics") of $((media * sites))"
echo "clients told of: $(awk '/^netbackup_clients_tracked/ { n += $NF } END { print n + 0 }' "$dir/metrics"), jobs of others: $(
  awk '/^netbackup_clients_dropped_jobs_total/ { n += $NF } END { print n + 0 }' "$dir/metrics")"
if ((scrapes > 0)); then
  echo "jobs while tape was read: age at most $oldest s in $scrapes scrapes, with a poll every 2 s"
else
  echo "tape was read before jobs had data: their age meanwhile is not known"
fi
for encoding in identity gzip; do
  for _ in 1 2 3 4 5; do
    curl -sf -H "Accept-Encoding: $encoding" -o "$dir/body" -w '%{size_download} %{time_total}\n' http://127.0.0.1:18757/metrics
  done | sort -g -k2 | sed -n 3p | awk -v encoding="$encoding" '{ printf "scrape, %s: %.2f MB in %.1f ms\n", encoding, $1 / 1e6, $2 * 1000 }'
done
echo "failures: $(awk '/^netbackup_collector_poll_failures_total/ { n += $NF } END { print n + 0 }' "$dir/metrics"), series: $(grep -vc '^#' "$dir/metrics")"
echo "exporter: $(memory)"
if ((quiet > 0)); then
  ticks() { awk '{ print $14 + $15 }' "/proc/$exporter/stat"; }
  polls() { awk '/^netbackup_collector_polls_total/ { n += $NF } END { printf "%.0f", n }' "$dir/metrics"; }
  # What was made for the scrapes above is not counted.
  sleep 2
  scrape
  before=$(polls) ticks=$(ticks)
  sleep "$quiet"
  ticks=$(($(ticks) - ticks))
  scrape
  awk -v ticks="$ticks" -v hz="$(getconf CLK_TCK)" -v seconds="$quiet" -v polls=$(($(polls) - before)) '
    /^netbackup_collector_ttl_seconds\{/ { due += seconds / $NF }
    END { printf "nobody scrapes for %d s: %d polls (%.0f by the TTLs), %.2f %% of a core (target 2)\n", seconds, polls, due,
      100 * ticks / hz / seconds }' "$dir/metrics"
  echo "exporter: $(memory)"
fi
