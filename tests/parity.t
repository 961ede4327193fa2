#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# With the module (hold=0) an unfixed kernel counts in fc_info, step by step of
# tests/guest/parity.sh, what the fixed kernel of the same version counts without
# it; without the module it does not.
#
# 5.10 was never fixed: of it the column "Resize" is compared to that of 6.1.

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=../scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"

work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
count=0 failed=0

result() {
	count=$((count + 1))
	[ "$1" = ok ] || failed=$((failed + 1))
	echo "$1 $count - $2"
}

# run ID fixed|unfixed: the two transcripts of a kernel
run() {
	if "$top/scripts/test" "parity@$1:$2" >"$work/$1"; then
		result ok "$1: the script ran, without and with the module"
	else
		result "not ok" "$1: the script ran, without and with the module"
		grep -A 5 '^not ok' "$work/$1" | sed 's/^/# /'
	fi
	sed -n 's/^# without: //p' "$work/$1" >"$work/$1.without"
	sed -n 's/^# with: //p' "$work/$1" >"$work/$1.with"
}

marks() { sed -E 's/;.*("Resize" [0-9]+).*/; \1/; t; s/;.*//' "$work/$1" | grep -v '^checkpoint'; }

run 6.1 fixed
run 6.1-unfixed unfixed
run 7 fixed
run 7-unfixed unfixed
run 5.10 unfixed

for id in 6.1 7; do
	if [ -s "$work/$id.without" ] && diff "$work/$id-unfixed.with" "$work/$id.without" >"$work/diff"; then
		result ok "$id: unfixed with the module is like fixed without"
	else
		result "not ok" "$id: unfixed with the module is like fixed without"
		sed 's/^/# /' "$work/diff"
	fi
	if cmp -s "$work/$id-unfixed.without" "$work/$id.without"; then
		result "not ok" "$id: unfixed without the module is not"
	else
		result ok "$id: unfixed without the module is not"
	fi
done
if diff <(marks 5.10.with) <(marks 6.1.without) >"$work/diff"; then
	result ok "5.10: with the module the same \"Resize\" as 6.1, fixed"
else
	result "not ok" "5.10: with the module the same \"Resize\" as 6.1, fixed"
	sed 's/^/# /' "$work/diff"
fi
echo "1..$count"
[ $failed = 0 ]
