#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What the module costs, for scripts/bench:
#
#	bench.sh [N]	in a VM: medians of N (300)
#	bench.sh N DEV	by scripts/bench --host, in its directory, on a disk of 12 GiB
#			with nothing on it: what is not of the VM
#
# Prints "value FIGURE VARIANT NUMBER" for each time that something was
# measured. Tests only that what was measured is what it says. In the VM the disks
# are RAM, and the clock counts instructions: that somebody waits for a disk, or
# is unlucky with a cache, does not show.
# vm: --icount 0 --mem 3G --timeout 1800 --add /usr/bin/fio
# need: fio
# program: bench
# build: tests/livepatch tests/redirect
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${TEST_LIB:-/lib/test.sh}"

n=${1:-300}
dev=${2:-/dev/ram0}
if [ "$n" -ge 100 ]; then rounds="1 2 3" groups=1000; else rounds=1 groups=20; fi
mod=ext4_fc_resize_fix
status=/sys/module/$mod/status
tracing=/sys/kernel/tracing
mnt=$PWD/mnt
PATH=$PATH:/test
mkdir "$mnt"

# variant none|hold0|module
variant() {
	[ ! -e /sys/module/$mod ] || rmmod $mod || bail rmmod
	case $1 in
	module) modprobe $mod ;;
	hold0) modprobe $mod hold=0 ;;
	esac || bail modprobe
}

# make DEV BLOCKS [OPTION...]
make() {
	dev_of=$1 blocks=$2
	shift 2
	mke2fs -q -F -t ext4 -b 4096 -O fast_commit -E lazy_itable_init=0 "$@" "$dev_of" "$blocks" >mke2fs.log 2>&1 ||
		bail "mke2fs: $(cat mke2fs.log)"
}

# filesystem BLOCKS [OPTION...]: a new one, mounted
filesystem() {
	! grep -q " $mnt " /proc/mounts || umount "$mnt" || bail umount
	blockdev --flushbufs "$dev"
	make "$dev" "$@"
	mount "$dev" "$mnt" || bail mount
}

# are_fast DEV BEFORE FSYNCS WHAT
are_fast() {
	fast=$(($(fc_stat "$1" commits) - $2))
	is $((fast >= $3 * 9 / 10)) 1 "$4: fsyncs are fast commits"
	note "$fast fast commits of $3 fsyncs"
}

# fio_rate N: writes blocks that were never written, so that each fsync has
# something to commit
fio_rate() {
	rm -f "$mnt/fio"
	fio --name=fio --filename="$mnt/fio" --size=64M --bs=4k --rw=randwrite --fsync=1 --ioengine=psync \
		--number_ios="$1" --clocksource=clock_gettime --minimal 2>said | cut -d';' -f49
}

modprobe ext4
[ $# = 2 ] || modprobe brd rd_nr=66 rd_size=$((12 * 1024 * 1024)) || bail brd

# --- fsync, with nobody resizing ---

filesystem 32768
# Where RAM was never written to, as a disk or a journal, the first write takes longer
dd if=/dev/zero of="$mnt/all" bs=1M 2>said || rm "$mnt/all"
bench fsync "$mnt/file" 1000 >/dev/null
for _ in $rounds; do
	for v in none module; do
		variant $v
		before=$(fc_stat "$dev" commits)
		value fsync $v "$(bench fsync "$mnt/file" "$n" 2>said)"
		are_fast "$dev" "$before" "$n" "$v"
		before=$(fc_stat "$dev" commits)
		value fio $v "$(fio_rate $((n * 20)))"
		are_fast "$dev" "$before" $((n * 20)) "$v, fio"
	done
done

# --- resize ---

size=39936 # the last of two groups, 25600 blocks short of its end
large=$((10 * 1024 * 1024 / 4))
for _ in $rounds; do
	for v in none hold0 module; do
		variant $v
		filesystem $size
		value first_extend $v "$(bench extend "$mnt" $size 64 1 2>said)"
		value extend_0 $v "$(bench extend "$mnt" $((size + 64)) 0 "$n" 2>said)"
		value extend_64 $v "$(bench extend "$mnt" $((size + 64)) 64 "$n" 2>said)"
		filesystem $size
		value extend_dirty $v "$(bench extend "$mnt" $size 64 "$n" "$mnt/file" 2>said)"

		filesystem 16384 -b 1024 -i 65536
		value group_add $v "$(RESIZE2FS_KERNEL_VERSION=3.2 bench run resize2fs "$dev" $((16384 + 8192 * groups)) 2>said)"
		is "$(fcr size "$dev")" $((16384 + 8192 * groups)) "$v: $groups times GROUP_ADD"

		filesystem 16384
		value resize_fs $v "$(bench run fcr resizefs "$mnt" $large 2>said)"
		is "$(fcr size "$dev")" $large "$v: RESIZE_FS"
	done
done

cat >resizes <<-END
	for i in 1 2 3 4 5 6 7 8 9 10; do
		resize2fs $dev \$(($size + i * 32768)) || exit
	done
END
for _ in $rounds; do
	# With fast_commit and without the module it would hang
	variant module
	filesystem $size
	value storm module "$(bench storm "$mnt" 4 sh resizes 2>said)"
	variant none
	filesystem $size -O ^fast_commit
	value storm nofc "$(bench storm "$mnt" 4 sh resizes 2>said)"
done
umount "$mnt"

# --- to load it ---

echo "modprobe $mod" >load
echo "rmmod $mod" >unload
cat >enable <<-'END'
	modprobe $1 || exit
	while [ "$(cat /sys/kernel/livepatch/$1/transition)" = 1 ]; do sleep 0.01; done
END
cat >disable <<-'END'
	echo 0 >/sys/kernel/livepatch/$1/enabled
	while [ -e /sys/kernel/livepatch/$1 ]; do sleep 0.01; done
	rmmod $1
END
for _ in $rounds; do
	value load module "$(bench run sh load 2>said)"
	value unload module "$(bench run sh unload 2>said)"
	[ $# != 2 ] || continue
	for livepatch in ext4_livepatch ext4_livepatch_all; do
		value load $livepatch "$(bench run sh enable $livepatch 2>said)"
		value unload $livepatch "$(bench run sh disable $livepatch 2>said)"
	done
done
[ $# != 2 ] || finish

# --- many held ---

variant module
i=0
while [ $i -lt 65 ]; do
	mkdir mnt$i
	make /dev/ram$i 9000 -b 1024
	mount /dev/ram$i mnt$i || bail mount
	i=$((i + 1))
done
# The first ones that the module sees on a filesystem are full commits
bench fsync mnt64/file 10 >/dev/null
before=$(fc_stat ram64 commits)
value held 0 "$(bench fsync mnt64/file "$n" 2>said)"
are_fast ram64 "$before" "$n" "none held"

events=$tracing/events/kmem/kmalloc
echo 1 >$events/enable
i=0
while [ $i -lt 64 ]; do
	fcr freeze mnt$i >/dev/null
	fcr extend mnt$i 9100 >extend$i &
	i=$((i + 1))
done
for _ in $(seq 60); do [ "$(cat $status/holds)" != 64 ] || break; sleep 1; done
echo 0 >$events/enable
is "$(cat $status/holds)" 64 "64 filesystems are held"
value held_bytes module "$(sed -n 's/.*call_site=resize_begin.* bytes_alloc=\([0-9]*\).*/\1/p' $tracing/trace | sort -n | tail -n 1)"
before=$(fc_stat ram64 commits)
value held 64 "$(bench fsync mnt64/file "$n" 2>said)"
are_fast ram64 "$before" "$n" "64 held"
i=0
while [ $i -lt 64 ]; do
	fcr thaw mnt$i >/dev/null
	i=$((i + 1))
done
wait
is "$(cat extend* | sort | uniq -c | xargs)" "64 0" "and all are resized"
variant none

# --- one call ---

# call VARIANT FUNCTION A: with VARIANT there, what a call of FUNCTION takes
call() {
	exec 4<>/sys/kernel/debug/redirect_victim
	echo "$2 $3 1 $((n * 10))" >&4
	read -r ns <&4
	exec 4>&-
	value "call_$2" "$1" "$ns"
}

modprobe redirect_victim || bail redirect_victim
for _ in $rounds; do
	call nothing plain 9
	call nothing through 9
	call nothing filter 2
	for kind in ftrace regs kprobe; do
		modprobe redirect_plain kind=$kind || bail redirect_plain
		call $kind through 9
		rmmod redirect_plain
	done
	sh enable redirect_livepatch || bail redirect_livepatch
	call livepatch through 9
	sh disable redirect_livepatch
	modprobe redirect_hooks || bail redirect_hooks
	call redirect plain 9
	call redirect_through through 9
	call redirect_filter filter 2
	rmmod redirect_hooks
done
finish
