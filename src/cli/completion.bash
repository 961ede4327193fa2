# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash

_ext4_fc_resize_fix() {
	local words=''

	case $COMP_CWORD:${COMP_WORDS[1]-} in
	1:*) words='status check selftest --help --version' ;;
	2:status) words=--json ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}")
}
complete -F _ext4_fc_resize_fix ext4-fc-resize-fix
