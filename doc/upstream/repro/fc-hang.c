// SPDX-License-Identifier: GPL-2.0
/*
 * fc-hang - ext4 with fast commit: a barrier and a journal flush beside fsyncs
 *
 *	cc -O2 -pthread -o fc-hang fc-hang.c
 *	mke2fs -F -t ext4 -O fast_commit -b 4096 /dev/vdb 8192
 *	mount /dev/vdb /mnt
 *	./fc-hang /mnt [extend|checkpoint|chattr]
 *
 * The device must be larger than these 32 MB, 128 MB is enough. Four threads
 * append to files and fsync, beside them EXT4_IOC_GROUP_EXTEND by 64 blocks,
 * or EXT4_IOC_CHECKPOINT, is called 300 times, or a file's data journalling is
 * switched, alternately on and off (chattr +j, -j).
 *
 * Exit status: 0 all calls have returned, 1 one did not return for 20 s (the
 * filesystem is dead then), 2 trouble.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXT4_IOC_GROUP_EXTEND _IOW('f', 7, unsigned long)
#define EXT4_IOC_CHECKPOINT _IOW('f', 43, unsigned int)

#define THREADS 4
#define CALLS 300
#define BLOCKS 8192 /* as the filesystem was made */
#define STEP 64
#define LIMIT 20

static const char *mnt;
static int checkpoint, chattr;
static atomic_int stop;

/* Seen by parent and child */
struct progress {
	atomic_int calls, done;
	atomic_long fsyncs;
};

static struct progress *shared;

static void die(const char *what)
{
	perror(what);
	_exit(2);
}

static void *writer(void *arg)
{
	char name[4096], buf[512] = "";
	off_t end = 0;
	int fd;

	snprintf(name, sizeof(name), "%s/w%ld", mnt, (long)arg);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0)
		die(name);
	while (!stop) {
		if (pwrite(fd, buf, sizeof(buf), end) < 0 || end > 1 << 20) {
			/* Full, or large enough: from the beginning */
			if (ftruncate(fd, 0))
				die("ftruncate");
			end = 0;
			continue;
		}
		end += sizeof(buf);
		if (fsync(fd))
			die("fsync");
		shared->fsyncs++;
	}
	return NULL;
}

/* chattr +j and -j of a file */
static int change_flag(int dir)
{
	int fd = openat(dir, "j", O_RDONLY | O_CREAT, 0644), flags, err;

	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags))
		die("getflags");
	flags ^= FS_JOURNAL_DATA_FL;
	err = ioctl(fd, FS_IOC_SETFLAGS, &flags);
	close(fd);
	return err;
}

static int call(int fd, unsigned long *blocks)
{
	unsigned int flags = 0;

	if (checkpoint)
		return ioctl(fd, EXT4_IOC_CHECKPOINT, &flags);
	if (chattr)
		return change_flag(fd);
	*blocks += STEP;
	return ioctl(fd, EXT4_IOC_GROUP_EXTEND, blocks);
}

static void *caller(void *arg)
{
	int fd = open(mnt, O_RDONLY);
	unsigned long blocks = *(unsigned long *)arg;
	long seen = 0;

	if (fd < 0)
		die(mnt);
	for (; shared->calls < CALLS; shared->calls++) {
		/* Else these do not let anybody begin a handle */
		while ((checkpoint || chattr) &&
		       shared->fsyncs < seen + THREADS)
			usleep(100);
		seen = shared->fsyncs;
		if (call(fd, &blocks))
			die("ioctl");
	}
	shared->done = 1;
	return NULL;
}

static int run(void)
{
	pthread_t thread[THREADS + 1];
	unsigned long blocks = BLOCKS;
	long i;

	for (i = 0; i < THREADS; i++) {
		if (pthread_create(&thread[i], NULL, writer, (void *)i))
			die("pthread_create");
	}
	if (pthread_create(&thread[i], NULL, caller, &blocks))
		die("pthread_create");
	pthread_join(thread[THREADS], NULL);
	stop = 1;
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	return 0;
}

/* In a process of its own, since one that hangs cannot even exit */
int main(int argc, char **argv)
{
	int last = -1, idle = 0, status;
	pid_t child;

	if (argc < 2) {
		fprintf(stderr,
			"usage: fc-hang MNT [extend|checkpoint|chattr]\n");
		return 2;
	}
	mnt = argv[1];
	checkpoint = argc > 2 && !strcmp(argv[2], "checkpoint");
	chattr = argc > 2 && !strcmp(argv[2], "chattr");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("mmap");
	child = fork();
	if (child < 0)
		die("fork");
	if (!child)
		return run();

	while (!waitpid(child, &status, WNOHANG)) {
		sleep(1);
		idle = shared->calls == last ? idle + 1 : 0;
		last = shared->calls;
		if (!shared->done && idle >= LIMIT) {
			printf("hang: call %d has not returned for %d s, after %ld fsyncs\n",
			       last + 1, LIMIT, shared->fsyncs);
			return 1;
		}
	}
	if (status || !shared->done)
		return 2;
	printf("no hang: %d calls beside %ld fsyncs\n", shared->calls,
	       shared->fsyncs);
	return 0;
}
