#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# How the module's cost grows, for scripts/bench-growth:
#
#	growth.sh storm [N]	fsyncs of 1 to 64 threads; on vda, which answers at once,
#				and on vdb, which writes 1,000 times in a second
#	growth.sh held [N]	an fsync where 1 to 1,000 filesystems are mounted, half of
#				them held; the clock counts instructions
#	growth.sh resizes [N]	64 filesystems resized at once
#	growth.sh grow [N]	a filesystem grows past 16 TiB, which converts it to meta_bg
#
# N: medians of N (300); with less than 100 all is small, and one sees that it works.
#
# Prints "value FIGURE,_UNIT VARIANT NUMBER", _ for a space, for each time that something
# was measured. Tests only that what was measured is what it says.
# vm: --timeout 3000 --add /bin/cp:/bin/cp
# vm, storm: --disk 512M --disk 512M,throttling.iops-write=1000
# vm, held: --icount 0 --mem 4G
# vm, resizes: --mem 3G
# vm, grow: --mem 4G
# program: bench
# shellcheck source-path=SCRIPTDIR source=lib.sh
. /lib/test.sh

n=${2:-300}
full=$((n >= 100))
if [ $full = 1 ]; then rounds="1 2 3" pause=2; else rounds=1 pause=1; fi
mod=ext4_fc_resize_fix
status=/sys/module/$mod/status
PATH=$PATH:/test

# variant none|nofc|overlap0|module
variant() {
	[ ! -e /sys/module/$mod ] || rmmod $mod || bail rmmod
	case $1 in
	module) modprobe $mod ;;
	overlap0) modprobe $mod overlap=0 ;;
	esac || bail modprobe
}

# Of nofc: a filesystem without fast_commit, since with it and without the module a
# resize beside fsyncs hangs
features() { [ "$1" = nofc ] && echo ^fast_commit || echo fast_commit; }

# make FILE BLOCKS OPTION...
make() {
	made=$1 blocks=$2
	shift 2
	mke2fs -q -F -t ext4 -E lazy_itable_init=1 "$@" "$made" "$blocks" >said 2>&1 || bail "mke2fs: $(cat said)"
}

# more IMAGE N: N filesystems, images/I mounted on mntI, which are sparse copies of IMAGE
filesystems=0
more() {
	while [ $filesystems -lt "$2" ]; do
		filesystems=$((filesystems + 1))
		mkdir -p mnt$filesystems
		cp --sparse=always "$1" images/$filesystems
		mount -o loop images/$filesystems mnt$filesystems 2>said || bail "mount: $(cat said)"
	done
}

# less: none of them
less() {
	while [ $filesystems -gt 0 ]; do
		umount mnt$filesystems || bail umount
		rm images/$filesystems
		filesystems=$((filesystems - 1))
	done
}

# stat_of NAME: a counter of the module's, 0 without it
stat_of() { cat $status/"$1" 2>/dev/null || echo 0; }

# --- fsyncs of many threads ---

# per_second LINE: what of the counters is in the line that matches
per_second() {
	awk -v line="$1" '
		FNR == 1 { time = $1 - time; next }
		$0 ~ line { counter = $1 - counter }
		END { printf "%.0f", counter / time }' before after
}

storm() {
	# What happens in a part of the time that the storm is measured
	cat >window <<-END
		counters() { cat /proc/uptime /proc/fs/ext4/\$1/fc_info $status/overlaps 2>/dev/null || :; }
		counters \$1 >before
		sleep $pause
		counters \$1 >after
	END
	for disk in vda vdb; do
		make /dev/$disk 131072 -b 4096 -O fast_commit
		mkdir $disk
		mount /dev/$disk $disk || bail mount
		for threads in $([ $full = 1 ] && echo 1 4 16 64 || echo 4); do
			for _ in $rounds; do
				for v in none overlap0 module; do
					variant $v
					# Files become longer, QEMU translates what is new
					bench storm $disk "$threads" sleep 1 >/dev/null
					name=$disk,_${threads}_threads
					value "$name,_fsyncs/s" $v "$(bench storm $disk "$threads" sh window $disk 2>said)"
					value "$name,_fast_commits/s" $v "$(per_second ' commits$')"
					[ $v != module ] ||
						value "$name,_overlaps/s" $v "$(per_second '^[0-9]+$')"
					[ $v != overlap0 ] || is "$(stat_of overlaps)" 0 "$name: overlap=0"
				done
			done
		done
		umount $disk
	done
}

# --- many mounted, half of them held ---

held() {
	modprobe brd rd_nr=1 rd_size=65536 || bail brd
	make /dev/ram0 32768 -b 1024 -O fast_commit -J size=4
	mkdir mnt
	mount /dev/ram0 mnt || bail mount
	make image 9000 -b 1024 -O fast_commit -J size=4
	truncate -s 40M image
	bench fsync mnt/file 1000 >/dev/null
	blocks=9000
	for mounted in $([ $full = 1 ] && echo 1 64 1000 || echo 8); do
		more image $((mounted - 1))
		half=$((mounted / 2))
		for v in none module; do
			variant $v
			blocks=$((blocks + 100))
			rm -f extend*
			for i in $(seq $half); do
				# A frozen filesystem stops its resize when that has begun
				fcr freeze "mnt$i" >/dev/null
				fcr extend "mnt$i" $blocks >"extend$i" &
			done
			if [ $v = module ]; then
				for _ in $(seq 60); do [ "$(stat_of holds)" != $half ] || break; sleep 1; done
				is "$(stat_of holds)" $half "$mounted mounted, $half held"
			else
				sleep 5
			fi
			before=$(fc_stat ram0 commits)
			value "${mounted}_mounted,_fsync,_instructions" $v "$(bench fsync mnt/file "$n" 2>said)"
			fast=$(($(fc_stat ram0 commits) - before))
			is $((fast >= n * 9 / 10)) 1 "$mounted mounted, $v: fsyncs are fast commits"
			note "$fast fast commits of $n fsyncs"
			[ $half = 0 ] || is "$(cat extend*)" "" "$mounted mounted, $v: the resizes wait all the while"
			for i in $(seq $half); do
				fcr thaw "mnt$i" >/dev/null
			done
			wait
			[ $half = 0 ] || is "$(sort extend* | uniq -c | xargs)" "$half 0" "$mounted mounted, $v: and then return 0"
		done
	done
}

# --- many resized at once ---

resizes() {
	number=$([ $full = 1 ] && echo 64 || echo 4)
	cat >resizes <<-END
		for i in \$(seq $number); do
			fcr resizefs mnt\$i 40960 >result\$i &
		done
		wait
	END
	for v in nofc module; do
		make image_$v 9000 -b 1024 -O "$(features $v)" -J size=4
		truncate -s 40M image_$v
	done
	for _ in $rounds; do
		for v in nofc module; do
			variant $v
			more image_$v "$number"
			storms=''
			for i in $(seq "$number"); do
				fcr storm "mnt$i" 1 append >"storm$i" &
				storms="$storms $!"
			done
			sleep $pause
			ns=$(bench run sh resizes 2>said) || bail "$(cat said)"
			value "$number,_time,_ms" $v $((ns / 1000000))
			# shellcheck disable=SC2086 # words
			kill -TERM $storms
			# shellcheck disable=SC2086 # words
			wait $storms
			value "$number,_longest_fsync,_ms" $v "$(awk '$NF > ms { ms = $NF } END { print ms + 0 }' storm*)"
			is "$(sort result* | uniq -c | xargs)" "$number 0" "$v: $number resizes return 0"
			is "$(grep -l '^fsyncs [1-9][0-9]* failed 0 ' storm* | wc -l)" "$number" "$v: no fsync fails"
			[ $v = nofc ] || is "$(stat_of holds) $(stat_of unprotected)" "$number 0" "all are held"
			less
		done
	done
}

# --- past 16 TiB ---

# The short form converts, too, for it has no resize inode, and needs another block
# of descriptors
grow() {
	if [ $full = 1 ]; then from=16380 to=16500 options=64bit; else from=7 to=9 options=64bit,^resize_inode; fi
	from_to=${from}_to_${to}_GiB
	mkdir mnt
	for v in nofc module; do
		variant $v
		truncate -s ${to}G images/image
		make images/image ${from}G -b 4096 -J size=64 -O $options,"$(features $v)"
		# It would write the tables of inodes all the while
		mount -o loop,noinit_itable images/image mnt 2>said || bail "mount: $(cat said)"
		# The first ones look for room, in so many groups
		fcr storm mnt 4 append >warm &
		sleep $pause
		kill -TERM $!
		wait
		rm mnt/storm*
		fcr storm mnt 4 append >fsyncs &
		storm=$!
		ns=$(bench run fcr resizefs mnt $((to * 262144)) 2>said) || bail "$(cat said)"
		kill -TERM $storm
		wait
		value "$from_to,_time,_ms" $v $((ns / 1000000))
		value "$from_to,_fsyncs_meanwhile,_number" $v "$(awk '{ print $2 }' fsyncs)"
		value "$from_to,_longest_of_them,_ms" $v "$(awk '{ print $NF }' fsyncs)"
		note "$v: $(cat fsyncs), before: $(cat warm)"
		if [ $v = module ]; then
			value "$from_to,_held,_ms" $v $(($(stat_of hold_longest_us) / 1000))
			is "$(stat_of holds) $(stat_of unprotected)" "1 0" "it is held"
		fi
		umount mnt
		is "$(fcr size images/image) $(dumpe2fs -h images/image 2>&1 | grep -c '^Filesystem features:.* meta_bg ')" \
			"$((to * 262144)) 1" "$v: it has ${to} GiB, and meta_bg"
		begin=$(date +%s)
		ok "$v: e2fsck -f" e2fsck -fn images/image
		note "e2fsck: $(($(date +%s) - begin)) seconds"
		rm images/image
	done
}

modprobe ext4
modprobe loop
mkdir images
mount -t tmpfs -o size=90% images images
case $1 in
storm) storm ;;
held) held ;;
resizes) resizes ;;
grow) grow ;;
*) bail "unknown: $1" ;;
esac
finish
