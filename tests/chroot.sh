# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For the tests that run in a Debian chroot with the real dkms and the headers
# of two kernels, neither of which is the running one: nothing can be loaded.
# Sourced after lib.sh. The test's arguments are the Debian
# releases, each with its dkms: 3.0.10, 3.2.2.

# shellcheck disable=SC2034,SC2154 # of and for those who source this

suites=${*:-$(debians | awk '$2 != "-" { print $1 }')}

name=ext4_fc_resize_fix
version=$(dkms_version)

packages=dkms,gcc,make,openssl,mokutil,rpm,linux-headers-amd64,${cli_libraries// /,}
# Another one, or none, of the release's backports
backport=linux-headers-cloud-amd64

make_chroot() {
	need mmdebstrap debian-archive-keyring
	say "making a chroot of $2, once"
	unshare -m mmdebstrap --quiet --mode=root --variant=apt --skip=cleanup/apt/lists \
		--include="$packages${backport:+,$backport/$2-backports}" \
		--aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--keyring=/usr/share/keyrings/debian-archive-keyring.gpg "$2" "$3" \
		"deb http://deb.debian.org/debian $2 main" \
		"deb http://deb.debian.org/debian $2-backports main" \
		"deb http://deb.debian.org/debian-security $2-security main" >"$1" 2>&1 ||
		die "mmdebstrap failed: $(tail -n 1 "$1")"
}

# root_of SUITE: a fresh copy in $root
root_of() {
	local base

	need mount
	base=$cache/chroot-$1-$(declare -f make_chroot | cat - <(echo "$packages" "$backport") | cksum | cut -d' ' -f1)
	prepare "$base" make_chroot "$cache/chroot-$1.log" "$1"
	root=$work/root
	rm -rf --one-file-system "$root"
	cp -a --reflink=auto "$base" "$root"
}

# chroot_of SUITE: such a copy, its kernels in $kernels
chroot_of() {
	suite=$1 prefix="$1: "
	root_of "$1"
	mkdir -p "$root"/{etc,usr/lib}/systemd/system # systemd's, which is not here
	mapfile -t kernels < <(cd "$root/usr/lib/modules" && for k in *; do [ ! -L "$k/build" ] || echo "$k"; done)
	is ${#kernels[@]} 2 "two kernels are installed: ${kernels[*]}"
	is "$(printf '%s\n' "${kernels[@]}" | grep -c "^$(uname -r)$" || :)" 0 "neither is the running one"
}

# run_as UNSHARE-OPTIONS BEFORE COMMAND...: in the chroot, whose / is a mount point, as
# rpm's scriptlets want it, after the shell command BEFORE, to which "$0" is the root
run_as() {
	local options=$1 before=$2
	shift 2
	# shellcheck disable=SC2086 # words
	unshare $options sh -c 'mount --bind "$0" "$0" && mount -t proc proc "$0/proc" && '"$before"' && exec chroot "$0" "$@"' "$root" \
		env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"
}
run() { run_as -m : "$@"; }
# Process 1 is in the chroot, too
run_in_container() { run_as "-m -p -f" : "$@"; }

# files: what is there, without what apt, depmod and dkms keep for themselves
files() {
	(cd "$root" && find . \( -path ./proc -o -path ./run -o -path ./tmp -o -path ./var/cache -o -path ./var/log \
		-o -path ./var/lib/apt -o -path ./var/lib/dpkg -o -path ./var/lib/rpm -o -path ./usr/share/lintian \
		-o -name 'modules.*' -o -path './var/lib/dkms/mok.*' \) -prune -o -print | sort)
}

# installed VERSION: for how many kernels
installed() { run dkms status 2>/dev/null | grep -c "^$name/$1.*: installed" || :; }
