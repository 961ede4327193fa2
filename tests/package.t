#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The version of packages and tarball: a later commit's is newer, to dpkg and to rpm,
# a tagged one is the release, which is newer than both and older than what comes after.
# And the tarball: what git knows, as it is in the work tree, with that version.

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
need git rpm gcc make

# A commit of what is here, whether committed or not
tree=$work/tree
mkdir "$tree"
in_tree() { git -C "$tree" -c safe.directory='*' -c user.name=test -c user.email=test@localhost "$@"; }
git -C "$top" -c safe.directory='*' ls-files -z | (cd "$top" && xargs -0 cp --parents -t "$tree")
in_tree init -q
in_tree add .
package_version() { "$tree/scripts/package" version; }
commit() { in_tree commit -q --allow-empty -m "$1"; }

# ordered OLD NEW WHAT: to dpkg and to rpm, and not the other way round
ordered() {
	is "$(dpkg --compare-versions "$1" lt "$2" && echo older), $(rpm --eval "%{lua: print(rpm.vercmp('$1', '$2'))}")" \
		"older, -1" "$3: $1 < $2"
}

commit first
first=$(package_version)
commit second
second=$(package_version)
release=$(dkms_version)
in_tree tag "v$release"
ordered "$first" "$second" "a later commit upgrades an earlier one, of the same day"
ordered "$second" "$(package_version)" "a release upgrades what led to it"
is "$(package_version)" "$release" "of the tagged commit it is that of dkms.conf"
commit third
in_tree tag -d "v$release" >/dev/null
third=$(package_version)
sed -i 's/^PACKAGE_VERSION=.*/PACKAGE_VERSION="99.1"/' "$tree/dkms.conf"
ordered "$release" "$(package_version)" "what comes after a release upgrades it"

in_tree checkout -q dkms.conf
echo changed >>"$tree/COPYING"
echo unknown >"$tree/unknown"
make -s -C "$tree" dist >/dev/null 2>"$work/said" || sed 's/^/# /' "$work/said"
tar -C "$work" -xzf "$tree/dist/ext4-fc-resize-fix-$third.tar.gz" || :
cd "$work/ext4-fc-resize-fix-$third"
is "$(find . -type f | sort | sed 's,^\./,,')" "$(in_tree ls-files | sort)" "the tarball has the files that git knows"
is "$(tail -n 1 COPYING)" changed "as they are in the work tree"
# shellcheck disable=SC2086 # words
need $cli_libraries
make -s cli >/dev/null 2>"$work/said" || sed 's/^/# /' "$work/said"
is "$(src/cli/ext4-fc-resize-fix --version)" "ext4-fc-resize-fix $third" "the command is built from it, with the version"
finish
