/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is so on this machine: the module, mounted ext4, installed kernels
 */
#ifndef GATHER_H
#define GATHER_H

#include <et/com_err.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "../module/stats.h"
#include "parse.h"

#define MODULE "ext4_fc_resize_fix"
#define COMMAND "ext4-fc-resize-fix"

/* What selftest has found out since boot */
#define KNOWN "/run/" COMMAND

/* The hooks of ext4-fc-recover, and the word with which they do nothing */
#define AT_BOOT "/usr/lib/ext4-fc-recover/at-boot"
#define NO_AT_BOOT "ext4_fc_recover=0"

/* The module's counters, named as the files in /sys/module/MODULE/status */
#define COUNTER(name) COUNTER_##name,
enum counter { FIX_STATS(COUNTER) COUNTER(missed) COUNTERS };

/* And its parameters: 1, 0, or -1 where it has no such one */
enum param {
	PARAM_HOLD,
	PARAM_OVERLAP,
	PARAM_SUCCESSOR,
	PARAM_DISABLE,
	PARAMS
};

extern const char *const counter_names[COUNTERS];
extern const char *const param_names[PARAMS];
extern const int param_defaults[PARAMS];

/* The module in the kernel. A counter that cannot be read is -1 */
struct module {
	bool loaded;
	enum state state;
	char text[160]; /* of the state; or why it is not known */
	char version[64];
	char srcversion[64];
	bool unsigned_taint;
	long counters[COUNTERS];
	int params[PARAMS];
};

/* A mounted ext4, at the first of its mount points */
struct fs {
	char name[40]; /* sda1, dm-0; empty: no such device */
	char *device;
	char *dir; /* NULL: mounted elsewhere, not in our mount namespace */
	int fast_commit; /* -1: not known, see why */
	char why[160];
	long marks; /* of resizes since it was mounted; -1: not known */
	bool checked_at_boot; /* by e2fsck before it is mounted */
	bool kernel_first; /* then, or as /, the kernel recovers it before that */
	bool recovered_read_only; /* what e2fsck does not, the first mount does */
	bool resized_before; /* the kernel's log has a resize without the module */
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
	bool is_signed;
	char signer[128]; /* empty: not known */
};

struct machine {
	char release[65];
	struct module module;
	struct fs *fs;
	int nr_fs;
	char fs_error[160]; /* empty: all mounts were seen */
	struct kernel *kernels; /* the newest is the last */
	int nr_kernels;
	int fixed; /* ext4 itself: 1 yes, 0 no, -1 not known */
};

/* Before each path: empty, tests have a tree of their own */
extern const char *root;

struct path {
	char text[PATH_MAX];
};

[[gnu::format(printf, 1, 2)]] struct path in_root(const char *format, ...);
int read_file(struct path path, char *buf, size_t size);
const char *denied(int err);
errcode_t read_super(const char *device, struct ext2_super_block *super);
void read_module(struct module *m);
long read_counter(enum counter c);
void read_machine(struct machine *m);
void free_machine(struct machine *m);
bool is_protected(const struct machine *m);
bool not_built(const struct kernel *k);
const struct kernel *running_kernel(const struct machine *m);
const struct kernel *next_unprotected(const struct machine *m);
enum verdict machine_verdict(const struct machine *m);
int machine_fast_commits(const struct machine *m);
int machine_cannot_tell(const struct machine *m);

#endif
