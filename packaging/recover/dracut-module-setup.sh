#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Of dracut: the root filesystem, before it is checked, and others by the same
# drop-in as later

check() { require_binaries ext4-fc-resize-fix; }

depends() { echo fs-lib; }

installkernel() { instmods ext4; }

# shellcheck disable=SC2154 # dracut's
install() {
	local unit units=/usr/lib/systemd/system

	inst_multiple cat ext4-fc-resize-fix
	inst_simple /usr/lib/ext4-fc-recover/at-boot
	if dracut_module_included systemd; then
		inst_multiple sed systemctl
		inst_simple "$moddir/fsck-unit" /usr/lib/ext4-fc-recover/fsck-unit
		inst_simple $units/systemd-fsck@.service.d/ext4-fc-recover.conf
		for unit in systemd-fsck-root systemd-fsck-usr; do
			mkdir -p "$initdir$units/$unit.service.d"
			printf '[Service]\nExecStartPre=-/usr/lib/ext4-fc-recover/fsck-unit %%n\n' \
				>"$initdir$units/$unit.service.d/ext4-fc-recover.conf"
		done
	else
		inst_hook pre-mount 10 "$moddir/pre-mount.sh"
	fi
}
