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
#   try.t packages   a kernel of ours (unfixed, ext4 a module) in the .deb, .rpm and
#                    .pkg.tar.zst that the kernel's own targets make of it, and in rpms
#                    that are split as Fedora's are
#   try.t trees      the tree where it was built; and trees beside their source (O=) of a
#                    kernel without kprobes, for which the module does not load, and of
#                    one without ext4, which does not need it
#   try.t kernels [ID...]
#                    each stock kernel of tests/kernels, as Debian's packages

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=chroot.sh
. "$top/tests/chroot.sh"

tools=gcc,make,qemu-system-x86,cpio,e2fsprogs,kmod,mount,libc6-dev,xz-utils,zstd,gzip,libarchive-tools,${cli_libraries// /,}

# machine [PACKAGES]: a Debian with the tools and these, without dpkg, in $root
machine() {
	packages=$tools${1:+,$1} backport=
	root_of trixie
	rm -rf "$root"/usr/bin/{dpkg*,apt*,perl*} "$root"/var/lib/{dpkg,apt}
	mkdir -p "$root/opt/try"
	cp -r "$top"/{Kbuild,Makefile,dkms.conf,src,scripts,tests} "$root/opt/try"
	as=(in_root)
}

# in_root COMMAND...
# shellcheck disable=SC2016 # for the shell inside
in_root() { run_as -m 'mount --rbind /dev "$0/dev"' "$@"; }

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
	local release regex modules file

	need xz-utils zstd
	machine linux-image-amd64,linux-headers-amd64
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
	as=(in_root env HOME=/tmp setpriv --reuid=65534 --regid=65534 --clear-groups)
	tries "an image that only root can read" 2 "$regex: only root can read .*/vmlinuz.*: sudo make try" "$release"
	as=(in_root)
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

# split ROOT: of the kernel's rpms others, as Fedora has them: core with the image, modules,
# devel
split() {
	local file

	mkdir -p "$1/files"
	for file in "$packages"/*.rpm; do rpm2cpio "$file" | (cd "$1/files" && cpio -idm --quiet); done
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
		cp -a $1/files/lib $1/files/usr %{buildroot}
		rm -r %{buildroot}/usr/include
		%files core
		/lib/modules/$release/vmlinuz
		/lib/modules/$release/config
		/lib/modules/$release/System.map
		/lib/modules/$release/modules.*
		%files modules
		/lib/modules/$release/kernel
		%files devel
		/usr/src/kernels/$release
		/lib/modules/$release/build
	END
	rpmbuild -bb --define "_topdir $1/rpm" --define '_binary_payload w1.zstdio' "$1/kernel.spec"
	mkdir "$packages/split"
	mv "$1"/rpm/RPMS/*/*.rpm "$packages/split"
}

packages() {
	local own release regex packages

	need rpm rpm2cpio cpio
	own=$("$top/scripts/kernel" own newest)
	machine
	packages=$root/packages
	mkdir "$packages"
	cp "$own"/*.{deb,rpm,pkg.tar.zst} "$packages"
	release=$(cd "$packages" && ls linux-image-*.deb)
	release=${release#linux-image-}
	release=${release%%_*}
	regex=$release
	split "$work/split" >"$work/err" 2>&1 || die "cannot split the rpms: $(tail -n 1 "$work/err")"
	rm -r "$work/split"
	cd "$root"

	tries "the headers alone" 2 'there is no kernel in these packages' packages/linux-headers-*.deb
	tries "without the headers" 2 'none of the packages has its headers' packages/linux-image-*.deb
	tries "without the modules" 2 'it has no ext4\.ko: not all of its modules are here' packages/split/kernel-{core,devel}-*.rpm
	head -c 1000 packages/linux-image-*.deb >packages/cut.pkg.tar.zst
	tries "a file that is cut off" 2 'cannot unpack packages/cut.pkg.tar.zst' packages/cut.pkg.tar.zst
	tries "no such file" 2 'cannot read packages/none.rpm' packages/none.rpm
	rm packages/cut.pkg.tar.zst
	tries "bindeb-pkg's" 0 "^$regex: unfixed, $safe" packages/*.deb
	tries "binrpm-pkg's" 0 "^$regex: unfixed, $safe" packages/*.rpm
	tries "pacman-pkg's" 0 "^$regex: unfixed, $safe" packages/*.pkg.tar.zst
	tries "Fedora's" 0 "^$regex: unfixed, $safe" packages/split/*.rpm
}

# --- trees --------------------------------------------------------------------------

trees() {
	local own path

	need zstd
	own=$("$top/scripts/kernel" own newest)
	machine
	mkdir "$root/trees"
	tar -C "$root/trees" -I zstd -xf "$own/trees.tar.zst"
	# Back where they were: a tree of O= has absolute paths
	path=$(dirname "$(readlink "$root/trees/nokprobes/source")")
	mkdir -p "$root${path%/*}"
	mv "$root/trees" "$root$path"

	tries "a source alone" 2 "no kernel was built there: make -C $path/source\$" "$path/source"
	tries "O=, no kprobes" 1 '^[0-9.]+-nokprobes: the module does not load: this kernel is built without kprobes \(CONFIG_KPROBES\)$' "$path/nokprobes"
	rm -r "$root$path/nokprobes"
	mv "$root$path/noext4" "$root$path/nokprobes"
	tries "O=, no ext4" 0 '^[0-9.]+-noext4: not needed: this kernel has no ext4 \(CONFIG_EXT4_FS\), there is nothing to protect$' "$path/nokprobes"
	tries "a tree that is its source's" 0 "^[0-9.]+-packaged: unfixed, $safe" "$path/packaged"
}

# --- kernels ------------------------------------------------------------------------

each_stock() {
	local id lts

	lts=$(kernel_id lts)
	# shellcheck disable=SC2046 # words
	[ $# != 0 ] || set -- $(kernels | awk '$3 == "stock" && $2 !~ /arm64/ { print $1 }')
	machine pahole
	cd "$root"
	for id; do
		"$top/scripts/kernel" debs "$id" "$root/$id" 2>"$work/err" || die "$(tail -n 1 "$work/err")"
		# BTF for modules, from 6.12 on
		if [ "$id" = "$lts" ]; then
			mv "$root/usr/bin/pahole" "$work"
			tries "no pahole" 2 "this machine has no pahole: install the packages with pahole\$" "$id"/*.deb
			mv "$work/pahole" "$root/usr/bin"
		fi
		tries "$id" 0 "^[^ ]*: (unfixed|has upstream's fix), ${safe//\\1/\\2}" "$id"/*.deb
		rm -r "${root:?}/$id"
	done
}

case ${1-} in
stock | packages | trees) "$1" ;;
kernels) each_stock "${@:2}" ;;
*) sed -n '/^#   /s/^#  //p' "$0" >&2; exit 2 ;;
esac
finish
