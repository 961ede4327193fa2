// SPDX-License-Identifier: GPL-2.0
/*
 * bench - what scripts/bench measures with, by CLOCK_MONOTONIC
 *
 *	bench fsync FILE N		pwrite of 4 KiB and fsync: median of N
 *	bench extend MNT BLOCKS STEP N [FILE]	EXT4_IOC_GROUP_EXTEND of a filesystem
 *					of BLOCKS, by STEP more each time: median
 *					of N. FILE: it is touched before each
 *	bench run COMMAND...		COMMAND, once
 *	bench storm MNT THREADS COMMAND...	fsyncs in a second, by THREADS, while
 *					COMMAND runs
 *
 * Prints one number; nanoseconds where nothing else is said. Under QEMU's
 * -icount shift=0 these are the instructions of the whole guest.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../src/cli/resize.h"

#define BLOCK 4096
#define BLOCKS 256

static void die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(2);
}

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return x < y ? -1 : x > y;
}

static long *times(int n)
{
	long *ns = n > 0 ? calloc(n, sizeof(*ns)) : NULL;

	if (!ns)
		die("N");
	return ns;
}

static int print_median(long *ns, int n)
{
	qsort(ns, n, sizeof(*ns), by_value);
	printf("%ld\n", ns[n / 2]);
	free(ns);
	return 0;
}

struct writer {
	pthread_t thread;
	int fd;
	long at;
	long fsyncs;
};

/* A file whose blocks are there */
static void open_writer(struct writer *w, const char *name)
{
	static const char block[BLOCK];
	int i;

	w->fd = open(name, O_RDWR | O_CREAT, 0644);
	for (i = 0; i < BLOCKS; i++)
		if (pwrite(w->fd, block, BLOCK, (off_t)i * BLOCK) != BLOCK)
			die(name);
	if (fsync(w->fd))
		die(name);
	w->at = 0;
}

/*
 * A write within the same tick as the last one leaves the inode as it is, and
 * fsync nothing to commit. That would measure the clock.
 */
static void touch(struct writer *w)
{
	struct timespec t[2] = { { .tv_nsec = UTIME_OMIT },
				 { .tv_sec = ++w->at } };

	if (futimens(w->fd, t))
		die("futimens");
}

static void write_fsync(struct writer *w)
{
	static const char block[BLOCK];

	if (pwrite(w->fd, block, BLOCK, (off_t)w->at % BLOCKS * BLOCK) !=
		    BLOCK ||
	    fsync(w->fd))
		die("fsync");
}

static int measure_fsync(const char *name, int n)
{
	long *ns = times(n);
	struct writer w;
	int i;

	open_writer(&w, name);
	for (i = 0; i < n; i++) {
		long begin;

		touch(&w);
		begin = now();
		write_fsync(&w);
		ns[i] = now() - begin;
	}
	return print_median(ns, n);
}

static int measure_extend(const char *mnt, unsigned long blocks, int step,
			  int n, const char *touched)
{
	long *ns = times(n);
	int i, fd = open(mnt, O_RDONLY);
	struct writer w;

	if (touched)
		open_writer(&w, touched);
	for (i = 0; i < n; i++) {
		long begin;

		if (touched)
			touch(&w);
		blocks += step;
		begin = now();
		if (ioctl(fd, IOC_GROUP_EXTEND, &blocks))
			die("EXT4_IOC_GROUP_EXTEND");
		ns[i] = now() - begin;
	}
	return print_median(ns, n);
}

static long run(char **argv)
{
	long begin = now();
	pid_t pid = fork();
	int status;

	if (!pid) {
		/* What it says is none of our numbers */
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execvp(argv[0], argv);
		die(argv[0]);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		die("fork");
	if (status) {
		fprintf(stderr, "bench: %s failed\n", argv[0]);
		exit(1);
	}
	return now() - begin;
}

static int stop;

static void *writer(void *arg)
{
	struct writer *w = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		touch(w);
		write_fsync(w);
		__atomic_fetch_add(&w->fsyncs, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static int measure_storm(const char *mnt, int threads, char **argv)
{
	struct writer *w = calloc(threads, sizeof(*w));
	long ns, fsyncs = 0;
	int i;

	for (i = 0; i < threads; i++) {
		char name[4096];

		snprintf(name, sizeof(name), "%s/storm%d", mnt, i);
		open_writer(&w[i], name);
	}
	for (i = 0; i < threads; i++)
		if (pthread_create(&w[i].thread, NULL, writer, &w[i]))
			die("pthread_create");
	usleep(100000);
	for (i = 0; i < threads; i++)
		fsyncs -= __atomic_load_n(&w[i].fsyncs, __ATOMIC_RELAXED);
	ns = run(argv);
	for (i = 0; i < threads; i++)
		fsyncs += __atomic_load_n(&w[i].fsyncs, __ATOMIC_RELAXED);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < threads; i++)
		pthread_join(w[i].thread, NULL);
	printf("%.0f\n", fsyncs * 1e9 / ns);
	free(w);
	return 0;
}

int main(int argc, char **argv)
{
	const char *cmd = argc > 1 ? argv[1] : "";

	if (!strcmp(cmd, "fsync") && argc == 4)
		return measure_fsync(argv[2], atoi(argv[3]));
	if (!strcmp(cmd, "extend") && (argc == 6 || argc == 7))
		return measure_extend(argv[2], strtoul(argv[3], NULL, 0),
				      atoi(argv[4]), atoi(argv[5]), argv[6]);
	if (!strcmp(cmd, "run") && argc >= 3)
		return printf("%ld\n", run(argv + 2)) < 0;
	if (!strcmp(cmd, "storm") && argc >= 5)
		return measure_storm(argv[2], atoi(argv[3]), argv + 4);

	fputs("usage: see the head of tests/guest/bench.c\n", stderr);
	return 2;
}
