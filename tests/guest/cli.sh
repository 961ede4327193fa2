#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The command ext4-fc-resize-fix: what it says and its exit status
# - without the module, with it, hold=0, disable=1, hooks off, no fast_commit
# - selftest: sees on an unfixed kernel that nothing marks without the module
#   (the negative), on a fixed one that the kernel does, the module with it
# - selftest killed by SIGINT, SIGTERM, SIGKILL: no loop device, no mount is left
# - colour on a terminal only
# - without root, without rights, without /proc/fs/ext4, loop, ext4, mountinfo;
#   garbage in files
# - mounted in another mount namespace only
# - what is in the past, the next boot, a resize before the module was loaded
# - the remedy where the kernel takes no module, or not this one
#
#	cli.sh unfixed|fixed
# vm: --disk 64M --disk 64M --timeout 300 --add @CLI:/sbin/ext4-fc-resize-fix
# vm: --add /usr/bin/env:/bin/env --add /usr/bin/setpriv:/bin/setpriv --add /usr/bin/script:/bin/script
# vm: --add /usr/bin/unshare:/bin/unshare
. /lib/test.sh

cli=ext4-fc-resize-fix
mod=ext4_fc_resize_fix
status=/sys/module/$mod/status

check() { says "$1: check" "$2" "$3" $cli check; is "$(wc -l </tmp/said)" 1 "in one line"; }
# without_rights COMMAND...: as root in a container that may not do what it wants
without_rights() { setpriv --bounding-set=-all --inh-caps=-all "$@"; }
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

one_of "${1-}" unfixed fixed
if [ "$1" = fixed ]; then native=yes; else native=no; fi
if [ "$1" = fixed ]; then byus=no; else byus=yes; fi

# A debug kernel has all built in, and no such directory: then it looks like one removed
mkdir -p "/lib/modules/$(uname -r)/kernel"

# --- no ext4 with fast_commit, no rights, nothing there ---

check "nothing is mounted" 0 "OK: not needed"
says "selftest without root" 3 "it needs root" nobody $cli selftest
modprobe loop
says "selftest without rights" 3 "in a container? run it on the host" without_rights $cli selftest
mv /dev/loop-control /dev/loop-gone
mv "/lib/modules/$(uname -r)" /lib/gone
says "selftest without loop devices" 3 "loop" $cli selftest
mv /lib/gone "/lib/modules/$(uname -r)"
mv /dev/loop-gone /dev/loop-control
if ! grep -qw ext4 /proc/filesystems; then
	mv /sbin/modprobe /sbin/modprobe-gone
	says "selftest without ext4" 3 "ext4" $cli selftest
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
is "$(grep '^module' /tmp/said)" "module     not loaded: modprobe $mod" "it is not loaded, and how that is done"
says "no fast_commit, nobody" 3 "run this as root" nobody $cli check
chmod 0 /dev/vda
says "no fast_commit, without rights" 3 "in a container? run it on the host" without_rights $cli check
chmod 600 /dev/vda

# --- mounted in another mount namespace ---

unshare -m sh -c 'mount /dev/vdb /mnt/fast && echo >/tmp/mounted && exec sleep 1000' &
elsewhere=$!
until [ -e /tmp/mounted ]; do sleep 0.1; done
is "$(grep -c /mnt/fast /proc/self/mountinfo)" 0 "our mount namespace does not have it"
check "mounted elsewhere" 2 "EXPOSED: /dev/vdb (mounted elsewhere) has fast_commit, the module is not loaded"
says "mounted elsewhere" 0 "/dev/vdb  (elsewhere)  on           exposed" $cli status
kill $elsewhere
wait $elsewhere 2>/dev/null
until [ ! -e /proc/fs/ext4/vdb ]; do sleep 0.1; done
check "mounted elsewhere no more" 0 "OK: not needed"

# --- without the module: the negative ---

mount /dev/vdb /mnt/fast || bail "mount"
check "without" 2 "EXPOSED: /mnt/fast has fast_commit, the module is not loaded: modprobe $mod"
says "without" 0 "/dev/vdb  /mnt/fast    on           exposed" $cli status
is "$(grep -c 'ext4: not known (selftest tells)' /tmp/said)" 1 "nobody has seen yet what the kernel does"
selftest "without" 2 "$native no no a fast commit" "EXPOSED: "
says "after selftest" 0 "upstream's fix in its ext4: $native" $cli status

release=$(uname -r)
ko=/lib/modules/$release/updates/$mod.ko
mv "$ko" /lib/gone.ko
check "no module for this kernel" 2 "/mnt/fast has fast_commit, not protected on $release: headers missing: DKMS does not have the module"
mkdir -p /usr/src/$mod-9.8
: >/usr/src/$mod-9.8/dkms.conf
check "DKMS has its sources" 2 "not protected on $release: headers missing: install them from where this kernel is from"
mv /lib/gone.ko "$ko"

# Files in place of what the kernel says when it was booted by Secure Boot
mkdir -p /sys/kernel/security
mount -t securityfs none /sys/kernel/security 2>/dev/null
file=/sys/kernel/security/lockdown
if [ -e $file ]; then
	is "$(grep -c asymmetri /proc/keys)" "$(grep asymmetri /proc/keys | grep -c ': X509')" "the kernel has keys: $(grep -c asymmetri /proc/keys)"
	echo 'none [integrity] confidentiality' >/tmp/lockdown
	mount --bind /tmp/lockdown $file
	check "Secure Boot, not signed" 2 "the module is not loaded, this kernel wants it signed"
	says "Secure Boot, not signed" 0 "module     not loaded, this kernel wants it signed" $cli status
	umount $file
fi
echo 1 >/tmp/1
mount --bind /tmp/1 /proc/sys/kernel/modules_disabled
check "kernel.modules_disabled" 2 "the module is not loaded, and kernel.modules_disabled=1 keeps all modules out"
umount /proc/sys/kernel/modules_disabled

# --- with it ---

ok "a resize before it" resize2fs /dev/vdb 50100
ok "modprobe" modprobe $mod
check "with" 0 "OK: protected | holds=0 refused=0 unprotected=0 missed=0"
says "with, nobody" 0 "OK: protected |" nobody $cli check
says "with" 0 "/dev/vdb  /mnt/fast    on           protected   " $cli status
note "$(cat /tmp/said)"
is "$(grep -c 'resized before the module was loaded$' /tmp/said)" 1 "it says which was resized before it was loaded"
is "$(grep -c '^module     loaded, version' /tmp/said) $(grep -c '^its file   for this kernel, not signed$' /tmp/said)" "1 1" "it is for this kernel, not signed"
# Where the kernel looks at signatures at all
taint=O
[ ! -e /sys/module/module/parameters/sig_enforce ] || taint=OE
is "$(cat /sys/module/$mod/taint) $(grep -c signature /tmp/said)" "$taint 0" "nor does that matter here"
is "$(grep -c parameters /tmp/said)" 0 "parameters are not said where nobody has set any"
umount /mnt/fast && mount /dev/vdb /mnt/fast
is "$(grep -c 'e2fsck at boot' /tmp/said)" 0 "without fstab e2fsck is not said"
printf '%s\n' 'UUID=1 /mnt/plain ext4 rw 0 1' 'LABEL=x /mnt/fast ext4 rw 0 2' >/etc/fstab
says "in fstab" 0 "protected       0  e2fsck at boot" $cli status
is "$(grep -c 'e2fsck at boot' /tmp/said) $(grep -c '^e2fsck at boot .*, see RECOVERY' /tmp/said)" "2 1" "said of fast_commit only, and why"
says "in fstab, json" 0 '"checked_at_boot":true' $cli status --json
printf '%s\n' 'LABEL=x /mnt/fast ext4 rw 0 0' >/etc/fstab
says "pass 0" 0 "/dev/vdb  /mnt/fast    on           protected       0" $cli status
is "$(grep -c 'e2fsck at boot' /tmp/said)" 0 "pass 0: e2fsck is not said"
rm /etc/fstab
esc=$(printf '\033')
is "$(grep -c "$esc" /tmp/said)" 0 "no colour in a file"
mkdir -p /dev/pts && mount -t devpts none /dev/pts
says "on a terminal" 0 "on           ${esc}[32mprotected" script -qec "$cli status" /dev/null
says "with NO_COLOR" 0 "on           protected" script -qec "NO_COLOR=1 $cli status" /dev/null
is "$(grep -c "$esc" /tmp/said)" 0 "no colour then"
[ $native = no ] || $cli selftest >/dev/null # the one surplus mark
selftest "with" 0 "$native $byus yes a full commit" "OK: resizes are protected"
says "with" 0 "upstream's fix in its ext4: $native" $cli status
is "$(grep -o 'held [0-9]*' /tmp/said)" "held $(cat $status/holds)" "the table has the module's counters"
says "before a resize" 0 "protected       0" $cli status
is "$(/test/fcr extend /mnt/fast 50164)" 0 "a resize"
says "after it" 0 "protected       1" $cli status
says "with, json" 0 "\"holds\":$(cat $status/holds)" $cli status --json
is "$(tr -d ' \n' </tmp/said | grep -c '"fast_commit":true,"resize":"protected"')" 1 "json: protected"
says "check --json" 0 '"message":"protected"' $cli check --json

# Where the hooks are kprobes they can be switched off
echo 0 >/sys/kernel/debug/kprobes/enabled
case $(cat $status/state) in
not*)
	check "hooks off" 2 "not protected: its hooks are off"
	selftest "hooks off" 2 "$native no no a fast commit" "EXPOSED: "
	;;
esac
echo 1 >/sys/kernel/debug/kprobes/enabled

# said_by_state STATE EXIT TEXT: that state, in a file
said_by_state() {
	echo "$1" >/tmp/state
	mount --bind /tmp/state $status/state
	check "$1" "$2" "$3"
	umount $status/state
}
said_by_state not-protected:hooks-off 2 "not protected: its hooks are off: echo 1 >/sys/kernel/debug/kprobes/enabled"
said_by_state not-protected:calls-lost 2 "takes its calls: end that tracer or bpf program (bpftool link) and reboot"
said_by_state not-protected:moon 2 "has fast_commit, not-protected:moon"
said_by_state "protected (mark, hold, full commit after flush)" 0 "OK: protected (mark, hold, full commit after flush) |"
said_by_state "not protected: hooks are off" 2 "not protected: hooks are off"
said_by_state by-magic 3 "is not understood (by-magic)"

# counted FILE NUMBER EXIT TEXT
counted() {
	echo "$2" >/tmp/count
	mount --bind /tmp/count $status/"$1"
	check "$1=$2" "$3" "$4"
	umount $status/"$1"
}
counted missed 3 1 "WARNING: protected; the module has missed 3 calls: please report this | "
counted unprotected 5 1 "WARNING: protected; unprotected resizes: 5, see status | "
counted holds_failed 2 0 "OK: protected | holds=$(cat $status/holds) refused=2 unprotected=0 missed=0"
mv "$ko" /lib/gone.ko
check "its file is gone" 1 "WARNING: protected; not protected after a reboot: headers missing"
mv /lib/gone.ko "$ko"

# --- garbage, and what is not there ---

head -c 3000 /dev/urandom | tr -d '\n' >/tmp/garbage
mount --bind /tmp/garbage $status/state
check "garbage in state" 3 "is not understood"
is "$(LC_ALL=C tr -d '\n -~\200-\377' </tmp/said | wc -c)" 0 "nothing but printable characters"
umount $status/state
echo many >/tmp/garbage
mount --bind /tmp/garbage $status/holds
says "garbage in a counter" 0 '"holds":null' $cli status --json
says "garbage in a counter" 0 ', held ?, ' $cli status
says "garbage in a counter" 3 "counters" $cli selftest
nothing_left "garbage in a counter"
umount $status/holds
echo 99.9 >/tmp/garbage
mount --bind /tmp/garbage /sys/module/$mod/version
says "another version" 0 "version 99.9 (this command is" $cli status
is "$(grep -c "another one is loaded: rmmod $mod, modprobe $mod\$" /tmp/said)" 1 "it is another one than the file"
mount --bind /tmp/1 /proc/sys/kernel/modules_disabled
says "another version, modules_disabled" 0 "another one is loaded: reboot, kernel.modules_disabled=1" $cli status
umount /proc/sys/kernel/modules_disabled
umount /sys/module/$mod/version
mount -t tmpfs none /proc/fs/ext4
says "no fc_info" 0 "protected       ?" $cli status
says "no fc_info" 3 "fc_info" $cli selftest
nothing_left "no fc_info"
umount /proc/fs/ext4

modules=/lib/modules
mkdir -p $modules/99.1/kernel $modules/99.2/kernel $modules/99.2/build $modules/99.3
: >$modules/99.2/build/Makefile
check "other kernels" 1 "not protected on 99.1: headers missing; not protected on 99.2: no module is built for it: dkms is missing"
rm -r $modules/99.2
mkdir -p $modules/1.0/kernel
mv $modules/99.1 $modules/1.1
check "older kernels" 0 "OK: protected; not protected on 1.0: headers missing; not protected on 1.1: headers missing |"
umount /mnt/fast
check "without fast_commit" 0 "OK: protected | "
mount /dev/vdb /mnt/fast || bail "mount"
rm -r $modules/1.? $modules/99.*
cp -r "$modules/$release" $modules/99.4
other=$(echo "$release" | sed 's/^./9/')
cp -r "$modules/$release" "$modules/$other"
sed "s/vermagic=$release /vermagic=$other /" /test/$mod.ko >"$modules/$other/updates/$mod.ko"
says "other kernels" 0 "not protected  its module was built for another kernel" $cli status
is "$(grep -c "^$other  *built  *not signed\$" /tmp/said)" 1 "one is built for $other"
rm -r "$modules/99.4" "${modules:?}/$other"

# --- the other parameters ---

rmmod $mod
modprobe $mod hold=0
check "hold=0" 2 "loaded with hold=0: upstream's fix only, a resize can hang or lose data: rmmod $mod, modprobe $mod hold=1"
says "hold=0" 0 "parameters hold=0" $cli status
[ $native = no ] || $cli selftest >/dev/null
selftest "hold=0" 2 "$native $byus no a fast commit" "EXPOSED: "
rmmod $mod
modprobe $mod disable=1
check "disable=1" 2 "not protected: loaded with disable=1"
selftest "disable=1" 2 "$native no no a fast commit" "EXPOSED: "
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
is $? 3 "without /proc: check cannot tell"
mount -t proc proc /proc
note "$(cat /tmp/said)"
finish
