#!/usr/bin/env bash
# Requests per second of /metrics beside nginx serving the same bytes as static files, alternating, median of ROUNDS.
# nginx runs with tcp_nopush on and off: which one is better depends on the size of the file, and the better one counts.
# Needs wrk, nginx, curl. Usage: benches/serve.sh [SECONDS] [ROUNDS]
set -euo pipefail
seconds=${1:-3} rounds=${2:-4}
here=$(cd "$(dirname "$0")/.." && pwd)
program=$here/target/release/netbackup_exporter
[ -x "$program" ] || cargo build --release --manifest-path "$here/Cargo.toml"
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$dir"' EXIT

# About 10,000 series: 1,700 units with some six series each.
"$program" simulate --listen-address 127.0.0.1:18556 --storage-units 1700 --jobs 3000 --jobs-per-minute 0 >/dev/null 2>&1 &
cat >"$dir/config.toml" <<EOF
[web]
listen_address = "127.0.0.1:18557"
max_requests = 0
[[site]]
name = "bench"
url = "http://127.0.0.1:18556/netbackup"
api_key = "simulated-api-key"
EOF
for _ in $(seq 100); do curl -sf http://127.0.0.1:18556/netbackup/ping >/dev/null && break; sleep 0.1; done
"$program" --config.file "$dir/config.toml" 2>"$dir/log" &
for _ in $(seq 300); do
  [ "$(curl -s http://127.0.0.1:18557/metrics | grep -c '^netbackup_collector_success{.*} 1$')" = 2 ] && break
  sleep 0.1
done
mkdir "$dir/www"
curl -s http://127.0.0.1:18557/metrics >"$dir/www/metrics"
curl -s -H 'Accept-Encoding: gzip' http://127.0.0.1:18557/metrics >"$dir/www/metrics.gz"
cat >"$dir/nginx.conf" <<EOF
worker_processes 2; daemon off; pid $dir/nginx.pid; error_log $dir/nginx.log;
events { worker_connections 1024; }
http { access_log off; sendfile on; open_file_cache max=10; default_type text/plain; keepalive_requests 100000000; gzip_static on;
  server { listen 127.0.0.1:18558; root $dir/www; tcp_nopush on; }
  server { listen 127.0.0.1:18559; root $dir/www; tcp_nopush off; } }
EOF
chmod -R a+rX "$dir"
nginx -c "$dir/nginx.conf" &
for _ in $(seq 50); do curl -sf http://127.0.0.1:18558/metrics >/dev/null && break; sleep 0.1; done
echo "series $(grep -vc '^#' "$dir/www/metrics"), plain $(stat -c %s "$dir/www/metrics") bytes, gzip $(stat -c %s "$dir/www/metrics.gz") bytes"

measure() { # PORT ENCODING -> rps p99
  wrk -t1 -c4 -d"${seconds}s" --latency -H "Accept-Encoding: $2" "http://127.0.0.1:$1/metrics" |
    awk '/Requests\/sec/ {rps=$2} /99%/ {p99=$2} END {print rps, p99}'
}
median() { sort -n | awk '{v[NR]=$1} END {print (NR % 2) ? v[(NR+1)/2] : (v[NR/2]+v[NR/2+1])/2}'; }
for encoding in identity gzip; do
  rm -f "$dir"/rps.*
  for _ in $(seq "$rounds"); do
    for port in 18557 18558 18559; do measure $port "$encoding" >>"$dir/rps.$port"; done
  done
  rps() { cut -d' ' -f1 "$dir/rps.$1" | median; }
  p99() { cut -d' ' -f2 "$dir/rps.$1" | tr '\n' ' '; }
  best=$(printf '%s\n' "$(rps 18558)" "$(rps 18559)" | sort -n | tail -1)
  echo "$encoding: exporter $(rps 18557) rps (p99 $(p99 18557)), nginx nopush on $(rps 18558), off $(rps 18559), ratio to the better $(awk "BEGIN {printf \"%.2f\", $(rps 18557) / $best}")"
done
