#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What tests/cuts.t has run in a Debian: without acked= on the kernel's command line it
# writes and resizes until the machine stops, and says what is acknowledged; with it,
# after a cut, whether so many writes are there.

exec >/dev/ttyS1 2>&1
stty -opost </dev/ttyS1

acked=$(sed -n 's/.* acked=\([0-9]*\).*/\1/p' /proc/cmdline)

# lost DIR: which of these are not there, or not as they were written
lost() {
	n=1
	while [ $n -le "$acked" ]; do
		text=
		read -r text 2>/dev/null <"$1/$n"
		[ "$text" = "$n" ] || printf ' %s' "$n"
		n=$((n + 1))
	done
}

if [ -n "$acked" ]; then
	grep -q ' /srv ' /proc/mounts || mount /srv 2>/dev/null
	for dir in /acked /srv/acked; do
		lost=$(lost $dir)
		[ -z "$lost" ] || said="$said $dir:$lost"
	done
	[ "$(systemctl is-active emergency.target)" != active ] || said="$said (in emergency mode)"
	dmesg | grep -E 'ext4-fc-resize-fix:|EXT4-fs \(vd' | sed 's/^/# /'
	journalctl -b -o cat -u systemd-fsck-root -u 'systemd-fsck@*' | sed 's/^/# /'
	sed 's/^/# /' /run/initramfs/fsck.log 2>/dev/null
	[ -z "$said" ] || echo "lost:$said"
	echo "# guest-exit: 0"
	stty -opost </dev/ttyS1 # waits until it has got out
	systemctl poweroff -ff
	exit
fi

# write N: on both; acknowledged when the fsyncs have returned
write() {
	for dir in /acked /srv/acked; do
		echo "$1" >$dir/"$1" && sync $dir/"$1" || exit
	done
	echo "acked $1"
}

# blocks DEVICE
blocks() { dumpe2fs -h "$1" 2>/dev/null | sed -n 's/^Block count: *//p'; }

mkdir /acked /srv/acked
sync
echo "# $(ext4-fc-resize-fix check)"
vda=$(blocks /dev/vda) vdb=$(blocks /dev/vdb) n=0
while :; do
	for _ in 1 2 3; do write $((n += 1)); done
	sleep 0.5
	vda=$((vda + 256)) vdb=$((vdb + 256))
	resize2fs /dev/vda $vda >/dev/null 2>&1 && resize2fs /dev/vdb $vdb >/dev/null 2>&1 && echo "resized" || echo "# resize2fs failed"
	write $((n += 1))
	sleep 2
done
