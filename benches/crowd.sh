#!/usr/bin/env bash
# What a crowd costs a scrape: CONNECTIONS clients come as fast as they can and ask for nothing, on plain HTTP, before TLS
# (no handshake) and behind it (one each), while /metrics is scraped over a new connection every 100 ms. Prints median,
# p99 and slowest scrape while the crowd comes and while it stays, and resident memory before and after.
# The crowd, the scraper and the exporter share the machine, on loopback only; it ends by itself. Who has asked for nothing
# is sent away after 10 s, so SECONDS should be below.
# Needs python3, curl, openssl. Usage: benches/crowd.sh [CONNECTIONS] [SECONDS]
set -euo pipefail
connections=${1:-10000} seconds=${2:-8}
here=$(cd "$(dirname "$0")/.." && pwd)
program=${NETBACKUP_EXPORTER:-$here/target/release/netbackup_exporter}
[ -x "$program" ] || cargo build --release --manifest-path "$here/Cargo.toml"
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$dir"' EXIT
# Clients have a descriptor each; the exporter keeps the usual limit.
usual=$(ulimit -Sn)
ulimit -Sn "$(ulimit -Hn)"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
printf 'tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n' >"$dir/tls.yml"
echo '{}' >"$dir/plain.yml"
chmod 600 "$dir"/*.pem "$dir"/*.yml

# About 10,000 series, as in serve.sh.
"$program" simulate --listen-address 127.0.0.1:18756 --storage-units 1700 --jobs 3000 --jobs-per-minute 0 >/dev/null 2>&1 &
cat >"$dir/config.toml" <<END
[[site]]
name = "bench"
url = "http://127.0.0.1:18756/netbackup"
api_key = "simulated-api-key"
END
cat >"$dir/crowd.py" <<'END'
import os, select, socket, ssl, sys, time

port, kind, connections, seconds, pid = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), sys.argv[5]
context = ssl.create_default_context(cafile="cert.pem") if kind != "plain" else None
address = ("127.0.0.1", port)

def connect(tls):
    stream = socket.create_connection(address, timeout=20)
    return tls.wrap_socket(stream, server_hostname="localhost") if tls else stream

def scrape():
    begun = time.monotonic()
    with connect(context) as stream:
        stream.sendall(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\naccept-encoding: gzip\r\nconnection: close\r\n\r\n")
        head = stream.recv(65536)
        size = len(head)
        while part := stream.recv(65536):
            size += len(part)
    if not head.startswith(b"HTTP/1.1 200") or size < 10000:
        raise SystemExit(f"{kind}: a scrape got {size} bytes, {head[:40]}")
    return (time.monotonic() - begun) * 1000

def resident():
    line = next(line for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))
    return int(line.split()[1])

def tell(when, times):
    times.sort()
    at = lambda share: times[min(len(times) - 1, int(len(times) * share))]
    if times:
        print(f"{kind}: {when}: {len(times)} scrapes, median {at(0.5):.1f} ms, p99 {at(0.99):.1f} ms, slowest {times[-1]:.1f} ms")

def come(done):
    crowd = []
    for _ in range(connections):
        try:
            crowd.append(connect(context if kind == "behind TLS" else None))
        except OSError:
            pass  # sent away amid its handshake
    os.write(done, b"x")
    time.sleep(seconds + 1)

def scrape_while(lasts):
    times, due = [], time.monotonic()
    while lasts():
        times.append(scrape())
        due = max(due + 0.1, time.monotonic())
        time.sleep(due - time.monotonic())
    return times

until = time.monotonic() + 2
tell("alone", scrape_while(lambda: time.monotonic() < until))
before = resident()
came, done = os.pipe()
crowd = os.fork()
if crowd == 0:
    come(done)
    os._exit(0)
begun = time.monotonic()
times = scrape_while(lambda: not select.select([came], [], [], 0)[0] and time.monotonic() < begun + 120)
took = time.monotonic() - begun
tell(f"while {connections} come, in {took:.1f} s", times)
until = time.monotonic() + seconds
tell("while they stay", scrape_while(lambda: time.monotonic() < until))
print(f"{kind}: RSS {before} kB before, {resident()} kB after, {len(os.listdir(f'/proc/{pid}/fd'))} descriptors open")
os.kill(crowd, 9)
END
for _ in $(seq 100); do curl -sf -o /dev/null http://127.0.0.1:18756/netbackup/ping && break; sleep 0.1; done
port=18757
for kind in plain "before TLS" "behind TLS"; do
  door=tls scheme=https
  [ "$kind" = plain ] && door=plain scheme=http
  (ulimit -Sn "$usual" && exec "$program" --config.file "$dir/config.toml" --web.config.file "$dir/$door.yml" \
    --web.listen-address "127.0.0.1:$port" --log.level error 2>"$dir/log") &
  exporter=$!
  for _ in $(seq 300); do
    [ "$(curl -sk "$scheme://127.0.0.1:$port/metrics" | grep -c '^netbackup_collector_success{.*} 1$')" = 2 ] && break
    sleep 0.1
  done
  (cd "$dir" && timeout 300 python3 crowd.py "$port" "$kind" "$connections" "$seconds" "$exporter")
  kill "$exporter"
  wait "$exporter" 2>/dev/null || true
  port=$((port + 1))
done
