#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# resize2fs of e2fsprogs, on mounted filesystems of many layouts, by RESIZE_FS
# and by the old ioctls, from 40 MB to 10 GB: with the module it says the same,
# exits with the same status and makes the same filesystem (by dumpe2fs, group
# by group) as without, and e2fsck finds nothing wrong.
#
# The negatives: sizes that are asked for are reached in both runs, refusals are
# refusals in both, and the module has seen the resizes of the second.
# vm: --disk 12G --timeout 900
. /lib/test.sh

status=/sys/module/ext4_fc_resize_fix/status
uuid=5ea1ab1e-0000-4000-8000-000000000002

# steps NAME new|old "MKE2FS-WORDS" "BLOCKS [BLOCKS]" FROM TO...: resize2fs to
# each size, the last one is BLOCKS (the second number: of the old ioctls)
steps() {
	what="$2: $1" ioctls=$2 make=$3 blocks=$4 from=$5
	shift 5
	[ "$ioctls" = old ] || blocks=${blocks% *}
	blocks=${blocks#* }

	# shellcheck disable=SC2086 # words
	mke2fs -q -F -t ext4 -O fast_commit -U $uuid -E hash_seed=$uuid $make /dev/vda "$from" || bail "$what: mke2fs"
	# No inode tables written in the background
	mount -o noinit_itable /dev/vda /mnt || bail "$what: mount"
	unset RESIZE2FS_KERNEL_VERSION
	[ "$ioctls" = new ] || export RESIZE2FS_KERNEL_VERSION=3.2
	for to; do
		echo "to $to"
		# shellcheck disable=SC2086 # none: the size of the device
		resize2fs /dev/vda ${to#device} 2>&1
		echo "exit $?"
	done >"/tmp/$run"
	umount /mnt
	if [ $run = without ]; then
		note "$what: $(grep -E '^(exit|The filesystem on|resize2fs:)' /tmp/without | tr '\n' ' ')"
	fi
	is "$(/test/fcr size /dev/vda)" "$blocks" "$run, $what: $blocks blocks"
	e2fsck -fn /dev/vda >/tmp/said 2>&1 || fail "$run, $what: e2fsck -f" "$(cat /tmp/said)"
	# Without times and how much was written, and without checksums: those
	# of unused bitmaps are of what was on the disk before
	dumpe2fs /dev/vda 2>&1 | sed -E 's/,? csum 0x[0-9a-f]+//
		/^(Last |Filesystem created|Lifetime writes|Journal (sequence|start|checksum)|Checksum:)/d' >>"/tmp/$run"
	mv "/tmp/$run" "/tmp/$run $what"
	[ $run = without ] || ok "$what: the same as without" diff "/tmp/without $what" "/tmp/with $what"
}

all() {
	steps "4 KiB" "$1" "-b 4096" 2621440 40M 50001 1G 10G 10G
	steps "1 KiB" "$1" "-b 1024" 1048576 40M 50001 1G
	steps "4 KiB, ^64bit" "$1" "-b 4096 -O ^64bit" 262144 40M 1G
	steps "meta_bg" "$1" "-b 4096 -O ^resize_inode,meta_bg" "2621440 10240" 40M 10G
	steps "^resize_inode" "$1" "-b 4096 -O ^resize_inode" "2621440 262144" 40M 1G 10G
	steps "bigalloc" "$1" "-b 4096 -O bigalloc" "2621440 10240" 40M 1G 10G
	steps "^flex_bg" "$1" "-b 4096 -O ^flex_bg" 262144 40M 1G
	steps "large" "$1" "-b 4096" 2621440 5G 10G
	steps "smaller, too large, all" "$1" "-b 4096" 3145728 1G 40M 20G device
	[ "$1" = old ] || steps "1 KiB, large" new "-b 1024" 10485760 40M 10G
}

modprobe ext4
for run in without with; do
	[ $run = without ] || ok "modprobe" modprobe ext4_fc_resize_fix
	all new
	all old
done
is "$(($(cat $status/holds) > 100)) $(cat $status/missed)" "1 0" "the module has held them, and missed none"
finish
