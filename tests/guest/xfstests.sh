#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What tests/xfstests.t runs in the VM: each of these tests of xfstests, in the
# Debian of vda, with the module or without it.
#
#	xfstests.sh yes|no EACH SECONDS TEST...	at most so long for each, and for all
#
# vdb has xfstests, vdc to vde are for the tests; /test/config is the kernel's. After each it says
#	result TEST pass|fail|notrun SECONDS
# and after "result TEST hang" nothing more: what hangs goes with the VM.

root=/debian
module=$1 each=$2 seconds=$3
shift 3
uptime() { cut -d. -f1 /proc/uptime; }

# A warning of the kernel fails the test that it comes in, by xfstests' own look at the log
echo 0 >/proc/sys/kernel/panic_on_warn
modprobe ext4
modprobe loop # generic/042 takes it for granted
mkdir $root
mount /dev/vda $root && mount /dev/vdb $root/var/lib/xfstests || exit
for dir in dev proc sys lib/modules; do
	mount --rbind /$dir $root/$dir || exit
done
mkdir $root/dev/shm
for dir in run tmp dev/shm; do
	mount -t tmpfs tmpfs $root/$dir || exit
done
# dmsetup waits for what udev does; its own waiting is ignored in a chroot
chroot $root /usr/lib/systemd/systemd-udevd --daemon
chroot $root mkfs.ext4 -q -F /dev/vdc || exit
status=/sys/module/ext4_fc_resize_fix/status
cp /test/config $root/run/config
if [ "$module" = yes ]; then
	modprobe ext4_fc_resize_fix
	case $(cat $status/state) in
	protected*) ;;
	*) exit 1 ;;
	esac
fi

for test; do
	[ "$(uptime)" -lt "$seconds" ] || break
	echo "begin $test"
	begin=$(uptime)
	chroot $root /usr/bin/env -i -C /var/lib/xfstests PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb KCONFIG_PATH=/run/config \
		HOST_OPTIONS=/etc/xfstests.config timeout -k 10 "$each" ./check "$test" >/tmp/said 2>&1
	case $? in
	0) result=pass ;;
	124 | 137) result=hang ;;
	*) result=fail ;;
	esac
	# One that ran and one that did not, but not where check itself does not start
	if [ $result != hang ] && ! grep -q '^Ran: ' /tmp/said; then
		sed 's/^/# /' /tmp/said
		exit 1
	fi
	! grep -q "^Not run: " /tmp/said || result=notrun
	[ $result = pass ] || tail -n 15 /tmp/said | sed 's/^/# /'
	echo "result $test $result $(($(uptime) - begin))"
	[ $result != hang ] || break
done
[ "$module" != yes ] || (cd $status && grep . ./* | sed 's/^/# /')
exit 0
