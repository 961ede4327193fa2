// SPDX-License-Identifier: GPL-2.0
/*
 * fc-gap - ext4 with fast commit: an fsync during a resize writes a fast commit
 *	    that recovery cannot replay
 *
 *	cc -O2 -pthread -o fc-gap fc-gap.c
 *	./fc-gap /dev/vdb /mnt [extend|add|commit [ATTEMPTS]]
 *
 * Makes an ext4 of 500 MB on the device (its contents are lost), with many block
 * groups and a superblock backup in each of them, so that there is time between
 * the resize's transaction and the end of the ioctl; and fills it, so that what
 * is written has to come from what the resize adds. Then a thread writes and
 * fsyncs as soon as there is a block, while EXT4_IOC_GROUP_EXTEND adds some, or
 * EXT4_IOC_RESIZE_FS some groups. When an fsync has returned during the ioctl (for
 * "add" the third), the power fails: EXT4_IOC_SHUTDOWN without flushing the log,
 * umount. Then mount, which recovers the journal, read what was fsynced, umount,
 * e2fsck -fn. "commit" adds many groups, and has a full commit after the second
 * fsync: recovery then has a committed transaction with some of the new groups, and
 * after that a fast commit.
 *
 * Tries again if the fsync was late. Exit status: 0 never anything wrong, 1 the
 * filesystem is damaged, 2 trouble, 3 a hang (another bug, see fc-hang.c).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXT4_IOC_GROUP_EXTEND _IOW('f', 7, unsigned long)
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, unsigned long long)
#define EXT4_IOC_SHUTDOWN _IOR('X', 125, unsigned int)
#define NOLOGFLUSH 2

#define BSIZE 1024
#define GROUP 512 /* blocks in a group */
#define BLOCKS (1 + 1000 * GROUP)
#define EXTRA 200 /* that of the last group for "extend" */
#define STEP 8

#define MKE2FS \
	"mke2fs -q -F -t ext4 -b 1024 -g 512 -m 0 -i 65536 -J size=16 -O fast_commit,^sparse_super,^resize_inode,^64bit %s %lu"

static const char *dev, *mnt;
static int mnt_fd, add, commit, crashes;
static atomic_int *progress;
static atomic_int inside, stop, crashed;
static atomic_int written; /* blocks of "data" that were fsynced */
/* The beginning of the disk before the last resize */
static alignas(4096) char super[4096];

static void die(const char *what)
{
	perror(what);
	_exit(2);
}

static int run(const char *format, unsigned long blocks)
{
	char command[4096];

	snprintf(command, sizeof(command), format, dev, blocks);
	return system(command);
}

static int open_in(const char *name, int flags)
{
	int fd = openat(mnt_fd, name, flags, 0644);

	if (fd < 0)
		die(name);
	return fd;
}

/* What is on the disk, not what the kernel has in memory */
static void read_super(void)
{
	int fd = open(dev, O_RDONLY | O_DIRECT);

	if (fd < 0 || pread(fd, super, sizeof(super), 0) != sizeof(super))
		die(dev);
	close(fd);
}

static void write_super(void)
{
	int fd = open(dev, O_WRONLY);

	if (fd < 0 || pwrite(fd, super + 1024, 1024, 1024) != 1024 || fsync(fd))
		die(dev);
	close(fd);
}

static void *writer(void *arg)
{
	unsigned int flags = NOLOGFLUSH;
	int fd = open_in("data", O_WRONLY);
	char buf[BSIZE];
	int within = 0;

	memset(buf, 'x', sizeof(buf));
	while (!stop) {
		if (pwrite(fd, buf, BSIZE, written * BSIZE) != BSIZE) {
			if (errno != ENOSPC)
				die("write");
			continue;
		}
		if (fsync(fd))
			die("fsync");
		written++;
		within = inside ? within + 1 : 0;
		if (commit && within == 2 && syncfs(mnt_fd))
			die("syncfs");
		if (within == (add ? 3 : 1)) {
			/* No power from here on */
			if (ioctl(mnt_fd, EXT4_IOC_SHUTDOWN, &flags))
				die("shutdown");
			crashed = 1;
			break;
		}
	}
	close(fd);
	return arg;
}

/* No block is left, but for what the files' own metadata may want */
static void fill(void)
{
	char name[4096], buf[65536] = "";
	off_t bytes, end = 0;
	ssize_t n;
	int fd;

	snprintf(name, sizeof(name), "/sys/fs/ext4/%s/reserved_clusters",
		 strrchr(dev, '/') + 1);
	fd = open(name, O_WRONLY);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die(name);
	close(fd);

	fd = open_in("full", O_WRONLY | O_CREAT);
	for (bytes = 64 << 20; bytes >= BSIZE; bytes /= 2) {
		while (!fallocate(fd, 0, end, bytes))
			end += bytes;
	}
	close(fd);
	fd = open_in("rest", O_WRONLY | O_CREAT);
	do {
		n = write(fd, buf, BSIZE);
	} while (n == BSIZE);
	close(fd);
	if (syncfs(mnt_fd))
		die("syncfs");
}

static void mount_it(void)
{
	if (mount(dev, mnt, "ext4", 0, ""))
		die("mount");
	mnt_fd = open(mnt, O_RDONLY);
	if (mnt_fd < 0)
		die(mnt);
}

static void umount_it(void)
{
	close(mnt_fd);
	while (umount(mnt)) {
		if (errno != EBUSY)
			die("umount");
		usleep(10000);
	}
}

/* How many blocks of "data" read back */
static int read_back(void)
{
	int fd = openat(mnt_fd, "data", O_RDONLY), blocks = 0;
	char buf[BSIZE];

	while (fd >= 0 && read(fd, buf, BSIZE) == BSIZE && buf[0] == 'x')
		blocks++;
	if (fd >= 0)
		close(fd);
	return blocks;
}

static int attempt(void)
{
	unsigned long blocks = BLOCKS + (add ? 0 : EXTRA);
	unsigned long step = commit ? 64 * GROUP : add ? 4 * GROUP : STEP;
	unsigned long last = BLOCKS + (add ? 4 * step : GROUP - STEP);
	unsigned long long resizefs;
	pthread_t thread;
	int fd, there, err;

	stop = 0;
	crashed = 0;
	written = 0;
	if (run(MKE2FS, blocks))
		die("mke2fs");
	mount_it();
	close(open_in("data", O_WRONLY | O_CREAT));
	fill();
	fd = open_in("rest", O_WRONLY);
	if (pthread_create(&thread, NULL, writer, NULL))
		die("pthread_create");
	while (!crashed && blocks < last) {
		/*
		 * The last ioctl's flush has marked the journal empty, a full
		 * commit makes it valid (see fc-lost.c for what happens else).
		 */
		if (futimens(fd, NULL) || syncfs(mnt_fd))
			break;
		read_super();
		blocks += step;
		resizefs = blocks;
		inside = 1;
		err = add ? ioctl(mnt_fd, EXT4_IOC_RESIZE_FS, &resizefs) :
			    ioctl(mnt_fd, EXT4_IOC_GROUP_EXTEND, &blocks);
		inside = 0;
		(*progress)++;
		if (err && !crashed && errno != EROFS && errno != EIO)
			die("resize");
	}
	stop = 1;
	pthread_join(thread, NULL);
	close(fd);
	umount_it();
	if (!crashed)
		return 0;

	/*
	 * A shutdown is not quite a crash: when update_backups() fails in the
	 * middle, it writes the new superblock, without a checksum. A power
	 * failure does not, so put back what the disk had: nothing has been
	 * checkpointed since.
	 */
	err = mount(dev, mnt, "ext4", 0, "");
	if (err && errno == EBADMSG) {
		write_super();
		err = mount(dev, mnt, "ext4", 0, "");
	}
	/*
	 * The flush may have written the superblock and not yet the descriptors
	 * of new groups; mount looks at them before it recovers the journal.
	 */
	if (err && add && errno == EUCLEAN)
		return 0;
	crashes++;
	if (err) {
		perror("mount");
		return 1;
	}
	mnt_fd = open(mnt, O_RDONLY);
	there = read_back();
	umount_it();
	err = run("e2fsck -fn %s 2>&1", 0);
	if (there >= written && !err)
		return 0;
	printf("%d blocks were fsynced, %d read back; e2fsck -fn: %d\n",
	       written, there, err >> 8);
	return 1;
}

/* In a process of its own, since one that hangs cannot even exit */
int main(int argc, char **argv)
{
	int i, attempts = argc > 4 ? atoi(argv[4]) : 20;
	int last = -1, idle = 0, status;
	pid_t child;

	if (argc < 3) {
		fprintf(stderr,
			"usage: fc-gap DEV MNT [extend|add|commit [ATTEMPTS]]\n");
		return 2;
	}
	dev = argv[1];
	mnt = argv[2];
	commit = argc > 3 && !strcmp(argv[3], "commit");
	add = commit || (argc > 3 && !strcmp(argv[3], "add"));
	setbuf(stdout, NULL);
	progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (progress == MAP_FAILED)
		die("mmap");
	child = fork();
	if (child < 0)
		die("fork");
	if (!child) {
		for (i = 1; i <= attempts; i++) {
			if (attempt()) {
				printf("damaged, at attempt %d\n", i);
				return 1;
			}
		}
		printf("%d attempts, %d with an fsync in time, nothing wrong\n",
		       attempts, crashes);
		return crashes ? 0 : 2;
	}

	while (!waitpid(child, &status, WNOHANG)) {
		sleep(1);
		idle = *progress == last ? idle + 1 : 0;
		last = *progress;
		if (idle >= 180) {
			printf("hang\n");
			return 3;
		}
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}
