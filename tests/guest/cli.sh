#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The command ext4-fc-resize-fix: what it says and its exit status
# - without the module, with it, hold=0, disable=1, hooks off, no fast_commit
# - selftest: sees on an unfixed kernel that nothing marks without the module
#   (the negative), on a fixed one that the kernel does, the module with it
# - selftest killed by SIGINT, SIGTERM, SIGKILL: no loop device, no mount is left
# - colour on a terminal only
# - without root, without /proc/fs/ext4, loop, ext4, mountinfo; garbage in files
#
#	cli.sh unfixed|fixed
# vm: --disk 64M --disk 64M --timeout 300 --add @CLI:/sbin/ext4-fc-resize-fix
# vm: --add /usr/bin/env:/bin/env --add /usr/bin/setpriv:/bin/setpriv --add /usr/bin/script:/bin/script
. /lib/test.sh

cli=ext4-fc-resize-fix
mod=ext4_fc_resize_fix
status=/sys/module/$mod/status

check() { says "$1: check" "$2" "$3" $cli check; is "$(wc -l </tmp/said)" 1 "in one line"; }
nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }

# autoclear may be a moment behind
left() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		now=$(cat /sys/block/loop*/loop/backing_file 2>/dev/null; grep -E 'loop|ext4-fc|/tmp/' /proc/self/mounts)
		[ -n "$now" ] || return
		sleep 0.2
	done
	echo "$now"
}
nothing_left() { is "$(left)" "" "$1: no loop device, no mount is left"; }

# selftest NAME EXIT EXTEND-ROW TEXT
selftest() {
	says "$1: selftest" "$2" "$4" $cli selftest
	note "$(cat /tmp/said)"
	is "$(sed -n 's/^GROUP_EXTEND *//p' /tmp/said | tr -s ' ')" "$3" "$1: extend"
	is "$(sed -n 's/^GROUP_ADD *//p' /tmp/said | tr -s ' ')" "$3" "$1: add"
	nothing_left "$1"
}

if [ "$1" = fixed ]; then native=yes; else native=no; fi
if [ "$1" = fixed ]; then byus=no; else byus=yes; fi

# A debug kernel has all built in, and no such directory: then it looks like one removed
mkdir -p "/lib/modules/$(uname -r)/kernel"

# --- no ext4 with fast_commit, no rights, nothing there ---

check "nothing is mounted" 0 "OK: not needed"
says "selftest without root" 2 "it needs root" nobody $cli selftest
says "no command" 2 "See --help" $cli
says "a wrong one" 2 "See --help" $cli statsu
says "a wrong option" 2 "See --help" $cli check --json
modprobe loop
mv /dev/loop-control /dev/loop-gone
mv "/lib/modules/$(uname -r)" /lib/gone
says "selftest without loop devices" 2 "loop" $cli selftest
mv /lib/gone "/lib/modules/$(uname -r)"
mv /dev/loop-gone /dev/loop-control
if ! grep -qw ext4 /proc/filesystems; then
	mv /sbin/modprobe /sbin/modprobe-gone
	says "selftest without ext4" 2 "ext4" $cli selftest
	nothing_left "without ext4"
	mv /sbin/modprobe-gone /sbin/modprobe
	modprobe ext4
fi

mke2fs -q -t ext4 /dev/vda 2>/dev/null || bail "mke2fs"
mke2fs -q -t ext4 -b 1024 -O fast_commit /dev/vdb 50000 2>/dev/null || bail "mke2fs"
mkdir /mnt/plain /mnt/fast
mount /dev/vda /mnt/plain || bail "mount"
check "no fast_commit" 0 "OK: not needed, no mounted ext4 has fast_commit"
says "no fast_commit" 0 "off          not needed" $cli status
says "no fast_commit, nobody" 2 "run this as root" nobody $cli check

# --- without the module: the negative ---

mount /dev/vdb /mnt/fast || bail "mount"
check "without" 1 "EXPOSED: /mnt/fast has fast_commit, the module is not loaded: modprobe $mod"
says "without" 0 "/dev/vdb  /mnt/fast    on           exposed" $cli status
is "$(grep -c 'ext4: not known (selftest tells)' /tmp/said)" 1 "nobody has seen yet what the kernel does"
selftest "without" 1 "$native no no a fast commit" "EXPOSED: "
says "after selftest" 0 "upstream's fix in its ext4: $native" $cli status

ko=/lib/modules/$(uname -r)/updates/$mod.ko
mv "$ko" /lib/gone.ko
check "no module for this kernel" 1 "/mnt/fast has fast_commit, not protected on $(uname -r): headers missing"
mv /lib/gone.ko "$ko"

# --- with it ---

ok "modprobe" modprobe $mod
check "with" 0 "OK: protected (mark, hold, full commit after flush)"
says "with, nobody" 0 "OK: protected" nobody $cli check
says "with" 0 "/dev/vdb  /mnt/fast    on           protected" $cli status
note "$(cat /tmp/said)"
is "$(grep -c '^module     loaded, version' /tmp/said) $(grep -c '^its file   for this kernel, not signed$' /tmp/said)" "1 1" "it is for this kernel, not signed"
is "$(grep -c 'e2fsck at boot' /tmp/said)" 0 "without fstab e2fsck is not said"
printf '%s\n' 'UUID=1 /mnt/plain ext4 rw 0 1' 'LABEL=x /mnt/fast ext4 rw 0 2' >/etc/fstab
says "in fstab" 0 "protected, marks: 0, e2fsck at boot" $cli status
is "$(grep -c 'e2fsck at boot' /tmp/said) $(grep -c '^e2fsck at boot .*, see RECOVERY' /tmp/said)" "2 1" "said of fast_commit only, and why"
says "in fstab, json" 0 '"checked_at_boot":true' $cli status --json
printf '%s\n' 'LABEL=x /mnt/fast ext4 rw 0 0' >/etc/fstab
says "pass 0" 0 "/dev/vdb  /mnt/fast    on           protected, marks: 0" $cli status
is "$(grep -c 'e2fsck at boot' /tmp/said)" 0 "pass 0: e2fsck is not said"
rm /etc/fstab
esc=$(printf '\033')
is "$(grep -c "$esc" /tmp/said)" 0 "no colour in a file"
mkdir -p /dev/pts && mount -t devpts none /dev/pts
says "on a terminal" 0 "on           ${esc}[32mprotected${esc}[0m" script -qec "$cli status" /dev/null
says "with NO_COLOR" 0 "on           protected" script -qec "NO_COLOR=1 $cli status" /dev/null
is "$(grep -c "$esc" /tmp/said)" 0 "no colour then"
[ $native = no ] || $cli selftest >/dev/null # the one surplus mark
selftest "with" 0 "$native $byus yes a full commit" "OK: resizes are protected"
says "with" 0 "upstream's fix in its ext4: $native" $cli status
is "$(grep -o 'held [0-9]*' /tmp/said)" "held $(cat $status/holds)" "the table has the module's counters"
says "before a resize" 0 "protected, marks: 0" $cli status
is "$(/test/fcr extend /mnt/fast 50064)" 0 "a resize"
says "after it" 0 "protected, marks: 1" $cli status
says "with, json" 0 "\"holds\":$(cat $status/holds)" $cli status --json
is "$(tr -d ' \n' </tmp/said | grep -c '"fast_commit":true,"resize":"protected"')" 1 "json: protected"

sysctl=/proc/sys/kernel/ftrace_enabled
kprobes=/sys/kernel/debug/kprobes/enabled
echo 0 >$kprobes
check "hooks off" 1 "not protected: hooks are off"
selftest "hooks off" 1 "$native no no a fast commit" "EXPOSED: "
echo 1 >$kprobes
{ echo 1 >$sysctl; } 2>/dev/null

# --- garbage, and what is not there ---

head -c 3000 /dev/urandom | tr -d '\n' >/tmp/garbage
mount --bind /tmp/garbage $status/state
check "garbage in state" 2 "is not understood"
is "$(LC_ALL=C tr -d '\n -~\200-\377' </tmp/said | wc -c)" 0 "nothing but printable characters"
umount $status/state
printf 'protected (by magic)\n' >/tmp/garbage
mount --bind /tmp/garbage $status/state
check "a state of another version" 2 "is not understood (protected (by magic))"
umount $status/state
echo many >/tmp/garbage
mount --bind /tmp/garbage $status/holds
says "garbage in a counter" 0 '"holds":null' $cli status --json
says "garbage in a counter" 0 ', held ?, ' $cli status
says "garbage in a counter" 2 "counters" $cli selftest
nothing_left "garbage in a counter"
umount $status/holds
echo 99.9 >/tmp/garbage
mount --bind /tmp/garbage /sys/module/$mod/version
says "another version" 0 "version 99.9 (this command is" $cli status
umount /sys/module/$mod/version
mount -t tmpfs none /proc/fs/ext4
says "no fc_info" 0 "protected, marks: ?" $cli status
says "no fc_info" 2 "fc_info" $cli selftest
nothing_left "no fc_info"
umount /proc/fs/ext4

modules=/lib/modules
mkdir -p $modules/99.1/kernel $modules/99.2/kernel $modules/99.2/build $modules/99.3
: >$modules/99.2/build/Makefile
check "other kernels" 0 "not protected on 99.1: headers missing; not protected on 99.2: no module is built for it"
rm -r $modules/99.*
release=$(uname -r)
cp -r "$modules/$release" $modules/99.4
other=$(echo "$release" | sed 's/^./9/')
cp -r "$modules/$release" "$modules/$other"
sed "s/vermagic=$release /vermagic=$other /" /test/$mod.ko >"$modules/$other/updates/$mod.ko"
says "other kernels" 0 "not protected on 99.4: its module was built for another kernel" $cli status
is "$(grep -c "^$other  *built, not signed\$" /tmp/said)" 1 "one is built for $other"
rm -r "$modules/99.4" "${modules:?}/$other"

# --- the other parameters ---

rmmod $mod
modprobe $mod hold=0
check "hold=0" 1 "hold=0"
[ $native = no ] || $cli selftest >/dev/null
selftest "hold=0" 1 "$native $byus no a fast commit" "EXPOSED: "
rmmod $mod
modprobe $mod disable=1
check "disable=1" 1 "not protected: loaded with disable=1"
selftest "disable=1" 1 "$native no no a fast commit" "EXPOSED: "
rmmod $mod

# --- killed ---

in_use() { set -- /sys/block/loop*/loop && [ -e "$1" ]; }

# caught: a selftest, stopped while its loop device is in use; it can be too fast
caught() {
	env --default-signal=INT $cli selftest >/tmp/said 2>&1 &
	pid=$!
	until in_use; do
		readlink /proc/$pid/exe >/dev/null || break # it is over
	done
	kill -STOP $pid
	until grep -q '^State:.[TZ]' /proc/$pid/status; do :; done
	in_use && return
	kill -CONT $pid
	wait $pid
	return 1
}

for signal in INT TERM KILL INT INT; do
	until caught; do :; done
	kill -$signal $pid
	kill -CONT $pid
	wait $pid
	is "$(($? > 128))" 1 "SIG$signal: it dies of it, with the loop device in use"
	nothing_left "SIG$signal"
done

ok "umount" umount /mnt/plain /mnt/fast
umount /proc
$cli check >/tmp/said 2>&1
is $? 2 "without /proc: check cannot tell"
mount -t proc proc /proc
note "$(cat /tmp/said)"
finish
