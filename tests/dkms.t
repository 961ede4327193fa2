#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# dkms.conf with the real dkms, in a Debian 12 chroot (dkms 3.0.10) with the
# headers of two kernels that are not the running one: add, build, install,
# autoinstall and remove; each module is for the kernel that it was asked for,
# and nothing is left behind.

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR/../scripts source=lib.sh
. "$(dirname "$0")/../scripts/lib.sh"

make_chroot() {
	need mmdebstrap debian-archive-keyring
	say "making a Debian 12 chroot with dkms and the headers of two kernels"
	unshare -m mmdebstrap --quiet --mode=root --variant=apt \
		--include="dkms,gcc,make,linux-headers-amd64,linux-headers-cloud-amd64/bookworm-backports" \
		--aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--keyring=/usr/share/keyrings/debian-archive-keyring.gpg bookworm "$1" \
		"deb http://deb.debian.org/debian bookworm main" \
		"deb http://deb.debian.org/debian bookworm-backports main" \
		"deb http://deb.debian.org/debian-security bookworm-security main" >"$cache/dkms-chroot.log" 2>&1 ||
		die "mmdebstrap failed: $(tail -n 1 "$cache/dkms-chroot.log")"
}

count=0
ok() { count=$((count + 1)); echo "ok $count - $1"; }
not_ok() { count=$((count + 1)); echo "not ok $count - $1"; sed 's/^/# /' "$work/said"; }
is() { if [ "$1" = "$2" ]; then ok "$3"; else echo "got '$1', want '$2'" >"$work/said"; not_ok "$3"; fi; }
does() {
	local name=$1
	shift
	if "$@" >"$work/said" 2>&1; then ok "$name"; else not_ok "$name"; fi
}

# A copy each time: what dkms leaves behind shows against the fresh chroot
base=$cache/chroot-dkms-$(cksum <"$0" | cut -d' ' -f1)
prepare "$base" make_chroot
work=$(scratch dkms)
trap 'rm -rf --one-file-system "$work"' EXIT
cp -a --reflink=auto "$base" "$work/root"
root=$work/root
run() {
	# shellcheck disable=SC2016 # for the shell inside
	unshare -m sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$root" \
		env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C "$@"
}
# ext4 is not in a headers package; what counts is where modules can go
files() { (cd "$root" && find usr/src lib/modules usr/lib/modules var/lib/dkms etc \( -name 'modules.*' -prune \) -o -print | grep -vE 'mok\.|/(framework|dkms)' | sort); }

version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' "$top/dkms.conf")
name=ext4_fc_resize_fix
mapfile -t kernels < <(cd "$root/usr/lib/modules" && for k in *; do [ ! -e "$k/build" ] && [ ! -L "$k/build" ] || echo "$k"; done)

is ${#kernels[@]} 2 "two kernels are installed: ${kernels[*]}"
is "$(printf '%s\n' "${kernels[@]}" | grep -c "^$(uname -r)$" || :)" 0 "neither is the running one"
files >"$work/before"

mkdir "$root/usr/src/$name-$version"
cp -r "$top"/{Kbuild,Makefile,dkms.conf,src} "$root/usr/src/$name-$version"
does "dkms add" run dkms add "$name/$version"
for kernel in "${kernels[@]}"; do
	does "dkms build -k $kernel" run dkms build "$name/$version" -k "$kernel"
	does "dkms install -k $kernel" run dkms install "$name/$version" -k "$kernel"
	module=$(find "$root/usr/lib/modules/$kernel" -name "$name.ko*")
	is "$(modinfo -F vermagic "$module" | cut -d' ' -f1)" "$kernel" "the module is for $kernel"
	is "$(modinfo -F version "$module")" "$version" "its version is that of dkms.conf"
done
is "$(run dkms status | grep -c "^$name/$version.*: installed")" 2 "dkms status: installed for both"
does "dkms remove for one kernel" run dkms remove "$name/$version" -k "${kernels[0]}"
does "dkms autoinstall brings it back" run dkms autoinstall -k "${kernels[0]}"
is "$(run dkms status | grep -c "^$name/$version.*: installed")" 2 "dkms status: installed for both again"
does "dkms remove --all" run dkms remove "$name/$version" --all
rm -r "$root/usr/src/$name-$version"
files >"$work/after"
does "nothing is left behind" diff "$work/before" "$work/after"
echo "1..$count"
