#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Builds of the module for where it cannot work: each refuses to load, with the
# errno and one line that says why, and leaves nothing registered. Run by
# tests/refuse.t, which makes the builds.
#
#	refuse.sh "FILE ERROR-MESSAGE TEXT" ...
. /lib/test.sh

for variant; do
	# shellcheck disable=SC2086 # words
	set -- $variant
	file=$1 error=$2
	shift 2
	dmesg -c >/dev/null
	refuses "$(echo "$error" | tr _ ' ')" "$file: insmod fails by '$error'" insmod "/test/$file"
	# Without what the kernel says of any module from outside
	dmesg | grep 'ext4_fc_resize_fix: ' | grep -v taint >/tmp/lines
	is "$(wc -l </tmp/lines) $(grep -c "$*" /tmp/lines)" "1 1" "$file: one line in the log, it says '$*'"
	is "$(cat /sys/kernel/debug/kprobes/list /sys/kernel/tracing/enabled_functions | grep -c .)" 0 "$file: no probe is left"
done
finish
