# SPDX-License-Identifier: GPL-2.0
# What a person types; kbuild's own rules are in Kbuild

KERNELRELEASE ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KERNELRELEASE)/build

help:
	@echo "make demo            see it work in a VM, in minutes; leaves this machine's kernel alone"
	@echo "make demo-hang       a resize beside fsyncs, without the module and with it"
	@echo "make demo-lost-fsync a power cut after a resize, without the module and with it"
	@echo "make try             try it on this machine's own kernel, in a VM: a verdict in one line"
	@echo "make deb, make rpm   packages, in dist/"
	@echo "make dist            a tarball, in dist/"
	@echo "make check           all tests that fit into 25 minutes, in VMs"
	@echo "make check-storm     all storms and crash points, for hours"
	@echo "make check-dkms      make install, packages and make try, in chroots and in Debian VMs"
	@echo "make check-arm64     the module and the command on emulated arm64 machines"
	@echo "make check-debug     on debug kernels and others that it builds, and on PREEMPT_RT"
	@echo "make check-ibt       on an emulated processor with Indirect Branch Tracking"
	@echo "make check-matrix    build for all kernels that Debian has headers of"
	@echo "make check-upstream  the patches of doc/upstream, in VMs, without the module"
	@echo "make check-xfstests  XFSTESTS=FOLDER, an installed xfstests: none fails only with the module"
	@echo "make bench           what the module costs, in VMs, some minutes: a table, a chart"
	@echo "make bench-host      the same of this machine; loads and unloads the module"
	@echo "make lint            checkpatch, sparse, shellcheck, clang-format"
	@echo "make install         dkms, the module for all kernels, now and at boot; make uninstall"
	@echo "                     RECOVER=1: and at boot the kernel recovers ext4 before e2fsck"
	@echo "make sign            sign what make module has built, with the key that DKMS uses"
	@echo "make module          build the module for KERNELRELEASE=$(KERNELRELEASE)"
	@echo "make cli             build the command, src/cli/ext4-fc-resize-fix"
	@echo "make clean           remove what a build left here"

# What clang has built the kernel with, gcc has not
module:
	$(if $(wildcard $(KDIR)/Makefile),,$(error no headers of the kernel $(KERNELRELEASE): there is no $(KDIR)/Makefile))
	@if [ -z "$(LLVM)$(findstring clang,$(CC))" ] && \
		grep -qsx CONFIG_CC_IS_CLANG=y "$(KDIR)/include/config/auto.conf"; then \
		echo "this kernel was built by clang, its modules have to be as well: make module LLVM=1 (LLVM=-19 for clang-19)" >&2; \
		exit 1; \
	fi
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

# Not by kbuild, which needs the headers
clean:
	rm -rf .tmp_versions
	for dir in . src/module; do \
		(cd $$dir && rm -f *.o *.ko *.mod *.mod.c .*.cmd .*.d Module.symvers modules.order); \
	done
	$(MAKE) -C src/cli clean

cli:
	@$(MAKE) --no-print-directory -C src/cli

install:
	@scripts/install

uninstall:
	@scripts/install --remove

sign:
	@KDIR="$(KDIR)" scripts/sign

deb rpm dist:
	@scripts/package $@ dist

demo:
	@scripts/demo fix

demo-hang demo-lost-fsync:
	@scripts/demo $(@:demo-%=%)

try:
	@scripts/try $(KERNEL)

check:
	@scripts/check

check-arm64 check-debug check-dkms check-ibt check-storm check-upstream:
	@scripts/check $(@:check-%=%)

check-xfstests:
	$(if $(wildcard $(XFSTESTS)/ltp/fsstress),,$(error make check-xfstests XFSTESTS=FOLDER, an installed xfstests; the head of tests/xfstests.t says more))
	@scripts/check xfstests

check-matrix:
	@scripts/check-matrix

bench:
	@scripts/bench

bench-host:
	@scripts/bench --host

lint:
	@scripts/lint

.PHONY: help module cli clean install uninstall sign deb rpm dist demo demo-hang demo-lost-fsync try check check-arm64 check-debug check-dkms check-ibt check-matrix check-storm check-upstream check-xfstests bench bench-host lint
