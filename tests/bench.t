#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# scripts/bench runs: every figure is measured and is in the table, the CSV
# and the chart, and one that was not is missed. What it is decides nothing.

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

n=5
out=$cache/bench/vm.$n
nobody=$(mktemp -d -p /tmp)
trap 'rm -rf --one-file-system "$work" "$nobody"' EXIT

bench() {
	status=0
	"$top/scripts/bench" "$@" >"$work/table" 2>"$work/said" || status=$?
}

bench $n
is $status 0 "scripts/bench"
figures=$(sed -n "/^figures='/,/^'/{/;/p}" "$top/scripts/bench" | wc -l)
is "$(grep -c '^| ' "$work/table")" $((figures + 2)) "the table has all figures"
is "$(grep -c ';' "$out/bench.csv")" $((figures + 1)) "the CSV has them"
is "$(grep -c ', goal ' "$out/bench.svg")" "$(grep -cE ';(yes|no)$' "$out/bench.csv")" "the chart has those with a goal"

cp "$out/values" "$work/values"
fixed=$(kernel_id fixed)
grep -v "^fsync $fixed module " "$work/values" >"$out/values"
bench --table $n
is "$status $(grep -c "nothing was measured for: fsync $fixed module" "$work/said")" "1 1" "a figure that was not measured is missed"
cp "$work/values" "$out/values"
bench --table $n
is $status 0 "with it, all is well again"

# A copy, for nobody can read root's checkout
mkdir "$nobody/scripts" "$nobody/cache"
cp "$top"/scripts/{bench,lib.sh} "$nobody/scripts"
chmod -R a+rwX "$nobody"
is "$(setpriv --reuid=65534 --clear-groups env EXT4_FC_CACHE="$nobody/cache" "$nobody/scripts/bench" --host 2>&1)" \
	"bench: --host needs root: it loads and unloads the module, and resizes a filesystem of its own" "--host wants root"
finish
