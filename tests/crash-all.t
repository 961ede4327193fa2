#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Crash points on a large scale: two kernels, all operations, each with the
# module, without it, with hold=0, and a control without a resize. For hours;
# goes on where it was interrupted. What it sees is in the cache, a line for
# each row: in crash/<key>.tsv those without the module, in <key>.<module>.tsv
# those with it, <key> being of the contents of the files that make the test
# and <module> for those of the module; next to it directories with the details.
# scripts/crash-points says how a point is made and judged.
#
#	tests/crash-all.t [--table]	--table: what there is so far, then end
#
# The kernel loses and damages by itself, and controls show what: fast commits
# where fsyncs overlap (control: no resize; none: nothing beside them, give: a
# filesystem that is nearly full, in which a write takes its blocks at once,
# sync: fast commits of several blocks right after a full commit; xattr: what is
# changed while a transaction for which there is no fast commit is committed), and
# a resize, when the power fails before its new descriptors are all in place (nofc:
# a resize, no fast commit). That of 5.10 loses most.
# There may be no kind with the module that no control has; and where fsyncs take
# turns (",serial") there is none but of nofc. Where they overlap and only append and
# overwrite, the module's third rule leaves one loss in some hundred points at most
# (the moment that hold.c describes).

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

kernels=("$(kernel_id lts)" "$(kernel_id newest)")
# Without upstream's fix, and one that will never have it
others=(6.1-unfixed "$(kernel_id unfixed)" "$(kernel_id oldest)")
without=$cache/crash/$(key "$top"/tests/crash/* "$top/src/cli/resize.h" "$top"/scripts/crash-points "$top"/tests/guest/crash-{record,verify}.sh)
with=$without.$(key "$top"/{Kbuild,dkms.conf} "$top"/src/module/*)
table=$with.all

# rows: what is to be run, in the order of its importance:
# POINTS KERNEL MODE OP MOUNT OPTION...
rows() {
	local id alloc op mode

	for alloc in delalloc nodelalloc; do
		for id in "${kernels[@]}"; do
			for op in none give extend add resizefs freeze; do
				echo "300 $id module $op $alloc --mixed"
				echo "200 $id module $op $alloc"
			done
			echo "150 $id control none $alloc --serial"
			echo "150 $id control xattr $alloc --serial"
			echo "600 $id control none $alloc"
			echo "300 $id control none $alloc --mixed"
			echo "400 $id control give $alloc"
			for op in extend add resizefs freeze; do
				echo "220 $id module $op $alloc --serial"
			done
		done
	done
	for id in "${kernels[@]}"; do
		echo "300 $id overlap0 none delalloc --mixed"
		echo "300 $id module sync delalloc --mixed"
		echo "600 $id control sync delalloc"
		echo "1500 $id nofc add delalloc"
		echo "150 $id nofc extend delalloc"
		echo "300 $id nofc resizefs delalloc"
	done
	for mode in none hold0; do
		for alloc in delalloc nodelalloc; do
			for op in extend add resizefs freeze; do
				for id in "${kernels[@]}"; do
					echo "40 $id $mode $op $alloc --paused"
					echo "80 $id $mode $op $alloc"
				done
			done
		done
	done
	for id in "${others[@]}"; do
		echo "100 $id control none delalloc"
		echo "300 $id control sync delalloc"
		for op in extend add; do
			echo "100 $id module $op delalloc --serial"
			echo "100 $id none $op delalloc"
			echo "40 $id none $op delalloc --paused"
		done
	done
}

# row ROW: runs it, unless it is in the table
row() {
	local n id mode op alloc options name details begin line kinds dir=$without

	read -r n id mode op alloc options <<<"$*"
	name="$id $mode $op${options:+,${options#--}} $alloc"
	case $mode in module|hold0|overlap0) dir=$with ;; esac
	! grep -qF "$name	" "$dir.tsv" || return 0
	details=$dir/${name// /_}
	begin=$SECONDS
	# shellcheck disable=SC2086 # options are words
	line=$("$top/scripts/crash-points" $options --points "$n" --details "$details" \
		--keep "$dir/keep" "$id" "$mode" "$op" "$alloc" </dev/null) || {
		say "$name: no result"
		return 0
	}
	say "$line"
	# The kinds, without how often
	kinds=$(grep '^point ' "$details" | cut -f6- | tr '\t' '\n' | sed -n 's/ ([0-9]*)$//p' | sort -u | tr '\n' ';')
	(
		lock crash-table
		awk -v name="$name" -v seconds=$((SECONDS - begin)) -v kinds="$kinds" '{
			sub(/.*: points /, ""); sub(/ damaged /, "\t"); sub(/ lost /, "\t"); sub(/ hung /, "\t")
			print name "\t" $0 "\t" seconds "\t" kinds }' <<<"$line" >>"$dir.tsv"
	)
}

mkdir -p "$without" "$with"
touch "$without.tsv" "$with.tsv"
case ${1-} in
--row) row "${@:2}"; exit ;;
--table) ;;
*)
	# From a copy: who works on the files meanwhile is not to disturb it
	if [ "$top" != "$with/tree" ]; then
		rm -rf "$with/tree"
		mkdir "$with/tree"
		cp -r "$top"/{Kbuild,dkms.conf,src,scripts,tests} "$with/tree"
		exec "$with/tree/tests/crash-all.t"
	fi
	"$top/scripts/kernel" fetch "${kernels[@]}" "${others[@]}"
	# Where the CPUs take turns fsyncs hardly overlap, and controls show little
	export PARALLEL=1
	rows | xargs -d '\n' -P "${JOBS:-$(nproc)}" -n 1 "$0" --row
	;;
esac

cat "$without.tsv" "$with.tsv" >"$table"
printf '# row\tpoints\tdamaged\tlost\thung\tseconds\tkinds\n'
sort "$table" | sed 's/^/# /'

# sum REGEX COLUMN: of the rows whose names match (points 2, damaged 3, lost 4)
sum() { awk -F '\t' -v re="$1" -v c="$2" '$1 ~ re { s += $c } END { print s + 0 }' "$table"; }
hangs() { awk -F '\t' -v re="$1" '$1 ~ re && $5 !~ /^0\// { n++ } END { print n + 0 }' "$table"; }
kinds() { awk -F '\t' -v re="$1" '$1 ~ re { print $7 }' "$table" | tr ';' '\n' | sed '/^$/d' | sort -u; }
at_most() { if [ "$1" -le "$2" ]; then pass "$3: $1"; else fail "$3: $1"; fi; }
at_least() { if [ "$1" -ge "$2" ]; then pass "$3: $1"; else fail "$3: $1"; fi; }

is "$(wc -l <"$table")" "$(rows | wc -l)" "each row has a result"
two="^($(IFS='|'; echo "${kernels[*]}")) "
at_least "$(sum "$two.*module " 2)" 10000 "points with the module over two kernels"
for id in "${kernels[@]}"; do
	is "$(sum "^$id control none,serial" 3) $(sum "^$id control none,serial" 4)" "0 0" \
		"$id: the control shows nothing where fsyncs take turns: damaged, lost"
	overlap="^$id module (none|give|extend|add|resizefs|freeze) "
	points=$(sum "$overlap" 2)
	at_most "$(sum "$overlap" 4)" $((points / 200)) "$id: of $points points where fsyncs overlap, lost"
	at_least "$(sum "^$id overlap0 " 4)" 1 "$id: and with overlap=0"
	at_least "$(sum "^$id control xattr" 4)" 1 "$id: control xattr, lost"
	new=$(comm -13 <(kinds "^$id (control|nofc) ") <(kinds "^$id module [a-z]+ "))
	is "${new:-none}" none "$id: kinds with the module that no control shows"
	new=$(comm -13 <(kinds "^$id nofc ") <(kinds "^$id module [a-z]+,serial "))
	is "${new:-none}" none "$id: and where fsyncs take turns, that no resize without fast commit shows"
done
is "$(hangs ' module ')" 0 "recordings with the module that hang"
at_least "$(sum "^[^ ]+ (none|hold0) extend " 3)" 1 "no module, or hold=0: damage by fast commits during the resize"
for mode in none hold0; do
	for op in extend add resizefs freeze; do
		at_least "$(sum " $mode $op,paused" 4)" 1 "$mode: $op loses what is fsynced after it"
	done
done
finish
