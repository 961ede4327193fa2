/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is so on this machine: the module, mounted ext4, installed kernels
 */
#ifndef GATHER_H
#define GATHER_H

#include <stdbool.h>
#include <stddef.h>

#include "parse.h"

#define MODULE "ext4_fc_resize_fix"

/* The module's counters, named as the files in /sys/module/MODULE/status */
enum counter {
	MARKS_GROUP_EXTEND,
	MARKS_GROUP_ADD,
	KERNEL_MARKS,
	HOLDS,
	HOLDS_FAILED,
	UNPROTECTED,
	HOLD_LONGEST_US,
	FULL_COMMITS_HOLD,
	FULL_COMMITS_FLUSH,
	MISSED,
	COUNTERS,
};

extern const char *const counter_names[COUNTERS];

/* The module in the kernel. A counter that cannot be read is -1 */
struct module {
	bool loaded;
	enum state state;
	char text[160]; /* of the state; or why it is not known */
	char version[64];
	char srcversion[64];
	bool unsigned_taint;
	long counters[COUNTERS];
};

/* A mounted ext4, at the first of its mount points */
struct fs {
	char *device;
	char *dir;
	int fast_commit; /* -1: not known, see why */
	char why[96];
	long marks; /* of resizes since it was mounted; -1: not known */
	bool checked_at_boot; /* by e2fsck before it is mounted, as fstab has it */
};

/* An installed kernel, and the module's file for it */
struct kernel {
	char *release;
	bool running;
	bool found;
	bool matches; /* it was built for this kernel */
	bool headers;
	char version[64];
	char srcversion[64];
	char signer[128]; /* empty: not signed */
};

struct machine {
	char release[65];
	struct module module;
	struct fs *fs;
	int nr_fs;
	char fs_error[160]; /* empty: all mounts were seen */
	struct kernel *kernels;
	int nr_kernels;
	int fixed; /* ext4 itself: 1 yes, 0 no, -1 not known */
};

/* Where to look; tests have a directory of their own */
struct places {
	const char *sys_module;
	const char *mountinfo;
	const char *fstab;
	const char *proc;
	const char *proc_ext4;
	const char *lib_modules;
	const char *known; /* what selftest has found out since boot */
};

extern const struct places places;

int read_file(const char *dir, const char *name, char *buf, size_t size);
void read_module(struct module *m, const char *sys_module);
long read_counter(const char *sys_module, enum counter c);
void read_machine(struct machine *m, const struct places *at);
void free_machine(struct machine *m);
enum verdict machine_verdict(const struct machine *m);
int machine_fast_commits(const struct machine *m);
int machine_cannot_tell(const struct machine *m);

#endif
