// SPDX-License-Identifier: GPL-2.0
/*
 * crash record MNT DEV MARKS OP ACKS SEED [paused] [serial] [mixed]
 *
 * Two writers append numbered records to files, each followed by an fsync,
 * overwrite old ones now and then, and always when the filesystem is full, and
 * sync all now and then. "mixed": they also do the rest of the table LOADS, and
 * fdatasync and O_DSYNC instead of some fsyncs.
 * When an fsync has returned 0, a mark on the second partition says so before
 * the writer goes on. Beside them OP is repeated, with marks before and after:
 *
 *	extend		GROUP_EXTEND by 4 blocks, until the group is full
 *	add		GROUP_ADD of a whole group
 *	resizefs	RESIZE_FS by some blocks
 *	freeze		FIFREEZE and FITHAW
 *
 * and for controls, without a resize:
 *
 *	give		a file that fills the filesystem gets shorter by some blocks,
 *			then syncfs(): like RESIZE_FS to the writers
 *	sync		syncfs(), then a change to several files that nobody fsyncs
 *	xattr		setxattr(), for which there is no fast commit, then syncfs()
 *	none		nothing
 *
 * While it grows, or is given, the filesystem is kept full (fallocate), so that
 * what is written next has to come from the new blocks. "paused": no writer is between
 * its write and its mark while an operation runs. "serial": the two writers
 * take turns, each fsync has ended before the next one begins.
 *
 * Ends after ACKS acknowledged writes, or when the device's end is reached,
 * with a line "recorded ...", or, when there was no acknowledged write for long,
 * with "hung ..."; the process cannot end then.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "../../src/cli/resize.h"
#include "crash.h"

#define DIR_NAMES 600
#define KEPT 8
#define SYNC_EVERY 100
#define HUNG_AFTER_MS 10000

static const char *mnt;
static int mnt_fd, dev_fd, mark_fd, paused, serial, mixed;
static uint32_t seed;
static atomic_uint acks, stop;
static atomic_uint fsync_errors, full;
/* Held shared from a write to its mark */
static pthread_rwlock_t gate;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static void sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static void write_mark(void *buf, int place, struct mark m)
{
	m.magic = MARK_MAGIC;
	memcpy(buf, &m, sizeof(m));
	if (pwrite(mark_fd, buf, SECTOR, place * 65536) != SECTOR)
		die("writing a mark");
}

static void *mark_buffer(void)
{
	void *buf;

	if (posix_memalign(&buf, 4096, 4096))
		die("memory");
	return buf;
}

/* --- the writers --- */

struct writer {
	pthread_t thread;
	int nr, fd, file, slot;
	uint32_t seq, random;
	void *buf;
	int symlinks, directories, temporaries;
	uint8_t renamed[MAX_FILES], linked[MAX_FILES];
};

static uint32_t pick(struct writer *w, uint32_t n)
{
	return next_random(&w->random) % n;
}

static int open_file(struct writer *w, int file, int flags)
{
	char name[MAX_NAME];

	name_make(name, mnt, w->renamed[file] ? RENAMED : FILE_NAME, w->nr,
		  file);
	return open(name, O_WRONLY | flags, 0644);
}

/* What is to be there from now on, now that the sync of it has returned */
static void acknowledge(struct writer *w, struct mark m)
{
	m.writer = w->nr;
	write_mark(w->buf, w->nr, m);
	/* A full commit, since replay of many fast ones takes long */
	if (atomic_fetch_add(&acks, 1) % SYNC_EVERY == 0 && syncfs(mnt_fd))
		die("syncfs");
}

/* A sync of this file has failed: not acknowledged, and later ones mean little */
static void sync_failed(struct writer *w, int file)
{
	write_mark(w->buf, w->nr,
		   (struct mark){ .kind = MARK_FSYNC_FAILED,
				  .writer = w->nr,
				  .file = file,
				  .result = errno });
	atomic_fetch_add(&fsync_errors, 1);
	w->slot = SLOTS;
}

/*
 * The loads return false where the filesystem is full, and nothing was done, or
 * there is nothing to do it with.
 */
static int write_sync_mark(struct writer *w, int fd, int file, int slot)
{
	int dsync = -1, data = mixed && pick(w, 3) == 0, err;
	struct mark mark;
	struct record r;

	if (mixed && !data && pick(w, 2)) {
		dsync = open_file(w, file, O_DSYNC);
		if (dsync < 0)
			die("opening a file");
	}
	record_make(&r, w->nr, file, slot, ++w->seq);
	errno = ENOSPC;
	if (pwrite(dsync < 0 ? fd : dsync, &r, sizeof(r), slot * sizeof(r)) !=
	    sizeof(r)) {
		if (errno != ENOSPC)
			die("writing a record");
		if (dsync >= 0)
			close(dsync);
		return 0;
	}
	if (dsync >= 0)
		err = close(dsync);
	else
		err = data ? fdatasync(fd) : fsync(fd);
	mark = (struct mark){
		.kind = MARK_ACK, .file = file, .slot = slot, .seq = w->seq
	};
	if (err)
		sync_failed(w, file);
	else
		acknowledge(w, mark);
	return 1;
}

/* To the next file, when this one is full */
static int next_file(struct writer *w)
{
	int fd;

	if (w->fd >= 0 && w->slot < SLOTS)
		return 1;
	fd = open_file(w, w->file + 1, O_CREAT);
	if (fd < 0 && errno == ENOSPC)
		return 0;
	if (fd < 0)
		die("making a file");
	if (w->fd >= 0)
		close(w->fd);
	w->fd = fd;
	w->file++;
	w->slot = 0;
	if (w->file == MAX_FILES - 2)
		stop = 1;
	return 1;
}

static int append(struct writer *w)
{
	if (!next_file(w) || !write_sync_mark(w, w->fd, w->file, w->slot))
		return 0;
	w->slot++;
	return 1;
}

static int overwrite(struct writer *w)
{
	int fd, file, done, slots = SLOTS;

	if (w->file < 0)
		return 0;
	file = pick(w, w->file + 1);
	if (file == w->file)
		slots = w->slot;
	if (!slots)
		return 0;
	fd = open_file(w, file, 0);
	if (fd < 0)
		die("opening a file");
	done = write_sync_mark(w, fd, file, pick(w, slots));
	close(fd);
	return done;
}

/* Blocks without a write to them, to which an overwrite() may come later */
static int allocate(struct writer *w)
{
	struct mark mark = { .kind = MARK_SIZE };

	if (!next_file(w))
		return 0;
	if (fallocate(w->fd, 0, w->slot * sizeof(struct record),
		      sizeof(struct record))) {
		if (errno != ENOSPC)
			die("fallocate");
		return 0;
	}
	w->slot++;
	mark.file = w->file;
	mark.slot = w->slot;
	if (fsync(w->fd))
		sync_failed(w, w->file);
	else
		acknowledge(w, mark);
	return 1;
}

static void mark_name(struct writer *w, enum name what, int file,
		      enum name_state state)
{
	write_mark(w->buf, w->nr,
		   (struct mark){ .kind = MARK_NAME,
				  .writer = w->nr,
				  .file = file,
				  .slot = what,
				  .result = state });
}

/* Names of FILE have changed: sync it, or the directory they are in */
static int sync_name(struct writer *w, int file)
{
	int fd, err;

	if (file < 0 || pick(w, 2))
		return fsync(mnt_fd);
	fd = open_file(w, file, 0);
	if (fd < 0)
		die("opening a file");
	err = fsync(fd);
	close(fd);
	if (err)
		sync_failed(w, file);
	return err;
}

static int acknowledge_name(struct writer *w, enum name what, int file,
			    enum name_state state)
{
	struct mark mark = {
		.kind = MARK_NAME, .file = file, .slot = what, .result = state
	};

	acknowledge(w, mark);
	return 1;
}

/* True if the directory is full; anything else is a bug of the test */
static int no_space(int err)
{
	if (err && errno != ENOSPC)
		die("changing a name");
	return err;
}

static int rename_file(struct writer *w)
{
	char from[MAX_NAME], to[MAX_NAME];
	int file = pick(w, w->file + 1);

	if (w->renamed[file])
		return 0;
	mark_name(w, FILE_NAME, file, MAYBE);
	if (no_space(rename(name_make(from, mnt, FILE_NAME, w->nr, file),
			    name_make(to, mnt, RENAMED, w->nr, file))))
		return 0;
	w->renamed[file] = 1;
	if (sync_name(w, file))
		return 1;
	mark_name(w, FILE_NAME, file, GONE);
	return acknowledge_name(w, RENAMED, file, THERE);
}

/* A second name, or the end of it */
static int link_file(struct writer *w)
{
	char from[MAX_NAME], to[MAX_NAME];
	int file = pick(w, w->file + 1), err;

	name_make(from, mnt, w->renamed[file] ? RENAMED : FILE_NAME, w->nr,
		  file);
	name_make(to, mnt, LINKED, w->nr, file);
	mark_name(w, LINKED, file, MAYBE);
	err = w->linked[file] ? unlink(to) : link(from, to);
	if (no_space(err))
		return 0;
	w->linked[file] ^= 1;
	if (sync_name(w, file))
		return 1;
	return acknowledge_name(w, LINKED, file,
				w->linked[file] ? THERE : GONE);
}

static int make_symlink(struct writer *w)
{
	char name[MAX_NAME], target[MAX_NAME];
	int nr = w->symlinks;

	if (nr == MAX_FILES ||
	    no_space(symlink(target_make(target, w->nr, nr),
			     name_make(name, mnt, SYMLINK, w->nr, nr))))
		return 0;
	w->symlinks++;
	return sync_name(w, -1) || acknowledge_name(w, SYMLINK, nr, THERE);
}

static int make_directory(struct writer *w)
{
	char name[MAX_NAME];
	int nr = w->directories;

	if (nr == MAX_FILES ||
	    no_space(mkdir(name_make(name, mnt, DIRECTORY, w->nr, nr), 0755)))
		return 0;
	w->directories++;
	return sync_name(w, -1) || acknowledge_name(w, DIRECTORY, nr, THERE);
}

/* A file that is there between two syncs only; nothing is acknowledged */
static int temporary_file(struct writer *w)
{
	char name[MAX_NAME];
	int fd;

	name_make(name, mnt, TEMPORARY, w->nr, w->temporaries++);
	fd = open(name, O_WRONLY | O_CREAT, 0644);
	if (no_space(fd < 0))
		return 0;
	if (write(fd, name, sizeof(name)) < 0)
		no_space(1);
	close(fd);
	if (unlink(name))
		die("removing a file");
	return 1;
}

static const struct load {
	const char *name;
	int (*run)(struct writer *w);
	uint32_t share, mixed_share;
} loads[] = {
	{ "append", append, 3, 6 },
	{ "overwrite", overwrite, 1, 3 },
	{ "fallocate", allocate, 0, 2 },
	{ "rename", rename_file, 0, 2 },
	{ "link", link_file, 0, 2 },
	{ "symlink", make_symlink, 0, 1 },
	{ "mkdir", make_directory, 0, 1 },
	{ "temporary", temporary_file, 0, 1 },
};

#define NR_LOADS (sizeof(loads) / sizeof(*loads))

static atomic_uint loads_done[NR_LOADS];

static const struct load *pick_load(struct writer *w)
{
	const struct load *l;
	uint32_t n = 0;

	for (l = loads; l < loads + NR_LOADS; l++)
		n += mixed ? l->mixed_share : l->share;
	n = pick(w, n);
	for (l = loads; n >= (mixed ? l->mixed_share : l->share); l++)
		n -= mixed ? l->mixed_share : l->share;
	return l;
}

static void *writer(void *arg)
{
	struct writer *w = arg;
	const struct load *l;

	while (!stop) {
		if (serial)
			pthread_mutex_lock(&turn);
		pthread_rwlock_rdlock(&gate);
		l = pick_load(w);
		if (l->run(w)) {
			atomic_fetch_add(&loads_done[l - loads], 1);
		} else if (l->run != overwrite) {
			atomic_fetch_add(&full, 1);
			overwrite(w);
		}
		pthread_rwlock_unlock(&gate);
		if (serial)
			pthread_mutex_unlock(&turn);
	}
	return NULL;
}

/* --- the resizer --- */

/* What of the superblock is needed to lay out a group */
struct super {
	uint64_t blocks;
	uint32_t block_size, first, per_group, reserved_gdt, desc_size, sparse;
};

/* As it is on the disk, which is what counts after a resize's flush */
static struct super super(void)
{
	static uint8_t *mem;
	struct super sb;
	uint8_t *s;

	if (!mem)
		mem = mark_buffer();
	if (pread(dev_fd, mem, 4096, 0) != 4096)
		die("reading the superblock");
	s = mem + 1024;
	sb.blocks = le(s + 4, 4);
	sb.first = le(s + 0x14, 4);
	sb.block_size = 1024 << le(s + 0x18, 4);
	sb.per_group = le(s + 0x20, 4);
	sb.reserved_gdt = le(s + 0xce, 2);
	sb.sparse = le(s + 0x64, 4) & 1;
	sb.desc_size = le(s + 0x60, 4) & 0x80 ? le(s + 0xfe, 2) : 32;
	return sb;
}

static int power_of(uint32_t n, uint32_t base)
{
	while (n % base == 0)
		n /= base;
	return n == 1;
}

/* The group behind the last, without flex_bg's packing */
static int group_add(const struct super *sb, uint32_t blocks)
{
	struct group_input g = { 0 };
	uint32_t per_block = sb->block_size / sb->desc_size;

	g.group = (sb->blocks - sb->first) / sb->per_group;
	g.block_bitmap = sb->first + (uint64_t)g.group * sb->per_group;
	if (!sb->sparse || power_of(g.group, 3) || power_of(g.group, 5) ||
	    power_of(g.group, 7))
		g.block_bitmap += 1 + sb->reserved_gdt +
				  (g.group + per_block) / per_block;
	g.inode_bitmap = g.block_bitmap + 1;
	g.inode_table = g.block_bitmap + 2;
	g.blocks_count = blocks;
	return ioctl(mnt_fd, IOC_GROUP_ADD, &g);
}

/*
 * Leave no more than a few blocks. Not in a fast commit: replay of many extents
 * needs blocks for the tree of extents, and fails in a full filesystem (ENOSPC),
 * whatever was done. Each time another file, to keep it small.
 */
static void fill_up(void)
{
	static int nr;
	struct statvfs s;
	off_t bytes, end = 0;
	char name[MAX_NAME];
	int fd;

	if (fstatvfs(mnt_fd, &s))
		die("statvfs");
	if (s.f_bfree < 24)
		return;
	pthread_rwlock_wrlock(&gate);
	snprintf(name, sizeof(name), "%s/fill%d", mnt, nr++);
	fd = open(name, O_WRONLY | O_CREAT, 0644);
	if (fd < 0)
		die("making a file");
	for (bytes = (s.f_bfree - 8) * s.f_bsize; bytes >= 4096; bytes /= 2) {
		if (!fallocate(fd, 0, end, bytes))
			end += bytes;
		else if (errno != ENOSPC)
			die("fallocate");
	}
	close(fd);
	if (syncfs(mnt_fd))
		die("syncfs");
	pthread_rwlock_unlock(&gate);
}

/* So that it need not grow while the filesystem is full; some names stay, for SYNC */
static void grow_directory(void)
{
	char name[MAX_NAME];
	int i, fd;

	for (i = 0; i < DIR_NAMES; i++) {
		snprintf(name, sizeof(name), "%s/d%d", mnt, i);
		fd = open(name, O_WRONLY | O_CREAT, 0644);
		if (fd < 0 || close(fd))
			die("making a file");
	}
	for (i = KEPT; i < DIR_NAMES; i++) {
		snprintf(name, sizeof(name), "%s/d%d", mnt, i);
		unlink(name);
	}
}

/*
 * What RESIZE_FS gives, without a resize. A full commit, as blocks that are freed
 * cannot be used before.
 */
static int give(off_t blocks)
{
	struct stat st;
	char name[MAX_NAME];

	snprintf(name, sizeof(name), "%s/fill0", mnt);
	if (stat(name, &st) || truncate(name, st.st_size - blocks * 1024))
		return -1;
	return syncfs(mnt_fd);
}

/*
 * What others do and do not fsync: the fast commit of the next fsync, the first
 * since a full commit, has more than a block.
 */
static int change_kept(void)
{
	static int mode;
	char name[MAX_NAME];
	int i;

	mode ^= 0100;
	for (i = 0; i < KEPT; i++) {
		snprintf(name, sizeof(name), "%s/d%d", mnt, i);
		if (chmod(name, 0600 | mode))
			return -1;
	}
	return 0;
}

/* For which there is no fast commit: all that is in its transaction needs a full one */
static int set_attribute(void)
{
	static int nr;
	char name[MAX_NAME];

	snprintf(name, sizeof(name), "%s/d0", mnt);
	nr++;
	return setxattr(name, "user.nr", &nr, sizeof(nr), 0);
}

enum { EXTEND, ADD, RESIZEFS, GIVE, FREEZE, SYNC, XATTR, NONE };

static const char *const ops[] = { "extend", "add",  "resizefs", "give",
				   "freeze", "sync", "xattr",	 "none" };

/* -1: the device's end is reached */
static int operate(int op, uint32_t *random)
{
	struct super sb = super();
	uint64_t last = FS_SIZE / sb.block_size;
	uint32_t in_group = (sb.blocks - sb.first) % sb.per_group;
	uint64_t to;
	int err;

	switch (op) {
	case EXTEND:
		to = sb.blocks + 4;
		if (!in_group || in_group + 4 > sb.per_group || to > last)
			return -1;
		err = ioctl(mnt_fd, IOC_GROUP_EXTEND, &to);
		break;
	case ADD:
		if (sb.blocks + sb.per_group > last)
			return -1;
		err = group_add(&sb, sb.per_group);
		break;
	case RESIZEFS:
		to = sb.blocks + 8 + next_random(random) % 64;
		if (to > last)
			return -1;
		err = ioctl(mnt_fd, IOC_RESIZE_FS, &to);
		break;
	case GIVE:
		err = give(8 + next_random(random) % 8);
		break;
	case SYNC:
		err = syncfs(mnt_fd) || change_kept();
		break;
	case XATTR:
		err = set_attribute() || syncfs(mnt_fd);
		break;
	default:
		err = ioctl(mnt_fd, FIFREEZE, 0);
		sleep_ms(next_random(random) % 20);
		if (!err)
			err = ioctl(mnt_fd, FITHAW, 0);
	}
	return err ? errno : 0;
}

static atomic_uint operations, failed;

struct resizer {
	pthread_t thread;
	int op;
};

static void *resizer(void *arg)
{
	struct resizer *r = arg;
	uint32_t random = seed ^ 0x5eed;
	void *buf = mark_buffer();

	while (!stop && r->op != NONE) {
		uint32_t until = acks + 3 + next_random(&random) % 12;
		int err, ms;

		for (ms = 0; !stop && acks < until && ms < 2000; ms++)
			sleep_ms(1);
		if (stop)
			break;
		if (paused)
			pthread_rwlock_wrlock(&gate);
		write_mark(buf, WRITERS,
			   (struct mark){ .kind = MARK_BEGIN,
					  .seq = operations });
		err = operate(r->op, &random);
		if (err < 0) {
			stop = 1;
		} else {
			write_mark(buf, WRITERS,
				   (struct mark){ .kind = MARK_END,
						  .seq = operations,
						  .result = err });
			atomic_fetch_add(err ? &failed : &operations, 1);
			if (err && failed < 4)
				printf("# %s: %s\n", ops[r->op], strerror(err));
		}
		if (paused)
			pthread_rwlock_unlock(&gate);
		/* Not yet: what comes first is to be written by the writers */
		if (r->op == ADD || r->op == RESIZEFS) {
			until = acks + 6;
			for (ms = 0; !stop && acks < until && ms < 1000; ms++)
				sleep_ms(1);
			fill_up();
		}
	}
	return NULL;
}

static void report(const char *how)
{
	size_t i;

	printf("%s: acks %u operations %u failed %u full %u fsync-errors %u",
	       how, acks, operations, failed, full, fsync_errors);
	for (i = 0; i < NR_LOADS; i++)
		printf(" %s %u", loads[i].name, loads_done[i]);
	putchar('\n');
}

int record_main(int argc, char **argv)
{
	static struct writer w[WRITERS];
	struct resizer r;
	pthread_rwlockattr_t attr;
	int prefer = PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP;
	uint32_t want = strtoul(argv[4], NULL, 0), last = 0;
	int i, idle = 0;

	mnt = argv[0];
	seed = strtoul(argv[5], NULL, 0) * 2654435761u | 1;
	for (i = 6; i < argc; i++) {
		paused |= !strcmp(argv[i], "paused");
		serial |= !strcmp(argv[i], "serial");
		mixed |= !strcmp(argv[i], "mixed");
	}
	for (r.op = EXTEND; r.op < NONE && strcmp(argv[3], ops[r.op]); r.op++)
		;
	if (strcmp(argv[3], ops[r.op])) {
		errno = EINVAL;
		die("%s", argv[3]);
	}
	mnt_fd = open(mnt, O_RDONLY);
	dev_fd = open(argv[1], O_RDONLY | O_DIRECT);
	mark_fd = open(argv[2], O_WRONLY | O_DIRECT);
	if (mnt_fd < 0 || dev_fd < 0 || mark_fd < 0)
		die("%s, %s, %s", mnt, argv[1], argv[2]);
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, prefer);
	pthread_rwlock_init(&gate, &attr);

	grow_directory();
	/* A file each, so that there is something to overwrite */
	for (i = 0; i < WRITERS; i++) {
		w[i] = (struct writer){ .nr = i,
					.fd = -1,
					.file = -1,
					.random = seed + i * 7919,
					.buf = mark_buffer() };
		while (w[i].slot < SLOTS)
			append(&w[i]);
	}
	if (r.op < FREEZE)
		fill_up();
	if (syncfs(mnt_fd))
		die("syncfs");
	write_mark(mark_buffer(), WRITERS, (struct mark){ .kind = MARK_START });

	for (i = 0; i < WRITERS; i++) {
		if (pthread_create(&w[i].thread, NULL, writer, &w[i]))
			die("pthread_create");
	}
	if (pthread_create(&r.thread, NULL, resizer, &r))
		die("pthread_create");

	while (!stop) {
		sleep_ms(100);
		if (acks >= want)
			stop = 1;
		idle = acks == last ? idle + 100 : 0;
		last = acks;
		if (idle >= HUNG_AFTER_MS) {
			report("hung");
			pause();
		}
	}
	/* They may hang now as well */
	for (i = 0; i <= WRITERS; i++) {
		struct timespec t;

		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_sec += HUNG_AFTER_MS / 1000;
		if (pthread_timedjoin_np(i < WRITERS ? w[i].thread : r.thread,
					 NULL, &t)) {
			report("hung");
			pause();
		}
	}
	report("recorded");
	return 0;
}
