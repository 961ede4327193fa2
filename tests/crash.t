#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Crash points, the short version, on one kernel: with the module nothing is
# lost or damaged by resizes and freezes beside fsyncs; without it a resize makes
# acknowledged data be lost, and so do fsyncs that overlap, without any resize.
# scripts/crash-points says how; tests/crash-all.t is the large one.
#
# In most rows fsyncs take turns, since fast commit damages by itself now and then
# where they overlap (a file without a name), module or not.
#
#	crash.t [KERNEL]		with the module, without it, a control
#	crash.t KERNEL patched		without it, the kernel has the patches of
#					doc/upstream: nothing is lost or damaged
#	crash.t KERNEL patched-3	all but the third: fsynced data is lost

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

id=$(kernel_id "${1:-lts}")

# points NAME POINTS DAMAGED LOST OPTION... -- MODE OP: DAMAGED and LOST are what
# is expected, 0, some or any
points() {
	local name=$1 want="damaged $3 lost $4" got line
	local run=("$top/scripts/crash-points" --points "$2" --details "$work/details")
	shift 4

	while [ "$1" != -- ]; do
		run+=("$1")
		shift
	done
	rm -f "$work/details"
	line=$("${run[@]}" "$id" "${@:2}") || line='no result'
	got=$(sed -E 's/.*(damaged [0-9]+ lost [0-9]+).*/\1/; s/ [1-9][0-9]*/ some/g' <<<"$line")
	# One that hangs has no operations after the hang
	[[ $line = *' hung 0/'* ]] || got+=', it hangs'
	# shellcheck disable=SC2053 # a pattern
	if [[ $got = ${want//any/*} ]]; then
		pass "$name: $want"
	else
		fail "$name: $want"
		[ ! -e "$work/details" ] || awk '/^point / && !/ok$/ && n++ < 10 { print "# " $0 }' "$work/details"
	fi
	note "$line"
}

case ${2-} in
patched)
	points "patched, extend" 100 0 0 --serial -- none extend
	points "patched, add" 60 0 0 --serial -- none add
	points "patched, RESIZE_FS" 60 0 0 --serial -- none resizefs
	points "patched, freeze" 60 0 0 --serial -- none freeze nodelalloc
	# Writers that overlap and do everything: on a stock kernel one in four is not all right
	points "patched, none, mixed" 300 0 0 --mixed -- none none
	;;
patched-3)
	points "no patch 3, writers pause during each extend" 40 0 some --paused -- none extend
	;;
*)
	points "no resize, no module" 60 0 0 --serial -- control none
	points "the same, with a flush that does nothing (test of the test)" 40 0 some --serial --drop 1 -- control none
	points "no module, writers pause during each extend" 40 0 some --paused -- none extend
	points "module, extend" 100 0 0 --serial -- module extend
	points "module, freeze" 60 0 0 --serial -- module freeze nodelalloc
	# Where the CPUs take turns fsyncs hardly overlap. The kernel that loses most by it
	export PARALLEL=1
	id=$(kernel_id newest)
	points "$id: module, fsyncs overlap, no resize" 100 any 0 -- module give
	points "$id: the same with overlap=0" 100 any some -- overlap0 give
	;;
esac
finish
