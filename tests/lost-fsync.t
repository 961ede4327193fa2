#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What is fsynced after a journal flush survives a power cut with the module,
# on the newest stock kernel (which has upstream's fix); without the module it
# is gone, though fsync said 0. tests/guest/lost.sh says how.
#
#	lost-fsync.t [KERNEL [with|without|patched]...]
#
# patched: without the module, on a kernel with the patch of doc/upstream

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR/../scripts source=lib.sh
. "$(dirname "$0")/../scripts/lib.sh"

id=${1:-7-cloud}
shift || :
[ $# -gt 0 ] || set -- without with
ops='none extend freeze remount checkpoint'

"$top/scripts/test" --prepare "$id" >"$cache/tmp/prepared.$$"
read -r module fcr <"$cache/tmp/prepared.$$"
rm "$cache/tmp/prepared.$$"
disks=$(mktemp -d "$cache/tmp/lost.XXXXXX")
trap 'rm -r "$disks"' EXIT

count=0
result() { count=$((count + 1)); echo "$1 $count - $2"; }

# vm WHAT [OPTION...]: one boot, its lines on stdout
vm() {
	local what=$1 op drives=()
	shift

	for op in $ops; do
		truncate -s 128M "$disks/$op"
		drives+=(--disk "$disks/$op")
	done
	# shellcheck disable=SC2086 # words
	"$top/scripts/vm" --name "lost-$what@$id" --add "$fcr" "${drives[@]}" "$@" \
		"$id" "$top/tests/guest/lost.sh" "$what" $ops || :
}

for with; do
	rm -f "$disks"/*
	options=()
	[ "$with" != with ] || options=(--module "$module")
	name="$with the module"
	[ "$with" != patched ] || name='patched, without the module'
	written=$(vm write "${options[@]}")
	read=$(vm read "${options[@]}")
	for op in $ops; do
		if grep -q "^ok .* $op: fsync says" <<<"$written"; then
			result ok "$name, $op: fsync says that the file is on disk"
		else
			result "not ok" "$name, $op: fsync says that the file is on disk"
		fi
		there=gone
		if grep -q "^ok .* $op: the file is there" <<<"$read"; then there=there; fi
		want=there
		if [ "$with" = without ] && [ "$op" != none ]; then want=gone; fi
		if [ $there = $want ]; then ok=ok; else ok='not ok'; fi
		result "$ok" "$name, $op: after the power cut the file is $want"
	done
done
echo "1..$count"
