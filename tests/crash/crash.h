/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the recorder, the verifier and the disk agree upon
 */
#ifndef CRASH_H
#define CRASH_H

#include <assert.h>
#include <stdint.h>
#include <stdio.h>

/*
 * The disk: a partition for the filesystem, which starts smaller and is
 * resized up to the partition's end, and one for the marks. Both are in one
 * log of writes.
 */
#define SECTOR 512
#define MIB (1024 * 1024)
#define FS_START MIB
#define FS_SIZE (24 * MIB)
#define MARKS_START (FS_START + FS_SIZE)
#define MARKS_SIZE MIB
#define DISK_SIZE (MARKS_START + MARKS_SIZE)

#define WRITERS 2
#define MAX_FILES 4096
#define MAX_NAME 256
/* So few that all extents of a file are in its inode: see fill_up() */
#define SLOTS 4

/* One write of a writer: slot SLOT of its file FILE, one block of the filesystem */
struct record {
	uint64_t magic;
	uint32_t writer, file, slot, seq;
	uint64_t fill[124];
	uint64_t sum;
};

#define RECORD_MAGIC 0x64726f6365726366ULL

static_assert(sizeof(struct record) == 1024, "a record is a block of 1 KiB");

enum mark_kind {
	MARK_START = 1, /* the filesystem is mounted and filled */
	MARK_ACK, /* fsync of this record has returned 0 */
	MARK_BEGIN, /* operation SEQ begins */
	MARK_END, /* it has returned RESULT */
	MARK_FSYNC_FAILED, /* of FILE, with RESULT */
	MARK_NAME, /* name number SLOT of FILE is in state RESULT from now on */
	MARK_SIZE, /* fsync of a FILE of SLOT blocks has returned 0 */
};

/*
 * What a writer makes beside its files: names NAMES[0] (its files themselves) to
 * the last, followed by writer.file. What is not there yet, or about to change,
 * is MAYBE.
 */
#define NAMES "wrlsdt"

enum name {
	FILE_NAME,
	RENAMED,
	LINKED,
	SYMLINK,
	DIRECTORY,
	TEMPORARY,
	NR_NAMES
};

enum name_state { MAYBE, THERE, GONE };

static_assert(sizeof(NAMES) == NR_NAMES + 1, "a letter for each");

/* Written with O_DIRECT before the writer, or the resizer, does anything else */
struct mark {
	uint64_t magic;
	uint32_t kind, writer, file, slot, seq, result;
	uint8_t unused[SECTOR - 32];
};

#define MARK_MAGIC 0x6b72616d74736166ULL

static_assert(sizeof(struct mark) == SECTOR, "a mark is a sector");

#define die(fmt, ...)                                                  \
	do {                                                           \
		fprintf(stderr, "crash: " fmt ": %s\n", ##__VA_ARGS__, \
			strerror(errno));                              \
		exit(2);                                               \
	} while (0)

void record_make(struct record *r, int writer, int file, int slot,
		 uint32_t seq);
int record_valid(const struct record *r);
char *name_make(char *buf, const char *dir, enum name what, int writer,
		int file);
char *target_make(char *buf, int writer, int file);
uint32_t next_random(uint32_t *state);
uint32_t le(const uint8_t *p, int bytes);

int record_main(int argc, char **argv);
int scan_main(int argc, char **argv);
int verify_main(int argc, char **argv);
int dump_main(int argc, char **argv);
int fc_dump(const uint8_t *image, uint64_t size, FILE *out);

#endif
