# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For the tests that boot a whole Debian (systemd, apt, dkms) from a disk in a VM.
# Sourced after scripts/lib.sh, $work is there; results are TAP, numbered through
# all boots.

# shellcheck disable=SC2154 # of those who source this

# in_root COMMAND...
in_root() {
	# shellcheck disable=SC2016 # for the shell inside
	unshare -m sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$root" \
		env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"
}

# make_root SUITE ROOT PACKAGES: one with a small initramfs: an emulated CPU makes
# and unpacks it
make_root() {
	unshare -m mmdebstrap --quiet --mode=root --variant=apt --skip=cleanup/apt/lists --include="$3" \
		--aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--keyring=/usr/share/keyrings/debian-archive-keyring.gpg "$1" "$2" \
		"deb http://deb.debian.org/debian $1 main" \
		"deb http://deb.debian.org/debian $1-backports main" \
		"deb http://deb.debian.org/debian-security $1-security main" >&2
	printf 'MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=1\n' >"$2/etc/initramfs-tools/conf.d/small"
	printf 'virtio_pci\nvirtio_blk\next4\n' >>"$2/etc/initramfs-tools/modules"
	rm -f "$2"/etc/systemd/system/timers.target.wants/* # no apt-daily beside us
}

# The result lines of all boots, numbered through
count=0 failed=0
results() {
	local line

	while IFS= read -r line; do
		case $line in
		'ok '* | 'not ok '*)
			count=$((count + 1))
			[ "${line#not}" = "$line" ] || failed=$((failed + 1))
			sed -E "s/^(not ok|ok) [0-9]+ - /\1 $count - $suite, /" <<<"$line"
			;;
		1..*) ;;
		*) printf '%s\n' "$line" ;;
		esac
	done
}

# vm_ STEP VM-OPTION...: the kernel is $work/vmlinuz, the initramfs $work/initrd
vm_() {
	local status=0 step=$1
	shift

	"$top/scripts/vm" --kernel "$work/vmlinuz" --initrd "$work/initrd" \
		--name "$(basename "$0" .t)-$suite-$step" "$@" >"$work/out" || status=$?
	# Not what the firmware says there
	grep -aE '^((not )?ok |#|Bail)' "$work/out" >"$work/tap" || :
	results <"$work/tap"
	# The shell's own status of failed tests is 1, and they have been counted
	if [ $status != 0 ] && ! grep -q '^not ok' "$work/tap"; then
		failed=$((failed + 1)) count=$((count + 1))
		echo "not ok $count - $suite, $step: the VM runs to its end, its log is clean"
	fi
}
