#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The reproducers of doc/upstream/repro, without our module.
#
#	repro.sh BUG bug	the kernel has it
#	repro.sh BUG fixed	it has not
#
# BUG: hang, gap or lost; overlap, ineligible, untracked, restart, split, twice; replay; counts; recovery; record
# vm: --disk 1G --timeout 600 --add @REPRO/fc-hang --add @REPRO/fc-gap --add @REPRO/fc-lost --add @REPRO/fc-race --add @REPRO/fc-tmpfile --add @REPRO/fc-replay.sh
. /lib/test.sh

dev=/dev/vda
want=$2
[ "$want" = bug ] || [ "$want" = fixed ] || bail "bug or fixed?"

# What a damaged filesystem makes the kernel do is to be seen here
echo 0 >/proc/sys/kernel/panic_on_warn
echo 0 >/proc/sys/kernel/hung_task_timeout_secs
modprobe ext4

# got PROGRAM STATUS: what an exit status says
got() {
	case $2 in
	0) echo fixed ;;
	1) echo bug ;;
	*) echo "$1 exited with $2" ;;
	esac
}

hang() {
	mke2fs -q -F -t ext4 -O fast_commit -b 4096 $dev 8192 || bail mke2fs
	mount $dev /mnt || bail mount
	/test/fc-hang /mnt "$1" >/tmp/out 2>&1
	is "$(got fc-hang $?)" "$want" "fc-hang: $1 beside fsyncs"
	note "$(cat /tmp/out)"
	[ "$want" = fixed ] || finish
	umount /mnt
	ok "fc-hang: e2fsck -f" e2fsck -fn $dev
}

gap() {
	/test/fc-gap $dev /mnt "$1" >/tmp/out 2>&1
	is "$(got fc-gap $?)" "$want" "fc-gap: fsync during $1, shutdown"
	note "$(tail -n 12 /tmp/out)"
}

# lost HOW: HOW is what flushes the journal
lost() {
	mke2fs -q -F -t ext4 -O fast_commit -b 4096 $dev 20000 || bail mke2fs
	mount -o commit=1000 $dev /mnt || bail mount
	ok "fc-lost: $1, fsync, shutdown" /test/fc-lost /mnt "$1" shutdown
	umount /mnt
	mount $dev /mnt || bail "mount after shutdown"
	there=bug
	[ "$(cat /mnt/after 2>&1)" != after ] || there=fixed
	umount /mnt
}

# race HOW
race() {
	fc_race $dev "$1"
	there=fixed
	e2fsck -fn $dev >/tmp/e2fsck 2>&1 || { there=bug; note "$(cat /tmp/e2fsck)"; }
	[ -z "$gone" ] || there=bug
	is $there "$want" "fc-race: $1"
	note "gone:$gone"
	note "$(cat /tmp/out)"
}

replay() {
	sh /test/fc-replay.sh $dev /mnt "$1" >/tmp/out 2>&1
	is "$(got fc-replay.sh $?)" "$want" "fc-replay.sh: $1"
	note "$(cat /tmp/out)"
}

case $1 in
hang)
	hang "${3:-extend}"
	[ "$want" = bug ] || { hang checkpoint; hang chattr; }
	;;
gap)
	if [ -n "${3-}" ]; then
		gap "$3"
	else
		gap extend
		[ "$want" = bug ] || { gap add; gap commit; }
	fi
	;;
lost)
	for how in freeze checkpoint extend; do
		lost $how
		is $there "$want" "fc-lost: $how, is the file there"
	done
	lost none
	is $there fixed "fc-lost: none, the file is there"
	;;
overlap|ineligible|untracked|restart|split|twice)
	race "$1"
	;;
replay)
	for how in full cut-old cut-zero sparse; do
		replay $how
	done
	;;
counts)
	for how in mkdir rmdir grow; do
		replay $how
	done
	;;
recovery)
	for how in again index unlinked split stale; do
		replay $how
	done
	;;
record)
	for how in zeroout tmpfile tmpfile-unlinked; do
		replay $how
	done
	;;
esac
finish
