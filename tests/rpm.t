#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The rpm's scriptlets, with the real rpm and dkms, in Debian chroots: there is
# no Fedora here, so not its dkms, not dnf and not its dependencies. Install,
# upgrade, the same version built again, downgrade, two versions side by side
# and removal of either, removal: each time what should be there is there for
# both kernels, in the end nothing.

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR/../scripts source=lib.sh
. "$(dirname "$0")/../scripts/lib.sh"
# shellcheck source=chroot.sh
. "$top/tests/chroot.sh"

old=$("$top/scripts/package" rpm | grep dkms)
new=$(VERSION=99.1 "$top/scripts/package" rpm | grep dkms)
again=$(VERSION=99.1 RELEASE=2 "$top/scripts/package" rpm | grep dkms)

rpm_() { run rpm --dbpath /var/lib/rpm --nodeps "$@" && run rpm --dbpath /var/lib/rpm -qa; }
package() { echo "/tmp/${1##*/}"; }

# then_ NAME OLD NEW COMMAND...: and then for so many kernels each is installed
then_() {
	local what=$1 want="$2 $3"
	shift 3
	does "$what" rpm_ "$@"
	is "$(installed "$version") $(installed 99.1)" "$want" "$what: installed for kernels, $version and 99.1"
}

for suite in $suites; do
	chroot_of "$suite"
	cp "$old" "$new" "$again" "$root/tmp"
	mkdir -p "$root"/usr/{share/licenses,lib/modules-load.d} # of Fedora's filesystem and systemd
	files >"$work/before"

	then_ "install" 2 0 -i "$(package "$old")"
	is "$(cat "$root/usr/lib/modules-load.d/$name.conf")" $name "it is loaded at boot"
	then_ "upgrade" 0 2 -U "$(package "$new")"
	is "$(ls -d "$root/usr/src/$name-"*)" "$root/usr/src/$name-99.1" "the old sources are gone"
	then_ "the same version built again" 0 2 -U "$(package "$again")"
	then_ "downgrade" 2 0 -U --oldpackage "$(package "$old")"
	then_ "a newer one beside it" 0 2 -i "$(package "$new")"
	then_ "the old one goes" 0 2 -e "ext4-fc-resize-fix-dkms-$version"
	then_ "the old one beside it" 2 0 -i --oldpackage "$(package "$old")"
	then_ "it goes again" 0 2 -e "ext4-fc-resize-fix-dkms-$version"
	then_ "removal" 0 0 -e ext4-fc-resize-fix-dkms
	files >"$work/after"
	does "nothing is left behind" diff "$work/before" "$work/after"
done
echo "1..$count"
