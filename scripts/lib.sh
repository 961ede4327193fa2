# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the scripts share: where things are, messages, packages, locks, and a
# way to prepare something once.  Sourced, not run:  . scripts/lib.sh

# shellcheck disable=SC2034 # for those who source this
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Outside the tree; may be deleted at any time, everything in it is made again.
cache=${EXT4_FC_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/ext4_fc_resize_fix}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd -P)

# What building the command takes beside gcc and make; scripts/install, which
# is on its own, says it for Fedora, too
# shellcheck disable=SC2034 # for those who source this
cli_libraries='pkg-config libkmod-dev libmount-dev libsmartcols-dev libext2fs-dev libjson-c-dev'

# Of the release that this is, or leads to; scripts/install, which is on its own, looks itself
dkms_version() { sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' "$top/dkms.conf"; }

# Messages go to stderr: stdout belongs to results (TAP, paths, versions).
say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$*"; exit 1; }

# lock NAME: held until the calling process or subshell ends.
lock() {
	local fd

	mkdir -p "$cache/lock"
	exec {fd}>"$cache/lock/$1"
	flock -n "$fd" || { say "waiting for another process to finish with $1"; flock "$fd"; }
}

# key FILE...: by content
key() { cat "$@" | sha256sum | cut -c1-16; }

# scratch NAME: a new directory, which the caller removes.  Goes with those
# that killed runs have left.
scratch() {
	mkdir -p "$cache/tmp"
	find "$cache/tmp" -mindepth 1 -maxdepth 1 -mtime +1 -exec rm -rf --one-file-system {} +
	mktemp -d "$cache/tmp/$1.XXXXXX"
}

# table_of FILE: of a table, without comments
table_of() { sed -E '/^[[:space:]]*(#|$)/d' "$top/$1"; }
# In tests/kernels those of a role have two words, of a kernel three
kernels() { table_of tests/kernels; }
debians() { table_of tests/debians; }

# host_release: this system's codename, in tests/debians or not
host_release() { sed -n 's/^VERSION_CODENAME=//p' /etc/os-release; }

# compiler gcc|clang [RELEASE]: the version to be used on this system, or on that one
compiler() {
	debians | awk -v what="$1" -v release="${2-$(host_release)}" '
		{ version = what == "gcc" ? $2 : $3 }
		version != "-" { newest = version }
		$1 == release { own = version }
		END { print own == "" ? newest : own }'
}

# kernel_id ID|ROLE: the id, as in tests/kernels
kernel_id() {
	kernels | awk -v me="${0##*/}" -v name="$1" '
		$1 "" == name { print NF == 2 ? $2 : $1; found = 1 }
		{ all = all " " $1 }
		END {
			if (!found) print me ": no kernel " name " in tests/kernels; there are:" all >"/dev/stderr"
			exit !found
		}'
}

# arch_of RELEASE: whose kernel it is, in Debian's words
arch_of() { if [[ $1 = *-arm64* ]]; then echo arm64; else echo amd64; fi; }

# Whose programs are in a guest
# shellcheck disable=SC2034 # for those who source this
guest_packages='busybox-static coreutils dash e2fsprogs kmod util-linux'

# sysroot ARCH: sets $sysroot. What is put into guests of another architecture,
# and what the command is built with for them
sysroot() {
	local packages="$guest_packages bsdutils dmsetup sed ${cli_libraries#pkg-config }" release

	release=$(host_release)
	debians | grep -q "^$release " || release=$(debians | tail -n 1 | cut -d' ' -f1)
	sysroot=$cache/sysroot-$1-$(cksum <<<"$release $packages" | cut -d' ' -f1)
	prepare "$sysroot" make_sysroot "$release" "$1" "$packages"
}

# make_sysroot RELEASE ARCH PACKAGES DIR
make_sysroot() {
	need mmdebstrap debian-archive-keyring mount
	say "fetching programs for $2"
	unshare -m mmdebstrap --quiet --mode=root --variant=extract --architectures="$2" \
		--include="${3// /,}" --aptopt='Acquire::Languages "none"' \
		--keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
		"$1" "$4" "deb http://deb.debian.org/debian $1 main" >"$4.log" 2>&1 ||
		die "mmdebstrap failed: $(tail -n 1 "$4.log")"
}

# update_lists: of this system. Its lock is not one that apt would wait for
update_lists() {
	local said

	for _ in {1..120}; do
		said=$(apt-get -qq update 2>&1) && return
		echo "$said"
		grep -q 'Could not get lock' <<<"$said" || return
		sleep 5
	done
	return 1
}

# need PACKAGE...: installs the Debian packages that are missing.
need() {
	local missing=() pkg

	command -v dpkg-query >/dev/null || die "this works on Debian and its relatives only (no dpkg)"
	for pkg; do
		[ "$(dpkg-query -Wf '${db:Status-Status}' "$pkg" 2>/dev/null)" = installed ] || missing+=("$pkg")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] || die "packages are missing, install them or run this as root: ${missing[*]}"
	say "installing ${missing[*]}"
	(
		lock apt
		# Of a machine that has just booted unattended-upgrades has the lock
		install=(apt-get -qq -y -o DPkg::Lock::Timeout=600 --no-install-recommends install "${missing[@]}")
		export DEBIAN_FRONTEND=noninteractive
		# Try the package lists that are there: an update also asks every
		# other repository of the machine, reachable or not.
		"${install[@]}" </dev/null >"$cache/apt.log" 2>&1 && exit
		update_lists >>"$cache/apt.log" 2>&1 || : # the install will tell
		"${install[@]}" </dev/null >>"$cache/apt.log" 2>&1 ||
			die "apt-get cannot install ${missing[*]}: see $cache/apt.log"
	)
}

# prepare PATH COMMAND...: makes PATH by running COMMAND... SCRATCH-PATH, unless
# PATH is there.  One process at a time, and PATH appears whole or not at all.
prepare() {
	local path=$1
	shift

	[ ! -e "$path" ] || return 0
	(
		name=${path#"$cache/"}
		name=${name//\//,}
		lock "$name"
		[ ! -e "$path" ] || exit 0
		tmp=$cache/tmp/$name
		# A killed run may have left its scratch behind.
		rm -rf --one-file-system "$tmp"
		mkdir -p "$tmp" "${path%/*}"
		trap 'rm -rf --one-file-system "$tmp"' EXIT
		"$@" "$tmp/new"
		mv -T "$tmp/new" "$path"
	)
}

# put_in PAGE BEGIN REST END FILE: replaces what PAGE, such as doc/cost.md, has between the
# line that begins with BEGIN, and ends with REST from now on, and the line END by what is in FILE
put_in() {
	local page=$top/$1 new
	shift

	[ "$(grep -cF -e "$1" "$page")$(grep -cxF -e "$3" "$page")" = 11 ] ||
		die "$page has not the two lines that the table goes between: $1 ... and $3"
	new=$(awk -v begin="$1" -v end="$3" -v line="$1$2" -v file="$4" '
		index($0, begin) { print line "\n"; while ((getline row <file) > 0) print row; print ""; inside = 1 }
		$0 == end { inside = 0 }
		!inside { print }' "$page")
	printf '%s\n' "$new" >"$page"
}
