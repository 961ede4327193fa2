#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What scripts/try runs, on a kernel that may be anybody's: on loop devices whose
# images are on a tmpfs, since every kernel has these. "# try: NAME" begins a part,
# "# seen: WHAT" is for the verdict.
#
#	try.sh STEPS ROUNDS	of the storm, and of load and unload
. /lib/test.sh

mod=ext4_fc_resize_fix
steps=$1 rounds=$2

begin() {
	echo "# try: $1"
	echo "try: $1" >/dev/kmsg
	count=0
}
end() { echo "1..$count"; }
seen() { echo "# seen: $*"; }

# The module's own last line in the log
says_module() {
	dmesg | sed -n "s/^.*\] $mod: \(not loaded: \)*//p" | grep -vE '^(loading out-of-tree|module verification failed)' | tail -n 1
}

# disks SIZE...: loop0, loop1...
disks() {
	umount /mnt /resized /other 2>/dev/null
	losetup -D
	rm -f /disks/*
	n=0
	for size; do
		truncate -s "$size" /disks/$n
		losetup /dev/loop$n /disks/$n || bail "losetup: loop$n"
		n=$((n + 1))
	done
}

# run NAME ARG...: another test
run() {
	sh "/test/$1.sh" "$2" "$3" || [ $? = 1 ] || bail "$1.sh did not run"
}

# The first full commit after the mount is over, then: does an extend count?
marks() {
	mke2fs -q -t ext4 -b 4096 -O fast_commit /dev/loop0 20000 || bail mke2fs
	mount /dev/loop0 /mnt || bail "mount: this kernel's ext4 does not take fast_commit"
	/test/fcr extend /mnt 20064 >/dev/null
	before=$(fc_reason /dev/loop0 Resize)
	is "$(/test/fcr extend /mnt 20128)" 0 "a group extend succeeds"
	echo $(($(fc_reason /dev/loop0 Resize) - before)) >/tmp/marks
}

# lost without|with OP: a flush by OP, a file fsynced after it; a copy of the image at
# that moment is what a power cut leaves: all that was sent to the disk is on it
lost() {
	disks 128M
	mke2fs -q -t ext4 -b 4096 -O fast_commit /dev/loop0 20000 || bail mke2fs
	# No commit by the timer
	mount -o commit=1000 /dev/loop0 /mnt || bail mount
	/test/fcr write /mnt/before before >/dev/null
	sync -f /mnt
	case $2 in
	extend) /test/fcr extend /mnt 20064 ;;
	freeze) /test/fcr freeze /mnt && /test/fcr thaw /mnt ;;
	none) ;;
	esac >/tmp/said || bail "$2: $(cat /tmp/said)"
	is "$(/test/fcr write /mnt/after after)" 0 "$1, $2: fsync says that the file is on disk"
	cp /disks/0 /disks/cut
	umount /mnt
	losetup -D
	losetup /dev/loop0 /disks/cut
	mount /dev/loop0 /mnt || bail "mount after the power cut"
	there=$(cat /mnt/after 2>/dev/null)
	umount /mnt
	case $1$2${there:-gone} in
	withoutextendgone | withoutfreezegone) lost="$lost $2" ;;
	esac
	case $1-$2 in
	with-* | *-none) is "$there" after "$1, $2: the file is there after the power cut" ;;
	esac
}

modprobe -q loop
modprobe ext4
mkdir /disks
mount -t tmpfs -o size=90% disks /disks

begin load
note "$(cat /proc/version)"
note "cpu: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), flags:$(sed -n 's/^flags[^:]*://p' /proc/cpuinfo | head -n 1 | tr ' ' '\n' | grep -xE 'ibt|user_shstk|shstk|smap|smep|la57' | tr '\n' ' ' | sed 's/^/ /')"
note "$(dmesg | sed -n 's/^[^]]*\] //; /Indirect Branch Tracking\|FineIBT\|kernel is locked down\|Lockdown:/p' | head -n 3)"
if ! said=$(modprobe $mod 2>&1); then
	said=${said##*: }
	seen "refused $(says_module | grep . || echo "$said")"
	fail "the module loads" "$said"
	end
	exit 1
fi
pass "the module loads"
note "$(says_module)"
is "$(cat /sys/module/$mod/status/state)" protected "its state is protected"
ok "it unloads" rmmod $mod

disks 1G
marks
if [ "$(cat /tmp/marks)" = 0 ]; then fixed=unfixed; else fixed=fixed; fi
umount /mnt
seen $fixed
end

begin fix
disks 1G
run fix $fixed

begin errno
disks 100M 224M
FCR=fcr run errno

begin unload
disks 2G 64M
run unload "$rounds"

if [ -e /bin/ext4-fc-resize-fix ]; then
	begin selftest
	disks
	modprobe $mod
	ext4-fc-resize-fix selftest >/tmp/said 2>&1
	case $? in
	0) pass "self-test" ;;
	3) ;; # it cannot tell
	*) fail "self-test" ;;
	esac
	note "$(cat /tmp/said)"
	rmmod $mod
	end
fi

begin storm
disks 2G
run storm with "$steps"
# After a hang it is there yet, and nothing else can run
if [ -e /sys/module/$mod ]; then exit 1; fi

begin lost
lost=''
for op in none extend freeze; do lost without $op; done
modprobe $mod
for op in none extend freeze; do lost with $op; done
rmmod $mod
seen "lost${lost:- nothing}"
end

# Last, since the filesystem hangs for good
begin hang
disks 2G
run storm without
