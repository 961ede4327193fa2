#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What tests/upgrade.t does in each boot of a Debian. The argument is the step;
# each function below is one; then come the kernels A, B and C.

. /repo/test.sh

a=$2 b=$3 c=$4
export DEBIAN_FRONTEND=noninteractive

module=ext4_fc_resize_fix
cli=ext4-fc-resize-fix
status=/sys/module/$module/status

state() { cat $status/state 2>/dev/null || echo "not loaded"; }
loaded_version() { cat /sys/module/$module/version 2>/dev/null; }

# resize: a real online one, of a filesystem with fast commit; holds: how many
# of those the module has protected
resize() {
	rm -f /root/image
	truncate -s 64M /root/image
	mke2fs -q -F -t ext4 -O fast_commit /root/image 32M
	mount -o loop /root/image /mnt
	resize2fs "$(findmnt -no SOURCE /mnt)" 2>&1
	umount /mnt
	rm /root/image
}
holds() { cat $status/holds 2>/dev/null || echo 0; }

# protects NAME: the module is loaded and has effect, and the command says so
protects() {
	case $(state) in
	protected*) pass "$1" ;;
	*) fail "$1" "$(state)" ;;
	esac
	before=$(holds)
	said=$(resize)
	is "$(holds)" $((before + 1)) "$1: a resize is protected"
	says "$1: check" 0 "OK: protected" $cli check
	says "$1: selftest" 0 "OK: resizes are protected" $cli selftest
}

# files: what is there, without what the system and dkms write by the way
files() {
	find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /root \
		-o -path /var/log -o -path /var/tmp -o -path /var/cache -o -path /var/lib/systemd -o -path /var/lib/apt \
		-o -path /var/lib/dpkg -o -path '/var/lib/dkms/mok.*' -o -name 'modules.*' \) -prune -o -print | sort
}

# nothing_left: of what has our name, and of what DKMS makes for it
nothing_left() {
	is "$(state)" "not loaded" "the module is not loaded"
	is "$(find / -xdev -path /root -prune -o -iname '*ext4[_-]fc[_-]resize[_-]fix*' \
		! -path '/var/cache/*' -print)" "" "nothing of ours is left on the disk"
	is "$(find /var/lib/dkms -mindepth 1 -maxdepth 1 -type d)" "" "nor in dkms"
	is "$(ls -d /lib/modules/*/updates 2>/dev/null)" "" "nor in /lib/modules"
}

purge() { ok "apt-get purge" apt-get -y purge $cli $cli-dkms; }

# verdict: of make install, the last thing it has said
verdict() {
	case $(printf '%s\n' "$said" | tail -n 1) in
	*'now: protected'*'the self-test has passed') pass "the last line is the verdict" ;;
	*) fail "the last line is the verdict" "$said" ;;
	esac
}

in_src() { make --no-print-directory -C /root/src "$1"; }

# In a container, whose process 1 sees the same /, and which may do anything
in_container() { unshare -m -p -f --mount-proc "$@"; }

install_deb() {
	ok "apt-get update" apt-get update
	ok "apt-get install" apt-get -y install $cli-dkms $cli
	protects "loaded by the installation"
	held=$(holds)
	says "removed in a container" 0 "this is a container: the running kernel is not its own" \
		in_container apt-get -y remove $cli-dkms
	says "installed in a container" 0 "this is a container: the running kernel is not its own" \
		in_container apt-get -y install $cli-dkms
	is "$(holds)" "$held" "the module has stayed where it was"
	refuses "apt-get remove ext4-fc-resize-fix-dkms" "make install beside the package says what helps" \
		make --no-print-directory -C /repo/src install
}

protected_on_A() {
	is "$(uname -r)" "$a" "it runs A"
	protects "loaded at boot"
	ok "apt-get install of kernel B with headers" apt-get -y install "linux-image-$b" "linux-headers-$b"
	is "$(modinfo -k "$b" -F vermagic $module | cut -d' ' -f1)" "$b" "DKMS has built for B"
	says "the command knows it" 0 "OK: protected" $cli status
	is "$(grep -c "^$b  *built  *signed by DKMS module signing key$" /tmp/said)" 1 "with its signature"
}

protected_on_B() {
	is "$(uname -r)" "$b" "it runs B"
	protects "loaded at boot"
	ok "apt-get install of kernel C without headers" apt-get -y install "linux-image-$c"
	is "$(dpkg-query -Wf '${db:Status-Abbrev}' "linux-image-$c")" "ii " "the kernel is installed whole"
	is "$(modinfo -k "$c" -n $module 2>/dev/null)" "" "there is no module for C"
	says "before the reboot, check" 0 "OK: protected; not protected on $c: headers missing | " $cli check
	says "before the reboot, status" 0 " not protected on $c: headers missing" $cli status
	is "$(grep -c "^$a  *built  *signed by DKMS module signing key$" /tmp/said)" 1 "it knows that A has its module"
}

no_headers_on_C() {
	is "$(uname -r)" "$c" "it runs C"
	is "$(state)" "not loaded" "without the module"
	says "/ has fast_commit" 2 "EXPOSED: / has fast_commit, not protected on $c: headers missing: apt-get install linux-headers-$c" $cli check
	says "selftest sees it, too" 2 "EXPOSED: " $cli selftest
	purge
	nothing_left
}

disabled_on_B() {
	is "$(uname -r)" "$b" "it runs B, with $module.disable=1"
	is "$(state)" "not loaded" "it is not loaded at boot"
	ok "modprobe" modprobe $module
	is "$(state)" "not-protected:disabled" "it says that it does nothing"
	said=$(resize)
	is "$(holds)" 0 "nothing is hooked"
	says "/ has fast_commit" 2 "not protected: loaded with disable=1" $cli check
	purge
	nothing_left
}

# surroundings: what scripts/bench --host has to put back
surroundings() {
	state
	cat /proc/mounts
	losetup --list
	find /root/.cache/ext4_fc_resize_fix/tmp -mindepth 1 2>/dev/null
}

# measured: make bench-host runs to its end, or is stopped in the middle. What it
# measures decides nothing
measured() {
	bench=/root/src/scripts/bench
	surroundings >/root/before-bench
	says "bench --host" 0 "| rmmod | ms |" $bench --host 5
	surroundings >/root/after-bench
	ok "it has put all back" diff /root/before-bench /root/after-bench

	$bench --host 300 >/tmp/said 2>&1 &
	until grep -q '/ram/mnt ' /proc/mounts; do
		kill -0 $! || break
		sleep 1
	done
	sleep 5
	kill $!
	wait $!
	is $? 130 "bench --host is killed while it measures"
	surroundings >/root/after-bench
	ok "it has put all back then, too" diff /root/before-bench /root/after-bench
}

import='mokutil --import /var/lib/dkms/mok.pub, reboot'

locked_down() { is "$(sed 's/.*\[\(.*\)\].*/\1/' /sys/kernel/security/lockdown)" integrity "the kernel is locked down"; }

# refused NAME: by the kernel, for its key; the command knows what helps
refused() {
	is "$(state)" "not loaded" "$1: it is not loaded"
	says "$1: check" 2 "EXPOSED: / has fast_commit, the module is not loaded, Secure Boot does not know its key (DKMS module signing key): $import" $cli check
	says "$1: status" 0 "Secure Boot does not know its key (DKMS module signing key): $import" $cli status
}

without_key() {
	locked_down
	cp -r /repo/src /root/src
	files >/root/before
	refuses "the key that DKMS signs with is not enrolled: $import" "make install says what helps" in_src install
	files >/root/after
	ok "nothing is left behind by that" diff /root/before /root/after

	ok "apt-get update" apt-get update
	says "apt-get install" 0 "not protected now: the kernel refuses the key of DKMS (Secure Boot): $import" \
		apt-get -y install $cli-dkms $cli
	refused "installed"
	mokutil --generate-hash=secret >/root/hash
	ok "mokutil --import" mokutil --hash-file /root/hash --import /var/lib/dkms/mok.pub
	says "scripts/module" 0 "it waits to be enrolled: reboot" /root/src/scripts/module key
}

# MokManager has waited for somebody to press a key
key_not_confirmed() {
	locked_down
	refused "at boot"
	is "$(systemctl list-units --failed --plain --no-legend)" "" "no unit has failed"
	says "scripts/module" 0 "$import" /root/src/scripts/module key
}

key_enrolled() {
	locked_down
	protects "loaded at boot"
	is "$(cat /sys/module/$module/taint)" O "it is out of tree, and its signature is good"
	purge
	is "$(state)" "not loaded" "it is not loaded any more"
	ok "make install" in_src install
	hash -r # the command is elsewhere now
	verdict
	protects "it is loaded"
}

make_install() {
	cp -r /repo/src /root/src
	files >/root/before

	echo 0 >/proc/sys/kernel/ftrace_enabled
	refuses "hooks are off" "make install where it cannot load says why" in_src install
	echo 1 >/proc/sys/kernel/ftrace_enabled
	is "$(state)" "not loaded" "it is not loaded"
	files >/root/after
	ok "nothing is left behind by that" diff /root/before /root/after

	ok "make install" in_src install
	verdict
	protects "it is loaded"
	ok "make install again" in_src install
	measured

	sed -i 's/^PACKAGE_VERSION=.*/PACKAGE_VERSION="99.1"/' /root/src/dkms.conf
	ok "make install of a newer version" in_src install
	is "$(loaded_version)" 99.1 "the newer version is loaded"
	protects "the newer version"

	ok "make uninstall" in_src uninstall
	is "$(state)" "not loaded" "it is not loaded any more"
	files >/root/after
	ok "nothing is left behind" diff /root/before /root/after
}

step=$(echo "$1" | tr - _)
"$step"
finish
