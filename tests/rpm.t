#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The rpm's scriptlets, with the real rpm and dkms, in Debian chroots: there is
# no Fedora here, so not its dkms, not dnf and not its dependencies. Install,
# upgrade, the same version built again, downgrade, two versions side by side
# and removal of either, removal: each time what should be there is there for
# both kernels, in the end nothing. And make rpm, where there is no dpkg. All
# three have what the debs have, the documents and the licence.

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=chroot.sh
. "$top/tests/chroot.sh"
version=$("$top/scripts/package" version)

packages+=,git

mapfile -t rpms < <("$top/scripts/package" rpm)
mapfile -t debs < <("$top/scripts/package" deb)
old=$(printf '%s\n' "${rpms[@]}" | grep dkms)
new=$(VERSION=99.1 "$top/scripts/package" rpm | grep dkms)
again=$(VERSION=99.1 RELEASE=2 "$top/scripts/package" rpm | grep dkms)

run_rpm() { run rpm --dbpath /var/lib/rpm --nodeps "$@" && run rpm --dbpath /var/lib/rpm -qa; }
package() { echo "/tmp/${1##*/}"; }

# after NAME OLD NEW COMMAND...: and then for so many kernels each is installed
after() {
	local what=$1 want="$2 $3"
	shift 3
	ok "$what" run_rpm "$@"
	is "$(installed "$version") $(installed 99.1)" "$want" "$what: installed for kernels, $version and 99.1"
}

# without_dpkg: what lib.sh looks for. Fedora's packages are one here, which has
# what ours wants to be built
without_dpkg() {
	local in_tree=(run make --no-print-directory -C /opt/tree rpm)

	cp -a "$top" "$root/opt/tree"
	rm -rf "$root/opt/tree/dist"
	git config -f "$root/opt/tree/.git/config" remote.origin.url https://user:password@example.org/fix.git
	mv "$root/usr/bin/dpkg-query" "$root/usr/bin/rpmbuild" "$root/opt"
	refuses "dnf install rpm-build 'systemd-rpm-macros' 'gcc'" "make rpm without dpkg and rpmbuild says what helps" "${in_tree[@]}"
	mv "$root/opt/rpmbuild" "$root/usr/bin"
	refuses "systemd-rpm-macros is needed by" "with rpmbuild it says what it misses" "${in_tree[@]}"
	{
		printf '%s\n' 'Name: fedora' 'Version: 1' 'Release: 1' 'Summary: -' 'License: -' 'BuildArch: noarch'
		sed -n 's/^BuildRequires:/Provides:/p' "$top/packaging/rpm/ext4-fc-resize-fix.spec"
		printf '%s\n' '%description' '%install' 'mkdir -p %{buildroot}/usr/lib/rpm/macros.d' \
			"echo '%%_unitdir /usr/lib/systemd/system' >%{buildroot}/usr/lib/rpm/macros.d/macros.systemd" \
			'%files' '/usr/lib/rpm/macros.d/macros.systemd'
	} >"$root/opt/fedora.spec"
	run sh -c 'rpmbuild -bb /opt/fedora.spec && rpm -i --nodeps $(find / -xdev -name fedora-1-1.noarch.rpm)' >"$work/said" 2>&1
	ok "make rpm without dpkg" "${in_tree[@]}"
	is "$(run sh -c "rpm -qp --qf '%{URL}\n' /opt/tree/dist/*.rpm" | sort | uniq -c | xargs)" \
		"3 https://example.org/fix" "their URL is where it was cloned from"
	is "$(cd "$root/opt/tree/dist" && echo *)" \
		"ext4-fc-recover-$version-1.noarch.rpm ext4-fc-resize-fix-$version-1.x86_64.rpm ext4-fc-resize-fix-dkms-$version-1.noarch.rpm" "they are in dist/"
}

# in_rpm NAME QUERY...: what the query says of the rpm of that name
in_rpm() { printf '%s\n' "${rpms[@]}" | grep -F "/$1-$version-" | xargs rpm -qp "${@:2}"; }
# Documents and licences go elsewhere; and rpm notes what it has built
others() { grep -vE '^d|/usr/share/(doc|licenses)/|/\.build-id/' | sed 's/\.gz$//' | sort; }
in_deb() {
	dpkg-deb --fsys-tarfile "$(printf '%s\n' "${debs[@]}" | grep -F "/$1_")" | tar -tv |
		awk '{ print $1, substr($6, 2) }' | others
}

# has NAME DOCUMENT...: what the deb has, and these
has() {
	is "$(in_rpm "$1" --qf '[%{FILEMODES:perms} %{FILENAMES}\n]' | others)" "$(in_deb "$1")" "$1: has what the deb has"
	is "$(in_rpm "$1" --docfiles | sed 's,.*/,,' | LC_ALL=C sort | xargs)" "${*:2}" "$1: documents"
	is "$(in_rpm "$1" --licensefiles | sed 's,.*/,,')" COPYING "$1: licence"
}

has ext4-fc-resize-fix-dkms NEWS README.md limits.md module.md monitoring.md recovery.md
has ext4-fc-resize-fix NEWS README.md ext4-fc-resize-fix.8 limits.md module.md monitoring.md recovery.md
has ext4-fc-recover recovery.md
# That whose parameters, status files and recovery tests/cli.t looks for
is "$(in_rpm ext4-fc-resize-fix --qf '[%{FILEDIGESTS} %{FILENAMES}\n]' | sed -n 's, .*/man8/.*,,p')" \
	"$(sha256sum <"$top/src/cli/ext4-fc-resize-fix.8" | cut -d' ' -f1)" "the man page is that of the tree"

for suite in $suites; do
	chroot_of "$suite"
	cp "$old" "$new" "$again" "$root/tmp"
	mkdir -p "$root"/usr/{share/licenses,lib/systemd/system/sysinit.target.wants} # of Fedora's filesystem and systemd
	files >"$work/before"

	after "install" 2 0 -i "$(package "$old")"
	is "$(readlink "$root/usr/lib/systemd/system/sysinit.target.wants/ext4-fc-resize-fix.service")" \
		../ext4-fc-resize-fix.service "it is loaded at boot"
	ok "by our unit, as it is" cmp "$root/usr/lib/systemd/system/ext4-fc-resize-fix.service" "$top/packaging/ext4-fc-resize-fix.service"
	after "upgrade" 0 2 -U "$(package "$new")"
	is "$(ls -d "$root/usr/src/$name-"*)" "$root/usr/src/$name-99.1" "the old sources are gone"
	after "the same version built again" 0 2 -U "$(package "$again")"
	after "downgrade" 2 0 -U --oldpackage "$(package "$old")"
	after "a newer one beside it" 0 2 -i "$(package "$new")"
	after "the old one goes" 0 2 -e "ext4-fc-resize-fix-dkms-$version"
	after "the old one beside it" 2 0 -i --oldpackage "$(package "$old")"
	after "it goes again" 0 2 -e "ext4-fc-resize-fix-dkms-$version"
	after "removal" 0 0 -e ext4-fc-resize-fix-dkms
	files >"$work/after"
	ok "nothing is left behind" diff "$work/before" "$work/after"

	without_dpkg
done
finish
