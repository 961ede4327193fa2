// SPDX-License-Identifier: GPL-2.0
/*
 * fcr - resize ioctls, fsync storms and bad calls, for the tests in the guest
 *
 *	fcr extend MNT BLOCKS		EXT4_IOC_GROUP_EXTEND
 *	fcr addgroup MNT DEV [BLOCKS]	EXT4_IOC_GROUP_ADD of the next group
 *	fcr resizefs MNT BLOCKS		EXT4_IOC_RESIZE_FS
 *	fcr checkpoint MNT		EXT4_IOC_CHECKPOINT
 *	fcr freeze MNT | fcr thaw MNT	FIFREEZE, FITHAW
 *	fcr write FILE TEXT		write and fsync
 *	fcr size DEV			size in blocks as the superblock says
 *	fcr storm MNT THREADS append|over	fsync until SIGTERM, then a line
 *	fcr shutdown MNT		EXT4_IOC_SHUTDOWN: from now on all is EIO
 *	fcr load KO N			load a module, the N-th allocation of that
 *					fails; prints "none" before the result if there
 *					was no N-th, else "fault"
 *	fcr bad MNT DEV			one line for each of many bad calls, by root
 *					and then by nobody; one is by way of the
 *					file MNT/badcalls
 *
 * Prints "0" or the name of the errno; exits 1 if there was one. "storm"
 * prints how many fsyncs it did, how many failed and the longest in ms.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../../src/cli/resize.h"

/* fs/ext4/ext4.h; some kernels have them in a uapi header */
#define IOC_CHECKPOINT _IOW('f', 43, uint32_t)
#define IOC_SHUTDOWN _IOR('X', 125, uint32_t)

static int die(const char *what)
{
	fprintf(stderr, "fcr: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int result(int ret)
{
	puts(ret ? strerrorname_np(errno) : "0");
	return !!ret;
}

static int dir(const char *mnt)
{
	int fd = open(mnt, O_RDONLY);

	return fd < 0 ? die(mnt) : fd;
}

/* What of the superblock is needed to lay out a group */
struct super {
	uint64_t blocks;
	uint32_t block_size, first, per_group, inodes_per_group, inode_size;
	uint32_t reserved_gdt, desc_size, compat, incompat, ro_compat;
};

static uint32_t le(const uint8_t *p, int bytes)
{
	uint32_t v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

static struct super super(const char *dev)
{
	void *mem = NULL;
	uint8_t *s;
	struct super sb;
	int fd = open(dev, O_RDONLY | O_DIRECT);

	/* Not through the page cache: the mounted filesystem is what counts */
	if (fd < 0 || posix_memalign(&mem, 4096, 4096) ||
	    pread(fd, mem, 4096, 0) != 4096)
		die(dev);
	s = (uint8_t *)mem + 1024;
	sb.compat = le(s + 0x5c, 4);
	sb.incompat = le(s + 0x60, 4);
	sb.ro_compat = le(s + 0x64, 4);
	sb.blocks = le(s + 4, 4);
	if (sb.incompat & 0x80)
		sb.blocks |= (uint64_t)le(s + 0x150, 4) << 32;
	sb.first = le(s + 0x14, 4);
	sb.block_size = 1024 << le(s + 0x18, 4);
	sb.per_group = le(s + 0x20, 4);
	sb.inodes_per_group = le(s + 0x28, 4);
	sb.inode_size = le(s + 0x58, 2);
	sb.reserved_gdt = le(s + 0xce, 2);
	sb.desc_size = sb.incompat & 0x80 ? le(s + 0xfe, 2) : 32;
	close(fd);
	free(mem);
	return sb;
}

static int power_of(uint32_t n, uint32_t base)
{
	while (n % base == 0)
		n /= base;
	return n == 1;
}

static int has_super(const struct super *sb, uint32_t group)
{
	return !(sb->ro_compat & 1) || group <= 1 || power_of(group, 3) ||
	       power_of(group, 5) || power_of(group, 7);
}

/* The group behind the last, laid out as resize2fs does without flex_bg */
static struct group_input next_group(const struct super *sb, uint32_t blocks)
{
	struct group_input g = { 0 };
	uint64_t start;
	uint32_t per_block = sb->block_size / sb->desc_size, over = 0;

	g.group = (sb->blocks - sb->first + sb->per_group - 1) / sb->per_group;
	start = sb->first + (uint64_t)g.group * sb->per_group;
	if (has_super(sb, g.group))
		over = 1 + sb->reserved_gdt + (g.group + per_block) / per_block;
	g.block_bitmap = start + over;
	g.inode_bitmap = start + over + 1;
	g.inode_table = start + over + 2;
	g.blocks_count = blocks ? blocks : sb->per_group;
	return g;
}

/* --- storm --- */

static volatile sig_atomic_t stop;

static void on_term(int sig)
{
	(void)sig;
	stop = 1;
}

struct writer {
	pthread_t thread;
	const char *mnt;
	int nr, append;
	long fsyncs, failed, full, longest_ms;
};

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void *writer(void *arg)
{
	struct writer *w = arg;
	char name[4096], buf[512];
	off_t at = 0;
	int fd;

	snprintf(name, sizeof(name), "%s/storm%d", w->mnt, w->nr);
	fd = open(name, O_RDWR | O_CREAT, 0644);
	if (fd < 0)
		die(name);
	memset(buf, 'a' + w->nr, sizeof(buf));

	while (!stop) {
		long begin, ms;

		if (pwrite(fd, buf, sizeof(buf), at) != sizeof(buf)) {
			if (errno != ENOSPC)
				w->failed++;
			else
				w->full++;
			/* A full filesystem: give the blocks back, go on */
			if (w->append && ftruncate(fd, 0))
				w->failed++;
			at = 0;
		} else if (w->append) {
			at += 4096;
		} else {
			at = (at + 4096) % (64 * 4096);
		}
		begin = now_ms();
		if (fsync(fd))
			w->failed++;
		ms = now_ms() - begin;
		if (ms > w->longest_ms)
			w->longest_ms = ms;
		w->fsyncs++;
	}
	close(fd);
	return NULL;
}

static int storm(const char *mnt, int threads, int append)
{
	struct writer *w = calloc(threads, sizeof(*w)), sum = { 0 };
	int i;

	signal(SIGTERM, on_term);
	for (i = 0; i < threads; i++) {
		w[i] = (struct writer){ .mnt = mnt, .nr = i, .append = append };
		if (pthread_create(&w[i].thread, NULL, writer, &w[i]))
			die("pthread_create");
	}
	for (i = 0; i < threads; i++) {
		pthread_join(w[i].thread, NULL);
		sum.fsyncs += w[i].fsyncs;
		sum.failed += w[i].failed;
		sum.full += w[i].full;
		if (w[i].longest_ms > sum.longest_ms)
			sum.longest_ms = w[i].longest_ms;
	}
	printf("fsyncs %ld failed %ld full %ld longest_ms %ld\n", sum.fsyncs,
	       sum.failed, sum.full, sum.longest_ms);
	free(w);
	return sum.failed != 0;
}

/* --- bad calls --- */

static const char *who;

static void bad(const char *name, int fd, unsigned long req, const void *arg)
{
	int ret = ioctl(fd, req, arg);

	printf("%s%s %s\n", who, name, ret ? strerrorname_np(errno) : "0");
}

static void bad_extend(const char *name, int fd, uint64_t blocks)
{
	uint32_t n = blocks;

	bad(name, fd, IOC_GROUP_EXTEND, &n);
}

static void bad_resize(const char *name, int fd, uint64_t blocks)
{
	bad(name, fd, IOC_RESIZE_FS, &blocks);
}

/*
 * Some are not reached if the last group is full (extend), others if it is not
 * (add). For all to fail, the next group to add has to have a superblock, and
 * the device has to end in it behind its middle, or before the last group does.
 */
static void bad_calls(const struct super *sb, int fd, int file, int other,
		      int path, void *end)
{
	struct group_input g = next_group(sb, sb->per_group / 2), b;
	uint64_t start = sb->first + (uint64_t)g.group * sb->per_group;

	bad_extend("extend-zero", fd, 0);
	bad_extend("extend-one", fd, 1);
	bad_extend("extend-shrink", fd, sb->blocks / 2);
	bad_extend("extend-shrink-by-one", fd, sb->blocks - 1);
	bad_extend("extend-same", fd, sb->blocks);
	bad_extend("extend-huge", fd, 0xffffffff);
	bad_extend("extend-beyond-device", fd, start);
	bad_extend("extend-through-file", file, sb->blocks);
	bad_extend("extend-other-fs", other, sb->blocks);
	bad_extend("extend-o-path", path, sb->blocks);
	bad("extend-null", fd, IOC_GROUP_EXTEND, NULL);
	bad("extend-bad-pointer", fd, IOC_GROUP_EXTEND, (void *)8);
	bad("extend-no-access", fd, IOC_GROUP_EXTEND, end);
	bad("extend-half-access", fd, IOC_GROUP_EXTEND, (char *)end - 2);
	bad("extend-kernel-pointer", fd, IOC_GROUP_EXTEND, (void *)-4096L);
	bad_extend("extend-bad-fd", -1, sb->blocks);

	bad("add-null", fd, IOC_GROUP_ADD, NULL);
	bad("add-bad-pointer", fd, IOC_GROUP_ADD, (void *)8);
	bad("add-no-access", fd, IOC_GROUP_ADD, end);
	bad("add-half-access", fd, IOC_GROUP_ADD, (char *)end - 8);
	bad("add-kernel-pointer", fd, IOC_GROUP_ADD, (void *)-4096L);
	bad("add-bad-fd", -1, IOC_GROUP_ADD, &g);
	bad("add-other-fs", other, IOC_GROUP_ADD, &g);
	bad("add-o-path", path, IOC_GROUP_ADD, &g);
#define BAD_ADD(name, change)                            \
	do {                                             \
		b = g;                                   \
		change;                                  \
		bad("add-" name, fd, IOC_GROUP_ADD, &b); \
	} while (0)
	BAD_ADD("zero", memset(&b, 0, sizeof(b)));
	BAD_ADD("group-0", b.group = 0);
	BAD_ADD("group-last", b.group--);
	BAD_ADD("group-skipped", b.group++);
	BAD_ADD("group-huge", b.group = 0xffffffff);
	BAD_ADD("no-blocks", b.blocks_count = 0);
	BAD_ADD("one-block", b.blocks_count = 1);
	BAD_ADD("too-many-blocks", b.blocks_count = sb->per_group + 1);
	BAD_ADD("blocks-huge", b.blocks_count = 0xffffffff);
	BAD_ADD("beyond-device", b.blocks_count = sb->per_group);
	BAD_ADD("reserved-too-many", b.reserved_blocks = 0xffff);
	BAD_ADD("block-bitmap-0", b.block_bitmap = 0);
	BAD_ADD("block-bitmap-before", b.block_bitmap = start - 1);
	BAD_ADD("block-bitmap-behind", b.block_bitmap = start + b.blocks_count);
	BAD_ADD("block-bitmap-huge", b.block_bitmap = ~0ULL);
	BAD_ADD("block-bitmap-in-gdt", b.block_bitmap = start);
	BAD_ADD("block-bitmap-in-table", b.block_bitmap = b.inode_table + 1);
	BAD_ADD("inode-bitmap-0", b.inode_bitmap = 0);
	BAD_ADD("inode-bitmap-behind", b.inode_bitmap = start + b.blocks_count);
	BAD_ADD("inode-bitmap-in-gdt", b.inode_bitmap = start);
	BAD_ADD("inode-bitmap-in-table", b.inode_bitmap = b.inode_table);
	BAD_ADD("bitmaps-same", b.inode_bitmap = b.block_bitmap);
	BAD_ADD("table-0", b.inode_table = 0);
	BAD_ADD("table-half-behind",
		b.inode_table = start + b.blocks_count - 1);
	BAD_ADD("table-in-gdt", b.inode_table = start;
		b.block_bitmap = start + b.blocks_count - 2;
		b.inode_bitmap = start + b.blocks_count - 1);

	bad_resize("resize-zero", fd, 0);
	bad_resize("resize-shrink", fd, sb->blocks / 2);
	bad_resize("resize-same", fd, sb->blocks);
	bad_resize("resize-huge", fd, ~0ULL);
	bad_resize("resize-beyond-device", fd, 0x7fffffffULL);
	bad("resize-null", fd, IOC_RESIZE_FS, NULL);
	bad("resize-no-access", fd, IOC_RESIZE_FS, end);
	bad("resize-half-access", fd, IOC_RESIZE_FS, (char *)end - 4);
}

/* Each line is one call; what differs with the module loaded is a failure */
static int bad_all(const char *mnt, const char *dev)
{
	struct super sb = super(dev);
	int fd = dir(mnt);
	int other = open("/proc/self/status", O_RDONLY);
	int path = open(mnt, O_PATH);
	char *mem = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char name[4096];
	int file;

	snprintf(name, sizeof(name), "%s/badcalls", mnt);
	file = open(name, O_RDONLY);
	/* Half an argument is what lies before the second page */
	if (mem == MAP_FAILED || mprotect(mem + 4096, 4096, PROT_NONE))
		die("mmap");

	who = "";
	bad_calls(&sb, fd, file, other, path, mem + 4096);
	if (setgid(65534) || setuid(65534))
		die("setuid");
	who = "user-";
	bad_calls(&sb, fd, file, other, path, mem + 4096);
	return 0;
}

static int load(const char *ko, const char *nth)
{
	int fd = open(ko, O_RDONLY);
	int fault = open("/proc/self/fail-nth", O_RDWR);
	char left[16] = "";
	int ret;

	if (fd < 0 || fault < 0 || write(fault, nth, strlen(nth)) < 0)
		die(ko);
	ret = syscall(SYS_finit_module, fd, "", 0);
	/* What is left to count, 0 after the fault; reading allocates nothing */
	if (pread(fault, left, sizeof(left) - 1, 0) < 0)
		die("fail-nth");
	printf("%s ", atoi(left) ? "none" : "fault");
	return result(ret);
}

int main(int argc, char **argv)
{
	const char *cmd = argc > 1 ? argv[1] : "";
	const char *mnt = argc > 2 ? argv[2] : "";
	uint64_t n = argc > 3 ? strtoull(argv[3], NULL, 0) : 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(cmd, "extend") && argc == 4) {
		unsigned long blocks = n;

		return result(ioctl(dir(mnt), IOC_GROUP_EXTEND, &blocks));
	}
	if (!strcmp(cmd, "addgroup") && argc >= 4) {
		struct super sb = super(argv[3]);
		struct group_input g =
			next_group(&sb, argc > 4 ? atoi(argv[4]) : 0);

		return result(ioctl(dir(mnt), IOC_GROUP_ADD, &g));
	}
	if (!strcmp(cmd, "resizefs") && argc == 4)
		return result(ioctl(dir(mnt), IOC_RESIZE_FS, &n));
	if (!strcmp(cmd, "checkpoint") && argc == 3) {
		uint32_t flags = 0;

		return result(ioctl(dir(mnt), IOC_CHECKPOINT, &flags));
	}
	if (!strcmp(cmd, "freeze") && argc == 3)
		return result(ioctl(dir(mnt), FIFREEZE, 0));
	if (!strcmp(cmd, "thaw") && argc == 3)
		return result(ioctl(dir(mnt), FITHAW, 0));
	if (!strcmp(cmd, "write") && argc == 4) {
		int fd = open(mnt, O_WRONLY | O_CREAT | O_TRUNC, 0644);
		ssize_t len = strlen(argv[3]);

		return result(fd < 0 || write(fd, argv[3], len) != len ||
			      fsync(fd));
	}
	if (!strcmp(cmd, "size") && argc == 3)
		return !printf("%llu\n", (unsigned long long)super(mnt).blocks);
	if (!strcmp(cmd, "storm") && argc == 5)
		return storm(mnt, n, !strcmp(argv[4], "append"));
	if (!strcmp(cmd, "bad") && argc == 4)
		return bad_all(mnt, argv[3]);
	if (!strcmp(cmd, "load") && argc == 4)
		return load(mnt, argv[3]);
	if (!strcmp(cmd, "shutdown") && argc == 3) {
		uint32_t flags = 2; /* without flushing the log */

		return result(ioctl(dir(mnt), IOC_SHUTDOWN, &flags));
	}

	fputs("usage: see the head of tests/guest/fcr.c\n", stderr);
	return 2;
}
