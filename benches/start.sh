#!/usr/bin/env bash
# How long the exporter takes from its start until it listens, and until it answers, before any poll has ended: its
# primaries do not answer at all. Median and slowest of RUNS starts.
# Usage: benches/start.sh [RUNS] [SITES]
set -euo pipefail
runs=${1:-20} sites=${2:-20}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=${NETBACKUP_EXPORTER:-$here/target/release/netbackup_exporter}
[[ -x $program ]] || cargo build --release --manifest-path "$here/Cargo.toml"
dir=$(mktemp -d)
trap 'jobs -p | xargs -r kill 2>/dev/null || true; rm -rf "$dir"' EXIT
port=18857
cat >"$dir/config.toml" <<END
[web]
listen_address = "127.0.0.1:$port"
[collectors]
all = true
[state]
directory = "$dir/state"
END
# Nothing listens there.
for ((site = 1; site <= sites; site++)); do
    printf '[[site]]\nname = "site-%02d"\nurl = "http://127.0.0.1:1/netbackup"\napi_key = "key"\n' "$site"
done >>"$dir/config.toml"
for ((run = 0; run < runs; run++)); do
    begun=${EPOCHREALTIME/./}
    "$program" --config.file "$dir/config.toml" 2>"$dir/log" &
    # The shell itself connects: a program would be slower to start than the exporter.
    until { exec 3<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null; do
        kill -0 %% 2>/dev/null || { echo "error: the exporter has ended:" >&2; cat "$dir/log" >&2; exit 1; }
    done
    listening=${EPOCHREALTIME/./}
    printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3
    IFS= read -r -t 5 answer <&3
    answered=${EPOCHREALTIME/./}
    exec 3<&-
    [[ $answer == "HTTP/1.0 200 OK"* || $answer == "HTTP/1.1 200 OK"* ]] || { echo "no answer: $answer" >&2; exit 1; }
    echo "$((listening - begun)) $((answered - begun))" >>"$dir/times"
    kill %%
    wait
done
for column in 1 2; do
    cut -d' ' -f"$column" "$dir/times" | sort -n | awk -v what="$([[ $column == 1 ]] && echo listening || echo answered)" \
        -v sites="$sites" '{ v[NR] = $1 / 1000 } END { printf "%s after %.1f ms, the slowest of %d after %.1f ms (%d sites)\n", what, v[int((NR + 1) / 2)], NR, v[NR], sites }'
done
