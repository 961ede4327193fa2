// SPDX-License-Identifier: GPL-2.0
/*
 * What is in the fast commit area of an ext4 that is to be recovered, tag by tag, as far as
 * the kernel would replay it: fs/ext4/fast_commit.h. Of the checks of ext4_fc_replay_scan()
 * all but the checksum.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "crash.h"

enum { ADD = 1, DEL, CREAT, LINK, UNLINK, INODE, PAD, TAIL, HEAD, NR_TAGS };

static const char *const tags[NR_TAGS] = {
	[ADD] = "ADD_RANGE", [DEL] = "DEL_RANGE", [CREAT] = "CREAT",
	[LINK] = "LINK",     [UNLINK] = "UNLINK", [INODE] = "INODE",
	[PAD] = "PAD",	     [TAIL] = "TAIL",	  [HEAD] = "HEAD",
};

static const uint8_t *fs;
static uint64_t fs_size;
static uint32_t block_size;

static uint32_t be32(const uint8_t *p)
{
	return htobe32(le(p, 4));
}

static const uint8_t *block(uint64_t nr)
{
	static const uint8_t nothing[65536];

	return nr < fs_size / block_size ? fs + nr * block_size : nothing;
}

/* Block NR of the journal, by the tree of extents that begins with HEADER */
static const uint8_t *journal(const uint8_t *header, uint32_t nr)
{
	const uint8_t *e, *found = NULL;
	int i, depth = le(header + 6, 2);

	for (i = 0; i < (int)le(header + 2, 2); i++) {
		e = header + 12 + 12 * i;
		if (le(e, 4) <= nr)
			found = e;
	}
	if (!found || depth > 4)
		return block(UINT64_MAX);
	if (depth)
		return journal(block(le(found + 4, 4)), nr);
	return block(le(found + 8, 4) + (uint64_t)nr - le(found, 4));
}

static void print_tag(FILE *out, int tag, const uint8_t *v, int len)
{
	fprintf(out, "%s", tags[tag]);
	if (tag == ADD)
		fprintf(out, " inode %u, %u + %u at %u%s", le(v, 4),
			le(v + 4, 4),
			le(v + 8, 2) > 32768 ? le(v + 8, 2) - 32768 :
					       le(v + 8, 2),
			le(v + 12, 4),
			le(v + 8, 2) > 32768 ? ", unwritten" : "");
	else if (tag == DEL)
		fprintf(out, " inode %u, %u + %u", le(v, 4), le(v + 4, 4),
			le(v + 8, 4));
	else if (tag == INODE)
		fprintf(out, " %u, mode %o, size %u, links %u%s", le(v, 4),
			le(v + 4, 2), le(v + 8, 4), le(v + 30, 2),
			le(v + 30, 2) ? "" : " *** without links");
	else if (tag == TAIL || tag == HEAD)
		fprintf(out, " tid %u", le(tag == TAIL ? v : v + 4, 4));
	else if (tag != PAD)
		fprintf(out, " %.*s in %u, inode %u", len - 8, v + 8, le(v, 4),
			le(v + 4, 4));
	putc('\n', out);
}

/* How many inodes without links complete fast commits have. OUT: all of it to there, unless NULL */
int fc_dump(const uint8_t *image, uint64_t size, FILE *out)
{
	static const int shortest[NR_TAGS] = {
		0, 16, 12, 9, 9, 9, 132, 0, 8, 8
	};
	const uint8_t *sb = image + 1024, *inode, *super, *b;
	uint32_t n, at, first, last, tid, start;
	int tag, len, seen = 0, without = 0;

	fs = image;
	fs_size = size;
	block_size = 1024 << (le(sb + 24, 4) & 3);
	/* Inode 8, in the inode table of group 0 */
	inode = block(le(block(le(sb + 20, 4) + 1) + 8, 4)) +
		7 * le(sb + 88, 2);
	super = journal(inode + 40, 0);
	last = be32(super + 16);
	first = last - (be32(super + 0x54) ? be32(super + 0x54) : 256) + 1;
	tid = be32(super + 24);
	start = be32(super + 28);
	if (be32(super) != 0xc03b3998 || !start)
		return 0;
	/* Full commits are recovered first; the log is a ring of 1 to first - 1 */
	for (n = 0, at = start; n < first - 1; n++) {
		b = journal(inode + 40, at);
		if (be32(b) == 0xc03b3998 && be32(b + 4) == 2 &&
		    be32(b + 8) == tid)
			tid++;
		at = at + 1 < first ? at + 1 : 1;
	}
	if (out)
		fprintf(out, "full commits %u to %u, then:\n", be32(super + 24),
			tid - 1);
	for (n = first; n < last; n++) {
		b = journal(inode + 40, n);
		for (at = 0; at + 4 <= block_size; at += 4 + len) {
			tag = le(b + at, 2);
			len = le(b + at + 2, 2);
			if (tag < ADD || tag >= NR_TAGS ||
			    len < shortest[tag] || at + 4 + len > block_size)
				return without;
			if ((tag == HEAD && le(b + at + 8, 4) != tid) ||
			    (tag == TAIL && le(b + at + 4, 4) != tid) ||
			    (tag != HEAD && n == first && !at))
				return without;
			if (out)
				print_tag(out, tag, b + at + 4, len);
			seen += tag == INODE && !le(b + at + 34, 2);
			if (tag == TAIL) {
				without = seen;
				break;
			}
		}
	}
	return without;
}
