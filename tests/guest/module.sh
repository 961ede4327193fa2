#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scripts/module, which the packages and make install run: loads and unloads; in
# a container and in a chroot it leaves the kernel alone; what is in its way it
# names truly, a resize, lockdown, kernel.modules_disabled.
#
#	module.sh [disabled]	unloading where kernel.modules_disabled is 1
# vm: --disk 64M --add @TOP/scripts/module
. /lib/test.sh

mod=ext4_fc_resize_fix

loaded() { [ ! -e /sys/module/$mod ] || echo loaded; }
# one_line NAME EXIT TEXT COMMAND...: it is all that it says
one_line() {
	says "$@"
	is "$(wc -l </tmp/said)" 1 "$1: in one line"
}
silent() {
	said='' # ok sets it
	ok "$1" /test/module "$2"
	is "$said" "" "$1: silently"
}

# There, what follows is the root directory of process 1
in_container() { unshare -m -p -f sh -c 'mount -t proc proc /proc; exec "$@"' - "$@"; }
# Another filesystem is /, as a bind mount of the same one is none
mkdir /tmp/root
mount -t tmpfs root /tmp/root
for dir in bin sbin bbin dev lib lib64 proc sys test; do
	mkdir /tmp/root/$dir
	mount --bind /$dir /tmp/root/$dir
done
in_chroot() { chroot /tmp/root "$@"; }

silent "load" load
is "$(loaded)" loaded "it is loaded"

if [ "${1-}" = disabled ]; then
	echo 1 >/proc/sys/kernel/modules_disabled
	one_line "modules_disabled, unload" 2 "stays loaded until the next boot: kernel.modules_disabled is 1" /test/module unload
	silent "modules_disabled, the same version again" load
	is "$(loaded)" loaded "it is loaded still"
	finish
fi

dmesg -c >/dev/null
silent "load again" load
is "$(dmesg | grep -c $mod)" 0 "it was left alone"

for place in container chroot; do
	one_line "unload in a $place" 0 "this is a $place: the running kernel is not its own" in_$place /test/module unload
	is "$(loaded)" loaded "unload in a $place: it stays loaded"
	is "$(in_$place /test/module where)" $place "where says $place"
done
is "$(/test/module where)" "" "where says nothing on the host"
# So it would have been, without looking
in_container rmmod $mod
is "$(loaded)" "" "rmmod in the container unloads it"
one_line "load in a container" 0 "this is a container" in_container /test/module load
is "$(loaded)" "" "load in a container: nothing is loaded"
silent "load" load

modprobe ext4
mke2fs -q -t ext4 -b 1024 -O fast_commit /dev/vda 20000 || bail mke2fs
mount /dev/vda /mnt || bail mount
/test/fcr freeze /mnt >/dev/null
/test/fcr extend /mnt 20256 >/tmp/resize 2>&1 &
for _ in 1 2 3 4 5 6 7 8 9 10; do
	[ "$(cat /sys/module/$mod/refcnt)" = 0 ] || break
	sleep 1
done
one_line "during a resize, unload" 1 "in use by a resize; when it is over: rmmod $mod" /test/module unload
/test/fcr thaw /mnt >/dev/null
wait
umount /mnt

# Whatever else rmmod says is not taken for a resize
mkdir /tmp/fails
printf '#!/bin/sh\necho "rmmod: ERROR: could not remove module %s: Function not implemented" >&2\nexit 1\n' $mod >/tmp/fails/rmmod
chmod +x /tmp/fails/rmmod
# shellcheck disable=SC2016 # for the shell inside
one_line "rmmod fails, unload" 2 "stays loaded until the next boot: rmmod: Function not implemented" \
	sh -c 'PATH=/tmp/fails:$PATH exec /test/module unload'
silent "unload" unload
is "$(loaded)" "" "it is not loaded any more"
silent "unload again" unload

# The test's module is not signed, nor would the kernel know the key
mount -t securityfs securityfs /sys/kernel/security
echo integrity >/sys/kernel/security/lockdown
one_line "lockdown, no UEFI" 1 "the kernel refuses the key of DKMS (lockdown, integrity): there is no UEFI" /test/module load
mount -t tmpfs tmpfs /sys/firmware
mkdir /sys/firmware/efi
one_line "Secure Boot" 1 "mokutil --import /var/lib/dkms/mok.pub, reboot, confirm it there" /test/module load
umount /sys/firmware

mv "/lib/modules/$(uname -r)" /tmp/modules
one_line "no module" 1 "no module for $(uname -r), are its headers installed?" /test/module load
mv /tmp/modules "/lib/modules/$(uname -r)"

echo 1 >/proc/sys/kernel/modules_disabled
one_line "modules_disabled, load" 2 "not protected before the next boot: kernel.modules_disabled is 1" /test/module load
finish
