#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The deb in fresh minimal chroots: made there, from a copy of the tree, as README
# has it; brings dkms along, DKMS builds for both kernels, an upgrade and a downgrade
# replace the version, the command's package says so, purge leaves nothing. What
# is loaded shows in tests/upgrade.t, in a VM.

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=chroot.sh
. "$top/tests/chroot.sh"
version=$("$top/scripts/package" version)

packages=make,linux-headers-amd64

# in_tree COMMAND...: in the tree
in_tree() { run sh -c 'cd "/opt/a tree" && exec "$@"' - "$@"; }
# The line in README, with or without the command
as_typed=$(sed -n 's/^ *sudo \(apt install \.\/.*\)/\1/p' "$top/README.md")
install() { run apt-get -y --no-install-recommends --allow-downgrades install "$1"; }
# has_documents PACKAGE NAME...: these, and where it was cloned from
has_documents() {
	local file
	file=$(echo "$root/tmp/old/$1"_*.deb)
	is "$(dpkg-deb --fsys-tarfile "$file" | tar -t | sed -nE "s,.*/doc/$1/(.*)\.md(\.gz)?$,\1,p" | LC_ALL=C sort | xargs)" "${*:2}" "$1 has documents"
	is "$(dpkg-deb -f "$file" Homepage)" https://example.org/fix "$1: its homepage is where it was cloned from"
}
# As the kernels' own postinst does
autoinstall() { for k in "${kernels[@]}"; do run dkms autoinstall -k "$k"; done; }
both() {
	ok "$1: dkms autoinstall" autoinstall
	is "$(installed "$version") $(installed 99.1)" "$2" "$1: installed for both kernels: $version, 99.1"
}

for suite in $suites; do
	chroot_of "$suite"
	# By another user, with another umask, and git's index is not up to date
	cp -a "$top" "$root/opt/a tree"
	rm -rf "$root/opt/a tree/dist"
	chmod -R go-rwx "$root/opt/a tree"
	chown -R 1234 "$root/opt/a tree"
	touch "$root/opt/a tree/README.md"
	git config -f "$root/opt/a tree/.git/config" remote.origin.url https://user:password@example.org/fix.git
	echo 'APT::Get::Assume-Yes "true";' >"$root/etc/apt/apt.conf.d/yes"
	ok "make deb" in_tree make deb
	cp -r "$root/opt/a tree/dist" "$root/tmp/old"
	ok "make deb again" in_tree env VERSION=99.1 make deb
	is "$(cd "$root/opt/a tree/dist" && echo *)" \
		"ext4-fc-recover_99.1_all.deb ext4-fc-resize-fix-dkms_99.1_all.deb ext4-fc-resize-fix_99.1_amd64.deb" "the old ones are not there any more"
	mv "$root/opt/a tree/dist" "$root/tmp/new"
	cp -r "$root/tmp/old" "$root/opt/a tree/dist"
	deb=/tmp/old/ext4-fc-resize-fix-dkms_${version}_all.deb
	newer=/tmp/new/ext4-fc-resize-fix-dkms_99.1_all.deb
	command=/tmp/old/ext4-fc-resize-fix_${version}_amd64.deb
	has_documents ext4-fc-resize-fix-dkms README limits module monitoring recovery
	has_documents ext4-fc-resize-fix README limits module monitoring recovery
	has_documents ext4-fc-recover recovery
	is "$(dpkg-deb --fsys-tarfile "$root$deb" | tar -tv | grep -c '^[d-]...------')" 0 "anyone can read what is in it"
	# Headers alone are no kernel, to the command
	for k in "${kernels[@]}"; do mkdir -p "$root/usr/lib/modules/$k/kernel"; done
	run apt-get -qq install systemd >"$work/apt" 2>&1
	mkdir -p "$root/var/lib/dkms" # which stays, with the key in it
	files >"$work/before"

	is "$([ -e "$root/usr/sbin/dkms" ] || echo none)" none "dkms is not there"
	# shellcheck disable=SC2086 # words
	ok "$as_typed" in_tree sh -c "$as_typed"
	is "$(grep -c "^$name: this is a chroot: the running kernel is not its own and stays as it is$" "$work/said")" 1 "it leaves the kernel alone, and says so"
	ok "systemd-analyze verify" run systemd-analyze verify --man=no ext4-fc-resize-fix.service
	ok "apt-get remove of the command" run apt-get remove ext4-fc-resize-fix
	both "installed" "2 0"
	is "$(readlink "$root/usr/lib/systemd/system/sysinit.target.wants/ext4-fc-resize-fix.service")" \
		../ext4-fc-resize-fix.service "it is loaded at boot"
	ok "by our unit, as it is" cmp "$root/usr/lib/systemd/system/ext4-fc-resize-fix.service" "$top/packaging/ext4-fc-resize-fix.service"
	ok "upgrade" install "$newer"
	both "upgraded" "0 2"
	is "$(ls -d "$root/usr/src/$name-"*)" "$root/usr/src/$name-99.1" "the old sources are gone"
	ok "downgrade" install "$deb"
	both "downgraded" "2 0"
	ok "apt-get install of the command" install "$command"
	is "$(run ext4-fc-resize-fix --version)" "ext4-fc-resize-fix $version" "it runs"
	# Nor to dkms, which leaves this to the kernel's package then
	for k in "${kernels[@]}"; do run depmod "$k" 2>"$work/depmod"; done
	run ext4-fc-resize-fix status --json >"$work/said"
	is "$(grep -c '"module":true' "$work/said")" 2 "it says that both kernels have the module"
	ok "apt-get purge" run apt-get -y --purge autoremove ext4-fc-resize-fix ext4-fc-resize-fix-dkms
	is "$(installed "$version")" 0 "dkms has nothing"
	files >"$work/after"
	ok "nothing is left behind" diff "$work/before" "$work/after"
done
finish
