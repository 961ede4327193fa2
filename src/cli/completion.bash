# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash

_ext4_fc_resize_fix() {
	local word words='status check selftest recover --json --help --version'

	# The command may come after options
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case $word in
		status | check) words='--json --help' ;;
		selftest) words=--help ;;
		recover)
			mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
			return
			;;
		esac
	done
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}")
}
complete -F _ext4_fc_resize_fix ext4-fc-resize-fix
