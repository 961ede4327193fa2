// SPDX-License-Identifier: GPL-2.0
/*
 * fc-race - ext4 with fast commit: four ways for an fsync to return too early,
 * two for a commit to have half of an operation, or to have it twice
 *
 *	cc -O2 -pthread -o fc-race fc-race.c
 *	mke2fs -F -t ext4 -O fast_commit -b 4096 -J size=64 /dev/vdb
 *	mount -o nodelalloc,dioread_lock /dev/vdb /mnt
 *	./fc-race /mnt overlap|ineligible|untracked|restart|split|twice [MEGABYTES]
 *	umount /mnt; mount /dev/vdb /mnt
 *
 * 64 MB of data, allocated but not written, or MEGABYTES, make a commit slow: it
 * has to write them first. What happens during that commit is what it is about:
 *
 *	overlap		A file is created and fsynced while a fast commit runs,
 *			which does not have it.
 *	ineligible	An extended attribute, in a block of its own, is set on
 *			a changed file while a fast commit runs, which is to
 *			become a full one then. From v6.16 on.
 *	untracked	An extended attribute has made a transaction ineligible.
 *			Files are created while it commits, and fsynced after
 *			that. (It waits for the timer to commit, 5 s; after
 *			"commit=1000" it will not happen.)
 *	restart		FALLOC_FL_COLLAPSE_RANGE of a file of many extents, which
 *			takes more than one transaction but makes only the first
 *			ineligible; then it is fsynced. With "-b 1024 -J size=1".
 *			"./fc-race /mnt moved" after the next mount says whether
 *			all of it is there, and exits with 1 if not.
 *	split		Another file is fsynced while one is created in a large
 *			directory, which takes long: the fast commit has to have
 *			all of it or nothing. With "-O fast_commit,^dir_index
 *			-b 1024" and "commit=1000".
 *	twice		A directory is made there, while a full commit begins.
 *			The next fast commit must not have it again. As "split",
 *			and then mount it with "errors=remount-ro": that fails, or
 *			the filesystem is read-only, if recovery had an error.
 *	shutdown	nothing, only what the others end with
 *
 * Then EXT4_IOC_SHUTDOWN without flushing the log, which is to the filesystem
 * what a power failure is. Whatever "fsynced NAME" was printed for has to be
 * there after the next mount, and e2fsck -fn must have no complaint.
 * Exit status: 0, 2 trouble, 3 the commit was too fast: more MEGABYTES, or a
 * slower disk.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define EXT4_IOC_SHUTDOWN _IOR('X', 125, unsigned int)
#define NOLOGFLUSH 2
#define EXT4_IOC_CHECKPOINT _IOW('f', 43, unsigned int)

#define FILES 4000
#define LAST 10 /* of the files are fsynced */
#define EXTENTS 38000 /* of the file that is collapsed */
#define NAMES 1600 /* in the large directory, 4 to a block of 1 KB */
#define READS 50 /* of its 400 blocks, then the other one begins */

static int dir, megabytes = 64;
static atomic_int begun, done;

static void die(const char *what)
{
	perror(what);
	_exit(2);
}

static int open_in(const char *name)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT, 0644);

	if (fd < 0)
		die(name);
	return fd;
}

static void write_block(int fd)
{
	char buf[4096];

	memset(buf, 'x', sizeof(buf));
	if (write(fd, buf, sizeof(buf)) != sizeof(buf))
		die("write");
}

static void fsync_it(int fd, const char *name)
{
	if (fsync(fd))
		die("fsync");
	printf("fsynced %s\n", name);
}

/* The number there, "skip" others before it */
static long number_in(const char *path, int skip)
{
	FILE *file = fopen(path, "r");
	long n;

	do {
		if (!file || fscanf(file, "%ld", &n) != 1)
			die(path);
	} while (skip--);
	fclose(file);
	return n;
}

/* The directory of the device in /sys, or a file there */
static char *device(const char *file)
{
	static char path[512];
	struct stat st;

	if (fstat(dir, &st))
		die("fstat");
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u%s", major(st.st_dev),
		 minor(st.st_dev), file);
	return path;
}

/* How many full commits there were */
static long commits(void)
{
	char path[512], name[256] = "";

	if (readlink(device(""), name, sizeof(name) - 1) < 0)
		die("readlink");
	snprintf(path, sizeof(path), "/proc/fs/jbd2/%s-8/info",
		 strrchr(name, '/') + 1);
	return number_in(path, 0);
}

/* How many reads from the device, and writes to it */
static long reads(void)
{
	return number_in(device("/stat"), 0);
}

static long writes(void)
{
	return number_in(device("/stat"), 4);
}

/* In files of 1 MB: large ones take long to recover */
static void make_slow(void)
{
	static char buf[1 << 20];
	static int files;
	char name[32];
	int i, fd;

	for (i = 0; i < megabytes; i++) {
		snprintf(name, sizeof(name), "big%d", files++);
		fd = open_in(name);
		if (write(fd, buf, sizeof(buf)) != sizeof(buf))
			die("big");
		close(fd);
	}
}

static void *slow_fsync(void *arg)
{
	int fd = open_in("slow");

	lseek(fd, 0, SEEK_END);
	write_block(fd);
	/* So that nothing but the fast commit is left of the fsync */
	if (sync_file_range(fd, 0, 0,
			    SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER))
		die("sync_file_range");
	begun = 1;
	fsync_it(fd, "slow");
	done = 1;
	return arg;
}

/* Once more with twice the data, if the commit was too fast */
static void during_fast_commit(int overlap)
{
	static char value[3000];
	pthread_t thread;
	char name[32];
	int fd, round;
	long before;

	for (round = 0; round < 5; round++) {
		snprintf(name, sizeof(name), "victim%d", round);
		fd = open_in(name);
		write_block(fd);
		/* There must have been a full commit */
		if (syncfs(dir))
			die("syncfs");
		if (!overlap)
			write_block(fd);
		make_slow();
		begun = 0;
		done = 0;
		if (pthread_create(&thread, NULL, slow_fsync, NULL))
			die("pthread_create");
		while (!begun)
			usleep(1000);
		/* Its fast commit writes the others' data first */
		before = writes();
		while (!done && writes() == before)
			;
		if (overlap) {
			snprintf(name, sizeof(name), "after%d", round);
			fd = open_in(name);
		} else if (fsetxattr(fd, "user.x", value, sizeof(value), 0)) {
			die("fsetxattr");
		}
		if (!done) {
			if (overlap)
				fsync_it(fd, name);
			pthread_join(thread, NULL);
			return;
		}
		pthread_join(thread, NULL);
		megabytes *= 2;
	}
	fprintf(stderr, "the fast commit is too fast\n");
	_exit(3);
}

static void during_full_commit(void)
{
	int i, n, fd, x = open_in("x");
	char name[32];
	long before;

	/* The directory is not to grow, which is another matter to recover */
	for (n = 0; n < FILES; n++) {
		snprintf(name, sizeof(name), "n%d", n);
		if (linkat(dir, "x", dir, name, 0))
			die("link");
	}
	for (n = 0; n < FILES; n++) {
		snprintf(name, sizeof(name), "n%d", n);
		if (unlinkat(dir, name, 0))
			die("unlink");
	}
	for (i = 0; i < 5; i++, megabytes /= 2) {
		if (syncfs(dir))
			die("syncfs");
		before = commits();
		if (fsetxattr(x, "user.x", i & 1 ? "y" : "x", 1, 0))
			die("fsetxattr");
		make_slow();
		/* Else the timer was there first, on a slow machine */
		if (commits() == before)
			break;
	}
	for (n = 0; n < FILES && commits() == before; n++) {
		snprintf(name, sizeof(name), "n%d", n);
		fd = open_in(name);
		write_block(fd);
		close(fd);
		usleep(5000);
	}
	for (i = n > LAST ? n - LAST : 0; i < n; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		fsync_it(open_in(name), name);
	}
}

static void *other_fsync(void *arg)
{
	int fd = open_in("other");

	while (!begun)
		;
	write_block(fd);
	fsync_it(fd, "other");
	done = 1;
	return arg;
}

/* Every other block is a hole; the first one is taken out */
static void during_collapse(void)
{
	int i, late, fd = open_in("moved");
	pthread_t thread;
	long before;

	for (i = 0; i < EXTENTS; i++)
		if (fallocate(fd, 0, i * 2048, 1024))
			die("fallocate");
	if (syncfs(dir))
		die("syncfs");
	if (pthread_create(&thread, NULL, other_fsync, NULL))
		die("pthread_create");
	before = commits();
	begun = 1;
	if (fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 1024))
		die("collapse");
	late = !done;
	printf("%ld commits\n", commits() - before);
	fsync_it(fd, "moved");
	pthread_join(thread, NULL);
	if (!late)
		return;
	fprintf(stderr, "the collapse is too fast\n");
	_exit(3);
}

/* How many blocks are not where they were moved to */
static int check_moved(void)
{
	static struct {
		struct fiemap map;
		struct fiemap_extent extents[1000];
	} f;
	int bad = 0, n = 0, fd = open_in("moved");
	unsigned int i;

	f.map.fm_length = FIEMAP_MAX_OFFSET;
	f.map.fm_extent_count = 1000;
	do {
		if (ioctl(fd, FS_IOC_FIEMAP, &f.map))
			die("FIEMAP");
		for (i = 0; i < f.map.fm_mapped_extents; i++, n++) {
			f.map.fm_start = f.extents[i].fe_logical + 1024;
			bad += !(f.extents[i].fe_logical & 1024);
		}
	} while (f.map.fm_mapped_extents);
	printf("%d of %d blocks are not where they were moved to\n", bad, n);
	return bad || n != EXTENTS - 1;
}

static char *large_name(int n)
{
	static char name[256];

	snprintf(name, sizeof(name), "large/%0240d", n);
	return name;
}

static void *slow_create(void *arg)
{
	char *name = large_name(NAMES);

	if (arg ? mkdirat(dir, name, 0755) : mknodat(dir, name, S_IFREG, 0))
		die("create");
	done = 1;
	return NULL;
}

/*
 * All blocks of the directory have to be read for it: they are full, but for the
 * last one. (It is not to grow, which is another matter to recover.)
 */
static void during_create(int twice)
{
	int n, fd = open_in("other"), caches;
	unsigned int flags = 0;
	long before, first;
	pthread_t thread;

	if (mkdirat(dir, "large", 0755))
		die("large");
	for (n = 0; n < NAMES; n++)
		if (linkat(dir, "other", dir, large_name(n), 0))
			die("link");
	if (unlinkat(dir, large_name(NAMES - 1), 0))
		die("unlink");
	if (syncfs(dir) || ioctl(dir, EXT4_IOC_CHECKPOINT, &flags))
		die("checkpoint");
	write_block(fd);
	/* There must have been a full commit since then */
	if (syncfs(dir))
		die("syncfs");
	if (!twice)
		write_block(fd);
	/* That the name is not there is remembered, the blocks are not */
	if (!faccessat(dir, large_name(NAMES), F_OK, 0) || errno != ENOENT)
		die("access");
	caches = open("/proc/sys/vm/drop_caches", O_WRONLY);
	if (caches < 0 || write(caches, "1", 1) != 1)
		die("drop_caches");

	first = reads();
	if (pthread_create(&thread, NULL, slow_create, twice ? &flags : NULL))
		die("pthread_create");
	while (!done && reads() < first + READS)
		;
	if (done) {
		fprintf(stderr, "it is created too fast\n");
		_exit(3);
	}
	if (twice) {
		if (syncfs(dir))
			die("syncfs");
		write_block(fd);
	}
	before = commits();
	fsync_it(fd, "other");
	pthread_join(thread, NULL);
	if (commits() == before)
		return;
	fprintf(stderr, "the fsync was a full commit\n");
	_exit(3);
}

int main(int argc, char **argv)
{
	unsigned int flags = NOLOGFLUSH;

	if (argc < 3) {
		fprintf(stderr, "usage: see the head of fc-race.c\n");
		return 2;
	}
	dir = open(argv[1], O_RDONLY);
	if (dir < 0)
		die(argv[1]);
	setbuf(stdout, NULL);
	if (argc > 3)
		megabytes = atoi(argv[3]);
	if (!strcmp(argv[2], "moved"))
		return check_moved();
	if (!strcmp(argv[2], "restart"))
		during_collapse();
	else if (!strcmp(argv[2], "untracked"))
		during_full_commit();
	else if (!strcmp(argv[2], "split") || !strcmp(argv[2], "twice"))
		during_create(!strcmp(argv[2], "twice"));
	else if (strcmp(argv[2], "shutdown"))
		during_fast_commit(!strcmp(argv[2], "overlap"));
	if (ioctl(dir, EXT4_IOC_SHUTDOWN, &flags))
		die("shutdown");
	return 0;
}
