#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# scripts/bench-growth runs: every figure is measured with the module and without, and
# is in the table and the CSV; one that was not is missed. What it is decides nothing.

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

n=5
out=$cache/bench/growth.$n

growth() {
	status=0
	"$top/scripts/bench-growth" "$@" >"$work/table" 2>"$work/said" || status=$?
}

growth $n
is $status 0 "scripts/bench-growth"
for disk in vda vdb; do
	printf '%s\n' "$disk, 4 threads;"{fsyncs/s,"fast commits/s",overlaps/s}
done >"$work/figures"
cat >>"$work/figures" <<-'END'
	8 mounted, fsync;instructions
	4, time;ms
	4, longest fsync;ms
	7 to 9 GiB, time;ms
	7 to 9 GiB, fsyncs meanwhile;number
	7 to 9 GiB, longest of them;ms
	7 to 9 GiB, held;ms
END
is "$(sed 1d "$out/growth.csv" | cut -d';' -f1,2)" "$(cat "$work/figures")" "the CSV has all figures"
is "$(awk -F';' 'NR > 1 && $5 == "" || $3 == "" && !/overlaps|held;/' "$out/growth.csv")" "" "with the module, and without"
is "$(grep -c '^| [v0-9]' "$work/table")" "$(wc -l <"$work/figures")" "the tables have them"

sed -i '/^1\.\./d' "$out/held"
growth --table $n
is "$status $(grep -c 'growth.sh failed' "$work/said")" "1 1" "a part that came to no end is missed"
rm "$out/held"
growth --table $n
is "$status $(grep -c 'held has not been measured' "$work/said")" "1 1" "and one that was not measured"
finish
