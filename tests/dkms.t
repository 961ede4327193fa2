#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# dkms.conf with the real dkms, 2.8.4, 3.0.10 and 3.2.2, in chroots with the headers of
# two kernels that are not the running one: add, build, install, autoinstall and
# remove; each module is for the kernel that it was asked for, and nothing is
# left behind. A kernel for which there is nothing to do does not break
# autoinstall, which its package's postinst runs. Then as other distributions have
# it: DKMS' tree elsewhere, modules compressed by zstd, at other places, such as that of
# ADDON_MODULES_DIR, and weak-modules, which is not to link the module into other kernels;
# the command's status finds what was built.

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=chroot.sh
. "$top/tests/chroot.sh"
# shellcheck source=../scripts/archive.sh
. "$top/scripts/archive.sh"

archive
oldest=$(versions dkms | sort -V | head -n 1)

for suite in $suites; do
	chroot_of "$suite"
	files >"$work/before"

	mkdir "$root/usr/src/$name-$version"
	cp -r "$top"/{Kbuild,Makefile,dkms.conf,src} "$root/usr/src/$name-$version"
	ok "dkms add" run dkms add "$name/$version"
	for kernel in "${kernels[@]}"; do
		ok "dkms build -k $kernel" run dkms build "$name/$version" -k "$kernel"
		ok "dkms install -k $kernel" run dkms install "$name/$version" -k "$kernel"
		module=$(find "$root/usr/lib/modules/$kernel" -name "$name.ko*")
		is "$(modinfo -F vermagic "$module" | cut -d' ' -f1)" "$kernel" "the module is for $kernel"
		is "$(modinfo -F version "$module")" "$version" "its version is that of dkms.conf"
		cp "$module" "$work/other.ko"
	done
	is "$(installed "$version")" 2 "dkms status: installed for both"
	ok "dkms remove for one kernel" run dkms remove "$name/$version" -k "${kernels[0]}"
	ok "dkms autoinstall brings it back" run dkms autoinstall -k "${kernels[0]}"
	is "$(installed "$version")" 2 "dkms status: installed for both again"

	# The headers of the first one, without kprobes
	nothing=6.0.0-nothing
	headers=$root$(run readlink -f "/lib/modules/${kernels[0]}/build")
	cp -a "$headers" "$root/usr/src/linux-headers-$nothing"
	sed -i '/^CONFIG_KPROBES=/d' "$root/usr/src/linux-headers-$nothing/include/config/auto.conf"
	sed -i '/^#define CONFIG_KPROBES 1/d' "$root/usr/src/linux-headers-$nothing/include/generated/autoconf.h"
	mkdir "$root/usr/lib/modules/$nothing"
	ln -s "/usr/src/linux-headers-$nothing" "$root/usr/lib/modules/$nothing/build"
	ok "dkms autoinstall for a kernel with nothing to do" run dkms autoinstall -k $nothing
	module=$(find "$root/usr/lib/modules/$nothing" -name "$name.ko*")
	is "$(modinfo -F description "$module")" "Says why $name does not work here" "its module says so"
	ok "dkms remove for it" run dkms remove "$name/$version" -k $nothing
	rm -r "$root/usr/lib/modules/$nothing" "$root/usr/src/linux-headers-$nothing"

	ok "dkms remove --all" run dkms remove "$name/$version" --all

	# Of dkms the oldest that the archive has, 2.8.4: add, build and install have other code
	# in it, and its status other words
	if [ "$suite" = "${suites%% *}" ]; then
		download "$work" "dkms=$oldest"
		mkdir "$work/older"
		dpkg-deb -x "$work"/dkms_*.deb "$work/older"
		mv "$root/usr/sbin/dkms" "$work/dkms"
		cp "$work/older/usr/sbin/dkms" "$root/usr/sbin/dkms"
		for kernel in "${kernels[@]}"; do
			ok "dkms ${oldest%-*} install -k $kernel" run dkms install "$name/$version" -k "$kernel"
			module=$(find "$root/usr/lib/modules/$kernel" -name "$name.ko*")
			is "$(modinfo -F vermagic "$module" | cut -d' ' -f1)" "$kernel" "the module is for $kernel"
		done
		is "$(run dkms status | grep -c "^$name, $version, .*: installed")" 2 "its status: installed for both"
		ok "dkms ${oldest%-*} remove --all" run dkms remove "$name/$version" --all
		cp "$work/dkms" "$root/usr/sbin/dkms"
	fi

	# dkms goes by modules.dep, and by os-release
	need zstd
	cp -L "$(command -v zstd)" "$root/usr/bin/zstd"
	mkdir -p "$root/usr/lib/modules/${kernels[0]}/kernel" "$root/srv/dkms" "$root/opt/cli"
	zstd -q "$work/other.ko" -o "$root/usr/lib/modules/${kernels[0]}/kernel/other.ko.zst"
	run depmod "${kernels[0]}"
	cp "$root/etc/dkms/framework.conf" "$work/framework.conf"
	echo dkms_tree=/srv/dkms >>"$root/etc/dkms/framework.conf"
	cp -r "$top"/{src,scripts,dkms.conf} "$root/opt/cli"
	ok "make cli" run make -s -C /opt/cli/src/cli
	# What links modules into other kernels, by the names that dkms knows: it is not to be called
	mkdir -p "$root/usr/lib/module-init-tools" "$root/etc/sysconfig"
	for weak in usr/sbin/weak-modules usr/lib/module-init-tools/weak-modules2; do
		printf '#!/bin/sh\ncat >>/tmp/weak\n' >"$root/$weak"
		chmod +x "$root/$weak"
	done
	for like in debian:updates/dkms fedora:extra rhel:extra opensuse:updates alpine:updates/dkms alpine:addon; do
		place=${like#*:}
		rm "$root/etc/os-release"
		echo "ID=${like%:*}" >"$root/etc/os-release"
		# It has no variable for the place in its own configuration, but reads this one
		[ "$place" != addon ] || echo "ADDON_MODULES_DIR=$place" >"$root/etc/sysconfig/module-init-tools"
		ok "like ${like%:*}: dkms install" run dkms install "$name/$version" -k "${kernels[0]}"
		is "$(cd "$root/usr/lib/modules/${kernels[0]}" && find . -name "$name.ko*")" "./$place/$name.ko.zst" "its module is compressed, and in $place"
		is "$(run /opt/cli/scripts/module dkms dkms_tree)$(ls -d "$root/srv/dkms/$name")" "/srv/dkms$root/srv/dkms/$name" "DKMS' tree is where its configuration says"
		is "$(run /opt/cli/src/cli/ext4-fc-resize-fix status | awk -v k="${kernels[0]}" '$1 == k { print $2 }')" built "status finds it"
		ok "dkms remove" run dkms remove "$name/$version" --all
		is "$(cat "$root/tmp/weak" 2>&1)" "cat: $root/tmp/weak: No such file or directory" "no other kernel gets it by weak-modules"
	done
	rm -r "$root/usr/sbin/weak-modules" "$root/usr/lib/module-init-tools" "$root/etc/sysconfig"
	rm "$root/usr/lib/modules/${kernels[0]}/kernel/other.ko.zst"
	rmdir --ignore-fail-on-non-empty "$root/usr/lib/modules/${kernels[0]}/kernel"
	rm -r "$root/srv/dkms" "$root/opt/cli" "$root/usr/bin/zstd" "$root/etc/os-release"
	ln -s ../usr/lib/os-release "$root/etc/os-release"
	cp "$work/framework.conf" "$root/etc/dkms/framework.conf"
	rm -r "$root/usr/src/$name-$version"
	files >"$work/after"
	ok "nothing is left behind" diff "$work/before" "$work/after"
done
finish
