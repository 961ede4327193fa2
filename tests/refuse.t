#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Where the module cannot work it still compiles, since a failed build would
# block the kernel upgrade of whoever has it under DKMS, and refuses to load
# with one line. There is no kernel before 5.10 in Debian's archive: its
# version is faked to kbuild, and so are configurations and another
# architecture. A kernel that lacks a function is faked by a source that asks
# for another one. And make module says how to build for a kernel that clang
# has built.

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

id=$(kernel_id oldest)
options=() variants=()

# build NAME "ERROR TEXT" MAKE-ARG...
build() {
	local name=$1 expected=$2
	shift 2

	"$top/scripts/kernel" build "$id" "$work/src" "$work/out" W=1 "$@" 2>"$work/err" ||
		{ cat "$work/err" >&2; die "$name does not compile"; }
	! grep -E 'warning:|error:' "$work/out/build.log" >&2 || die "$name compiles with a warning"
	mv "$work/out/ext4_fc_resize_fix.ko" "$work/$name.ko"
	options+=(--add "$work/$name.ko")
	variants+=("$name.ko $expected")
}

# make_module TEXT [MAKE-ARG...]: of make module beside a kernel that only says
# what has built it
make_module() {
	local expected=$1 said
	shift

	said=$(make -s --no-print-directory -C "$top" module "KDIR=$work/kdir" "$@" 2>&1) || :
	[[ $said = *"$expected"* ]] || die "make module $* says '$said', not '$expected'"
}

mkdir -p "$work/kdir/include/config"
printf 'modules:\n\t@echo built\n' >"$work/kdir/Makefile"
echo CONFIG_CC_IS_GCC=y >"$work/kdir/include/config/auto.conf"
make_module built
echo CONFIG_CC_IS_CLANG=y >"$work/kdir/include/config/auto.conf"
make_module "make module LLVM=1"
make_module built LLVM=1
make_module built CC=clang-19

mkdir "$work/src"
cp -r "$top"/{Kbuild,dkms.conf,src} "$work/src"
build old "Operation_not_supported ext4 has no fast commit before 5.10" VERSION=5 PATCHLEVEL=9
build ancient "Operation_not_supported ext4 has no fast commit before 5.10" VERSION=4 PATCHLEVEL=19
build no-kprobes "Operation_not_supported without kprobes" CONFIG_KPROBES=
build no-ext4 "Operation_not_supported has no ext4" CONFIG_EXT4_FS=
build full-lto "Operation_not_supported full LTO" CONFIG_LTO_CLANG_FULL=y
# The option's name up to 6.17, and since
build arm64-cfi-clang "Operation_not_supported CFI" CONFIG_X86_64= CONFIG_ARM64=y CONFIG_HAVE_STATIC_CALL= CONFIG_CFI_CLANG=y
build arm64-cfi "Operation_not_supported CFI" CONFIG_X86_64= CONFIG_ARM64=y CONFIG_HAVE_STATIC_CALL= CONFIG_CFI=y
build other-arch "Operation_not_supported only x86_64 and arm64 are supported" CONFIG_X86_64=
sed -i 's/= REDIRECT(ext4_group_add,/= __REDIRECT("ext4_group_gone", ext4_group_add,/' "$work/src/src/module/main.c"
build missing "Unknown_symbol_in_module ext4_group_gone() not found"

vm --name "refuse@$id" "${options[@]}" "$id" "$top/tests/guest/refuse.sh" "${variants[@]}"
finish
