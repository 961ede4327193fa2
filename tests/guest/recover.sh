#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# ext4-fc-resize-fix recover after a power cut: what was fsynced is there, with
# fast commits in the journal as well as after a full commit, where e2fsck -p, run
# first (the negative), loses it; e2fsck then finds the filesystem clean. It is also
# mounted read-only then, without the module, on kernels whose read-only replay is
# broken.
#
# And what is left alone, unchanged, with the reason in one line: no ext4, no fast_commit,
# clean, mounted (in another mount namespace, too), with errors, on a device that
# is read-only or another's; a journal that the kernel cannot replay; no device, no rights.
#
# vm: --disk 64M --disk 64M --disk 16M --timeout 300 --add /sbin/dmsetup --add /bin/unshare --add /sbin/blockdev
# vm: --add @CLI:/sbin/ext4-fc-resize-fix --add /usr/bin/setpriv:/bin/setpriv
. /lib/test.sh

PATH=$PATH:/test
cli=ext4-fc-resize-fix
modprobe ext4
modprobe dm-mod
dmsetup mknodes >/dev/null 2>&1

# cut: what a power cut now would leave, on vdb. Not read from where it is mounted:
# that would see, or write back, what is not on the disk
cut() { dd if=/dev/vda of=/dev/vdb bs=1M iflag=direct conv=fsync 2>/dev/null; }
write() { for file; do is "$(fcr write "/mnt/$file" "$file")" 0 "fsync of $file"; done; }

# there NAME OPTION WANT FILE...: how many of these are on vdb
there() {
	name=$1 option=$2 want=$3 found=0
	shift 3
	mount -o "$option" /dev/vdb /recovered || bail "$name: mount"
	for file; do
		[ "$(cat "/recovered/$file" 2>/dev/null)" != "$file" ] || found=$((found + 1))
	done
	umount /recovered
	is $found "$want" "$name: of $# files that were fsynced $want are there"
}

# by_e2fsck NAME EXIT: what a boot does
by_e2fsck() {
	e2fsck -p /dev/vdb >/tmp/e2fsck 2>&1
	status=$?
	note "e2fsck -p: $(tr '\n' ';' </tmp/e2fsck)"
	is $status "$2" "$1: e2fsck -p"
}

sum() { md5sum </dev/vdb; }
# left NAME EXIT REASON COMMAND...: in one line, and nothing has changed
left() {
	before=$(sum)
	says "$@"
	is "$(wc -l </tmp/said)" 1 "$1: in one line"
	is "$(sum)" "$before" "$1: nothing is written"
}
errors() { debugfs -w -R "set_super_value state $1" /dev/vdb 2>/dev/null; }

mkdir /recovered /elsewhere
dmsetup create --noudevsync fs --table "0 131072 linear /dev/vda 0" || bail dmsetup
mke2fs -q -F -t ext4 -b 1024 -O fast_commit /dev/dm-0 60000 || bail mke2fs
left "not ext4" 0 "/dev/vdb: left alone: not ext4" $cli recover /dev/vdb
mke2fs -q -F -t ext4 /dev/vdb || bail mke2fs
left "no fast_commit" 0 "/dev/vdb: left alone: no fast_commit" $cli recover /dev/vdb
cut
left "clean" 0 "/dev/vdb: left alone: it needs no recovery" $cli recover /dev/vdb

# No commit by the timer
mount -o commit=1000 /dev/dm-0 /mnt || bail mount
: >/mnt/before
sync -f /mnt
write a1 a2

cut
left "no rights" 3 "/dev/vdb: Permission denied" setpriv --reuid=65534 --regid=65534 --clear-groups $cli recover /dev/vdb
left "no device" 3 "Block device required" $cli recover /lib/test.sh
left "no such device" 3 "/dev/nothing: No such file" $cli recover /dev/nothing
errors 3
left "with errors" 1 "left alone: it has errors, e2fsck has to repair them" $cli recover /dev/vdb
errors 1
blockdev --setro /dev/vdb
left "read-only" 1 "left alone: the device is read-only" $cli recover /dev/vdb
blockdev --setrw /dev/vdb
dmsetup create --noudevsync over --table "0 131072 linear /dev/vdb 0" || bail dmsetup
left "another device's" 0 "left alone: mounted, or in use by another device" $cli recover /dev/vdb
dmsetup remove --noudevsync over
unshare -m sh -c 'mount /dev/vdb /elsewhere && : >/elsewhere/new && sync -f /elsewhere && echo >/tmp/mounted && exec sleep 1000' &
elsewhere=$!
until [ -e /tmp/mounted ]; do sleep 0.1; done
says "mounted elsewhere" 0 "left alone: mounted, or in use by another device" $cli recover /dev/vdb
kill $elsewhere
wait $elsewhere 2>/dev/null
until [ ! -e /proc/fs/ext4/vdb ]; do sleep 0.1; done

cut
mounts=$(cat /proc/self/mountinfo)
says "fast commits" 0 "/dev/vdb: recovered by the kernel" $cli recover /dev/vdb
is "$(wc -l </tmp/said)" 1 "fast commits: in one line"
is "$(cat /proc/self/mountinfo)" "$mounts" "nothing is mounted"
is "$(ls -A /run)" "" "nothing is left in /run"
left "again" 0 "left alone: it needs no recovery" $cli recover /dev/vdb
by_e2fsck "fast commits, then" 0
there "fast commits, and mounted read-only" ro 2 a1 a2

# With a new directory, and done again, as after a power cut in the middle: an error to
# replay (doc/upstream/20-mkdir.txt), which with errors=remount-ro ends the mount
again() {
	mkdir /mnt/d
	write d/a3
	cut
	cp /dev/vdb /tmp/cut
	block=$(debugfs -R 'bmap <8> 0' /dev/vdb 2>/dev/null)
	blocks=$(dumpe2fs -h /dev/vdb 2>/dev/null | sed -n 's/^Total journal blocks: *//p')
	is "$(debugfs -R "bmap <8> $((blocks - 1))" /dev/vdb 2>/dev/null)" $((block + blocks - 1)) "the journal is in one piece"
	says "a new directory" 0 "/dev/vdb: recovered by the kernel" $cli recover /dev/vdb
	there "a new directory" rw 3 a1 a2 d/a3
	tune2fs -e remount-ro /dev/vdb >/dev/null
	dd if=/tmp/cut of=/dev/vdb bs=1024 skip="$block" seek="$block" count="$blocks" conv=notrunc,fsync 2>/dev/null
	rm /tmp/cut
	debugfs -w -R 'feature needs_recovery' /dev/vdb >/dev/null 2>&1
	says "replayed again" 1 "recovered by the kernel: with errors, e2fsck has to repair them" $cli recover /dev/vdb
	e2fsck -fy /dev/vdb >/tmp/e2fsck 2>&1
	is $(($? & ~3)) 0 "replayed again: e2fsck repairs it"
	there "replayed again" rw 2 a1 a2
}
case $(uname -r) in
5.*) ;; # loses the file in the new directory at once
*) again ;;
esac

# The rename of a directory makes the next fsync a full commit: the fast commits are older
commits=$(fc_stat dm-0 commits)
mkdir /mnt/old
mv /mnt/old /mnt/new
write b1
is "$(fc_stat dm-0 commits)" "$commits" "that was a full commit"
cut
by_e2fsck "a full commit after fast ones, e2fsck alone" 1
there "e2fsck alone" rw 0 a1 a2 b1
cut
says "two devices" 0 "/dev/vdb: recovered by the kernel" $cli recover /dev/vdc /dev/vdb
is "$(wc -l </tmp/said)" 2 "two devices: a line for each"
by_e2fsck "a full commit after fast ones, then" 0
there "a full commit after fast ones" rw 3 a1 a2 b1

# A journal that nobody can replay: e2fsck goes on as without
cut
block=$(debugfs -R 'bmap <8> 0' /dev/vdb 2>/dev/null)
dd if=/dev/zero of=/dev/vdb bs=1024 seek="$block" count=1 conv=notrunc,fsync 2>/dev/null
says "no journal superblock" 1 "/dev/vdb: the kernel cannot mount it: " $cli recover /dev/vdb
e2fsck -fy /dev/vdb >/tmp/e2fsck 2>&1
is $(($? & ~3)) 0 "e2fsck repairs it"

umount /mnt
dmsetup remove --noudevsync fs

# An external journal, which is found by its UUID: the number in the superblock is not its own
mke2fs -q -F -b 1024 -O journal_dev /dev/vdc || bail mke2fs
mke2fs -q -F -t ext4 -b 1024 -O fast_commit -J device=/dev/vdc /dev/vdb 60000 || bail mke2fs
mount -o commit=1000 /dev/vdb /mnt || bail mount
: >/mnt/before
sync -f /mnt
write d1
dd if=/dev/vdb of=/dev/vda bs=1M iflag=direct conv=fsync 2>/dev/null
dd if=/dev/vdc of=/tmp/journal bs=1M iflag=direct conv=fsync 2>/dev/null
umount /mnt
dd if=/dev/vda of=/dev/vdb bs=1M oflag=direct conv=fsync 2>/dev/null
dd if=/tmp/journal of=/dev/vdc bs=1M oflag=direct conv=fsync 2>/dev/null
debugfs -w -R "set_super_value journal_dev 0xfe63" /dev/vdb 2>/dev/null
says "an external journal, not found" 1 "the kernel cannot mount it" $cli recover /dev/vdb
mkdir -p /dev/disk/by-uuid
ln -s ../../vdc "/dev/disk/by-uuid/$(dumpe2fs -h /dev/vdb 2>/dev/null | sed -n 's/^Journal UUID: *//p')"
says "an external journal" 0 "recovered by the kernel" $cli recover /dev/vdb
there "an external journal" "journal_path=/dev/vdc" 1 d1
finish
