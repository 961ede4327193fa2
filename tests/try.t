#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# scripts/try on a machine without dpkg, apt and busybox: a Debian 13 from which they
# are taken.
#
#   try.t stock      an installed kernel of Debian's is safe; with a module that does not
#                    hold resizes (the negative) and one that does not build it is not.
#                    What cannot be tried says in one line why and what helps: missing
#                    programs by the names of five package managers, missing headers, an
#                    image that only root can read
#   try.t packages   a kernel of ours (tests/noftrace.config, unfixed) in .deb, .rpm and
#                    .pkg.tar.zst, each with the files where such a package has them

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

tools=gcc,make,qemu-system-x86,cpio,e2fsprogs,kmod,mount,libc6-dev,xz-utils,zstd,gzip,libarchive-tools
tools+=,pkg-config,libkmod-dev,libmount-dev,libsmartcols-dev,libext2fs-dev,libjson-c-dev

# make_system PACKAGES DIR
make_system() {
	need mmdebstrap debian-archive-keyring
	say "making a Debian 13, once"
	unshare -m mmdebstrap --quiet --mode=root --variant=apt --include="$1" \
		--aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--keyring=/usr/share/keyrings/debian-archive-keyring.gpg trixie "$2" \
		"deb http://deb.debian.org/debian trixie main" \
		"deb http://deb.debian.org/debian-security trixie-security main" >"$cache/try-t.log" 2>&1 ||
		die "mmdebstrap failed: $(tail -n 1 "$cache/try-t.log")"
}

# in_root ROOT COMMAND...
in_root() {
	# shellcheck disable=SC2016 # for the shell inside
	unshare -m sh -c 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"' "$1" \
		env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C "${@:2}"
}

# system NAME: sets base
system() {
	local packages=$1

	base=$cache/try/root-$(cksum <<<"$packages" | cut -d' ' -f1)
	prepare "$base" make_system "$packages"
}

# without_dpkg DIR: a copy of $base
without_dpkg() {
	cp -a --reflink=auto "$base" "$1"
	rm -rf "$1"/usr/bin/{dpkg*,apt*,perl*} "$1"/var/lib/{dpkg,apt}
	mkdir -p "$1/opt/try"
	cp -r "$top"/{Kbuild,Makefile,dkms.conf,src,scripts,tests} "$1/opt/try"
}

# tries NAME EXIT REGEX ARG...: scripts/try exits so, and its verdict, or else its last
# line, matches
tries() {
	local name=$1 want=$2 regex=$3 status=0
	shift 3

	"${as[@]}" /opt/try/scripts/try "$@" >"$work/verdict" 2>"$work/err" </dev/null || status=$?
	cat "$work/err" "$work/verdict" >"$work/said"
	if [ "$status" = "$want" ] && tail -n 1 "$work/said" | grep -qE -e "$regex"; then
		pass "$name: exit $want, $(tail -qn 1 "$work/verdict" "$work/err" | head -n 1)"
	else
		fail "$name" "exit $status, want $want, and $regex"
	fi
}

safe='hangs at resize [0-9]+ without the module, ([0-9]+) of \1 resizes with it; an fsynced file is lost without it \(extend, freeze\), kept with it; safe to load$'

# --- stock -----------------------------------------------------------------------

stock() {
	local root=$work/root release regex modules file

	need xz-utils zstd
	system "$tools,linux-image-amd64,linux-headers-amd64"
	without_dpkg "$root"
	as=(in_root "$root")
	release=$(ls "$root/usr/lib/modules")
	regex=${release//+/\\+}

	tries "the running kernel has no modules here" 2 "there is no /lib/modules/$(uname -r): .*; name another one, of $regex, or package files"
	tries "no such kernel" 2 'there is no /lib/modules/1\.2\.3' 1.2.3

	mv "$root/usr/bin/cpio" "$root/usr/bin/make" "$root/tmp"
	mv "$root/usr/bin/qemu-system-x86_64" "$root/usr/bin/resize2fs" "$root/tmp" 2>/dev/null || mv "$root/usr/sbin/resize2fs" "$root/tmp"
	while read -r manager packages; do
		if [ "$manager" != none ]; then
			printf '#!/bin/sh\n' >"$root/usr/bin/$manager"
			chmod +x "$root/usr/bin/$manager"
		fi
		tries "missing programs, $manager" 2 "this machine has no .*: $packages\$" "$release"
		rm -f "$root/usr/bin/$manager"
	done <<-'END'
		apt-get apt-get install cpio e2fsprogs make
		dnf dnf install cpio e2fsprogs make
		zypper zypper install cpio e2fsprogs make
		pacman pacman -S cpio e2fsprogs make
		apk apk add cpio e2fsprogs-extra make
		none install the packages with cpio make resize2fs
	END
	mv "$root"/tmp/{cpio,make} "$root/usr/bin"
	mv "$root/tmp/resize2fs" "$root/usr/sbin"
	while read -r manager packages; do
		printf '#!/bin/sh\n' >"$root/usr/bin/$manager"
		chmod +x "$root/usr/bin/$manager"
		tries "no QEMU, $manager" 2 "this machine has no qemu-system-x86_64: $packages\$" "$release"
		rm "$root/usr/bin/$manager"
	done <<-'END'
		apt-get apt-get install qemu-system-x86
		dnf dnf install qemu-kvm
		zypper zypper install qemu-x86
		pacman pacman -S qemu-system-x86
		apk apk add qemu-system-x86_64
	END
	# As RHEL has it
	mkdir -p "$root/usr/libexec"
	mv "$root/tmp/qemu-system-x86_64" "$root/usr/libexec/qemu-kvm"

	for file in "$root"/boot/vmlinuz-* "$root"/usr/lib/modules/*/vmlinuz; do [ ! -e "$file" ] || chmod 600 "$file"; done
	as=(in_root "$root" env HOME=/tmp setpriv --reuid=65534 --regid=65534 --clear-groups)
	tries "an image that only root can read" 2 "$regex: only root can read .*/vmlinuz.*: sudo make try" "$release"
	as=(in_root "$root")
	mv "$root/usr/lib/modules/$release/build" "$work/build"
	mv "$root/usr/src/linux-headers-$release" "$work/headers"
	tries "no headers" 2 "$regex: its headers are not here" "$release"
	mv "$work/build" "$root/usr/lib/modules/$release/build"
	mv "$work/headers" "$root/usr/src/linux-headers-$release"

	# Distributions compress modules in three ways
	modules=$root/usr/lib/modules/$release/kernel
	xz -dc "$modules/fs/jbd2/jbd2.ko.xz" | zstd -q >"$modules/fs/jbd2/jbd2.ko.zst"
	xz -dc "$modules/drivers/block/loop.ko.xz" | gzip >"$modules/drivers/block/loop.ko.gz"
	rm "$modules"/{fs/jbd2/jbd2,drivers/block/loop}.ko.xz
	tries "$release" 0 "^$regex: has upstream.s fix, $safe" "$release"
	file=$root/root/.cache/ext4_fc_resize_fix/try/$release/report
	# shellcheck disable=SC2016 # of the shell inside
	ok "its report has the verdict, the configuration and the results" sh -c \
		'grep -qxF -f "$1" "$2" && grep -q "^CONFIG_EXT4_FS=m$" "$2" && grep -qE "^storm: [0-9]+ ok, 0 failed$" "$2"' - \
		"$work/verdict" "$file"

	sed -i 's/resize_find(j/false \&\& &/' "$root/opt/try/src/module/hold.c"
	tries "with a module that does not hold resizes" 1 "^$regex: NOT safe: storm: " "$release"
	echo '#error broken' >>"$root/opt/try/src/module/hold.c"
	tries "with a module that does not build" 1 "^$regex: NOT safe: the module does not build: .*broken" "$release"
}

# --- packages ----------------------------------------------------------------------

# lay_out ROOT: the files of an rpm, or of Arch's, which the kernel's own targets put there
lay_out() {
	local to=$1/lib/modules/$release

	mkdir -p "$to"
	cp "$kernel/vmlinuz" "$kernel/modules/lib/modules/$release"/modules.{order,builtin,builtin.modinfo} "$to"
	mkdir "$to/kernel"
}

make_deb() {
	mkdir -p "$1"/{image,headers}/DEBIAN "$1/image/boot" "$1/headers/usr/src" "$1/headers/lib/modules/$release"
	lay_out "$1/image"
	mv "$1/image/lib/modules/$release/vmlinuz" "$1/image/boot/vmlinuz-$release"
	cp -a "$kernel/build/." "$1/headers/usr/src/linux-headers-$release"
	ln -s "/usr/src/linux-headers-$release" "$1/headers/lib/modules/$release/build"
	for part in image headers; do
		printf '%s: %s\n' Package "linux-$part-$release" Version 1 Architecture amd64 Maintainer 'nobody <nobody@example.org>' \
			Description "$part" >"$1/$part/DEBIAN/control"
		dpkg-deb -b "$1/$part" "$packages/linux-$part.deb"
	done
}

# Fedora's: core with the image, modules, devel
make_rpm() {
	mkdir -p "$1"
	cat >"$1/kernel.spec" <<-END
		Name: kernel
		Version: 1
		Release: 1
		Summary: kernel
		License: GPL
		AutoReqProv: no
		%global __os_install_post %{nil}
		%global debug_package %{nil}
		%description
		%package core
		Summary: core
		%description core
		%package modules
		Summary: modules
		%description modules
		%package devel
		Summary: devel
		%description devel
		%install
		cp -a $1/files/. %{buildroot}
		%files core
		/lib/modules/$release/vmlinuz
		/lib/modules/$release/modules.*
		%files modules
		/lib/modules/$release/kernel
		%files devel
		/usr/src/kernels/$release
		/lib/modules/$release/build
	END
	lay_out "$1/files"
	mkdir -p "$1/files/usr/src/kernels"
	cp -a "$kernel/build/." "$1/files/usr/src/kernels/$release"
	ln -s "/usr/src/kernels/$release" "$1/files/lib/modules/$release/build"
	rpmbuild -bb --define "_topdir $1/rpm" --define '_binary_payload w1.zstdio' "$1/kernel.spec"
	mv "$1"/rpm/RPMS/*/*.rpm "$packages"
}

make_arch() {
	lay_out "$1/linux"
	mkdir -p "$1/linux/usr" "$1/headers/usr/lib/modules/$release"
	mv "$1/linux/lib" "$1/linux/usr"
	cp -a "$kernel/build/." "$1/headers/usr/lib/modules/$release/build"
	for part in linux headers; do
		echo "pkgname = $part" >"$1/$part/.PKGINFO"
		tar -C "$1/$part" --zstd -cf "$packages/$part.pkg.tar.zst" .PKGINFO usr
	done
}

packages() {
	local root=$work/root kernel release regex packages part

	need rpm zstd dpkg
	kernel=$("$top/scripts/kernel" dir noftrace)
	release=$("$top/scripts/kernel" release noftrace)
	regex=$release
	system "$tools"
	without_dpkg "$root"
	as=(in_root "$root")
	packages=$root/packages
	mkdir "$packages"
	for kind in deb rpm arch; do
		make_"$kind" "$work/$kind" >"$work/err" 2>&1 || die "cannot make the packages: $(tail -n 1 "$work/err")"
		rm -r "${work:?}/$kind"
	done

	tries "the headers alone" 2 'there is no kernel in these packages' /packages/linux-headers.deb
	tries "without the headers" 2 'none of the packages has its headers' /packages/linux-image.deb
	head -c 1000 "$packages/linux.pkg.tar.zst" >"$packages/cut.pkg.tar.zst"
	tries "a file that is cut off" 2 'cannot unpack /packages/cut.pkg.tar.zst' /packages/cut.pkg.tar.zst
	tries "no such file" 2 'cannot read /packages/none.rpm' /packages/none.rpm
	tries ".deb" 0 "^$regex: unfixed, $safe" /packages/linux-{image,headers}.deb
	mapfile -t part < <(cd "$packages" && ls -- *.rpm)
	tries "${part[*]}" 0 "^$regex: unfixed, $safe" "${part[@]/#//packages/}"
	tries ".pkg.tar.zst" 0 "^$regex: unfixed, $safe" /packages/{linux,headers}.pkg.tar.zst
}

case ${1-} in
stock|packages) "$1" ;;
*) sed -n '/^#   /s/^#  //p' "$0" >&2; exit 2 ;;
esac
finish
