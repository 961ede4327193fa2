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
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "gather.h"

const char *root = "";

#define NAME(name) (#name),
const char *const counter_names[COUNTERS] = { FIX_STATS(NAME) NAME(missed) };

const char *const param_names[PARAMS] = { "hold", "overlap", "successor",
					  "disable" };
const int param_defaults[PARAMS] = { 1, 1, 1, 0 };

struct path in_root(const char *format, ...)
{
	struct path path;
	va_list args;
	int n = snprintf(path.text, sizeof(path.text), "%s", root);

	va_start(args, format);
	vsnprintf(path.text + n, sizeof(path.text) - n, format, args);
	va_end(args);
	return path;
}

/* Returns 0, or -1 with buf empty and errno set; what does not fit is cut off */
int read_file(struct path path, char *buf, size_t size)
{
	ssize_t n;
	int fd, err;

	buf[0] = '\0';
	fd = open(path.text, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
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

static int read_line(struct path path, char *buf, size_t size)
{
	int ret = read_file(path, buf, size);

	parse_first_line(buf);
	return ret;
}

static struct path of_module(const char *name)
{
	return in_root("/sys/module/" MODULE "/%s", name);
}

long read_counter(enum counter c)
{
	struct path path =
		in_root("/sys/module/" MODULE "/status/%s", counter_names[c]);
	char buf[64];

	return read_file(path, buf, sizeof(buf)) ? -1 : parse_count(buf);
}

static int read_param(enum param p)
{
	struct path path =
		in_root("/sys/module/" MODULE "/parameters/%s", param_names[p]);
	char buf[8];

	read_line(path, buf, sizeof(buf));
	if (!strcmp(buf, "Y"))
		return 1;
	return strcmp(buf, "N") ? -1 : 0;
}

/* Nobody who has all rights is refused, but in a container */
const char *denied(int err)
{
	if (err != EACCES && err != EPERM)
		return "";
	return geteuid() ? ", run this as root" :
			   ", in a container? run it on the host";
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

void read_module(struct module *m)
{
	struct path state = of_module("status/state");
	char buf[64];
	int i;

	read_line(of_module("initstate"), buf, sizeof(buf));
	m->loaded = !strcmp(buf, "live");
	if (!m->loaded)
		return;

	read_line(of_module("version"), m->version, sizeof(m->version));
	read_line(of_module("srcversion"), m->srcversion,
		  sizeof(m->srcversion));
	read_line(of_module("taint"), buf, sizeof(buf));
	m->unsigned_taint = strchr(buf, 'E');
	for (i = 0; i < COUNTERS; i++)
		m->counters[i] = read_counter(i);
	for (i = 0; i < PARAMS; i++)
		m->params[i] = read_param(i);

	m->state = STATE_UNKNOWN;
	if (read_line(state, m->text, sizeof(m->text))) {
		snprintf(m->text, sizeof(m->text), "%.120s: %s", state.text,
			 strerror(errno));
		return;
	}
	m->state = parse_state(m->text);
}

/* --- mounted ext4 --- */

/* sda1, dm-0, loop3; empty if there is no such device */
static void read_name(char *name, size_t size, dev_t dev)
{
	struct path path =
		in_root("/sys/dev/block/%u:%u", major(dev), minor(dev));
	char link[512];
	ssize_t n = readlink(path.text, link, sizeof(link) - 1);

	link[n > 0 ? n : 0] = '\0';
	snprintf(name, size, "%s", basename(link));
}

/* Where udev makes it: / in the name is ! in sysfs and in /proc/fs/ext4 */
static struct path device_of(const char *name)
{
	struct path path = in_root("/dev/%s", name);
	char *p;

	for (p = path.text; *p; p++) {
		if (*p == '!')
			*p = '/';
	}
	return path;
}

/* Through the block device's cache, as the mounted filesystem sees it */
errcode_t read_super(const char *device, struct ext2_super_block *super)
{
	int flags = EXT2_FLAG_64BITS | EXT2_FLAG_SUPER_ONLY |
		    EXT2_FLAG_SKIP_MMP | EXT2_FLAG_IGNORE_CSUM_ERRORS |
		    EXT2_FLAG_SOFTSUPP_FEATURES | EXT2_FLAG_FORCE;
	ext2_filsys e2;
	errcode_t err;

	err = ext2fs_open(device, flags, 0, 0, unix_io_manager, &e2);
	if (err)
		return err;
	*super = *e2->super;
	ext2fs_close_free(&e2);
	return 0;
}

static void read_features(struct fs *fs, const char *device)
{
	struct ext2_super_block super;
	errcode_t err = read_super(device, &super);

	if (err) {
		snprintf(fs->why, sizeof(fs->why), "%s%s", error_message(err),
			 denied(err));
		parse_printable(fs->why);
		return;
	}
	fs->fast_commit = !!ext2fs_has_feature_fast_commit(&super);
}

/* /dev/root and names from another mount namespace are not there */
static bool is_device(const char *path, dev_t dev)
{
	struct stat st;

	return !stat(path, &st) && S_ISBLK(st.st_mode) && st.st_rdev == dev;
}

static long read_marks(const char *name)
{
	char text[4096];

	return read_file(in_root("/proc/fs/ext4/%s/fc_info", name), text,
			 sizeof(text)) ?
		       -1 :
		       parse_reason(text, "Resize");
}

static void *grow(void *array, int nr, size_t size)
{
	array = reallocarray(array, nr + 1, size);
	if (!array) {
		fputs(COMMAND ": out of memory\n", stderr);
		exit(VERDICT_UNKNOWN);
	}
	memset((char *)array + nr * size, 0, size);
	return array;
}

static char *copy(const char *text)
{
	char *p = strdup(text ? text : "?");

	if (!p) {
		fputs(COMMAND ": out of memory\n", stderr);
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

/* Of the kernel's command line */
struct words {
	bool skip; /* no e2fsck at boot */
	bool rw; /* how the root filesystem is mounted first */
	bool no_hooks; /* of ext4-fc-recover */
};

static struct words read_words(void)
{
	struct words words = { false, false, false };
	char line[4096], *rest = line, *word;

	read_file(in_root("/proc/cmdline"), line, sizeof(line));
	while ((word = strsep(&rest, "\n "))) {
		words.skip |= !strcmp(word, "fsck.mode=skip") ||
			      !strcmp(word, "fastboot");
		if (!strcmp(word, "rw") || !strcmp(word, "ro"))
			words.rw = word[1] == 'w';
		words.no_hooks |= !strcmp(word, NO_AT_BOOT);
	}
	return words;
}

#define INITRAMFS_FSCK "/usr/share/initramfs-tools/hooks/fsck"

/* The initramfs of Debian does not ask for the pass */
static bool checked_at_boot(struct libmnt_table *fstab, const char *dir)
{
	struct libmnt_fs *fs;

	fs = mnt_table_find_target(fstab, dir, MNT_ITER_FORWARD);
	if (!fs)
		return false;
	return mnt_fs_get_passno(fs) > 0 ||
	       ((!strcmp(dir, "/") || !strcmp(dir, "/usr")) &&
		!access(in_root(INITRAMFS_FSCK).text, F_OK));
}

static struct fs *add_fs(struct machine *m, const char *device, const char *dir)
{
	struct fs *fs;

	m->fs = grow(m->fs, m->nr_fs, sizeof(*m->fs));
	fs = &m->fs[m->nr_fs++];
	fs->device = copy(device);
	if (dir)
		fs->dir = copy(dir);
	fs->fast_commit = -1;
	return fs;
}

static void read_mounts(struct machine *m)
{
	struct path mountinfo = in_root("/proc/self/mountinfo");
	struct libmnt_table *table = mnt_new_table(), *seen = mnt_new_table();
	struct libmnt_table *fstab = mnt_new_table();
	struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
	struct words words = read_words();
	struct libmnt_fs *mnt, *once;
	bool recovers = !access(in_root(AT_BOOT).text, X_OK) && !words.no_hooks;
	int err;

	mnt_table_set_parser_errcb(fstab, ignore_bad_line);
	if (!words.skip)
		mnt_table_parse_fstab(fstab, in_root("/etc/fstab").text);
	mnt_table_set_parser_errcb(table, ignore_bad_line);
	err = mnt_table_parse_file(table, mountinfo.text);
	if (err || mnt_table_is_empty(table))
		snprintf(m->fs_error, sizeof(m->fs_error), "%.80s: %s",
			 mountinfo.text,
			 err < 0 ? strerror(-err) : "no mount in it");
	while (!err && !mnt_table_next_fs(table, iter, &mnt)) {
		dev_t dev = mnt_fs_get_devno(mnt);
		const char *type = mnt_fs_get_fstype(mnt);
		struct fs *fs;

		/* Bind mounts are the same filesystem */
		if (!type || strcmp(type, "ext4") ||
		    mnt_table_find_devno(seen, dev, MNT_ITER_FORWARD))
			continue;
		fs = add_fs(m, mnt_fs_get_source(mnt), mnt_fs_get_target(mnt));
		read_name(fs->name, sizeof(fs->name), dev);
		if (*fs->name && !is_device(fs->device, dev))
			read_features(fs, device_of(fs->name).text);
		else
			read_features(fs, fs->device);
		fs->checked_at_boot = checked_at_boot(fstab, fs->dir);
		fs->kernel_first = recovers && (fs->checked_at_boot ||
						!strcmp(fs->dir, "/"));
		fs->recovered_read_only = words.skip && !words.rw &&
					  !fs->kernel_first &&
					  !strcmp(fs->dir, "/");
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

static struct fs *find_fs(struct machine *m, const char *name)
{
	int i;

	for (i = 0; i < m->nr_fs; i++) {
		if (!strcmp(m->fs[i].name, name))
			return &m->fs[i];
	}
	return NULL;
}

/* What containers have in mount namespaces of their own; the kernel lists all */
static void read_elsewhere(struct machine *m)
{
	struct dirent **names;
	int i, n = scandir(in_root("/proc/fs/ext4").text, &names, NULL,
			   versionsort);

	for (i = 0; i < n; i++) {
		const char *name = names[i]->d_name;

		if (name[0] != '.' && !find_fs(m, name)) {
			struct path device = device_of(name);
			struct fs *fs = add_fs(m, device.text, NULL);

			snprintf(fs->name, sizeof(fs->name), "%.39s", name);
			read_features(fs, device.text);
			parse_printable(fs->device);
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

/*
 * Which were resized before the module was there? The kernel's log tells, if it
 * is long enough to have both, and only of RESIZE_FS, which is what resize2fs and
 * systemd-growfs use.
 */
static void read_log(struct machine *m)
{
	FILE *log = fopen(in_root("/dev/kmsg").text, "re");
	static char buf[16384]; /* a record is one read() */
	bool loaded = false, seen = false;
	char *line = NULL, name[40];
	size_t size = 0;
	int i;

	if (!log)
		return;
	fcntl(fileno(log), F_SETFL, O_NONBLOCK);
	setvbuf(log, buf, _IOFBF, sizeof(buf));
	while (getline(&line, &size, log) > 0) {
		const char *said = parse_ext4_log(line, name, sizeof(name));
		struct fs *fs = said ? find_fs(m, name) : NULL;

		if (strstr(line, ";" MODULE ": ext4 online resize on "))
			loaded = true;
		else if (strstr(line, ";" MODULE ": unloaded: "))
			loaded = false;
		else if (fs && !strncmp(said, "mounted filesystem", 18))
			fs->resized_before = false;
		else if (fs && !strncmp(said, "resizing filesystem", 19))
			fs->resized_before |= !loaded;
		seen |= loaded;
	}
	free(line);
	fclose(log);
	for (i = 0; i < m->nr_fs && !seen; i++)
		m->fs[i].resized_before = false;
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
		else if (!strcmp(key, "sig_id"))
			k->is_signed = true;
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

static void add_kernel(struct machine *m, const char *release)
{
	struct path headers =
		in_root("/lib/modules/%s/build/Makefile", release);
	struct kernel *k;

	m->kernels = grow(m->kernels, m->nr_kernels, sizeof(*m->kernels));
	k = &m->kernels[m->nr_kernels++];
	k->release = copy(release);
	k->running = !strcmp(release, m->release);
	k->headers = !access(headers.text, F_OK);
	read_kernel(k, in_root("/lib/modules/%s", release).text);
	parse_printable(k->release);
}

/* A kernel that is gone leaves its directory there, but not its modules */
static void read_kernels(struct machine *m)
{
	struct dirent **names;
	int i, n = scandir(in_root("/lib/modules").text, &names, NULL,
			   versionsort);

	for (i = 0; i < n; i++) {
		const char *name = names[i]->d_name;
		struct path kernel = in_root("/lib/modules/%s/kernel", name);

		if (name[0] != '.' && !access(kernel.text, F_OK))
			add_kernel(m, name);
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
static int read_fixed(const struct module *m)
{
	char buf[16];

	if (m->loaded && m->counters[COUNTER_kernel_marks] == 1)
		return 1;
	if (read_line(in_root(KNOWN), buf, sizeof(buf)))
		return -1;
	if (!strcmp(buf, "fixed"))
		return 1;
	return strcmp(buf, "unfixed") ? -1 : 0;
}

void read_machine(struct machine *m)
{
	struct utsname uts;
	int i;

	memset(m, 0, sizeof(*m));
	uname(&uts);
	snprintf(m->release, sizeof(m->release), "%s", uts.release);
	initialize_ext2_error_table();
	read_module(&m->module);
	read_mounts(m);
	read_elsewhere(m);
	for (i = 0; i < m->nr_fs; i++)
		m->fs[i].marks = read_marks(m->fs[i].name);
	if (m->module.loaded)
		read_log(m);
	read_kernels(m);
	m->fixed = read_fixed(&m->module);
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

/* --- what follows from it --- */

bool is_protected(const struct machine *m)
{
	return m->module.loaded && m->module.state == STATE_PROTECTED;
}

/* The next boot of such a kernel is one without the module */
bool not_built(const struct kernel *k)
{
	return !k->found || !k->matches;
}

const struct kernel *running_kernel(const struct machine *m)
{
	int i;

	for (i = 0; i < m->nr_kernels; i++) {
		if (m->kernels[i].running)
			return &m->kernels[i];
	}
	return NULL;
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

/* The kernel that boot loaders take, the newest, if the module is not built for it */
const struct kernel *next_unprotected(const struct machine *m)
{
	const struct kernel *newest;

	if (!m->nr_kernels || !machine_fast_commits(m))
		return NULL;
	newest = &m->kernels[m->nr_kernels - 1];
	return not_built(newest) ? newest : NULL;
}

enum verdict machine_verdict(const struct machine *m)
{
	int on = machine_fast_commits(m);
	const long *c = m->module.counters;
	enum verdict verdict = parse_verdict(m->module.loaded, m->module.state,
					     on, machine_cannot_tell(m));

	if (verdict == VERDICT_OK &&
	    (c[COUNTER_missed] > 0 || (on && c[COUNTER_unprotected] > 0) ||
	     next_unprotected(m)))
		return VERDICT_WARNING;
	return verdict;
}
