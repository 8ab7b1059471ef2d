#!/usr/bin/env bash
# Counts the instructions of the paths that must stay short (render, publish, scrape, decode) with callgrind, and compares
# them with benches/instructions.baseline. Fails when one has grown by more than 10 %. Counts depend on the compiler, so
# the baseline names its version; with another one this says "skipped".
# Usage: benches/instructions.sh [--update]   --update writes the baseline instead: on purpose, in a commit that says why.
# Needs valgrind. `CARGO_TARGET_DIR` is honoured.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

baseline=benches/instructions.baseline
most_percent=10
toolchain="$(rustc --version | cut -d' ' -f2) $(rustc -vV | sed -n 's/^host: //p')"

if [[ ${1:-} != --update && $(sed -n 's/^# toolchain //p' "$baseline") != "$toolchain" ]]; then
    echo "skipped: the baseline is of $(sed -n 's/^# toolchain //p' "$baseline"), this is $toolchain"
    exit 0
fi

# cargo names the program it has built; its hash is not to be guessed.
program=$(cargo build --locked --profile counted -p netbackup_exporter_benches --bin instructions --message-format=json-render-diagnostics |
    sed -n 's/.*"executable":"\([^"]*instructions[^"]*\)".*/\1/p' | tail -n 1)
[[ -x $program ]] || { echo "error: cargo built no program" >&2; exit 1; }
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

names=$("$program")
[[ -n $names ]] || { echo "error: the program names no scenario" >&2; exit 1; }

# count SCENARIO: leaves the number in $now
count() {
    valgrind --tool=callgrind --callgrind-out-file="$out/callgrind" --collect-atstart=no \
        --toggle-collect='instructions::measured*' "$program" "$1" >"$out/log" 2>&1 || { cat "$out/log" >&2; exit 1; }
    now=$(sed -n 's/^==[0-9]*== Collected : //p' "$out/log")
    [[ $now =~ ^[1-9][0-9]*$ ]] || { echo "error: callgrind counted nothing for $1" >&2; exit 1; }
}

if [[ ${1:-} == --update ]]; then
    {
        echo "# Instructions of each scenario of benches/instructions.rs; benches/instructions.sh --update writes this."
        echo "# toolchain $toolchain"
    } >"$out/baseline"
    for scenario in $names; do
        count "$scenario"
        echo "$scenario $now" | tee -a "$out/baseline"
    done
    cp "$out/baseline" "$baseline"
    exit
fi

if [[ $(sort <<<"$names") != "$(sed '/^#/d; s/ .*//' "$baseline" | sort)" ]]; then
    echo "error: $baseline is of other scenarios; if that is wanted: benches/instructions.sh --update" >&2
    exit 1
fi
failed=0
for scenario in $names; do
    count "$scenario"
    before=$(sed -n "s/^$scenario //p" "$baseline")
    percent=$(awk "BEGIN { printf \"%+.1f\", ($now - $before) * 100 / $before }")
    echo "$scenario: $now instructions, $percent %"
    if awk "BEGIN { exit !($now > $before * (1 + $most_percent / 100)) }"; then
        echo "error: $scenario has grown by more than $most_percent %; if that is wanted: benches/instructions.sh --update" >&2
        failed=1
    elif awk "BEGIN { exit !($now < $before * (1 - $most_percent / 100)) }"; then
        echo "$scenario has become cheaper: benches/instructions.sh --update keeps it so"
    fi
done
exit "$failed"
