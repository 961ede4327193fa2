# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For the tests with Secure Boot. Sourced after lib.sh.

# shellcheck disable=SC2154 # of those who source this

# firmware FROM TO OPTION...: OVMF's variables, as virt-fw-vars changes them
firmware() {
	local dir said

	need ovmf python3-cryptography python3-pefile
	dir=$("$top/scripts/emulator" backport python3-virt-firmware)
	[ -n "$dir" ] || need python3-virt-firmware
	said=$(PYTHONPATH=$dir/usr/lib/python3/dist-packages /usr/bin/python3 "$dir/usr/bin/virt-fw-vars" \
		-i "$1" -o "$2" "${@:3}" 2>&1) || die "virt-fw-vars: ${said##*$'\n'}"
}

# Only Microsoft's keys; whose ours are
# shellcheck disable=SC2034 # for those who source this
microsoft=/usr/share/OVMF/OVMF_VARS_4M.ms.fd owner=11111111-2222-3333-4444-123456789abc
