# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For the tests that boot a whole Debian (systemd, apt, dkms) from a disk in a VM.
# Sourced after lib.sh. The test's arguments are the Debian releases; it has a function
# make_system SUITE PATH, which makes PATH of $packages.

# shellcheck disable=SC2034,SC2154 # of and for those who source this

suites=${*:-$(debians | awk '$2 != "-" { print $1 }')}
need mmdebstrap debian-archive-keyring mount e2fsprogs

# in_root COMMAND...: / is a mount point there, as rpm's scriptlets want it
in_root() {
	# shellcheck disable=SC2016 # for the shell inside
	unshare -m sh -c 'mount --bind "$0" "$0" && mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$root" \
		env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"
}

# make_root SUITE ROOT PACKAGES: one with a small initramfs: an emulated CPU makes
# and unpacks it
make_root() {
	unshare -m mmdebstrap --quiet --mode=root --variant=apt --skip=cleanup/apt/lists --include="$3" \
		--aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--keyring=/usr/share/keyrings/debian-archive-keyring.gpg "$1" "$2" \
		"deb http://deb.debian.org/debian $1 main" \
		"deb http://deb.debian.org/debian $1-backports main" \
		"deb http://deb.debian.org/debian-security $1-security main" >&2
	mkdir -p "$2/etc/initramfs-tools/conf.d" # not there where dracut is
	printf 'MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=1\n' >"$2/etc/initramfs-tools/conf.d/small"
	printf 'virtio_pci\nvirtio_blk\next4\n' >>"$2/etc/initramfs-tools/modules"
	rm -f "$2"/etc/systemd/system/timers.target.wants/* # no apt-daily beside us
}

# system_of SUITE [KIND]: sets system to what make_system has made, once
system_of() {
	prefix="$1, "
	system=$cache/system/${2-}$1.$({ declare -f make_root make_system; echo "$packages"; } | cksum | cut -d' ' -f1)
	[ -e "$system" ] || say "making a whole Debian $1, once; its log is $cache/system-${2-}$1.log"
	# No "|| die": nothing in it would stop at an error then
	prepare "$system" make_system "$1" 2>>"$cache/system-${2-}$1.log"
}

# copy_debs DIR: ours
copy_debs() {
	local debs

	debs=$("$top/scripts/package" deb)
	# shellcheck disable=SC2086 # words
	cp $debs "$1"
}

# unpack_system COMMAND: $system, the tar of a root, into $root; installs our debs there, then
# has COMMAND run. $kernel is its kernel, which boot_step boots
unpack_system() {
	local vmlinuz

	root=$work/root
	rm -rf --one-file-system "$root"
	mkdir "$root"
	tar -C "$root" -xpf "$system"
	copy_debs "$root/root"
	kernel=$(ls "$root/usr/lib/modules")
	in_root sh -c "apt-get -y --no-install-recommends install /root/*.deb && dkms autoinstall -k $kernel && $1" >"$work/apt" 2>&1 ||
		die "$suite: the debs cannot be installed: $(tail -n 3 "$work/apt")"
	for vmlinuz in "$root/boot/vmlinuz-$kernel" "$root/usr/lib/modules/$kernel/vmlinuz"; do
		[ ! -e "$vmlinuz" ] || cp "$vmlinuz" "$work/vmlinuz"
	done
	cp "$root/boot/initrd.img-$kernel" "$work/initrd"
}

# run_script COMMAND: what the system is to run. Its results go where scripts/vm looks for them
run_script() {
	cat <<-END
		stty -opost </dev/ttyS1
		echo >/dev/ttyS1 # after what the firmware says there
		step=\$(sed 's/.*step=\([^ ]*\).*/\1/' /proc/cmdline)
		cd /root
		$1 >/dev/ttyS1 2>&1
		echo "# guest-exit: \$?" >/dev/ttyS1
		systemctl --no-block poweroff
	END
}

# boot_step STEP VM-OPTION...: the kernel is $work/vmlinuz, the initramfs $work/initrd
boot_step() {
	vm --kernel "$work/vmlinuz" --initrd "$work/initrd" --name "$(basename "$0" .t)-$suite-$1" "${@:2}"
}
