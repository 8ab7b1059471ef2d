#!/usr/bin/env bash
# Requests per second and p99 of /metrics beside nginx serving the same bytes as static files, in turn, medians of ROUNDS:
# for each number of series, plain and gzip, while nothing changes and while snapshots are published all the time. nginx
# runs with tcp_nopush on and off: which one is better depends on the size of the file, and the better one counts.
# Installs wrk and nginx where it may. Usage: benches/serve.sh [SECONDS] [ROUNDS] [SERIES...]
#   benches/serve.sh 3 4 1000 10000 100000     the figures of docs/performance.md
set -euo pipefail
shopt -s inherit_errexit
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/packages.sh
source "$here/scripts/packages.sh"
seconds=${1:-3} rounds=${2:-4}
shift $(($# < 2 ? $# : 2))
(($# > 0)) || set -- 1000 10000 100000
program=${NETBACKUP_EXPORTER:-$here/target/release/netbackup_exporter}
[[ -x $program ]] || cargo build --release --manifest-path "$here/Cargo.toml"
dir=$(mktemp -d)
finish() {
    jobs -p | xargs -r kill 2>/dev/null || true
    rm -rf "$dir"
    allow_services
}
trap finish EXIT
install_missing wrk=wrk nginx=nginx curl=curl
for tool in wrk nginx curl; do
    command -v "$tool" >/dev/null || { echo "error: $tool is not here, and without it nothing is measured" >&2; exit 1; }
done

exporter=18557 nopush=18558 push=18559
metrics=http://127.0.0.1:$exporter/metrics

# wait_for COMMAND...: at most a minute
wait_for() {
    local end=$((SECONDS + 60))
    until "$@"; do
        ((SECONDS < end)) || { echo "waited in vain for: $*" >&2; exit 1; }
        sleep 0.1
    done
}
answers() { curl -sf -o /dev/null "$1"; }
has_data() { (($(curl -s "$metrics" | grep -c '^netbackup_collector_success{.*} 1$') == 2)); }
published() { curl -s "$metrics" | awk '/^netbackup_collector_polls_total/ { n += $NF } END { print n + 0 }'; }

# start SERIES TTL: a primary with so many series, and an exporter that polls it every TTL. Some six series a unit.
start() {
    "$program" simulate --listen-address 127.0.0.1:18556 --storage-units $(($1 / 6 + 1)) --jobs 1000 --jobs-per-minute 60 \
        >"$dir/simulator.log" 2>&1 &
    simulator=$!
    cat >"$dir/config.toml" <<END
[web]
listen_address = "127.0.0.1:$exporter"
max_requests = 0
[poll]
jobs_ttl = "$2"
storage_ttl = "$2"
[[site]]
name = "bench"
url = "http://127.0.0.1:18556/netbackup"
api_key = "simulated-api-key"
END
    wait_for answers http://127.0.0.1:18556/netbackup/ping
    "$program" --config.file "$dir/config.toml" 2>"$dir/log" &
    server=$!
    wait_for has_data
}
stop() {
    kill "$@"
    wait "$@" 2>/dev/null || true
}

# measure PORT ENCODING -> rps p99 in ms. An answer that is none, or an error, is no figure.
measure() {
    kill -0 "$server" "$simulator" "$nginx"
    wrk -t1 -c4 -d"${seconds}s" --latency -H "Accept-Encoding: $2" "http://127.0.0.1:$1/metrics" | awk '
        /Requests\/sec/ { rps = $2 }
        /Non-2xx|Socket errors/ { print >"/dev/stderr"; failed = 1 }
        $1 == "99%" { p99 = $2 + 0; if ($2 ~ /us$/) p99 /= 1000; else if ($2 !~ /ms$/) p99 *= 1000 }
        END {
            if (failed || rps <= 0) { print "error: not every request was answered" >"/dev/stderr"; exit 1 }
            print rps, p99
        }'
}
# column FILE N: its median
column() { cut -d' ' -f"$2" "$1" | sort -g | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
worst() { cut -d' ' -f"$2" "$1" | sort -g | tail -n 1; }

echo "| series | bytes | while | exporter | nginx | ratio | p99 of the exporter, of nginx |"
echo "|---|---|---|---|---|---|---|"
for series in "$@"; do
    for ttl in 1h 1s; do
        start "$series" "$ttl"
        rm -rf "$dir/www"
        mkdir "$dir/www"
        curl -s "$metrics" >"$dir/www/metrics"
        curl -s -H 'Accept-Encoding: gzip' "$metrics" >"$dir/www/metrics.gz"
        cat >"$dir/nginx.conf" <<END
worker_processes 2; daemon off; pid $dir/nginx.pid; error_log $dir/nginx.log;
events { worker_connections 1024; }
http { client_body_temp_path $dir/body; proxy_temp_path $dir/proxy; fastcgi_temp_path $dir/fastcgi; uwsgi_temp_path $dir/uwsgi;
  scgi_temp_path $dir/scgi; access_log off; sendfile on; open_file_cache max=10; default_type text/plain; keepalive_requests 100000000; gzip_static on;
  server { listen 127.0.0.1:$nopush; root $dir/www; tcp_nopush on; }
  server { listen 127.0.0.1:$push; root $dir/www; tcp_nopush off; } }
END
        chmod -R a+rX "$dir"
        nginx -c "$dir/nginx.conf" &
        nginx=$!
        wait_for answers http://127.0.0.1:$nopush/metrics
        for encoding in identity gzip; do
            file=$dir/www/metrics
            [[ $encoding == identity ]] || file=$file.gz
            curl -sf -H "Accept-Encoding: $encoding" -o "$dir/from-nginx" http://127.0.0.1:$nopush/metrics
            cmp "$file" "$dir/from-nginx"
            rm -f "$dir"/rps.*
            before=$(published) begun=$SECONDS
            for ((round = 0; round < rounds; round++)); do
                for port in $exporter $nopush $push; do measure "$port" "$encoding" >>"$dir/rps.$port"; done
            done
            awk -v series="$(grep -vc '^#' "$dir/www/metrics")" -v encoding="$encoding" -v bytes="$(stat -c %s "$file")" \
                -v ours="$(column "$dir/rps.$exporter" 1)" -v p99="$(column "$dir/rps.$exporter" 2)" -v worst="$(worst "$dir/rps.$exporter" 2)" \
                -v on="$(column "$dir/rps.$nopush" 1)" -v on99="$(column "$dir/rps.$nopush" 2)" \
                -v off="$(column "$dir/rps.$push" 1)" -v off99="$(column "$dir/rps.$push" 2)" \
                -v ttl="$ttl" -v published=$(($(published) - before)) -v seconds=$((SECONDS - begun)) 'BEGIN {
                best = (on > off ? on : off)
                when = ttl == "1h" ? "nothing changes" : sprintf("%.1f snapshots a second are published", published / seconds)
                printf "| %d | %d %s | %s | %d rps | %d rps | %.2f | %.1f ms (worst %.1f), %.1f ms |\n", series, bytes,
                    encoding == "gzip" ? "gzip" : "plain", when, ours, best, ours / best, p99, worst, (on > off ? on99 : off99)
            }'
        done
        stop "$server" "$simulator" "$nginx"
    done
done
