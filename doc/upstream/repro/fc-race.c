// SPDX-License-Identifier: GPL-2.0
/*
 * fc-race - ext4 with fast commit: four ways for an fsync to return too early
 *
 *	cc -O2 -pthread -o fc-race fc-race.c
 *	mke2fs -F -t ext4 -O fast_commit -b 4096 -J size=64 /dev/vdb
 *	mount -o nodelalloc,dioread_lock /dev/vdb /mnt
 *	./fc-race /mnt overlap|ineligible|untracked|restart [MEGABYTES]
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
 *	shutdown	nothing, only what the others end with
 *
 * Then EXT4_IOC_SHUTDOWN without flushing the log, which is to the filesystem
 * what a power failure is. Whatever "fsynced NAME" was printed for has to be
 * there after the next mount, and e2fsck -fn must have no complaint.
 * Exit status: 0, 2 trouble, 3 the commit was too fast: more MEGABYTES, or a
 * slower disk.
 */
#define _GNU_SOURCE
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

#define FILES 4000
#define LAST 10 /* of the files are fsynced */
#define EXTENTS 38000 /* of the file that is collapsed */

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
		usleep(10000);
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

/* How many full commits there were */
static long commits(void)
{
	char path[512], name[256] = "";
	struct stat st;
	long n = -1;
	FILE *file;

	if (fstat(dir, &st))
		die("fstat");
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(st.st_dev),
		 minor(st.st_dev));
	if (readlink(path, name, sizeof(name) - 1) < 0)
		die(path);
	snprintf(path, sizeof(path), "/proc/fs/jbd2/%s-8/info",
		 strrchr(name, '/') + 1);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%ld", &n) != 1)
		die(path);
	fclose(file);
	return n;
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
	else if (strcmp(argv[2], "shutdown"))
		during_fast_commit(!strcmp(argv[2], "overlap"));
	if (ioctl(dir, EXT4_IOC_SHUTDOWN, &flags))
		die("shutdown");
	return 0;
}
