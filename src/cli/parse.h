/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the text in a file means, and what follows from it: no I/O, so that
 * tests/cli/unit.c and tests/cli/fuzz.c can feed it anything.
 */
#ifndef PARSE_H
#define PARSE_H

#include <ext2fs/ext2_fs.h>
#include <stdbool.h>
#include <stddef.h>

/* What the module says of itself, status/state */
enum state {
	STATE_UNKNOWN,
	STATE_NOT_PROTECTED,
	STATE_MARK_ONLY,
	STATE_PROTECTED,
};

/* Also the exit status of check and selftest, as monitoring plugins have it */
enum verdict {
	VERDICT_OK,
	VERDICT_WARNING,
	VERDICT_EXPOSED,
	VERDICT_UNKNOWN,
};

/* Who is to recover a filesystem */
enum recovery {
	RECOVERY_NOT_NEEDED,
	RECOVERY_BY_KERNEL,
	RECOVERY_BY_E2FSCK,
};

void parse_printable(char *text);
void parse_first_line(char *text);
enum state parse_state(const char *line);
long parse_count(const char *line);
long parse_reason(const char *fc_info, const char *reason);
long parse_stat(const char *fc_info, const char *name);
bool parse_vermagic(const char *vermagic, const char *release);
bool parse_headers(char *headers, size_t size, const char *image,
		   const char *release);
bool parse_key(const char *line, const char *signer, bool *is_signer);
const char *parse_ext4_log(const char *line, char *name, size_t size);
enum recovery parse_recovery(const struct ext2_super_block *super,
			     const char **why);
enum verdict parse_verdict(bool loaded, enum state state, int fast_commit,
			   int cannot_tell);

#endif
