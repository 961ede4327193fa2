#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make install and make uninstall in a chroot: gets dkms and the headers by
# apt, installs for all kernels, again, an upgrade, an upgrade that does not
# build, and leaves nothing behind; beside a kernel that it does not build for, and
# where umask, /tmp, the checkout's path and DKMS' tree are unusual. Each refusal
# is one line with what helps, and leaves nothing. What is loaded shows in
# tests/upgrade.t, in a VM, and so does Secure Boot, which is no matter to a chroot.
#
# Secure Boot's variables are files here, which the real mokutil reads.

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=chroot.sh
. "$top/tests/chroot.sh"

# tree VERSION: our files, with that version
tree() {
	mkdir -p "$root/opt/$1"
	cp -r "$top"/{Kbuild,Makefile,dkms.conf,src,scripts,packaging} "$root/opt/$1"
	sed -i "s/^PACKAGE_VERSION=.*/PACKAGE_VERSION=\"$1\"/" "$root/opt/$1/dkms.conf"
}

# make_in VERSION TARGET [VARIABLE=VALUE...]
make_in() { $run env EFIVARFS_PATH=/sys/firmware/efi/efivars/ make --no-print-directory -C "/opt/$1" "${@:2}"; }
run=run
# HOME: dpkg says so where it cannot read there
as_nobody() { run env HOME=/ setpriv --reuid=65534 --regid=65534 --clear-groups make --no-print-directory -C "/opt/$version" "$@"; }

fakes=()

same() { files >"$work/now"; ok "$1" diff "$work/before" "$work/now"; }
lines() { is "$(grep -cvE '^make|installs version|^ext4_fc_resize_fix:   |: building |: installing |what was tried' "$work/said")" 1 "in one line"; }

# variable NAME VENDOR: of the firmware, its content from stdin
variable() { { printf '\6\0\0\0'; cat; } >"$root/sys/firmware/efi/efivars/$1-$2"; }
global=8be4df61-93ca-11d2-aa0d-00e098032b8c shim=605dab50-e046-4300-abb6-3dd810dd8b23

le32() { printf '%b' "$(printf '\\x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24)))"; }

# signatures CERTIFICATE: shim's list of enrolled keys, with this one
signatures() {
	local size

	size=$(stat -c %s "$1")
	printf '\xa1\x59\xc0\xa5\xe4\x94\xa7\x4a\x87\xb5\xab\x15\x5c\x2b\xf0\x72' # EFI_CERT_X509_GUID
	le32 $((size + 44)); le32 0; le32 $((size + 16))
	head -c 16 /dev/zero
	cat "$1"
}

# fake PACKAGE [FILE]: it is installed, as far as dpkg knows, and has that file
fake() {
	rm -rf "$work/fake"
	mkdir -p "$work/fake/DEBIAN"
	[ $# = 1 ] || install -D /dev/null "$work/fake$2"
	printf '%s: %s\n' Package "$1" Version 1 Architecture all \
		Maintainer 'nobody <nobody@example.org>' Description kernel >"$work/fake/DEBIAN/control"
	dpkg-deb -b "$work/fake" "$root/tmp/fake.deb" >"$work/said"
	run dpkg -i /tmp/fake.deb >"$work/said" 2>&1
	fakes+=("$1")
}
no_fakes() {
	run dpkg -P "${fakes[@]}" >"$work/said" 2>&1
	fakes=()
}

# no_headers NAME RELEASE PACKAGE [KERNEL]: what it says where these headers are not to be had,
# and as which metapackages it recommends another kernel
no_headers() {
	local text="no headers of the kernel $2: $3 is not to be had"

	refuses "$text" "$1: it asks for its headers" make_in "$version" install "KERNELRELEASE=$2"
	lines
	is "$(sed -n "s/.*$text//p" "$work/said")" "${4:+; take a newer kernel (apt-get install linux-image-$4 linux-headers-$4), reboot, then make install again}" \
		"$1: recommends ${4:-no other kernel}"
}

# Others' kernels: which headers, and which other kernel, if any
others_headers() {
	local flavour release

	release=6.8.12-1-pve
	fake "proxmox-kernel-$release-signed" "/boot/vmlinuz-$release"
	no_headers "Proxmox 8" "$release" "proxmox-headers-$release"
	release=5.15.158-2-pve
	fake "pve-kernel-$release" "/boot/vmlinuz-$release"
	no_headers "Proxmox 7" "$release" "pve-headers-$release"
	# Ubuntu's; apt does not know of metapackages at first
	for flavour in aws azure gcp; do
		release=6.8.0-1014-$flavour
		fake "linux-image-$release" "/boot/vmlinuz-$release"
		[ $flavour != aws ] || no_headers "$flavour, not in the archive" "$release" "linux-headers-$release"
		fake "linux-image-$flavour"
		fake "linux-headers-$flavour"
		no_headers "$flavour" "$release" "linux-headers-$release" "$flavour"
	done
	release=6.8.0-40-generic
	fake "linux-image-unsigned-$release" "/boot/vmlinuz-$release"
	for flavour in generic generic-hwe-22.04; do
		fake "linux-image-$flavour"
		fake "linux-headers-$flavour"
		no_headers "$flavour" "$release" "linux-headers-$release" "$flavour"
	done
	no_fakes
}

# key_is STATE TEXT: what scripts/module says of the key where the variables are so
key_is() {
	run env EFIVARFS_PATH=/sys/firmware/efi/efivars/ "/opt/$version/scripts/module" key >"$work/said" 2>&1 || :
	is "$(grep -c "^$2" "$work/said")" 1 "the key $1: $(head -n 1 "$work/said")"
}

keys_are() {
	local list=$work/list

	signatures "$root/var/lib/dkms/mok.pub" >"$list"
	key_is "is not enrolled" "mokutil --import /var/lib/dkms/mok.pub, reboot"
	variable MokNew $shim <"$list"
	key_is "is to be enrolled" "it waits to be enrolled: reboot"
	rm "$root/sys/firmware/efi/efivars/MokNew-"*
	variable MokListRT $shim <"$list"
	key_is "is enrolled" enrolled
	variable MokDel $shim <"$list"
	key_is "is to be deleted" "it is to be taken out at the next boot"
	rm "$root/sys/firmware/efi/efivars/Mok"*
	variable MokListXRT $shim <"$list"
	key_is "is blocked" "it is blocked by MokListX"
	rm "$root/sys/firmware/efi/efivars/Mok"*
	variable db d719b2cb-3d3a-4596-a3bc-dad00e67656f <"$list"
	key_is "is in db" enrolled
}

# others: a kernel for which it does not build; what is unusual
others() {
	ok "make install RECOVER=1" make_in "$version" install "$k" RECOVER=1
	is "$(grep -c "the kernel recovers ext4 before e2fsck" "$work/said") $(find "$root/usr" -path '*ext4-fc-recover*' -type f | wc -l)" "1 7" \
		"it says so, and the hooks are there"
	local p
	for p in linux-image-{aws,unsigned-6.8.0-1014-aws,amd64-dbg} proxmox-{default-kernel,kernel-6.8,kernel-6.8.12-1-pve-signed} pve-kernel-5.15; do
		fake "$p"
	done
	ok "make install again, without RECOVER" make_in "$version" install "$k"
	is "$(sed -n 's/.*cannot install \(.*\): the next kernel will come without headers$/\1/p' "$work/said" | xargs)" \
		"linux-headers-aws proxmox-default-headers proxmox-headers-6.8 pve-headers-5.15" "it wants headers for the kernels to come"
	no_fakes
	is "$(find "$root/usr" -path '*ext4-fc-recover*' -type f | wc -l)" 7 "they stay"
	ok "make uninstall" make_in "$version" uninstall
	same "nothing is left"

	local config=$root/usr/src/linux-headers-${kernels[1]}/include/generated/autoconf.h

	echo '#error does not compile' >>"$config"
	ok "make install beside a kernel whose headers are broken" make_in "$version" install "$k"
	is "$(grep -c "not protected on ${kernels[1]}: the build failed" "$work/said")" 1 "it names it"
	is "$(grep -c "built for 1 kernel" "$work/said") $(installed "$version")" "1 1" "it is installed for the other one"
	sed -i '$d' "$config"
	ok "make install, when they are mended" make_in "$version" install "$k"
	is "$(installed "$version")" 2 "it is installed for both"
	ok "make uninstall" make_in "$version" uninstall
	same "nothing is left"

	mkdir -p "$root/etc/dkms" "$root/srv/dkms"
	cp -a "$root/etc/dkms" "$work/dkms"
	echo 'dkms_tree=/srv/dkms' >>"$root/etc/dkms/framework.conf"
	cp -r "$root/opt/$version" "$root/opt/a b"
	# shellcheck disable=SC2016 # the root
	odd() {
		run_as -m 'mount -t tmpfs -o noexec none "$0/tmp" && umask 077' \
			make --no-print-directory -C "/opt/a b" "$@" "$k"
	}
	ok "make install: /tmp noexec, umask 077, a path with a space, dkms_tree" odd install
	is "$(find "$root/srv/dkms/$name/$version" -name "$name.ko*" | wc -l)" 2 "it is in that tree, for both kernels"
	is "$(stat -c %a "$root/usr/local/sbin/ext4-fc-resize-fix" "$root/usr/src/$name-$version" | xargs)" "755 755" "anyone can read it"
	ok "make uninstall" odd uninstall
	rm -r "$root/opt/a b" "$root/etc/dkms" "$root/srv/dkms"
	mv "$work/dkms" "$root/etc"
	same "nothing is left"
}

for suite in $suites; do
	chroot_of "$suite"
	for v in "$version" 99.1 99.2; do tree "$v"; done
	sed -i '1i#error does not compile' "$root/opt/99.2/src/module/main.c"
	k=KERNELRELEASE=${kernels[0]}
	files >"$work/before"

	refuses "sudo make install" "without root it says what helps" as_nobody install
	lines
	refuses "sudo make uninstall" "uninstall without root, too" as_nobody uninstall
	run=run_in_container
	refuses "on the host" "in a container it says what helps" make_in "$version" install
	lines
	run=run
	refuses "apt-get install linux-image-amd64 linux-headers-amd64" "without headers it says what helps" \
		make_in "$version" install KERNELRELEASE=6.1.0-0-amd64
	lines
	others_headers
	refuses "the build for ${kernels[0]} failed" "it does not build: it says so" make_in 99.2 install "$k"
	lines
	same "after all of these nothing is left"

	# With nothing there but the kernels, and the key that was enrolled then
	cp "$root"/var/lib/dkms/mok.* "$work"
	run apt-get -qq -y purge dkms linux-headers-amd64 "linux-headers-${kernels[0]}" >"$work/apt" 2>&1
	is "$([ -e "$root/usr/sbin/dkms" ] || [ -e "$root/usr/lib/modules/${kernels[0]}/build" ] || echo gone)" gone \
		"dkms and the headers of ${kernels[0]} are not there"
	mkdir -p "$root/sys/firmware/efi/efivars" "$root/var/lib/dkms"
	cp "$work"/mok.* "$root/var/lib/dkms"
	printf '\1' | variable SecureBoot $global
	printf '\0' | variable SetupMode $global
	ok "make install, the host with Secure Boot" make_in "$version" install "$k"
	is "$(grep -c "  and loads nothing: this is a chroot$" "$work/said")" 1 "it says that it is a chroot"
	is "$(grep -c "  packages by apt-get: the headers of ${kernels[0]}, dkms" "$work/said")" 1 "it says which packages it installs"
	is "$(grep -cE ': (installing (dkms|linux-headers)|building (for|the command))' "$work/said")" 5 "it says what takes time"
	is "$(tail -n 1 "$work/said" | grep -c "$version is installed, built for 2 kernel.*; with Secure Boot enroll /var/lib/dkms/mok.pub")" 1 "the last line is the verdict"
	keys_are
	rm -r "$root/sys/firmware"
	is "$(installed "$version")" 2 "it is installed for both kernels"
	is "$(readlink "$root/etc/systemd/system/sysinit.target.wants/ext4-fc-resize-fix.service")" \
		/etc/systemd/system/ext4-fc-resize-fix.service "it is loaded at boot"
	ok "by our unit, as it is" cmp "$root/etc/systemd/system/ext4-fc-resize-fix.service" "$top/packaging/ext4-fc-resize-fix.service"
	files >"$work/first"
	ok "make install again" make_in "$version" install "$k"
	files >"$work/now"
	ok "it changes nothing" diff "$work/first" "$work/now"

	refuses "the build for" "an upgrade that does not build says so" make_in 99.2 install "$k"
	is "$(installed "$version")" 2 "the old version is still there for both kernels"
	files >"$work/now"
	ok "and nothing else" diff "$work/first" "$work/now"
	ok "an upgrade" make_in 99.1 install "$k"
	is "$(installed 99.1) $(installed "$version")" "2 0" "the new version is there for both kernels, the old one is not"
	module=$(find "$root/usr/lib/modules/${kernels[1]}" -name "$name.ko*")
	is "$(modinfo -F version "$module")" 99.1 "so says the module"

	ok "make uninstall" make_in 99.1 uninstall
	same "nothing is left"
	ok "make uninstall again" make_in 99.1 uninstall

	others

	refuses "make module" "make sign without a module says what helps" make_in "$version" sign "$k"
	ok "make module, make sign" make_in "$version" module sign "$k"
	is "$(modinfo -F signer "$root/opt/$version/$name.ko")" "DKMS module signing key" "it is signed with DKMS' key"
done
finish
