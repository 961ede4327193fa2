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
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

id=$(kernel_id "${1:-newest}")
shift || :
[ $# -gt 0 ] || set -- without with
ops='none extend freeze remount checkpoint'

"$top/scripts/test" --prepare "$id" >"$work/prepared"
read -r module fcr <"$work/prepared"
disks=$work/disks
mkdir "$disks"

# boot WHAT [OPTION...]: once, its lines on stdout
boot() {
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
	written=$(boot write "${options[@]}")
	read=$(boot read "${options[@]}")
	for op in $ops; do
		ok "$name, $op: fsync says that the file is on disk" grep "^ok .* $op: fsync says" <<<"$written"
		there=gone
		if grep -q "^ok .* $op: the file is there" <<<"$read"; then there=there; fi
		want=there
		if [ "$with" = without ] && [ "$op" != none ]; then want=gone; fi
		is $there $want "$name, $op: after the power cut the file is $want"
	done
done
finish
