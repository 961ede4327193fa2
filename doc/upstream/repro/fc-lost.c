// SPDX-License-Identifier: GPL-2.0
/*
 * fc-lost - ext4 with fast commit: what is fsynced after a journal flush is
 *	     lost when the power fails before the next full commit
 *
 *	cc -O2 -o fc-lost fc-lost.c
 *	mke2fs -F -t ext4 -O fast_commit -b 4096 /dev/vdb 20000
 *	mount -o commit=1000 /dev/vdb /mnt
 *	./fc-lost /mnt freeze|checkpoint|extend|none crash|shutdown
 *
 *	mount /dev/vdb /mnt; cat /mnt/after
 *
 * One file is made, and all is synced. Then the journal is flushed: by a
 * freeze and thaw, by a checkpoint, by a resize of a few blocks, or (the
 * control) not at all. A second file, "after", is written and fsynced. Then
 *
 *	crash		resets the machine, without syncing anything
 *	shutdown	EXT4_IOC_SHUTDOWN without flushing the log, which is
 *			to the filesystem what a crash is: umount and mount
 *
 * At the next mount the file "after" has to be there, and is only for "none".
 * Exit status: 0, 2 trouble. "extend" adds 64 blocks, for which the device has to
 * have room: these 78 MB are to be on one of 79 MB or more.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <unistd.h>

#define EXT4_IOC_GROUP_EXTEND _IOW('f', 7, unsigned long)
#define EXT4_IOC_CHECKPOINT _IOW('f', 43, unsigned int)
#define EXT4_IOC_SHUTDOWN _IOR('X', 125, unsigned int)
#define NOLOGFLUSH 2

#define BLOCKS 20000UL /* as the filesystem was made */

static int die(const char *what)
{
	perror(what);
	return 2;
}

static int write_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, name, strlen(name)) < 0 || fsync(fd))
		return -1;
	return close(fd);
}

static int flush(int dir, const char *how)
{
	unsigned long blocks = BLOCKS + 64;
	unsigned int flags = 0;

	if (!strcmp(how, "freeze"))
		return ioctl(dir, FIFREEZE, 0) || ioctl(dir, FITHAW, 0);
	if (!strcmp(how, "checkpoint"))
		return ioctl(dir, EXT4_IOC_CHECKPOINT, &flags);
	if (!strcmp(how, "extend"))
		return ioctl(dir, EXT4_IOC_GROUP_EXTEND, &blocks);
	return strcmp(how, "none");
}

int main(int argc, char **argv)
{
	unsigned int flags = NOLOGFLUSH;
	int dir;

	if (argc != 4) {
		fprintf(stderr, "usage: see the head of fc-lost.c\n");
		return 2;
	}
	dir = open(argv[1], O_RDONLY);
	if (dir < 0)
		return die(argv[1]);

	/* The first commit after a mount is always a full one */
	if (write_file(dir, "before") || syncfs(dir))
		return die("before");
	if (flush(dir, argv[2]))
		return die(argv[2]);
	if (write_file(dir, "after"))
		return die("after");
	printf("fsync has returned 0, now the %s\n", argv[3]);
	fflush(stdout);
	if (!strcmp(argv[3], "crash"))
		return reboot(RB_AUTOBOOT) ? die("reboot") : 0;
	return ioctl(dir, EXT4_IOC_SHUTDOWN, &flags) ? die("shutdown") : 0;
}
