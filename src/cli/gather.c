// SPDX-License-Identifier: GPL-2.0
/*
 * What is so on this machine: the module, mounted ext4, installed kernels
 *
 * Nothing is an error here: what cannot be read is "not known", with the
 * reason.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <ext2fs/ext2fs.h>
#include <fcntl.h>
#include <libkmod.h>
#include <libmount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "gather.h"

const struct places places = {
	.sys_module = "/sys/module/" MODULE,
	.mountinfo = "/proc/self/mountinfo",
	.fstab = "/etc/fstab",
	.proc = "/proc",
	.proc_ext4 = "/proc/fs/ext4",
	.lib_modules = "/lib/modules",
	.known = "/run",
};

const char *const counter_names[COUNTERS] = {
	[MARKS_GROUP_EXTEND] = "marks_group_extend",
	[MARKS_GROUP_ADD] = "marks_group_add",
	[KERNEL_MARKS] = "kernel_marks",
	[HOLDS] = "holds",
	[HOLDS_FAILED] = "holds_failed",
	[UNPROTECTED] = "unprotected",
	[HOLD_LONGEST_US] = "hold_longest_us",
	[FULL_COMMITS_HOLD] = "full_commits_hold",
	[FULL_COMMITS_FLUSH] = "full_commits_flush",
	[MISSED] = "missed",
};

/* Returns 0, or -1 with buf empty and errno set; what does not fit is cut off */
int read_file(const char *dir, const char *name, char *buf, size_t size)
{
	char path[512];
	ssize_t n;
	int fd, err;

	buf[0] = '\0';
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -1;
	n = read(fd, buf, size - 1);
	err = errno;
	close(fd);
	errno = err;
	if (n < 0)
		return -1;
	buf[n] = '\0';
	return 0;
}

static int read_line(const char *dir, const char *name, char *buf, size_t size)
{
	int ret = read_file(dir, name, buf, size);

	parse_first_line(buf);
	return ret;
}

long read_counter(const char *sys_module, enum counter c)
{
	char name[64], buf[64];

	snprintf(name, sizeof(name), "status/%s", counter_names[c]);
	return read_file(sys_module, name, buf, sizeof(buf)) ? -1 :
							       parse_count(buf);
}

/* libkmod without a word on stderr; NULL has the caller do without */
static struct kmod_ctx *kmod_quiet(const char *dir)
{
	const char *none = NULL;
	struct kmod_ctx *ctx = kmod_new(dir, &none);

	if (ctx)
		kmod_set_log_priority(ctx, 0);
	return ctx;
}

static bool is_live(void)
{
	struct kmod_ctx *ctx = kmod_quiet(NULL);
	struct kmod_module *mod = NULL;
	bool live = false;

	if (ctx && !kmod_module_new_from_name(ctx, MODULE, &mod))
		live = kmod_module_get_initstate(mod) == KMOD_MODULE_LIVE;
	kmod_module_unref(mod);
	kmod_unref(ctx);
	return live;
}

/* Of a module that is loaded */
void read_module(struct module *m, const char *sys_module)
{
	char taint[64];
	int i;

	read_line(sys_module, "version", m->version, sizeof(m->version));
	read_line(sys_module, "srcversion", m->srcversion,
		  sizeof(m->srcversion));
	read_line(sys_module, "taint", taint, sizeof(taint));
	m->unsigned_taint = strchr(taint, 'E');
	for (i = 0; i < COUNTERS; i++)
		m->counters[i] = read_counter(sys_module, i);

	m->state = STATE_UNKNOWN;
	if (read_line(sys_module, "status/state", m->text, sizeof(m->text))) {
		snprintf(m->text, sizeof(m->text), "%s/status/state: %s",
			 sys_module, strerror(errno));
		return;
	}
	m->state = parse_state(m->text);
}

/* --- mounted ext4 --- */

/* sda1, dm-0, loop3; empty if there is no such device */
static void read_name(char *name, size_t size, dev_t dev)
{
	char path[64], link[512];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(dev),
		 minor(dev));
	n = readlink(path, link, sizeof(link) - 1);
	link[n > 0 ? n : 0] = '\0';
	snprintf(name, size, "%s", basename(link));
}

/* Through the block device's cache, as the mounted filesystem sees it */
static void read_features(struct fs *fs, dev_t dev, const char *name)
{
	int flags = EXT2_FLAG_64BITS | EXT2_FLAG_SUPER_ONLY |
		    EXT2_FLAG_SKIP_MMP | EXT2_FLAG_IGNORE_CSUM_ERRORS |
		    EXT2_FLAG_SOFTSUPP_FEATURES | EXT2_FLAG_FORCE;
	const char *device = fs->device;
	char path[64];
	struct stat st;
	ext2_filsys e2;
	errcode_t err;

	/* /dev/root and names from another mount namespace are not there */
	if (*name &&
	    (stat(device, &st) || !S_ISBLK(st.st_mode) || st.st_rdev != dev)) {
		snprintf(path, sizeof(path), "/dev/%s", name);
		device = path;
	}

	err = ext2fs_open(device, flags, 0, 0, unix_io_manager, &e2);
	if (err) {
		snprintf(fs->why, sizeof(fs->why), "%s%s", error_message(err),
			 err == EACCES ? ", run this as root" : "");
		parse_printable(fs->why);
		return;
	}
	fs->fast_commit = !!ext2fs_has_feature_fast_commit(e2->super);
	ext2fs_close_free(&e2);
}

static long read_marks(const char *proc_ext4, const char *name)
{
	char path[64], text[4096];

	snprintf(path, sizeof(path), "%s/fc_info", name);
	return read_file(proc_ext4, path, text, sizeof(text)) ?
		       -1 :
		       parse_reason(text, "Resize");
}

static void *grow(void *array, int nr, size_t size)
{
	array = reallocarray(array, nr + 1, size);
	if (!array) {
		fputs("ext4-fc-resize-fix: out of memory\n", stderr);
		exit(VERDICT_UNKNOWN);
	}
	memset((char *)array + nr * size, 0, size);
	return array;
}

static char *copy(const char *text)
{
	char *p = strdup(text ? text : "?");

	if (!p) {
		fputs("ext4-fc-resize-fix: out of memory\n", stderr);
		exit(VERDICT_UNKNOWN);
	}
	return p;
}

static int ignore_bad_line(struct libmnt_table *tb, const char *name, int line)
{
	(void)tb;
	(void)name;
	(void)line;
	return 1;
}

/* On the kernel's command line, for all filesystems */
static bool skips_e2fsck(const char *proc)
{
	char line[4096], *rest = line, *word;

	read_file(proc, "cmdline", line, sizeof(line));
	while ((word = strsep(&rest, "\n "))) {
		if (!strcmp(word, "fsck.mode=skip"))
			return true;
	}
	return false;
}

static bool checked_at_boot(struct libmnt_table *fstab, const char *dir)
{
	struct libmnt_fs *fs;

	fs = mnt_table_find_target(fstab, dir, MNT_ITER_FORWARD);
	return fs && mnt_fs_get_passno(fs) > 0;
}

static void read_mounts(struct machine *m, const struct places *at)
{
	const char *mountinfo = at->mountinfo;
	struct libmnt_table *table = mnt_new_table(), *seen = mnt_new_table();
	struct libmnt_table *fstab = mnt_new_table();
	struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
	struct libmnt_fs *mnt, *once;
	int err;

	initialize_ext2_error_table();
	mnt_table_set_parser_errcb(fstab, ignore_bad_line);
	if (!skips_e2fsck(at->proc))
		mnt_table_parse_fstab(fstab, at->fstab);
	mnt_table_set_parser_errcb(table, ignore_bad_line);
	err = mnt_table_parse_file(table, mountinfo);
	if (err || mnt_table_is_empty(table))
		snprintf(m->fs_error, sizeof(m->fs_error), "%s: %s", mountinfo,
			 err < 0 ? strerror(-err) : "no mount in it");
	while (!err && !mnt_table_next_fs(table, iter, &mnt)) {
		dev_t dev = mnt_fs_get_devno(mnt);
		const char *type = mnt_fs_get_fstype(mnt);
		char name[40];
		struct fs *fs;

		/* Bind mounts are the same filesystem */
		if (!type || strcmp(type, "ext4") ||
		    mnt_table_find_devno(seen, dev, MNT_ITER_FORWARD))
			continue;
		m->fs = grow(m->fs, m->nr_fs, sizeof(*m->fs));
		fs = &m->fs[m->nr_fs++];
		fs->device = copy(mnt_fs_get_source(mnt));
		fs->dir = copy(mnt_fs_get_target(mnt));
		fs->fast_commit = -1;
		read_name(name, sizeof(name), dev);
		read_features(fs, dev, name);
		fs->marks = read_marks(at->proc_ext4, name);
		fs->checked_at_boot = checked_at_boot(fstab, fs->dir);
		parse_printable(fs->device);
		parse_printable(fs->dir);
		once = mnt_copy_fs(NULL, mnt);
		mnt_table_add_fs(seen, once);
		mnt_unref_fs(once);
	}
	mnt_free_iter(iter);
	mnt_unref_table(seen);
	mnt_unref_table(table);
	mnt_unref_table(fstab);
}

/* --- installed kernels --- */

static void keep(char *to, size_t size, const char *value)
{
	snprintf(to, size, "%s", value);
	parse_printable(to);
}

static void read_info(struct kernel *k, struct kmod_module *mod)
{
	struct kmod_list *info = NULL, *i;

	if (kmod_module_get_info(mod, &info) < 0)
		return;
	kmod_list_foreach(i, info)
	{
		const char *key = kmod_module_info_get_key(i);
		const char *value = kmod_module_info_get_value(i);

		if (!strcmp(key, "vermagic"))
			k->matches = parse_vermagic(value, k->release);
		else if (!strcmp(key, "version"))
			keep(k->version, sizeof(k->version), value);
		else if (!strcmp(key, "srcversion"))
			keep(k->srcversion, sizeof(k->srcversion), value);
		else if (!strcmp(key, "signer"))
			keep(k->signer, sizeof(k->signer), value);
	}
	kmod_module_info_free_list(info);
}

static void read_kernel(struct kernel *k, const char *dir)
{
	struct kmod_ctx *ctx = kmod_quiet(dir);
	struct kmod_list *list = NULL;
	struct kmod_module *mod;
	const char *path;

	if (ctx && kmod_module_new_from_lookup(ctx, MODULE, &list) >= 0 &&
	    list) {
		mod = kmod_module_get_module(list);
		/* modules.dep may be older than what is there */
		path = kmod_module_get_path(mod);
		k->found = path && !access(path, R_OK);
		if (k->found)
			read_info(k, mod);
		kmod_module_unref(mod);
		kmod_module_unref_list(list);
	}
	kmod_unref(ctx);
}

/* A kernel that is gone leaves its directory there, but not its modules */
static void read_kernels(struct machine *m, const char *lib_modules)
{
	struct dirent **names;
	int i, n = scandir(lib_modules, &names, NULL, versionsort);

	for (i = 0; i < n; i++) {
		const char *name = names[i]->d_name;
		char path[PATH_MAX];
		struct kernel *k;

		snprintf(path, sizeof(path), "%s/%s/kernel", lib_modules, name);
		if (name[0] != '.' && !access(path, F_OK)) {
			m->kernels = grow(m->kernels, m->nr_kernels,
					  sizeof(*m->kernels));
			k = &m->kernels[m->nr_kernels++];
			k->release = copy(name);
			k->running = !strcmp(name, m->release);
			snprintf(path, sizeof(path), "%s/%s/build/Makefile",
				 lib_modules, name);
			k->headers = !access(path, F_OK);
			snprintf(path, sizeof(path), "%s/%s", lib_modules,
				 name);
			read_kernel(k, path);
			parse_printable(k->release);
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

/*
 * Has ext4 upstream's fix? Only what was seen counts: the module sees the kernel
 * mark by itself, selftest also that it does not. A version number tells
 * nothing, distributions backport.
 */
static int read_fixed(const struct module *m, const char *known)
{
	char buf[16];

	if (m->loaded && m->counters[KERNEL_MARKS] == 1)
		return 1;
	if (read_line(known, "ext4-fc-resize-fix", buf, sizeof(buf)))
		return -1;
	if (!strcmp(buf, "fixed"))
		return 1;
	return strcmp(buf, "unfixed") ? -1 : 0;
}

void read_machine(struct machine *m, const struct places *at)
{
	struct utsname uts;

	memset(m, 0, sizeof(*m));
	uname(&uts);
	snprintf(m->release, sizeof(m->release), "%s", uts.release);
	m->module.loaded = is_live();
	if (m->module.loaded)
		read_module(&m->module, at->sys_module);
	read_mounts(m, at);
	read_kernels(m, at->lib_modules);
	m->fixed = read_fixed(&m->module, at->known);
}

void free_machine(struct machine *m)
{
	while (m->nr_fs--) {
		free(m->fs[m->nr_fs].device);
		free(m->fs[m->nr_fs].dir);
	}
	while (m->nr_kernels--)
		free(m->kernels[m->nr_kernels].release);
	free(m->fs);
	free(m->kernels);
}

int machine_fast_commits(const struct machine *m)
{
	int i, n = 0;

	for (i = 0; i < m->nr_fs; i++)
		n += m->fs[i].fast_commit == 1;
	return n;
}

int machine_cannot_tell(const struct machine *m)
{
	int i, n = !!m->fs_error[0];

	for (i = 0; i < m->nr_fs; i++)
		n += m->fs[i].fast_commit < 0;
	return n;
}

enum verdict machine_verdict(const struct machine *m)
{
	return parse_verdict(m->module.loaded, m->module.state,
			     machine_fast_commits(m), machine_cannot_tell(m));
}
