// SPDX-License-Identifier: GPL-2.0
/*
 * crash - record writes and resizes of an ext4, then verify crash images of it
 *
 *	crash disk FILE			a disk with its partition table (host)
 *	crash record MNT DEV MARKS OP ACKS SEED [paused] [serial] [mixed] (guest)
 *	crash scan LOG			what a log holds (host)
 *	crash dump BASE LOG ENTRY [IMAGE] (host)
 *	crash verify BASE LOG SCRATCH LOOP MNT POINTS SEED FIRST OPTS [DROP] (guest)
 *
 * record.c and verify.c say more. The log is one of QEMU's blklogwrites, all
 * writes and flushes to the disk in the order in which they were done.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crash.h"

/* xorshift: a run is repeated by its seed, as far as the scheduler lets it */
uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* A number of the filesystem */
uint32_t le(const uint8_t *p, int bytes)
{
	uint32_t v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

static uint64_t sum(const struct record *r)
{
	const uint64_t *p = (const uint64_t *)r;
	uint64_t s = 0;
	size_t i;

	for (i = 0; i < sizeof(*r) / sizeof(*p) - 1; i++)
		s = (s ^ p[i]) * 0x9e3779b97f4a7c15ULL;
	return s;
}

void record_make(struct record *r, int writer, int file, int slot, uint32_t seq)
{
	uint32_t state = seq * 2 + 1;
	size_t i;

	*r = (struct record){ .magic = RECORD_MAGIC,
			      .writer = writer,
			      .file = file,
			      .slot = slot,
			      .seq = seq };
	for (i = 0; i < sizeof(r->fill) / sizeof(*r->fill); i++)
		r->fill[i] = next_random(&state);
	r->sum = sum(r);
}

int record_valid(const struct record *r)
{
	return r->magic == RECORD_MAGIC && r->sum == sum(r);
}

char *name_make(char *buf, const char *dir, enum name what, int writer,
		int file)
{
	snprintf(buf, MAX_NAME, "%s/%c%d.%d", dir, NAMES[what], writer, file);
	return buf;
}

/* Of a symbolic link: each second one is too long for the inode */
char *target_make(char *buf, int writer, int file)
{
	snprintf(buf, MAX_NAME, "%0*d.%d", file % 2 ? 100 : 1, writer, file);
	return buf;
}

static void le32(uint8_t *p, uint32_t v)
{
	p[0] = v;
	p[1] = v >> 8;
	p[2] = v >> 16;
	p[3] = v >> 24;
}

static int disk_main(const char *file)
{
	static const uint32_t parts[][2] = {
		{ FS_START, FS_SIZE },
		{ MARKS_START, MARKS_SIZE },
	};
	uint8_t mbr[SECTOR] = { [510] = 0x55, [511] = 0xaa };
	int i, fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	for (i = 0; i < 2; i++) {
		mbr[446 + 16 * i + 4] = 0x83;
		le32(mbr + 446 + 16 * i + 8, parts[i][0] / SECTOR);
		le32(mbr + 446 + 16 * i + 12, parts[i][1] / SECTOR);
	}
	if (fd < 0 || ftruncate(fd, DISK_SIZE) ||
	    write(fd, mbr, sizeof(mbr)) != sizeof(mbr) || close(fd))
		die("%s", file);
	return 0;
}

int main(int argc, char **argv)
{
	const char *cmd = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(cmd, "disk") && argc == 3)
		return disk_main(argv[2]);
	if (!strcmp(cmd, "record") && argc >= 8)
		return record_main(argc - 2, argv + 2);
	if (!strcmp(cmd, "scan") && argc == 3)
		return scan_main(argc - 2, argv + 2);
	if (!strcmp(cmd, "dump") && argc >= 5)
		return dump_main(argc - 2, argv + 2);
	if (!strcmp(cmd, "verify") && argc >= 11)
		return verify_main(argc - 2, argv + 2);

	fputs("usage: see the head of tests/crash/crash.c\n", stderr);
	return 2;
}
