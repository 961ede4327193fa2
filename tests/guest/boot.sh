#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What tests/boot.t looks at, after a boot that has grown / and perhaps /srv; the
# argument is the step: -late is one without our unit, -make and -rpm are those without
# the debs.

. /root/lib.sh

step=$1
status=/sys/module/ext4_fc_resize_fix/status
unit=ext4-fc-resize-fix.service

state() { cat $status/state 2>/dev/null || echo "not loaded"; }
protected() {
	case $(state) in
	protected*) pass "$1" ;;
	*) fail "$1" "$(state)" ;;
	esac
}

# grown MOUNT DEVICE BYTES: the filesystem fills all but 16 MB of its device, which is
# more than these, which it had before
grown() {
	size=$(dumpe2fs -h "$2" 2>/dev/null | awk -F: '/^Block count/ { n = $2 } /^Block size/ { printf "%.0f", n * $2 }')
	is $((size > $3 && size > $(blockdev --getsize64 "$2") - 16777216)) 1 "$1 is grown"
}

# resized_before: how many filesystems, says the command
resized_before() { ext4-fc-resize-fix status --json | grep -o '"resized_before":true' | wc -l; }

# since UNIT PROPERTY: when
since() { systemctl show -P "$2" "$1"; }
# before UNIT...: ours had ended when that one of them began that has run
before() {
	for one; do
		began=$(since "$one" ExecMainStartTimestampMonotonic)
		[ "${began:-0}" = 0 ] || break
	done
	ours=$(since $unit ActiveEnterTimestampMonotonic)
	is $((ours > 0 && began > 0 && ours <= began)) 1 "the unit comes before $one"
}

grown / /dev/vda1 3221225472
is "$(journalctl -b -o cat | grep -c 'ordering cycle')" 0 "there is no ordering cycle"
case $step in
growfs*)
	grown /srv /dev/vdb 67108864
	filesystems=2
	;;
cloud*)
	ok "cloud-init's resizefs has run" grep -E 'config-resizefs(.*SUCCESS| ran successfully)' /var/log/cloud-init.log
	filesystems=1
	;;
esac
case $step in
*-late)
	is "$(systemctl is-active $unit)" inactive "our unit is masked"
	protected "the module is loaded, by modules-load.d"
	is "$(cat $status/holds)" 0 "it has held nothing"
	is "$(resized_before)" "$filesystems" "status says of each filesystem that it was resized before"
	;;
*)
	dir=/usr/lib
	[ "$step" != growfs-make ] || dir=/etc
	# /lib is a link to it
	is "$(systemctl show -P FragmentPath $unit | sed 's,^/lib,/usr/lib,')" $dir/systemd/system/$unit "our unit is there"
	protected "the module is loaded"
	# resize2fs needs one call, or more
	resizes=$(journalctl -b -k -o cat | grep -c 'EXT4-fs.*: resizing filesystem')
	is "$((resizes >= filesystems)) $(cat $status/holds)" "1 $resizes" "it has held each resize"
	is "$(cat $status/unprotected) $(resized_before)" "0 0" "none was unprotected, and none was before it"
	if [ "$step" = cloud ]; then
		before cloud-init-local.service
		before cloud-init.service cloud-init-network.service
	else
		before systemd-growfs-root.service systemd-growfs@-.service
		before systemd-growfs@srv.service
	fi
	;;
esac
is "$(systemctl list-units --failed --plain --no-legend | grep -E 'fc-resize|growfs|modules-load|cloud')" "" "no such unit has failed"
journalctl -b -o short-monotonic | grep -iE 'ext4_fc|resized|resizing' | sed 's/^/# /'
finish
