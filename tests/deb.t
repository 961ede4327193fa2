#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The deb in chroots: brings dkms along, DKMS builds for both kernels, an upgrade
# and a downgrade replace the version, the command's package says so, purge leaves
# nothing. What is loaded shows in tests/upgrade.t, in a VM.

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR/../scripts source=lib.sh
. "$(dirname "$0")/../scripts/lib.sh"
# shellcheck source=chroot.sh
. "$top/tests/chroot.sh"

deb=$("$top/scripts/package" deb | grep dkms)
command=$("$top/scripts/package" deb | grep -v dkms)
newer=$(VERSION=99.1 "$top/scripts/package" deb | grep dkms)

install() { run apt-get -y --no-install-recommends --allow-downgrades install "/tmp/${1##*/}"; }
# As the kernels' own postinst does
autoinstall() { for k in "${kernels[@]}"; do run dkms autoinstall -k "$k"; done; }
both() {
	does "$1: dkms autoinstall" autoinstall
	is "$(installed "$version") $(installed 99.1)" "$2" "$1: installed for both kernels: $version, 99.1"
}

for suite in $suites; do
	chroot_of "$suite"
	cp "$deb" "$command" "$newer" "$root/tmp"
	# Headers alone are no kernel, to the command
	for k in "${kernels[@]}"; do mkdir -p "$root/usr/lib/modules/$k/kernel"; done
	files >"$work/before"

	run apt-get -qq -y purge dkms >"$work/apt" 2>&1
	does "apt-get install, without dkms" install "$deb"
	both "installed" "2 0"
	is "$(cat "$root/usr/lib/modules-load.d/$name.conf")" $name "it is loaded at boot"
	does "upgrade" install "$newer"
	both "upgraded" "0 2"
	is "$(ls -d "$root/usr/src/$name-"*)" "$root/usr/src/$name-99.1" "the old sources are gone"
	does "downgrade" install "$deb"
	both "downgraded" "2 0"
	does "apt-get install of the command" install "$command"
	is "$(run ext4-fc-resize-fix --version)" "ext4-fc-resize-fix $version" "it runs"
	# Nor to dkms, which leaves this to the kernel's package then
	for k in "${kernels[@]}"; do run depmod "$k" 2>"$work/depmod"; done
	run ext4-fc-resize-fix status --json >"$work/said"
	is "$(grep -c '"module":true' "$work/said")" 2 "it says that both kernels have the module"
	does "apt-get purge" run apt-get -y purge ext4-fc-resize-fix ext4-fc-resize-fix-dkms
	is "$(installed "$version")" 0 "dkms has nothing"
	files >"$work/after"
	does "nothing is left behind" diff "$work/before" "$work/after"
done
echo "1..$count"
