// SPDX-License-Identifier: GPL-2.0
/*
 * Upstream's own test, on the kernel that is running: does a group extend, and a
 * group add, make fast commit ineligible? And what the module adds: is the
 * resize held, and is an fsync after it a full commit?
 *
 * How it cleans up, whatever happens: the image is on a tmpfs over /tmp in a
 * mount namespace of our own, the loop device goes with its last user. When
 * this process ends, by itself or by any signal, the kernel takes away the
 * namespace, with it the mounts, and with these the rest. So there are no
 * signal handlers, and nothing is left after a SIGKILL either.
 *
 * The namespace is a slave: what others unmount meanwhile is unmounted here, too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libkmod.h>
#include <libmount.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "resize.h"
#include "selftest.h"

/*
 * 1 KiB blocks, groups of 8192: one group and a half, extended to two, then the
 * third is added. It is the first without a backup of the superblock, so that
 * its bitmaps and its inode table are at its very beginning.
 */
#define GROUP 8192
#define BEGIN "12289"
#define TWO (1 + 2 * GROUP)
#define THREE (1 + 3 * GROUP)
#define FEATURES "none,has_journal,extent,sparse_super,fast_commit"

#define TMP "/tmp"
#define IMAGE TMP "/image"
#define TARGET TMP "/mnt"

/* What one resize did */
struct result {
	long by_kernel, by_module;
	long holds;
	long fast; /* fast commits by an fsync right after it */
};

struct counts {
	long resize, commits, marks, holds;
};

static bool failed(const char *what, const char *help)
{
	fprintf(stderr, COMMAND ": selftest: %s: %s%s\n", what, strerror(errno),
		*help ? help : denied(errno));
	return false;
}

/* On a machine that has not used any there is no loop device yet */
static bool have_loop(void)
{
	const char *none = NULL;
	struct kmod_list *list = NULL;
	struct kmod_ctx *ctx;

	if (!access("/dev/loop-control", F_OK))
		return true;
	ctx = kmod_new(NULL, &none);
	if (ctx && kmod_module_new_from_lookup(ctx, "loop", &list) >= 0 &&
	    list) {
		struct kmod_module *mod = kmod_module_get_module(list);

		kmod_set_log_priority(ctx, 0);
		kmod_module_probe_insert_module(mod, 0, NULL, NULL, NULL, NULL);
		kmod_module_unref(mod);
		kmod_module_unref_list(list);
	}
	kmod_unref(ctx);
	return !access("/dev/loop-control", F_OK) ||
	       failed("/dev/loop-control", ", this kernel has no loop devices");
}

static bool own_namespace(void)
{
	if (unshare(CLONE_NEWNS))
		return failed("a mount namespace", "");
	if (mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL))
		return failed("mount --make-rslave /", "");
	if (mount(COMMAND, TMP, "tmpfs", MS_NOSUID | MS_NODEV,
		  "size=32m,mode=700"))
		return failed("a tmpfs", "");
	return !mkdir(TARGET, 0700) || failed(TARGET, "");
}

static bool make_image(void)
{
	int fd = open(IMAGE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, THREE * 1024L))
		return failed(IMAGE, "");
	close(fd);
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	if (!system("mke2fs -q -F -t ext4 -b 1024 -g 8192 -I 256 -N 64 -J size=4 -O " FEATURES
		    " " IMAGE " " BEGIN))
		return true;
	fputs(COMMAND
	      ": selftest: this needs mke2fs 1.46 or newer (e2fsprogs)\n",
	      stderr);
	return false;
}

/* libmount sets up the loop device, to go with its last user */
static bool mount_image(void)
{
	struct libmnt_context *cxt = mnt_new_context();
	char why[256];
	int ret;

	mnt_context_disable_mtab(cxt, 1);
	mnt_context_disable_helpers(cxt, 1);
	mnt_context_set_source(cxt, IMAGE);
	mnt_context_set_target(cxt, TARGET);
	mnt_context_set_fstype(cxt, "ext4");
	mnt_context_set_options(cxt, "loop");
	ret = mnt_context_mount(cxt);
	if (ret || !mnt_context_get_status(cxt)) {
		mnt_context_get_excode(cxt, ret, why, sizeof(why));
		fprintf(stderr,
			COMMAND ": selftest: cannot mount a test image: %s\n",
			why);
		ret = -1;
	}
	mnt_free_context(cxt);
	return !ret;
}

/* Of the filesystem that fd is on: sda1, dm-0, loop3 */
static bool device_name(int fd, char *name, size_t size)
{
	char path[64], link[512];
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st))
		return failed(TARGET, "");
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(st.st_dev),
		 minor(st.st_dev));
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return failed(path, ", is /sys mounted?");
	link[n] = '\0';
	snprintf(name, size, "%s", basename(link));
	return true;
}

static bool count(struct counts *c, const char *name, bool loaded)
{
	char text[4096];
	long extends = 0, adds = 0;

	memset(c, 0, sizeof(*c));
	if (read_file(in_root("/proc/fs/ext4/%s/fc_info", name), text,
		      sizeof(text)))
		return failed("/proc/fs/ext4/*/fc_info",
			      ", which kernels before 5.10 do not have");
	c->resize = parse_reason(text, "Resize");
	c->commits = parse_stat(text, "commits");
	if (loaded) {
		extends = read_counter(COUNTER_marks_group_extend);
		adds = read_counter(COUNTER_marks_group_add);
		c->holds = read_counter(COUNTER_holds);
	}
	c->marks = extends + adds;
	if (c->resize >= 0 && c->commits >= 0 && extends >= 0 && adds >= 0 &&
	    c->holds >= 0)
		return true;
	errno = EPROTO;
	return failed("fc_info or the module's counters", "");
}

static bool write_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	bool good = fd >= 0 && write(fd, "x", 1) == 1 && !fsync(fd);

	if (!good)
		failed(name, "");
	if (fd >= 0)
		close(fd);
	return good;
}

static bool try_resize(struct result *r, const char *name, int fd,
		       const char *device, bool loaded, unsigned long request,
		       void *arg)
{
	struct counts before, after, end;

	if (!count(&before, device, loaded))
		return false;
	if (ioctl(fd, request, arg))
		return failed(name, "");
	if (!count(&after, device, loaded) || !write_file(fd, name) ||
	    !count(&end, device, loaded))
		return false;
	r->by_module = after.marks - before.marks;
	r->by_kernel = after.resize - before.resize - r->by_module;
	r->holds = after.holds - before.holds;
	r->fast = end.commits - after.commits;
	if (r->by_module <= 1 && r->holds <= 1 && r->by_kernel >= 0)
		return true;
	/* The counters are the module's, not a filesystem's */
	errno = EBUSY;
	return failed("there was another resize meanwhile", ", run it again");
}

static bool run(struct result *extend, struct result *add, bool loaded)
{
	unsigned long blocks = TWO;
	struct group_input group = {
		.group = 2,
		.block_bitmap = TWO,
		.inode_bitmap = TWO + 1,
		.inode_table = TWO + 2,
		.blocks_count = GROUP,
	};
	char device[520];
	bool good;
	int fd;

	if (!have_loop() || !own_namespace() || !make_image() || !mount_image())
		return false;
	fd = open(TARGET, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return failed(TARGET, "");
	good = device_name(fd, device, sizeof(device)) &&
	       write_file(fd, "begin") && !syncfs(fd) &&
	       try_resize(extend, "GROUP_EXTEND", fd, device, loaded,
			  IOC_GROUP_EXTEND, &blocks) &&
	       try_resize(add, "GROUP_ADD", fd, device, loaded, IOC_GROUP_ADD,
			  &group);
	close(fd);
	/* So that all is gone when we say that it is over */
	if (umount2(TARGET, MNT_DETACH))
		failed("umount " TARGET, "");
	return good;
}

/* For status, until the next boot; without it status knows less, that is all */
static void remember(bool fixed)
{
	FILE *f = fopen(in_root(KNOWN).text, "we");

	if (!f)
		return;
	fputs(fixed ? "fixed\n" : "unfixed\n", f);
	fclose(f);
}

static const char *yes_no(long n)
{
	return n ? "yes" : "no";
}

static void row(const char *name, const struct result *r)
{
	printf("%-12s  %-12s  %-12s  %-4s  %s\n", name, yes_no(r->by_kernel),
	       yes_no(r->by_module), yes_no(r->holds),
	       r->fast ? "a fast commit" : "a full commit");
}

enum verdict run_selftest(void)
{
	struct result extend = { 0 }, add = { 0 };
	bool loaded = !access(in_root("/sys/module/" MODULE).text, F_OK);
	bool fixed, marked, held, safe;

	if (geteuid()) {
		fputs(COMMAND ": selftest: it needs root, try sudo\n", stderr);
		return VERDICT_UNKNOWN;
	}
	if (!run(&extend, &add, loaded))
		return VERDICT_UNKNOWN;

	fixed = extend.by_kernel && add.by_kernel;
	marked = (extend.by_kernel || extend.by_module) &&
		 (add.by_kernel || add.by_module);
	held = extend.holds && add.holds;
	safe = !extend.fast && !add.fast;
	/* One resize may be the kernel's and one not: that is neither */
	if (fixed || (!extend.by_kernel && !add.by_kernel))
		remember(fixed);

	puts("RESIZE        KERNEL MARKS  MODULE MARKS  HELD  FSYNC AFTER IT");
	row("GROUP_EXTEND", &extend);
	row("GROUP_ADD", &add);
	printf("upstream's fix in this kernel's ext4: %s; the module: %s\n",
	       fixed ? "yes" : "no", loaded ? "loaded" : "not loaded");
	if (marked && held && safe) {
		puts("OK: resizes are protected");
		return VERDICT_OK;
	}
	printf("EXPOSED: %s%s%s\n", marked ? "" : "a resize is not marked; ",
	       held ? "" : "fsyncs can hang it; ",
	       safe ? "" : "what is fsynced after it is lost in a crash");
	return VERDICT_EXPOSED;
}
