# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Debian's archive, all of the releases in tests/debians at once, beside what apt has
# on this machine. Sourced after lib.sh.

# Part of the name in the cache: to be raised when what is put there changes.
# shellcheck disable=SC2154 # of lib.sh
archive=$cache/archive.1
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# make_archive DIR. Sandbox: root's home is closed to _apt. arm64's headers take the
# kbuild package of amd64, the cross compiler runs here.
make_archive() {
	local release gcc suites suite path

	chdist --data-dir "$1" --arch amd64 create debian >/dev/null
	# It is to be moved
	sed -i "s,\"$1/,\"$archive/,; s,Architectures \"amd64\",Architectures { \"amd64\"; \"arm64\"; }," "$1/debian/etc/apt/apt.conf"
	cat >"$1/debian/etc/apt/apt.conf.d/ours" <<-END
		Dir::Cache::srcpkgcache "";
		APT::Sandbox::User "root";
		Acquire::Languages "none";
		Acquire::Retries "3";
	END
	debians | while read -r release gcc _ suites; do
		for suite in $release $suites; do
			path=debian
			[[ $suite != *-security ]] || path=debian-security
			echo "deb [signed-by=$keyring] http://deb.debian.org/$path $suite main"
		done
		# For scripts/e2fsprogs
		[ "$gcc" = - ] || echo "deb-src [signed-by=$keyring] http://deb.debian.org/debian $release main"
	done >"$1/debian/etc/apt/sources.list"
}

# debian apt-get|apt-cache ARG...
debian() { chdist --data-dir "$archive" "$1" debian -qq "${@:2}"; }

# daily FILE COMMAND...: FILE has what COMMAND writes to the file that it gets as its last
# argument, of today; so that all scripts of a run mean the same
daily() {
	local file=$1
	shift

	[ -z "$(find "$file" -mmin -1440 2>/dev/null)" ] || return 0
	(
		lock "daily,${file##*/}"
		# Another process may have done it while this one waited.
		[ -z "$(find "$file" -mmin -1440 2>/dev/null)" ] || exit 0
		"$@" "$file.new"
		mv "$file.new" "$file"
	)
}

read_lists() {
	say "reading the package lists of Debian's archive"
	# A suite that has left the archive must not stop the others.
	debian apt-get update >"$cache/apt.log" 2>&1 || :
	[ ! -s "$cache/apt.log" ] || say "not all lists could be read, see $cache/apt.log; going on"
	[ -n "$(debian apt-cache pkgnames linux-headers- | head -n 1)" ] ||
		die "cannot read the package lists of deb.debian.org"
	: >"$1"
}

# archive: makes sure that it is there, and its lists are of today
archive() {
	need apt devscripts debian-archive-keyring
	prepare "$archive" make_archive
	daily "$archive/read" read_lists
}

versions() { debian apt-cache madison "$1" | awk '$NF == "Packages" { print $3 }'; }

# newest PACKAGE: its newest version, whatever apt's pinning thinks of backports
newest() {
	local best='' version

	for version in $(versions "$1"); do
		if [ -z "$best" ] || dpkg --compare-versions "$version" gt "$best"; then best=$version; fi
	done
	echo "$best"
}

# depends PACKAGE=VERSION REGEX: the packages it depends on whose names match whole.
depends() {
	# shellcheck disable=SC2086 # or several such, in words
	debian apt-cache show $1 | sed -n 's/^\(Pre-\)\?Depends: //p' | tr ',|' '\n' |
		awk '{ print $1 }' | grep -xE "$2" || [ $? = 1 ]
}

# download DIR PACKAGE=VERSION...
download() {
	local dir=$1 bytes
	shift

	mkdir -p "$dir"
	bytes=$(debian apt-cache show "$@" | awk '$1 == "Size:" { sum += $2 } END { print sum }')
	say "downloading ${1%=*}$([ $# = 1 ] || echo " and $(($# - 1)) more"), $((bytes / 1000000)) MB"
	(cd "$dir" && debian apt-get download "$@") || die "cannot download $*"
}
